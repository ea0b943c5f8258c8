//! Ringway's load generator, in data-flow order.
//!
//! [`schedule`], [`sizes`], [`message`], [`filler`] and [`composer`] say when what is sent; pure, with time as an argument. A [`plan`] of it runs on
//! the engine's shards ([`shard`]), in plain text or over [`tls`], which take down what they see in [`record`]s. [`report`] is what comes out. The other end
//! of a test is [`upstream`].

pub mod bench;
pub mod cli;
pub mod composer;
pub mod control;
pub mod failure;
pub mod filler;
pub mod message;
pub mod plan;
pub mod proc;
pub mod record;
pub mod report;
pub mod schedule;
pub mod shard;
pub mod sizes;
pub mod tls;
pub mod upstream;
