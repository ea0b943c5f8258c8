//! Ringway's load generator, in data-flow order.
//!
//! [`schedule`], [`sizes`], [`message`], [`filler`] and [`composer`] define when each message is sent and its content;
//! they are pure, with time as an argument. The engine's shards ([`shard`]) run a [`plan`], in plain text or over
//! [`tls`], and write what they observe into [`record`]s. [`report`] builds the result. [`upstream`] is the other end
//! of a test.

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
