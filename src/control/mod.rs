//! Beside the data plane: what changes while it runs is noticed here, on threads that may block, and handed to the shards
//! as data.
//!
//! In: files, names, signals. Out: what a shard is told ([`crate::command::Command`]), by a closure that whoever
//! starts it gives. It never touches a connection, and nothing on a shard waits for it: when it fails, what was known
//! last goes on being used.

pub mod admin;
pub mod certificates;
pub mod http;
pub mod last_good_snapshot;
pub mod manage;
pub mod metrics;
pub mod notes;
mod page;
pub mod publish;
pub mod resolver;
pub mod runtime;
pub mod shards;
mod stamp;
pub mod state_dir;
pub mod store;
