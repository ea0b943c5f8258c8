//! The active configuration of one shard.

use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

use crate::routing::settings::Settings;
use crate::routing::snapshot::Snapshot;

/// The configuration that a shard starts with, and that commands replace in part. A connection reads a part when it
/// needs it; a later change does not touch what it has read.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Settings that all routes share.
    pub settings: Arc<Settings>,
    /// The routes.
    pub snapshot: Arc<Snapshot>,
    /// TLS configurations for clients, by the listener's index; `None`, or no entry, for plain text.
    pub tls: Vec<Option<Arc<ServerConfig>>>,
    /// TLS configurations for upstreams, by [`trust`](crate::routing::route::UpstreamTls::trust). They hold sessions to
    /// resume, so each shard has its own.
    pub upstream_tls: Vec<Arc<ClientConfig>>,
}

impl ShardConfig {
    /// A configuration without TLS.
    #[must_use]
    pub fn plain_text(settings: Arc<Settings>, snapshot: Arc<Snapshot>) -> Self {
        Self { settings, snapshot, tls: Vec::new(), upstream_tls: Vec::new() }
    }

    /// The TLS configuration for clients of this listener; `None` for plain text.
    pub(crate) fn listener_tls(&self, listener: u16) -> Option<&Arc<ServerConfig>> {
        self.tls.get(usize::from(listener))?.as_ref()
    }
}
