//! Ringway's load generator, in data-flow order.
//!
//! [`schedule`], [`sizes`] and [`message`] say when what is sent; pure, with time as an argument. [`report`] is what comes
//! out.

pub mod message;
pub mod report;
pub mod schedule;
pub mod sizes;
