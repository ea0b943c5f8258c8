//! All that a run depends on, as plain values: the scene, its connections, and where they come from.

use std::net::SocketAddr;
use std::sync::Arc;

use ringway::routing::policy::Timeouts;
use ringway::routing::route::Service;
use ringway::routing::settings::Settings;
use ringway::routing::validation::Validation;

use crate::channels;
use crate::failover::Target;
use crate::keys::KeyPlan;
use crate::net::{DialPlan, NetPlan};
use crate::operator::{Ask, Plan};
use crate::peer::PeerPlan;
use crate::plain;

#[derive(Clone, Debug)]
pub(crate) struct ConnectionPlan {
    pub(crate) at: u64,
    pub(crate) dials: Vec<DialPlan>,
    pub(crate) client: PeerPlan,
    pub(crate) upstream: PeerPlan,
    /// The outcome of the handshake if nothing disturbs it.
    pub(crate) outcome: Outcome,
    /// The PROXY header of the balancer that the client comes through, if any: the first bytes of the connection.
    pub(crate) balanced: Option<Vec<u8>>,
    /// The client's request, in scenes with an operator.
    pub(crate) ask: Option<Ask>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Opens,
    /// A status and the code of its problem document.
    Refused(u16, &'static str),
    /// The upstream's status and body.
    Declined(u16, Vec<u8>),
    /// Nothing: it is TLS, on a plain port.
    SpeaksTls,
    /// The client's TLS handshake fails: it is told so in TLS, if at all.
    Insecure,
    /// The answer to a plain request.
    Plain(plain::Asked),
    /// Depends on who is first.
    Open,
}

/// On which sides the proxy speaks TLS.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tls {
    pub(crate) down: bool,
    pub(crate) up: bool,
}

impl ConnectionPlan {
    /// Puts the balancer's words before the client's: before TLS, where the client speaks that.
    pub(crate) fn balance(&mut self) {
        let Some(header) = &self.balanced else { return };
        match &mut self.client.tls {
            Some(tls) => tls.preface.clone_from(header),
            None => drop(self.client.head.splice(..0, header.iter().copied())),
        }
    }
}

/// All that a run depends on.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) seed: u64,
    pub(crate) settings: Settings,
    /// The service of the one route.
    pub(crate) service: Service,
    /// Where the upstream is.
    pub(crate) addresses: Arc<[SocketAddr]>,
    /// When it is somewhere else, and where.
    pub(crate) moves: Option<(u64, Arc<[SocketAddr]>)>,
    pub(crate) net: NetPlan,
    pub(crate) tls: Tls,
    pub(crate) max_connections: u64,
    pub(crate) max_per_address: Option<u64>,
    pub(crate) connections: Vec<ConnectionPlan>,
    pub(crate) drain_at: Option<u64>,
    /// When it is drained at the latest.
    pub(crate) horizon: u64,
    /// Nobody stalls, breaks or is too slow for a deadline: what is said must arrive, to the last byte.
    pub(crate) smooth: bool,
    /// The deployments and their changes. Without them there is one route to [`addresses`](Self::addresses).
    pub(crate) operator: Option<Arc<Plan>>,
    /// The endpoints of the one route, and how they fail. Without, there is one at [`addresses`](Self::addresses).
    pub(crate) failover: Option<Arc<[Target]>>,
    /// When the one route gets another validation, and which.
    pub(crate) revised: Option<(u64, Validation)>,
    /// The channels of the one route. Without, it takes every path.
    pub(crate) channels: Option<channels::Plan>,
    /// The keys that the one route asks for, and what happens to them. Without them it asks for none.
    pub(crate) keys: Option<Arc<KeyPlan>>,
}

pub(crate) fn client_address(connection: usize) -> SocketAddr {
    SocketAddr::from(([10, 1, 2, 3], 1000 + u16::try_from(connection).unwrap_or(0)))
}

/// Where a scene's connection comes from: with an operator, who lists by address, from one of two.
pub(crate) fn client_of(scene: &Scene, connection: usize) -> SocketAddr {
    let mut address = client_address(connection);
    if scene.operator.is_some() && connection % 2 == 1 {
        address.set_ip([10, 1, 2, 4].into());
    }
    address
}

/// Where a connection comes from that comes through a balancer.
pub(crate) fn balancer_address(connection: usize) -> SocketAddr {
    SocketAddr::from(([10, 3, 0, 1], 1000 + u16::try_from(connection).unwrap_or(0)))
}

impl Scene {
    /// The waits, to change one.
    pub(crate) fn timeouts(&mut self) -> &mut Timeouts {
        &mut Arc::make_mut(&mut self.settings.policy).timeouts
    }
}
