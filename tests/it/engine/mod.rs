//! Tests of the engine over real rings, with services that only these tests have.

mod mail;
