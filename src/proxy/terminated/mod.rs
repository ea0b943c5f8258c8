//! WebSockets that end on a shard instead of being relayed: the protocol of `proto::terminated` on the shard's transport.
//!
//! In: bytes from the client and the shard's time. Out: what the service on top of it answers, and why the connection
//! ended. `wire` drives any such end, the load generator's too; `echo` is the service of `ringway echo`. Nothing here
//! waits, gathers a message, or knows which stage comes next.

pub(super) mod echo;
mod wire;

pub use wire::{Arrival, Wire};
