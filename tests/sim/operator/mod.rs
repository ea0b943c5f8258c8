//! An operator who changes what is deployed while connections come and go, and what must hold of that.
//!
//! - [`scene`] makes a run up from a seed: which APIs there are, what is asked for, and what the operator does when;
//! - [`force`] makes routes and snapshots of a [`State`], [`orders`] gives the commands;
//! - [`watch`] notes as it happens which connection is where, and why one is to end; [`listing`] and [`tally`] hold what
//!   the proxy says of itself against that; [`check`] judges each connection afterwards.
//!
//! Every expectation follows from [`State`]s alone: neither the route of a path nor the connections that a change concerns come
//! from `ringway::routing` or `ringway::proxy`.

pub(crate) mod check;
pub(crate) mod force;
pub(crate) mod listing;
pub(crate) mod orders;
pub(crate) mod scene;
pub(crate) mod tally;
pub(crate) mod watch;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ringway::command::Cause;
use ringway::engine::Fault;
use ringway::routing::policy::Policy;
use ringway::routing::route::Gate;

use crate::net::{DialPlan, Host};
use crate::tls::configs::{Config, Configs};
use crate::tls::{Identity, Misdeed, TlsPlan};

/// An API: its base path. Its route's number is its place in [`APIS`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Api {
    pub(crate) prefix: &'static str,
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

const fn api(prefix: &'static str, major: u32, minor: u32) -> Api {
    Api { prefix, major, minor }
}

pub(crate) const APIS: [Api; 6] = [
    api("/default/chat", 1, 0),
    api("/default/chat", 1, 9),
    api("/default/chat", 1, 10),
    api("/default/chat", 2, 0),
    api("/ops/dash-board", 1, 0),
    api("/ops/dash-board", 1, 1),
];

/// Hosts of the second listener. The first takes any.
pub(crate) const HOSTS: [&str; 2] = ["in.test", "*.in.test"];

/// One API as it is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deployed {
    /// The listener that it is served at.
    pub(crate) listener: u16,
    pub(crate) gate: Gate,
    /// Places in [`Plan::targets`].
    pub(crate) targets: Vec<usize>,
    /// A place in [`Plan::policies`].
    pub(crate) policy: usize,
    /// True if the 101 has an additional line.
    pub(crate) deprecated: bool,
    pub(crate) preserve_host: bool,
    /// The number of the route object, which changes only when the route changes.
    pub(crate) edition: u32,
}

/// The deployments, by the API's index.
pub(crate) type State = Vec<Option<Deployed>>;

/// The line that a deprecated API's 101 has.
pub(crate) const DEPRECATION: &str = "Deprecation: @1767225600\r\n";

/// How it goes with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The target accepts connections, with TLS or without.
    Good { tls: bool },
    /// The target's name has no address.
    Unresolved,
    /// Nobody answers there, and says so: at once or after a while.
    Unreachable { at_once: bool },
    /// Nobody answers there.
    Silent,
    /// The target's certificate is wrong, or the target speaks no TLS where it must.
    Untrusted(Option<Identity>),
}

#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) authority: String,
    pub(crate) base_path: String,
    pub(crate) reach: Reach,
    pub(crate) addresses: Vec<SocketAddr>,
}

/// The actions of the operator.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// From now on this is deployed.
    InForce(State),
    /// The previous snapshot arrives again, late: nothing changes.
    Late,
    /// The connections of these APIs are closed.
    Close(Vec<usize>),
    /// That of this client is.
    CloseOne(usize),
    /// Connections are listed, so many at a time.
    List(Filter, usize),
    Report,
    /// A head may have so many bytes from now on.
    HeadLimit(usize),
    /// Clients of the first listener are shown another certificate.
    Certificates,
}

/// Which connections are listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) apis: Option<Vec<usize>>,
    pub(crate) client: Option<IpAddr>,
}

/// The deployments at the start, and their changes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) targets: Vec<Target>,
    pub(crate) policies: Vec<Arc<Policy>>,
    /// How long it takes at most to connect to a target that takes connections.
    pub(crate) connect_ms: u64,
    pub(crate) first: State,
    pub(crate) orders: Vec<(u64, Order)>,
}

/// The request of a client.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) listener: u16,
    pub(crate) host: String,
    /// Path and query.
    pub(crate) target: String,
    /// The part of the path after the base path.
    pub(crate) rest: String,
    pub(crate) means: Means,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Api(usize),
    /// The newest of these that is deployed; they stand in order.
    Newest(Vec<usize>),
    Nothing,
}

impl Ask {
    /// The API that it is for, as things stand.
    pub(crate) fn api(&self, state: &State) -> Option<usize> {
        let among = match &self.means {
            Means::Api(api) => std::slice::from_ref(api),
            Means::Newest(apis) => apis,
            Means::Nothing => &[],
        };
        let is_here = |deployed: &Deployed| deployed.listener == self.listener;
        among.iter().rev().find(|api| state[**api].as_ref().is_some_and(is_here)).copied()
    }

    /// As a record has it.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

impl Plan {
    /// The peers by address.
    pub(crate) fn hosts(&self, configs: &mut Configs) -> Vec<(SocketAddr, Host)> {
        let mut hosts = Vec::new();
        for target in &self.targets {
            let tls = match target.reach {
                Reach::Good { tls: true } => Some(TlsPlan::default()),
                Reach::Untrusted(Some(identity)) => Some(TlsPlan { identity, ..TlsPlan::default() }),
                Reach::Untrusted(None) => Some(TlsPlan { misdeed: Some(Misdeed::Banner), ..TlsPlan::default() }),
                _ => None,
            };
            let dial = match target.reach {
                Reach::Unreachable { at_once: true } => DialPlan::RefusedAtOnce,
                Reach::Unreachable { at_once: false } => DialPlan::Fails(20, Fault::Refused),
                Reach::Silent => DialPlan::Never,
                _ => DialPlan::Connect(self.connect_ms),
            };
            let tls = tls.map(|plan| (plan.clone(), configs.of(&plan, true)));
            hosts.extend(target.addresses.iter().map(|address| (*address, host(dial, tls.clone()))));
        }
        hosts
    }

    /// Whose address this is.
    pub(crate) fn target_at(&self, address: SocketAddr) -> Option<usize> {
        self.targets.iter().position(|target| target.addresses.contains(&address))
    }
}

/// A host where each connection's own upstream is.
fn host(dial: DialPlan, tls: Option<(TlsPlan, Config)>) -> Host {
    Host { dial, tls, answer: None, later: None }
}

/// Why a connection of an API that came through a listener and goes to a target is not to be, as things stand.
pub(crate) fn objection(state: &State, api: usize, listener: u16, target: usize) -> Option<Cause> {
    let Some(deployed) = &state[api] else { return Some(Cause::Undeployed) };
    match deployed.gate {
        Gate::Blocked => Some(Cause::Blocked),
        Gate::Stopped => Some(Cause::Stopped),
        // A tunnel keeps the rules that it began with, so it outlives their loss.
        Gate::Open | Gate::Unavailable if deployed.listener != listener => Some(Cause::Undeployed),
        Gate::Open | Gate::Unavailable => (!deployed.targets.contains(&target)).then_some(Cause::Redeployed),
    }
}
