//! Ringway, a WebSocket API proxy: the crate's map, in the order data flows.
//!
//! A connection comes in through [`engine`], which knows sockets and time and nothing of WebSocket; [`proxy`] takes it
//! through its stages, over [`tls`] where that is asked for, with [`proto`] to say what the bytes mean and [`routing`]
//! to say where they go. [`config`] turns what the operator wrote into what those run with, [`control`] keeps that true
//! while they run, [`node`] wires both in a process, and [`cli`] starts it all. [`declare`] compares what files say of APIs with what is held.

// The program never panics on input: in a release build a panic ends the process, and with it every connection.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic,
        clippy::disallowed_methods
    )
)]

pub mod api;
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a command serves one person, and ends"
)]
pub mod cli;
pub mod command;
pub mod config;
pub mod control;
pub mod declare;
pub mod engine;
mod invariant;
pub mod node;
pub mod proto;
pub mod proxy;
pub mod routing;
pub mod tls;
