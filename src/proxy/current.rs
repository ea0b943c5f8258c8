//! What a shard goes by and may be told anew while it runs. A connection takes what it needs from here when it comes to
//! need it; one that already has it is not touched by a change.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

/// One shard's copy.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// How clients are spoken to in TLS; `None` for plain text.
    pub tls: Option<Arc<ServerConfig>>,
    /// How the upstream is spoken to, if that is in TLS. A shard's own, because the sessions to resume are kept in it.
    pub upstream_tls: Option<Arc<ClientConfig>>,
    /// The upstream's addresses, in the order in which they are tried; none while its name has not been resolved.
    pub addresses: Arc<[SocketAddr]>,
}
