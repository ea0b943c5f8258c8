//! Where a connection goes, as pure data: no socket, no clock.
//!
//! In: what the operator configured and deployed, as the control plane has worked it out. Out: the route of a connection
//! ([`snapshot::Snapshot::find`]), and where its endpoints are. It knows nothing of the planes that use it.

pub mod addresses;
pub mod consumer;
pub mod dial_order;
pub mod host;
pub mod name;
pub mod path;
pub mod policy;
pub mod route;
pub mod settings;
pub mod snapshot;
pub mod target;
