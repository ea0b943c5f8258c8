//! What runs on the engine's shards: clients, their scenarios, and upstreams.
//!
//! A [`load::Load`] owns the connections of one shard and takes each [`client`] through its
//! stages: connect, answer, open, closing. What happens on an open one is its scenario's affair ([`script`]). [`pair`] lets one shard play both ends.
//! In: commands and sockets. Out: [`crate::record::Event`]s. Nothing here prints, reads a file, or knows of a report.

pub mod client;
mod conversation;
pub mod crew;
pub mod kit;
mod life;
pub mod load;
pub mod pair;
pub mod post;
pub mod script;
mod secure;
mod steps;
