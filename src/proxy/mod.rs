//! A connection's life, from accept to close, as a typed state machine.
//!
//! In: sockets and readiness from [`crate::engine`], rules from [`crate::proto`], routes from [`crate::routing`],
//! commands from [`crate::command`]. Out: relayed bytes, and one [`record`] for each connection that ended.
//!
//! A stage is a type in a file of its own. Its `step` does what can be done now and returns an outcome. Stages do not
//! know each other: what one hands to the next is in `handoff`, and `connection` alone knows their order:
//!
//! ```text
//! preamble -> tls -> handshake ----------------> dial <-> upgrade -> relay -> closing -> (gone)
//!    |         |     parse, route, admit, forward  |        |  \-> decline -> answer
//!    \---------+---------+------------------------+--------+---------------> answer -> linger -> (gone)
//!                        |-> respond (plain HTTP for a path of Ringway's own) -> answer
//!                        \-> terminated::echo (for a route with the service `Echo`) -> linger
//! ```
//!
//! Nothing here names a ring, reads a clock or blocks: time, the calendar's too, comes from the transport. So the
//! simulator runs the same stages over a transport of its own.

pub mod admission;
mod admit;
mod answer;
mod attempts;
mod authenticate;
mod closing;
mod connection;
mod context;
mod decline;
mod dial;
mod drain;
pub mod end;
pub mod entry_fault;
mod failover;
mod gather;
mod handoff;
mod handshake;
mod holders;
mod inspection;
mod invalid_credentials;
pub mod journal;
mod leg;
mod linger;
mod network;
mod plan;
mod preamble;
mod pump;
pub mod record;
mod relay;
mod respond;
mod routes;
mod secure;
pub mod service;
pub mod terminated;
mod upgrade;
