//! The clients that run on the engine's shards, and the scenarios that say what they do.
//!
//! A [`load::Load`] owns the connections of one shard and takes each [`client`] through its stages: connect, answer, open,
//! closing. The scenario ([`script`]) decides what an open connection does. [`pair`] lets one shard play both ends.
//! In: commands and sockets. Out: [`crate::record::Event`]s. Nothing here prints, reads a file, or knows the report.

pub mod client;
pub mod clients;
mod conversation;
mod life;
pub mod load;
pub mod pair;
pub mod post;
pub mod script;
mod secure;
pub mod state;
mod steps;
