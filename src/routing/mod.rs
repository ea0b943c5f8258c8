//! Where a connection goes, as pure data: no socket, no clock.
//!
//! In: what the operator configured. Out: the target of a connection. It knows nothing of the planes that use it.

pub mod addresses;
pub mod name;
pub mod place;
pub mod target;
