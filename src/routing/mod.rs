//! Routing: which route a connection takes, as pure data.
//!
//! In: deployments and configuration, as the control plane prepared them. Out: the route of a connection
//! ([`snapshot::Snapshot::find`]) and its endpoints' addresses. This folder must never read a clock, open a socket, or import
//! one of the planes that use it.

pub mod addresses;
pub mod balance;
pub mod channels;
pub mod consumers;
pub mod dial_order;
pub mod entry;
pub mod host;
pub mod loops;
pub mod name;
pub mod origins;
pub mod path;
pub mod plain;
pub mod policy;
pub mod route;
pub mod settings;
pub mod snapshot;
pub mod target;
pub mod validation;
