//! A question: the name to look up, and the servers to ask.

use std::net::SocketAddr;
use std::sync::Arc;

/// The port of DNS servers (RFC 1035 section 4.2).
pub const DNS_PORT: u16 = 53;

/// A name, and the servers to ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name.
    pub host: String,
    /// The port that its addresses get.
    pub port: u16,
    /// The servers to ask, or none for those of /etc/resolv.conf.
    pub servers: Arc<[SocketAddr]>,
}

impl Question {
    /// The address, if the host is written as one.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.host.parse().ok().map(|address| SocketAddr::new(address, self.port))
    }
}

/// Addresses as they are shown to people.
#[must_use]
pub fn show(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ")
}
