//! The upstream of a load test: servers on the engine that Ringway itself uses.
//!
//! In: connections. Out: the messages that each [`role`] sends, and [`totals`] at the end. The stages of a connection:
//!
//! ```text
//! accept -> handshake -> open (the role) -> leaving -> closed
//! ```
//!
//! [`host`] starts the shards and ends them on a signal, [`service`] is one shard's table of connections, and
//! `connection` runs the stages in order. [`sink`], [`feed`], [`chat`] and [`mirror`] are roles; [`echo`] runs
//! Ringway's own echo. All socket input is hostile: no input causes a panic, and memory for each connection has a
//! stated bound.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

pub mod chat;
mod connection;
pub mod echo;
pub mod feed;
mod handshake;
pub mod host;
mod leaving;
pub mod mirror;
mod open;
pub mod role;
mod rooms;
pub mod service;
pub mod sink;
pub mod totals;
