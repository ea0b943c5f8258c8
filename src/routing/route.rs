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
    /// Where its connections go: at least one endpoint, taken in turn. One that cannot be reached is passed over for the
    /// next.
    pub endpoints: Box<[Endpoint]>,
    /// Whether the upstream gets the client's `Host` and not the target's own.
    pub preserve_host: bool,
    /// Header lines that the client's 101 has besides, each with its line end.
    pub answer_lines: Box<[u8]>,
    /// What holds for its connections.
    pub policy: Arc<Policy>,
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
        let Self { id, labels, listener, gate, endpoints, preserve_host, answer_lines, policy } = self;
        let is_same = (id, labels, listener, gate) == (&other.id, &other.labels, &other.listener, &other.gate)
            && (preserve_host, answer_lines) == (&other.preserve_host, &other.answer_lines)
            && *policy == other.policy
            && endpoints.len() == other.endpoints.len();
        is_same && endpoints.iter().zip(&other.endpoints).all(|(one, other)| one.is_same(other))
    }

    /// Whether one of its endpoints has this fingerprint.
    #[must_use]
    pub fn goes_to(&self, fingerprint: u64) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.fingerprint == fingerprint)
    }
}
