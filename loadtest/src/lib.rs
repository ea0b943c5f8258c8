//! Ringway's load generator, in data-flow order.

pub mod proc;
pub mod report;
