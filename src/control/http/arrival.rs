//! Notes about a request's connection, which the server puts into each request and the guard reads.

use std::net::SocketAddr;

/// The local address that the connection came in on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CameIn(pub(super) SocketAddr);

/// The client's address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CameFrom(pub(super) SocketAddr);

/// The requests that the connection's place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// All.
    Everything,
    /// Requests that need no token.
    Probes,
}
