//! The other end of a load test: servers on the same engine.
//!
//! In: connections. Out: what each [`role`] answers or pushes, and [`totals`] at the end. A connection goes one way:
//!
//! ```text
//! accept -> handshake -> open (the role) -> leaving -> closed
//! ```
//!
//! [`host`] starts the shards and ends them on a signal, [`service`] is one shard's table of connections, `connection`
//! composes the stages. [`sink`], [`feed`], [`chat`] and [`mirror`] are roles; [`echo`] is no implementation of ours but ringway's own.
//! Everything that comes from a socket is hostile: nothing here panics on it, and nothing it can do makes memory grow
//! beyond a stated bound a connection.

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
