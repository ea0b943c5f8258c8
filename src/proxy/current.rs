//! What a shard goes by and may be told anew while it runs. A connection takes what it needs from here when it comes to
//! need it; one that already has it is not touched by a change.

use std::cell::Cell;
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
    /// Where the upstream is.
    pub addresses: Addresses,
}

/// The upstream's addresses, in the order in which they are tried; none while its name has not been resolved. One that
/// answered goes before the others the next time: an address that is dead costs time once, and not every connection.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    given: Arc<[SocketAddr]>,
    /// One of them.
    answered_last: Cell<Option<SocketAddr>>,
}

impl From<Arc<[SocketAddr]>> for Addresses {
    fn from(given: Arc<[SocketAddr]>) -> Self {
        Self { given, answered_last: Cell::new(None) }
    }
}

impl Addresses {
    /// The addresses as they were given.
    #[must_use]
    pub fn given(&self) -> &Arc<[SocketAddr]> {
        &self.given
    }

    /// Which of them is tried first.
    pub(super) fn first(&self) -> usize {
        let last = self.answered_last.get();
        last.and_then(|last| self.given.iter().position(|address| *address == last)).unwrap_or(0)
    }

    /// A dial has come through. It may have begun with addresses that are others now.
    pub(super) fn answered(&self, address: SocketAddr) {
        if self.given.contains(&address) {
            self.answered_last.set(Some(address));
        }
    }

    /// There are others from now on.
    pub(super) fn replace(&mut self, given: Arc<[SocketAddr]>) {
        let last = self.answered_last.take().filter(|last| given.contains(last));
        *self = Self { given, answered_last: Cell::new(last) };
    }
}
