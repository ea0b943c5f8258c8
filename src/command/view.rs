//! A shard's replies: its connections, page by page, and its report.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ProtocolVersion;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tally::Tally;
use crate::engine::Figures;
use crate::routing::consumers::Consumer;
use crate::routing::route::{RouteId, RouteLabels};

/// One page of a shard's connections.
#[derive(Clone, Debug, Default)]
pub struct ConnectionPage {
    /// The connections, in the order of the shard's table.
    pub connections: Vec<ConnectionView>,
    /// The place where the next page begins; `None` on the last one. Any page may be short or empty.
    pub next: Option<u32>,
}

/// A live connection, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionView {
    /// The connection's id on its shard. No other connection of the shard ever has it.
    pub id: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// The path of the request, without its query; empty before the request.
    pub path: Box<str>,
    /// The labels of the route; `None` before there is a route.
    pub labels: Option<Arc<RouteLabels>>,
    /// The consumer that the client was admitted as; `None` for an anonymous one.
    pub consumer: Option<Arc<Consumer>>,
    /// The path of the channel, as the contract has it; `None` without a channel.
    pub channel: Option<Arc<str>>,
    /// The target of the endpoint that is tried or connected, as the operator wrote it; `None` before.
    pub endpoint: Option<Box<str>>,
    /// The stage that the connection has reached.
    pub stage: Stage,
    /// The TLS version that the client speaks; `None` in plain text.
    pub tls: Option<ProtocolVersion>,
    /// The time since the connection was accepted.
    pub age: Duration,
    /// Messages from the client, and from the upstream.
    pub messages: [u64; 2],
    /// Bytes from the client, and from the upstream.
    pub bytes: [u64; 2],
}

/// The stage that a connection has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Not yet a WebSocket.
    Handshake,
    /// Messages pass.
    Open,
    /// The connection is ending.
    Closing,
}

impl Stage {
    /// The name that JSON and tables use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Open => "open",
            Self::Closing => "closing",
        }
    }
}

/// A shard's figures, and the counts of its routes.
#[derive(Clone, Debug)]
pub struct Report {
    /// The number of the active snapshot.
    pub snapshot: u64,
    /// The figures of the shard's loop.
    pub figures: Figures,
    /// Connections that the shard holds.
    pub connections: usize,
    /// Bytes of its connections that wait in the kernel.
    pub kernel: KernelBytes,
    /// One report for each route that has had a connection here since it was deployed. Routes that are gone are
    /// reported by their labels, without an id; connections that found no route are reported without labels. The same
    /// labels may come more than once.
    pub routes: Vec<RouteReport>,
}

/// Bytes in the kernel's buffers of a shard's connections, estimated from a sample of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelBytes {
    /// Bytes of clients: sent and not acknowledged, and received and not read.
    pub client: [u64; 2],
    /// Bytes of upstreams, in the same order.
    pub upstream: [u64; 2],
}

/// The counts of one route on one shard.
#[derive(Clone, Debug)]
pub struct RouteReport {
    /// The route; `None` for connections without a route and for routes that are gone.
    pub id: Option<RouteId>,
    /// The labels of the route.
    pub labels: Option<Arc<RouteLabels>>,
    /// The counts.
    pub tally: Tally,
    /// `(remaining, total)` of the open drain window: `(0, total)` once all its connections have closed here, `(0, 0)`
    /// when no window is open.
    pub draining: (u64, u64),
}
