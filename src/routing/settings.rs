//! What a proxy runs with besides its routes: checked, immutable, shared by all shards, replaced as a whole.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::proto::head::HeadLimits;
use crate::routing::policy::Policy;

/// Everything the stages go by that is the same for all routes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What becomes of a connection.
    pub serve: Serve,
    /// Limits on a request's or response's head.
    pub head: HeadLimits,
    /// What holds for a connection as long as it has no route, and for an echo.
    pub policy: Arc<Policy>,
    /// Peers whose word on earlier hops is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// By the listener's place: peers that must begin with a PROXY header, and whose word on who their client is counts.
    pub proxy_protocol: Vec<Vec<IpNet>>,
}

/// What becomes of a connection whose handshake is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    /// It goes where its route says.
    Route,
    /// Its messages come back to it.
    Echo,
}

impl Settings {
    /// Whether what this peer says of earlier hops is believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        contains(&self.trusted_proxies, peer)
    }

    /// Whether this peer must begin with a PROXY header when it comes through this listener.
    #[must_use]
    pub fn announces(&self, listener: u16, peer: IpAddr) -> bool {
        self.proxy_protocol.get(usize::from(listener)).is_some_and(|networks| contains(networks, peer))
    }
}

fn contains(networks: &[IpNet], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    networks.iter().any(|network| network.contains(&peer))
}
