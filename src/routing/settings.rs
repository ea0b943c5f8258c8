//! The settings that all routes share: checked, immutable, used by all shards, and replaced as a whole.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::proto::head::HeadLimits;
use crate::routing::plain::PlainPaths;
use crate::routing::policy::Policy;

/// The settings of the stages that all routes share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The limits of a request's or response's head.
    pub head: HeadLimits,
    /// The policy of a connection that has no route yet.
    pub policy: Arc<Policy>,
    /// The peers whose forwarding headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// By the listener's index, the peers that must send a PROXY header, which is trusted.
    pub proxy_protocol: Vec<Vec<IpNet>>,
    /// Refuses a request whose `Host` is not the name that its client asked TLS for, whatever the certificate covers.
    pub strict_sni_host: bool,
    /// The invalid credentials that an IPv4 address or IPv6 /64 may send in a minute before it is told so; `None` for any number.
    pub max_invalid_credentials: Option<u32>,
    /// The paths of every listener that Ringway answers itself.
    pub plain: PlainPaths,
}

impl Settings {
    /// `true` if this peer's forwarding headers are trusted.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        contains(&self.trusted_proxies, peer)
    }

    /// `true` if this peer must send a PROXY header on this listener.
    #[must_use]
    pub fn announces(&self, listener: u16, peer: IpAddr) -> bool {
        self.proxy_protocol.get(usize::from(listener)).is_some_and(|networks| contains(networks, peer))
    }
}

fn contains(networks: &[IpNet], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    networks.iter().any(|network| network.contains(&peer))
}
