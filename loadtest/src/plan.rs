//! The plan of a run, built from the user's options.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ringway::proto::scan::FrameLimits;
use ringway::routing::target::Target;
use rustls_pki_types::ServerName;

use crate::message::Format;
use crate::sizes::{MAX_BYTES, Sizes};
use crate::tls::Tls;

/// Connections from one source address to one address and port: net.ipv4.ip_local_port_range allows some 28,000 local
/// ports by default.
const CONNECTIONS_A_SOURCE: u64 = 20_000;
/// Source addresses for short connections: a closed connection keeps its port for a minute.
const SOURCES_FOR_STORMS: u64 = 32;

/// Options that all shards of a run share.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The target of the connections.
    pub place: Place,
    /// The target of the connections from this number on, if there are publishers.
    pub publishers: Option<(u32, Place)>,
    /// The addresses to connect from, used in turn; if empty, the kernel chooses.
    pub sources: Vec<IpAddr>,
    /// The TLS configuration, for targets that use TLS.
    pub tls: Option<Tls>,
    /// Additional headers for the handshake.
    pub headers: Vec<(String, String)>,
    /// Subprotocols to offer.
    pub protocols: Vec<String>,
    /// The other end of the connections.
    pub upstream: Upstream,
    /// The longest time from connecting to the 101.
    pub timeout: Duration,
    /// `true` to end connections with a reset instead of a closing handshake.
    pub reset: bool,
    /// The format of messages.
    pub format: Format,
    /// Payload sizes of the messages.
    pub sizes: Sizes,
    /// Limits on frames from the peer.
    pub frames: FrameLimits,
    /// The seed of all random draws.
    pub seed: u64,
    /// The most connections of one shard.
    pub max_connections: usize,
    /// The most bytes of messages that may wait in this process on one connection.
    pub max_waiting_bytes: usize,
}

/// Limits for frames and messages: twice the largest of [`Sizes`], which leaves room for the wrapping that a chat adds.
pub const FRAMES: FrameLimits =
    FrameLimits { max_frame_bytes: MAX_BYTES as u64 * 2, max_message_bytes: MAX_BYTES as u64 * 2 };

/// The target of a connection.
#[derive(Clone, Debug)]
pub struct Place {
    /// Host and port.
    pub target: Target,
    /// The path and query to request.
    pub path: String,
    /// The resolved address.
    pub address: SocketAddr,
    /// The protocol to use.
    pub speech: Speech,
    /// The server's name, if the target uses TLS.
    pub tls: Option<ServerName<'static>>,
}

/// The other end of the connections, behind the target or being it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// The generator's own (`--upstream`), which sends nothing but right answers: anything else was changed on the way.
    Own,
    /// Any other server, which may send messages of its own, such as a greeting.
    Other,
}

/// The protocol on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// WebSocket.
    WebSocket,
    /// HTTP/1.1, each message a POST, for brokers that have no WebSocket for publishers.
    Post,
}

impl Plan {
    /// The target of a connection.
    #[must_use]
    pub fn place(&self, number: u32) -> &Place {
        match &self.publishers {
            Some((first, place)) if number >= *first => place,
            _ => &self.place,
        }
    }

    /// The source address of a connection; `None` if the kernel chooses.
    #[must_use]
    pub fn source(&self, number: u32) -> Option<IpAddr> {
        let turn = usize::try_from(number).unwrap_or(0).checked_rem(self.sources.len()).unwrap_or(0);
        self.sources.get(turn).copied()
    }
}

/// The lifetime of a run's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The connections stay open.
    Held,
    /// Each connection closes at once, and another opens.
    Short,
}

/// The addresses 127.0.0.x to connect from, if the target is on this host and there are more connections than ports of
/// one address.
#[must_use]
pub fn loopback_sources(target: SocketAddr, connections: u64, lifetime: Lifetime) -> Vec<IpAddr> {
    let IpAddr::V4(address) = target.ip() else { return Vec::new() };
    let needed = match lifetime {
        Lifetime::Short => SOURCES_FOR_STORMS,
        Lifetime::Held => connections.div_ceil(CONNECTIONS_A_SOURCE).min(250),
    };
    if !address.is_loopback() || needed < 2 {
        return Vec::new();
    }
    (1..=needed).filter_map(|last| u8::try_from(last).ok()).map(|last| Ipv4Addr::new(127, 0, 0, last).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::Lifetime::{Held, Short};
    use super::loopback_sources;

    #[test]
    fn sources_are_spread_only_where_they_are_needed_and_can_be() {
        let local = "127.0.0.1:9000".parse().unwrap();
        assert!(loopback_sources(local, 20_000, Held).is_empty());
        assert_eq!(loopback_sources(local, 50_000, Held).len(), 3);
        assert_eq!(loopback_sources(local, 10, Short).len(), 32);
        assert!(loopback_sources("192.0.2.1:9000".parse().unwrap(), 90_000, Short).is_empty());
        assert!(loopback_sources("[::1]:9000".parse().unwrap(), 90_000, Short).is_empty());
    }
}
