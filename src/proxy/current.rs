//! What a shard goes by and may be told anew while it runs. A connection takes what it needs from here when it comes to
//! need it; one that already has it is not touched by a change.

use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

use crate::routing::place::Place;

/// One shard's copy.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// How clients are spoken to in TLS; `None` for plain text.
    pub tls: Option<Arc<ServerConfig>>,
    /// How the upstream is spoken to, if that is in TLS. A shard's own, because the sessions to resume are kept in it.
    pub upstream_tls: Option<Arc<ClientConfig>>,
    /// Where the upstream is, if there is one.
    pub place: Option<Arc<Place>>,
}
