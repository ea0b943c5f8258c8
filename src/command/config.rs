//! The active configuration of one shard.

use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

use crate::proto::certificate_names::CertificateNames;
use crate::proto::via::ChainKey;
use crate::routing::consumers::KeyTable;
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
    /// The keys of consumers; `None` if they are not known, and no route that asks for a key takes anybody.
    pub keys: Option<Arc<KeyTable>>,
    /// TLS configurations for clients, by the listener's index; `None`, or no entry, for plain text.
    pub tls: Vec<Option<ListenerTls>>,
    /// TLS configurations for upstreams, by [`trust`](crate::routing::route::UpstreamTls::trust). They hold sessions to
    /// resume, so each shard has its own.
    pub upstream_tls: Vec<Arc<ClientConfig>>,
    /// The key of the names by which routes recognise requests that come back: the same on all shards of a process.
    pub chain: ChainKey,
}

/// The TLS of a listener: clones are the same.
#[derive(Clone, Debug)]
pub struct ListenerTls {
    /// The configuration of sessions.
    pub config: Arc<ServerConfig>,
    /// The names of the certificates in it.
    pub names: Arc<CertificateNames>,
}

impl ShardConfig {
    /// A configuration without TLS, for a shard that never dials another Ringway.
    #[must_use]
    pub fn plain_text(settings: Arc<Settings>, snapshot: Arc<Snapshot>) -> Self {
        Self {
            settings,
            snapshot,
            keys: None,
            tls: Vec::new(),
            upstream_tls: Vec::new(),
            chain: ChainKey::new([0; 16]),
        }
    }

    /// The TLS configuration for clients of this listener; `None` for plain text.
    pub(crate) fn listener_tls(&self, listener: u16) -> Option<&ListenerTls> {
        self.tls.get(usize::from(listener))?.as_ref()
    }
}
