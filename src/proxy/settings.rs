//! What a proxy runs with: checked, immutable, shared by all shards.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use rustls_pki_types::ServerName;

use crate::proto::head::HeadLimits;
use crate::proto::scan::FrameLimits;
use crate::routing::target::Target;

/// Everything the stages go by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What becomes of a connection.
    pub serve: Serve,
    /// Limits on a request's or response's head.
    pub head: HeadLimits,
    /// Limits on frames and messages.
    pub frames: FrameLimits,
    /// Waits.
    pub timeouts: Timeouts,
    /// Peers whose word on earlier hops is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Peers that must begin with a PROXY header, and whose word on who their client is counts.
    pub proxy_protocol: Vec<IpNet>,
}

/// What becomes of a connection whose handshake is right.
#[derive(Clone, Debug)]
pub enum Serve {
    /// It goes to a target.
    Relay(Upstream),
    /// Its messages come back to it.
    Echo,
}

/// A target; where it is, is what a shard is told ([`Current`](super::current::Current)).
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The URL.
    pub target: Target,
    /// Whether the upstream gets the client's `Host` and not the target's own.
    pub preserve_host: bool,
    /// What is asked of it where it is spoken to in TLS.
    pub tls: Option<UpstreamTls>,
}

/// What an upstream that is spoken to in TLS has to show.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// The name its certificate must bear, and that is sent as SNI if it is not an address.
    pub name: ServerName<'static>,
    /// Whether its certificate is verified: `false` only by a flag that says `insecure`.
    pub is_verified: bool,
}

/// Waits, each absolute from the moment it names. Those that are optional are off when `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From accept to the 101.
    pub handshake: Duration,
    /// From the first dial to an established upstream connection, over all addresses.
    pub connect: Duration,
    /// Without a byte relayed in either direction.
    pub idle: Option<Duration>,
    /// Silence of a side after which it is sent a ping.
    pub ping_interval: Option<Duration>,
    /// Silence after the ping after which the side is taken for dead.
    pub pong: Duration,
    /// From the beginning of a close to its end by force.
    pub close: Duration,
}

impl Settings {
    /// What is asked of the upstream, if it is spoken to in TLS.
    #[must_use]
    pub fn upstream_tls(&self) -> Option<&UpstreamTls> {
        match &self.serve {
            Serve::Relay(upstream) => upstream.tls.as_ref(),
            Serve::Echo => None,
        }
    }

    /// Whether there is an upstream whose certificate nobody looks at.
    #[must_use]
    pub fn has_unverified_upstream(&self) -> bool {
        self.upstream_tls().is_some_and(|tls| !tls.is_verified)
    }

    /// Whether what this peer says of earlier hops is believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        contains(&self.trusted_proxies, peer)
    }

    /// Whether this peer must begin with a PROXY header.
    #[must_use]
    pub fn announces(&self, peer: IpAddr) -> bool {
        contains(&self.proxy_protocol, peer)
    }
}

fn contains(networks: &[IpNet], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    networks.iter().any(|network| network.contains(&peer))
}
