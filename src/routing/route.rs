//! A route: one API in one environment, as a shard needs to know it.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use rustls_pki_types::ServerName;

use super::addresses::AddressCell;
use super::balance::budget::RetryReserve;
use super::balance::health::EndpointHealth;
use super::channels::Channels;
use super::entry::EntryRules;
use super::policy::Policy;
use super::target::Target;
use super::validation::{ChannelCheck, Checkers};
use crate::proto::refusal::Refusal;
use crate::proto::via::{ChainKey, Pseudonym};

/// A route's identity. It stays for as long as the API is deployed in the environment, through all changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u64);

/// The fingerprint of connections that have no endpoint.
pub const NO_ENDPOINT: u64 = 0;

/// The labels of a route's metrics and of its connections' records.
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
    /// The route's identity.
    pub id: RouteId,
    /// The labels; `None` if there is only one route.
    pub labels: Option<Arc<RouteLabels>>,
    /// The index of the listener.
    pub listener: u16,
    /// The gate: open, or why not.
    pub gate: Gate,
    /// The service that answers its connections.
    pub service: Service,
    /// The endpoints of a relay: at least one, taken in turn. One that fails is passed over for the next
    /// ([`balance`](super::balance)). Empty for any other service.
    pub endpoints: Box<[Endpoint]>,
    /// The part of the budget of further tries that all shards share.
    pub retries: Arc<RetryReserve>,
    /// The route's name in `Via`, once a handshake has needed it.
    pub pseudonym: OnceLock<Pseudonym>,
    /// Sends the client's `Host` header to the upstream instead of the target's own host.
    pub preserve_host: bool,
    /// Additional header lines of the client's 101, each with its line end.
    pub answer_lines: Box<[u8]>,
    /// Limits and deadlines of the connections.
    pub policy: Arc<Policy>,
    /// The channels below the base path; `None` for a route whose paths all go to the upstream.
    pub channels: Option<Arc<Channels>>,
    /// The treatment of paths that are no channel, if there are channels.
    pub unlisted_paths: UnlistedPaths,
    /// The rules of its channels' messages; `None` if no message is checked.
    pub checkers: Option<Arc<Checkers>>,
    /// The rules of who may enter; `None` if everybody may.
    pub entry: Option<Arc<EntryRules>>,
}

/// The treatment of paths that are none of a route's channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnlistedPaths {
    /// They are refused.
    #[default]
    Refuse,
    /// They go to the upstream unchecked.
    Pass,
}

/// The service that answers a route's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// An upstream: one of the route's endpoints.
    #[default]
    Relay,
    /// Ringway itself: every message goes back to its sender.
    Echo,
}

/// The gate of a route: it takes connections, or refuses them for a reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// The route takes connections.
    #[default]
    Open,
    /// The API is blocked.
    Blocked,
    /// The deployment is stopped.
    Stopped,
    /// The rules of the API cannot be loaded, and it is not served without them.
    Unavailable,
}

impl Gate {
    /// The refusal for new clients; `None` if the gate is open.
    #[must_use]
    pub fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Open => None,
            Self::Blocked => Some(Refusal::API_BLOCKED),
            Self::Stopped => Some(Refusal::API_STOPPED),
            Self::Unavailable => Some(Refusal::POLICY_UNAVAILABLE),
        }
    }
}

/// An endpoint: an upstream that a route's connections may go to.
#[derive(Debug)]
pub struct Endpoint {
    /// The URL.
    pub target: Target,
    /// The TLS requirements, for a TLS target.
    pub tls: Option<UpstreamTls>,
    /// The addresses of the target's host.
    pub addresses: Arc<AddressCell>,
    /// The findings of handshakes about the endpoint.
    pub health: Arc<EndpointHealth>,
}

/// The TLS requirements for an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// The name in the upstream's certificate; also sent as SNI unless it is an address.
    pub name: ServerName<'static>,
    /// Verifies the certificate; `false` only by an option that says `insecure`.
    pub is_verified: bool,
    /// The index of the shard's TLS client configuration.
    pub trust: u16,
}

impl Endpoint {
    /// Creates an endpoint that no handshake has tried. `name` is its target as the operator wrote it, in which secrets are
    /// still variables: logs, metrics and the admin API show it.
    #[must_use]
    pub fn new(name: &str, target: Target, tls: Option<UpstreamTls>, addresses: Arc<AddressCell>) -> Self {
        let mut hasher = DefaultHasher::new();
        (target.tls, target.host.to_ascii_lowercase(), target.port, &target.base_path).hash(&mut hasher);
        let health = Arc::new(EndpointHealth::new(name, hasher.finish()));
        Self { target, tls, addresses, health }
    }

