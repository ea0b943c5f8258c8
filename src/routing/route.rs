//! A route: one API in one environment, as a shard needs to know it.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use rustls_pki_types::ServerName;

use super::addresses::AddressCell;
use super::policy::Policy;
use super::target::Target;
use crate::proto::refusal::Refusal;

/// Names a route for as long as its API is deployed in its environment, through all its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u64);

/// The fingerprint of connections that have no endpoint.
pub const NO_ENDPOINT: u64 = 0;

/// Whose route it is: the labels of its figures and of the records of its connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteLabels {
    /// The API's project.
    pub project: Box<str>,
    /// The API's identifier.
    pub identifier: Box<str>,
    /// The API's version, `major.minor`.
    pub version: Box<str>,
    /// The environment.
    pub environment: Box<str>,
}

impl fmt::Display for RouteLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.project, self.identifier, self.version)
    }
}

/// One API in one environment.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub id: RouteId,
    /// Whose it is; `None` where there is but one route, and nothing to tell it from.
    pub labels: Option<Arc<RouteLabels>>,
    /// The listener that it is served at.
    pub listener: u16,
    /// Whether it takes connections.
    pub gate: Gate,
    /// What answers its connections.
    pub service: Service,
    /// The endpoints of a relay: at least one, taken in turn. One that cannot be reached is passed over for the next. Empty for
    /// any other service.
    pub endpoints: Box<[Endpoint]>,
    /// Whether the upstream gets the client's `Host` and not the target's own.
    pub preserve_host: bool,
    /// Header lines that the client's 101 has besides, each with its line end.
    pub answer_lines: Box<[u8]>,
    /// What holds for its connections.
    pub policy: Arc<Policy>,
}

/// What answers a route's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// An upstream: one of the route's endpoints.
    #[default]
    Relay,
    /// Ringway itself: every message goes back to its sender.
    Echo,
}

/// Whether a route takes connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// It does.
    #[default]
    Open,
    /// Its API is blocked.
    Blocked,
    /// It is stopped in its environment.
    Stopped,
}

impl Gate {
    /// What a client is told that comes to it while it is closed.
    #[must_use]
    pub fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Open => None,
            Self::Blocked => Some(Refusal::API_BLOCKED),
            Self::Stopped => Some(Refusal::API_STOPPED),
        }
    }
}

/// One of the places a route's connections may go to.
#[derive(Debug)]
pub struct Endpoint {
    /// The URL.
    pub target: Target,
    /// What is asked of it where it is spoken to in TLS.
    pub tls: Option<UpstreamTls>,
    /// Its addresses.
    pub addresses: Arc<AddressCell>,
    /// See [`fingerprint`](Self::fingerprint).
    fingerprint: u64,
}

/// What an upstream that is spoken to in TLS has to show.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// The name its certificate must bear, and that is sent as SNI if it is not an address.
    pub name: ServerName<'static>,
    /// Whether its certificate is verified: `false` only by a flag that says `insecure`.
    pub is_verified: bool,
    /// Which of a shard's client configurations its sessions are made with.
    pub trust: u16,
}

impl Endpoint {
    /// An endpoint.
    #[must_use]
    pub fn new(target: Target, tls: Option<UpstreamTls>, addresses: Arc<AddressCell>) -> Self {
        let mut hasher = DefaultHasher::new();
        (target.tls, target.host.to_ascii_lowercase(), target.port, &target.base_path).hash(&mut hasher);
        Self { target, tls, addresses, fingerprint: hasher.finish() }
    }

    /// Tells it from any other endpoint, however its route changes: a connection remembers where it goes by it. Where the
    /// name's addresses change, or what is asked of the endpoint's TLS, it stays: that counts for new connections.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether there is nothing to tell it from the other by. Two places are the same if they are one, or have one address
    /// written in their target.
    fn is_same(&self, other: &Self) -> bool {
        let is_same_host = Arc::ptr_eq(&self.addresses, &other.addresses) || self.target.host.parse::<IpAddr>().is_ok();
        is_same_host && self.target == other.target && self.tls == other.tls
    }
}

impl Route {
    /// Whether there is nothing to tell it from the other by: who has the one need not look at the other.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let Self { id, labels, listener, gate, service, endpoints, preserve_host, answer_lines, policy } = self;
        let is_same = (id, labels, listener, gate) == (&other.id, &other.labels, &other.listener, &other.gate)
            && (service, preserve_host, answer_lines) == (&other.service, &other.preserve_host, &other.answer_lines)
            && *policy == other.policy
            && endpoints.len() == other.endpoints.len();
        is_same && endpoints.iter().zip(&other.endpoints).all(|(one, other)| one.is_same(other))
    }

    /// Whether a connection to the endpoint with this fingerprint may go on; [`NO_ENDPOINT`] is that of a connection that ends
    /// here.
    #[must_use]
    pub fn goes_to(&self, fingerprint: u64) -> bool {
        match self.service {
            Service::Relay => self.endpoints.iter().any(|endpoint| endpoint.fingerprint == fingerprint),
            Service::Echo => fingerprint == NO_ENDPOINT,
        }
    }

    /// The one route of a listener that sends every message back, whatever the path.
    #[must_use]
    pub fn echo(policy: Arc<Policy>) -> Self {
        Self {
            id: RouteId(0),
            labels: None,
            listener: 0,
            gate: Gate::Open,
            service: Service::Echo,
            endpoints: Box::default(),
            preserve_host: false,
            answer_lines: Box::default(),
            policy,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{NO_ENDPOINT, Route, Service};
    use crate::proto::scan::FrameLimits;
    use crate::routing::policy::{Policy, Timeouts};

    #[test]
    fn an_echo_goes_on_while_its_route_is_one_and_ends_when_that_becomes_a_relay() {
        let second = Duration::from_secs(1);
        let timeouts = Timeouts {
            handshake: second,
            connect: second,
            idle: None,
            ping_interval: None,
            pong: second,
            close: second,
        };
        let frames = FrameLimits { max_frame_bytes: 1, max_message_bytes: 1 };
        let echo = Route::echo(Arc::new(Policy { frames, timeouts, drain_window: second }));
        assert!(echo.goes_to(NO_ENDPOINT) && !echo.goes_to(1));
        let relay = Route { service: Service::Relay, ..Route::echo(Arc::clone(&echo.policy)) };
        assert!(!relay.goes_to(NO_ENDPOINT) && !relay.is_same(&echo));
    }
}
