//! One route on one shard: the policy of its connections, the reason to reject one, and the end of the route itself.

use std::sync::Arc;

use crate::command::Cause;
use crate::command::tally::Tally;
use crate::proxy::drain::DrainQueue;
use crate::routing::balance::Tries;
use crate::routing::balance::budget::RetryBudget;
use crate::routing::balance::health::EndpointHealth;
use crate::routing::policy::Policy;
use crate::routing::route::{Gate, Route, RouteLabels};
use crate::routing::validation::ChannelCheck;

/// A route on this shard.
#[derive(Debug)]
pub(in crate::proxy) struct LocalRoute {
    /// The route of the last snapshot that had it; `None` for connections without a route.
    route: Option<Arc<Route>>,
    policy: Arc<Policy>,
    pub(super) tally: Tally,
    /// Connections of this route, also those that are ending.
    connections: u64,
    /// The index of the endpoint to try first for the next connection.
    turn: usize,
    /// This shard's part of the budget of further tries.
    budget: RetryBudget,
    /// The reason why the route takes no connections.
    closed: Option<Cause>,
    pub(in crate::proxy) drain: Option<DrainQueue>,
}

impl LocalRoute {
    /// The entry of connections without a route.
    pub(super) fn unrouted(policy: Arc<Policy>) -> Self {
        let tally = Tally::default();
        let budget = RetryBudget::default();
        Self { route: None, policy, tally, connections: 0, turn: 0, budget, closed: None, drain: None }
    }

    pub(super) fn new(route: &Arc<Route>) -> Self {
        Self { route: Some(Arc::clone(route)), ..Self::unrouted(Arc::clone(&route.policy)) }
    }

    #[inline]
    pub(in crate::proxy) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn set_policy(&mut self, policy: &Arc<Policy>) {
        self.policy = Arc::clone(policy);
    }

    pub(super) fn route(&self) -> Option<&Arc<Route>> {
        self.route.as_ref()
    }

    pub(in crate::proxy) fn labels(&self) -> Option<&Arc<RouteLabels>> {
        self.route.as_ref()?.labels.as_ref()
    }

    /// `true` if `route` is the active one: no change came since a connection took it.
    pub(in crate::proxy) fn is_active(&self, route: &Arc<Route>) -> bool {
        self.route.as_ref().is_some_and(|current| Arc::ptr_eq(current, route))
    }

    /// Adds a connection.
    pub(super) fn enter(&mut self) {
        self.connections = self.connections.saturating_add(1);
    }

    /// Begins the tries of a handshake with `route`, which is this route as it was when the request was looked at. Returns
    /// them with the index of the endpoint to try first.
    pub(in crate::proxy) fn begin_tries(&mut self, route: &Route, now_ms: u64) -> (Tries, Option<usize>) {
        self.budget.count_handshake(now_ms);
        let mut tries = Tries::new(route.endpoints.len(), self.turn);
        let first = tries.next(|index| health(route, index), now_ms);
        // The turn goes on after the endpoint that was chosen, so that the one after a failed one does not get the load of
        // two.
        self.turn = first.map_or(0, |index| index.saturating_add(1));
        (tries, first)
    }

    /// Pays for one further try of a handshake. Returns `false` if the budget does not allow it.
    pub(in crate::proxy) fn pay_for_try(&mut self, now_ms: u64) -> bool {
        self.route.as_ref().is_some_and(|route| self.budget.take(&route.retries, now_ms))
    }

    pub(super) fn leave(&mut self) {
        self.connections = self.connections.saturating_sub(1);
    }

    /// `true` if the route is not deployed any more, has no connection, and has no open drain window.
    pub(super) fn is_gone(&self) -> bool {
        self.closed == Some(Cause::Undeployed) && self.connections == 0 && self.drain.is_none()
    }

    /// The check of a channel's messages, by its path; `None` if they are not checked.
    pub(in crate::proxy) fn check_of(&self, channel: &str) -> Option<ChannelCheck> {
        self.route.as_ref()?.check_of(channel)
    }

    /// The reason to reject a tunnel from this listener to this endpoint; `None` if it may stay.
    pub(in crate::proxy) fn rejection_reason(&self, listener: u16, fingerprint: u64) -> Option<Cause> {
        let route = self.route.as_ref()?;
        if self.closed.is_some() {
            return self.closed;
        }
        // A change of the access mode moves the route to another listener.
        if route.listener != listener {
            return Some(Cause::Undeployed);
        }
        (!route.goes_to(fingerprint)).then_some(Cause::Redeployed)
    }

    /// Replaces the route by that of the new snapshot, `None` if the snapshot has none. Returns `true` if it changed.
    pub(super) fn update(&mut self, new: Option<&Arc<Route>>) -> bool {
        let Some(before) = &self.route else { return false };
        let Some(route) = new else {
            return self.closed.replace(Cause::Undeployed) != Some(Cause::Undeployed);
        };
        // An undeployed route may return unchanged while its earlier connections are still ending.
        if Arc::ptr_eq(before, route) && self.closed != Some(Cause::Undeployed) {
            return false;
        }
        self.closed = match route.gate {
            Gate::Open => None,
            Gate::Blocked => Some(Cause::Blocked),
            Gate::Stopped => Some(Cause::Stopped),
            // Open connections keep the rules that they began with.
            Gate::Unavailable => None,
        };
        self.route = Some(Arc::clone(route));
        self.policy = Arc::clone(&route.policy);
        true
    }
}

/// The health of an endpoint of the route.
fn health(route: &Route, index: usize) -> Option<&EndpointHealth> {
    route.endpoints.get(index).map(|endpoint| &*endpoint.health)
}
