//! What the program runs, made from what was asked for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ringway::proto::scan::FrameLimits;
use ringway::routing::target::Target;
use rustls_pki_types::ServerName;

use crate::message::Format;
use crate::sizes::{MAX_BYTES, Sizes};
use crate::tls::Tls;

/// Connections from one source address to one address and port: some 28,000 local ports are the default of
/// net.ipv4.ip_local_port_range.
const CONNECTIONS_A_SOURCE: u64 = 20_000;
/// Source addresses that short connections are spread over: what has just been closed keeps its port for a minute.
const SOURCES_FOR_STORMS: u64 = 32;

/// What every shard of a run has in common.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to connect.
    pub place: Place,
    /// Where the connections from this number on go instead: publishers.
    pub publishers: Option<(u32, Place)>,
    /// The addresses to connect from, in turn; the kernel's choice if there is none.
    pub sources: Vec<IpAddr>,
    /// How TLS is spoken, where it is.
    pub tls: Option<Tls>,
    /// More headers for the handshake.
    pub headers: Vec<(String, String)>,
    /// Subprotocols to offer.
    pub protocols: Vec<String>,
    /// How long a connection may take to its 101.
    pub timeout: Duration,
    /// Whether to end connections with a reset, not with a closing handshake.
    pub reset: bool,
    /// What messages look like.
    pub format: Format,
    /// How long they are.
    pub sizes: Sizes,
    /// What a peer may send.
    pub frames: FrameLimits,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// The most connections of one shard.
    pub max_connections: usize,
    /// The most bytes of messages that may wait in this process, for one connection.
    pub max_waiting_bytes: usize,
}

/// Frames and messages up to what [`Sizes`] allows, and what a chat puts around them.
pub const FRAMES: FrameLimits =
    FrameLimits { max_frame_bytes: MAX_BYTES as u64 * 2, max_message_bytes: MAX_BYTES as u64 * 2 };

/// Where connections go.
#[derive(Clone, Debug)]
pub struct Place {
    /// Host and port.
    pub target: Target,
    /// Path and query to ask for.
    pub path: String,
    /// The address.
    pub address: SocketAddr,
    /// What is spoken there.
    pub speech: Speech,
    /// The server's name, if TLS is spoken there.
    pub tls: Option<ServerName<'static>>,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// WebSocket.
    WebSocket,
    /// HTTP/1.1, each message a POST: how brokers without a WebSocket for publishers are fed.
    Post,
}

impl Plan {
    /// Where a connection goes.
    #[must_use]
    pub fn place(&self, number: u32) -> &Place {
        match &self.publishers {
            Some((first, place)) if number >= *first => place,
            _ => &self.place,
        }
    }

    /// The address it goes from, if that is not the kernel's choice.
    #[must_use]
    pub fn source(&self, number: u32) -> Option<IpAddr> {
        let turn = usize::try_from(number).unwrap_or(0).checked_rem(self.sources.len()).unwrap_or(0);
        self.sources.get(turn).copied()
    }
}

/// The addresses 127.0.0.x to connect from, if the target is on this host and there are more connections than one
/// address has ports.
#[must_use]
pub fn loopback_sources(target: SocketAddr, connections: u64, storm: bool) -> Vec<IpAddr> {
    let IpAddr::V4(address) = target.ip() else { return Vec::new() };
    let needed = if storm { SOURCES_FOR_STORMS } else { connections.div_ceil(CONNECTIONS_A_SOURCE).min(250) };
    if !address.is_loopback() || needed < 2 {
        return Vec::new();
    }
    (1..=needed).filter_map(|last| u8::try_from(last).ok()).map(|last| Ipv4Addr::new(127, 0, 0, last).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::loopback_sources;

    #[test]
    fn sources_are_spread_only_where_they_are_needed_and_can_be() {
        let local = "127.0.0.1:9000".parse().unwrap();
        assert!(loopback_sources(local, 20_000, false).is_empty());
        assert_eq!(loopback_sources(local, 50_000, false).len(), 3);
        assert_eq!(loopback_sources(local, 10, true).len(), 32);
        assert!(loopback_sources("192.0.2.1:9000".parse().unwrap(), 90_000, true).is_empty());
        assert!(loopback_sources("[::1]:9000".parse().unwrap(), 90_000, true).is_empty());
    }
}
