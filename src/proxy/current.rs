//! What a shard goes by and may be told anew while it runs. A connection takes what it needs from here when it comes to
//! need it; one that already has it is not touched by a change.

use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

use crate::routing::snapshot::Snapshot;

/// One shard's copy.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// By the listener's place: how clients are spoken to in TLS; `None`, or no place, for plain text.
    pub tls: Vec<Option<Arc<ServerConfig>>>,
    /// How upstreams are spoken to in TLS, by [`trust`](crate::routing::route::UpstreamTls::trust). A shard's own, because the
    /// sessions to resume are kept in it.
    pub upstream_tls: Vec<Arc<ClientConfig>>,
    /// Where connections go.
    pub snapshot: Arc<Snapshot>,
}

impl Current {
    /// How clients of a listener are spoken to in TLS.
    pub(super) fn tls(&self, listener: u16) -> Option<&Arc<ServerConfig>> {
        self.tls.get(usize::from(listener))?.as_ref()
    }
}
