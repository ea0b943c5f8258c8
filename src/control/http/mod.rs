//! HTTP listeners of the control plane: who may connect, who may call, and how an error is answered.
//!
//! In: bound sockets and the routers that answer there. Out: answers, each bounded in time and size. A router says by its
//! [`guard`] which callers it accepts. Nothing here knows a resource of the admin API or asks a shard.

mod arrival;
pub mod guard;
pub mod problem;
pub mod server;
mod socket;
pub mod websocket;
