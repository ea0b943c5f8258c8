//! A route as a shard knows it: what holds for its connections, which of them may go on, whether it is still there.

use std::sync::Arc;

use crate::command::Cause;
use crate::command::tally::Tally;
use crate::proxy::drain::Ousting;
use crate::routing::policy::Policy;
use crate::routing::route::{Gate, Route, RouteLabels};

/// A route on this shard.
#[derive(Debug)]
pub(in crate::proxy) struct Local {
    /// As it was when this shard last heard of it; `None` for what has no route.
    route: Option<Arc<Route>>,
    policy: Arc<Policy>,
    pub(super) tally: Tally,
    /// Connections that name this place.
    connections: u64,
    /// Which endpoint's turn it is.
    turn: usize,
    /// Why no connection may take it any more.
    closed: Option<Cause>,
    pub(in crate::proxy) ousting: Option<Ousting>,
}

impl Local {
    /// What has no route.
    pub(super) fn nobody(policy: Arc<Policy>) -> Self {
        let tally = Tally::default();
        Self { route: None, policy, tally, connections: 0, turn: 0, closed: None, ousting: None }
    }

    pub(super) fn new(route: &Arc<Route>) -> Self {
        Self { route: Some(Arc::clone(route)), ..Self::nobody(Arc::clone(&route.policy)) }
    }

    /// What holds for its connections.
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

    /// Whose it is.
    pub(in crate::proxy) fn labels(&self) -> Option<&Arc<RouteLabels>> {
        self.route.as_ref()?.labels.as_ref()
    }

    /// Whether it is still as it was when a connection took it.
    pub(in crate::proxy) fn is_still(&self, route: &Arc<Route>) -> bool {
        self.route.as_ref().is_some_and(|current| Arc::ptr_eq(current, route))
    }

    /// Takes a connection in, and says which of its endpoints is tried first.
    pub(super) fn enter(&mut self) -> usize {
        let endpoints = self.route.as_ref().map_or(0, |route| route.endpoints.len());
        self.connections = self.connections.saturating_add(1);
        let turn = self.turn.checked_rem(endpoints).unwrap_or(0);
        self.turn = turn.saturating_add(1);
        turn
    }

    /// Lets a connection go.
    pub(super) fn leave(&mut self) {
        self.connections = self.connections.saturating_sub(1);
    }

    /// Whether it is not deployed any more, nobody takes it, and the window of its ends is over.
    pub(super) fn is_gone(&self) -> bool {
        self.closed == Some(Cause::Undeployed) && self.connections == 0 && self.ousting.is_none()
    }

    /// Why a connection that came through this listener, to this endpoint, is not to be, or not to go on.
    pub(in crate::proxy) fn objection(&self, listener: u16, fingerprint: u64) -> Option<Cause> {
        let route = self.route.as_ref()?;
        if self.closed.is_some() {
            return self.closed;
        }
        // With another access mode it is served elsewhere, and not there any more.
        if route.listener != listener {
            return Some(Cause::Undeployed);
        }
        (!route.goes_to(fingerprint)).then_some(Cause::Redeployed)
    }

    /// Takes what the snapshot says of the route now. Whether anything of it changed.
    pub(super) fn change(&mut self, now: Option<&Arc<Route>>) -> bool {
        let Some(before) = &self.route else { return false };
        let Some(route) = now else {
            return self.closed.replace(Cause::Undeployed) != Some(Cause::Undeployed);
        };
        // It may come back as it was while connections of before it went are still ending.
        if Arc::ptr_eq(before, route) && self.closed != Some(Cause::Undeployed) {
            return false;
        }
        self.closed = match route.gate {
            Gate::Open => None,
            Gate::Blocked => Some(Cause::Blocked),
            Gate::Stopped => Some(Cause::Stopped),
        };
        self.route = Some(Arc::clone(route));
        self.policy = Arc::clone(&route.policy);
        true
    }
}