    /// Identifies the endpoint through all changes of its route: a connection remembers its endpoint by it. Changes of the
    /// host's addresses or of the TLS requirements do not change it: they apply to new connections.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.health.fingerprint()
    }

    /// True if both endpoints are equal. Their address cells are equal if they are the same object, or if the target names an
    /// address.
    fn is_same(&self, other: &Self) -> bool {
        let is_same_host = Arc::ptr_eq(&self.addresses, &other.addresses) || self.target.host.parse::<IpAddr>().is_ok();
        let is_same_target = self.target == other.target && self.health.name() == other.health.name();
        is_same_host && is_same_target && self.tls == other.tls
    }
}

impl Route {
    /// True if both routes are equal: a shard that has one need not look at the other.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let Self {
            id,
            labels,
            listener,
            gate,
            service,
            endpoints,
            preserve_host,
            answer_lines,
            policy,
            channels,
            unlisted_paths,
            retries: _,
            pseudonym: _,
            checkers,
            entry,
        } = self;
        // One contract gives one table for as long as a route has it.
        let are_same_channels = match (channels, &other.channels) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let is_same = (id, labels, listener, gate) == (&other.id, &other.labels, &other.listener, &other.gate)
            && (service, preserve_host, answer_lines) == (&other.service, &other.preserve_host, &other.answer_lines)
            && *policy == other.policy
            && are_same_channels
            && *entry == other.entry
            && *unlisted_paths == other.unlisted_paths
            && checkers.as_ref().map(Arc::as_ptr) == other.checkers.as_ref().map(Arc::as_ptr)
            && endpoints.len() == other.endpoints.len();
        is_same && endpoints.iter().zip(&other.endpoints).all(|(one, other)| one.is_same(other))
    }

    /// Continues what an earlier version of the route knew: the health of endpoints that did not change, and the reserve of
    /// further tries.
    #[must_use]
    pub fn continuing(mut self, before: &Self) -> Self {
        for endpoint in &mut self.endpoints {
            if let Some(same) = before.endpoints.iter().find(|other| other.is_same(endpoint)) {
                endpoint.health = Arc::clone(&same.health);
            }
        }
        self.retries = Arc::clone(&before.retries);
        self
    }

    /// The route's name in `Via`. All shards of a process have the same key, so the first of them makes the name for all.
    #[must_use]
    pub fn pseudonym(&self, key: &ChainKey) -> &Pseudonym {
        self.pseudonym.get_or_init(|| key.pseudonym(self.id.0))
    }

    /// The check of a channel's messages, by its path; `None` if they are not checked. If they are, no extension is offered to the
    /// upstream, since one may change payloads.
    #[must_use]
    pub fn check_of(&self, channel: &str) -> Option<ChannelCheck> {
        let checker = self.checkers.as_ref()?.get(channel)?;
        let validation = self.policy.validation.of(channel);
        validation.is_on().then(|| ChannelCheck { checker: Arc::clone(checker), validation })
    }

    /// True if a connection to the endpoint with this fingerprint may go on; [`NO_ENDPOINT`] is that of a connection that ends
    /// here.
    #[must_use]
    pub fn goes_to(&self, fingerprint: u64) -> bool {
        match self.service {
            Service::Relay => self.endpoints.iter().any(|endpoint| endpoint.fingerprint() == fingerprint),
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
            retries: Arc::default(),
            pseudonym: OnceLock::new(),
            preserve_host: false,
            answer_lines: Box::default(),
            policy,
            channels: None,
            unlisted_paths: UnlistedPaths::default(),
            checkers: None,
            entry: None,
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
            upstream_ping_interval: None,
            pong: second,
            close: second,
        };
        let frames = FrameLimits { max_frame_bytes: 1, max_message_bytes: 1 };
        let echo = Route::echo(Arc::new(Policy {
            frames,
            timeouts,
            abnormal_close_code: None,
            drain_window: second,
            tolerance: Default::default(),
            validation: Default::default(),
        }));
        assert!(echo.goes_to(NO_ENDPOINT) && !echo.goes_to(1));
        let relay = Route { service: Service::Relay, ..Route::echo(Arc::clone(&echo.policy)) };
        assert!(!relay.goes_to(NO_ENDPOINT) && !relay.is_same(&echo));
    }
}
