//! Ringway's load generator, in data-flow order.

pub mod bench;
pub mod proc;
pub mod report;
