//! TLS, by rustls, between the engine and the stages: in, certificates and what is trusted; out, sessions that make of a
//! [`Transport`](crate::engine::Transport) another one that encrypts.
//!
//! A session is driven over memory: what the socket gave is shown to it in the shard's buffer, and what it gives back goes
//! to the socket. Nothing here knows of WebSocket, opens a socket, or keeps a buffer for a connection that is idle; files
//! are read at start and on a control thread, never on a shard.

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

pub mod fault;
pub mod secured;
mod session;
