//! A connection's life, from accept to close, as a typed state machine.
//!
//! In: sockets and readiness from [`crate::engine`], rules from [`crate::proto`], [`crate::routing::settings`]. Out: bytes relayed,
//! and one [`record`] for each connection that ended. A stage is a type in a file of its own; it does what it can and says
//! what became of it. Stages do not know each other: `connection` alone knows their order:
//!
//! ```text
//! preamble -> tls -> handshake -> dial -> upgrade -> relay -> closing -> (gone)
//!    |         |         |          |        |  \-> decline -> answer
//!    \---------+---------+----------+--------+---------------> answer -> linger -> (gone)
//!                        \-> echo (when there is no target) -> linger
//! ```
//!
//! Nothing here names a ring, reads a clock or blocks: the same stages run over the simulator's transport.

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

pub mod admission;
mod answer;
mod closing;
mod connection;
mod context;
mod decline;
mod dial;
mod drain;
mod echo;
pub mod end;
mod handshake;
pub mod journal;
mod leg;
mod linger;
mod plan;
mod preamble;
mod pump;
pub mod record;
mod relay;
mod routes;
mod secure;
pub mod service;
mod upgrade;
mod upstream_tls;
