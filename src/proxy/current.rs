//! What a shard goes by and may be told anew while it runs. A connection takes what it needs from here when it comes to
//! need it; one that already has it is not touched by a change.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

/// TLS towards an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// What is trusted and shown. A shard's own, because the sessions to resume are kept in it.
    pub config: Arc<ClientConfig>,
    /// Whom the upstream's certificate must be for.
    pub name: ServerName<'static>,
    /// Whether certificates are verified at all.
    pub verified: bool,
}

/// One shard's copy.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// How clients are spoken to in TLS; `None` for plain text.
    pub tls: Option<Arc<ServerConfig>>,
    /// How the upstream is spoken to in TLS; `None` for plain text.
    pub upstream_tls: Option<UpstreamTls>,
    /// The upstream's addresses, in the order in which they are tried; none while its name has not been resolved.
    pub addresses: Arc<[SocketAddr]>,
}
