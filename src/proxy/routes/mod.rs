//! A shard's own table of the routes that its connections take: their policies, their counts, and the connections that
//! are draining. A route enters the table with its first connection.
//!
//! In: routes of the active snapshot, and ends of connections. Out: the policy of a connection, and counts when they
//! are asked for. The table never reads a socket or a clock.

mod counts;
mod local;
mod slot;

use std::collections::HashMap;
use std::sync::Arc;

use self::counts::Gone;
pub(super) use self::local::LocalRoute;
pub(super) use self::slot::{RouteSlot, SlotSet};
use crate::command::view::RouteReport;
use crate::invariant::Invariant;
use crate::routing::policy::Policy;
use crate::routing::route::{Route, RouteId};
use crate::routing::snapshot::Snapshot;

/// The table.
#[derive(Debug)]
pub(super) struct Routes {
    /// The routes by slot. The first slot is always empty.
    table: Vec<Option<LocalRoute>>,
    /// The policy and counts of connections without a route.
    unrouted: LocalRoute,
    by_id: HashMap<RouteId, RouteSlot>,
    free: Vec<RouteSlot>,
    gone: Gone,
}

impl Routes {
    pub(super) fn new(policy: Arc<Policy>) -> Self {
        Self {
            table: vec![None],
            unrouted: LocalRoute::unrouted(policy),
            by_id: HashMap::new(),
            free: Vec::new(),
            gone: Gone::default(),
        }
    }

    /// The route in this slot; the entry of connections without a route if the slot is empty.
    #[inline]
    pub(super) fn get(&self, RouteSlot(index): RouteSlot) -> &LocalRoute {
        match self.table.get(index as usize) {
            Some(Some(local)) => local,
            _ => &self.unrouted,
        }
    }

    /// Like [`get`](Self::get), to change it.
    #[inline]
    pub(super) fn get_mut(&mut self, RouteSlot(index): RouteSlot) -> &mut LocalRoute {
        match self.table.get_mut(index as usize) {
            Some(Some(local)) => local,
            _ => &mut self.unrouted,
        }
    }

    /// All slots, that of connections without a route first.
    pub(super) fn slots(&self) -> impl Iterator<Item = RouteSlot> + use<> {
        let count = u32::try_from(self.table.len()).expected_or(u32::MAX);
        (0..count).map(RouteSlot)
    }

    /// The slot of a route, if a connection has ever taken it.
    pub(super) fn slot_of(&self, id: RouteId) -> Option<RouteSlot> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn reports(&self) -> Vec<RouteReport> {
        let all = std::iter::once(&self.unrouted).chain(self.table.iter().flatten());
        all.map(LocalRoute::report).chain(self.gone.reports()).collect()
    }

    /// Adds a connection to its route.
    pub(super) fn enter(&mut self, route: &Arc<Route>) -> RouteSlot {
        let slot = match self.by_id.get(&route.id) {
            Some(slot) => *slot,
            None => self.add(route),
        };
        self.get_mut(slot).enter();
        slot
    }

    /// Removes a connection from its route. A route that is not deployed any more is removed with its last connection.
    pub(super) fn leave(&mut self, slot: RouteSlot) {
        self.get_mut(slot).leave();
        self.forget_if_gone(slot);
    }

    /// Removes a route that is not deployed any more once it has no connection and its drain window is over. Returns
    /// `true` if the route was removed.
    pub(super) fn forget_if_gone(&mut self, slot: RouteSlot) -> bool {
        let is_gone = self.get(slot).is_gone();
        if is_gone {
            self.remove(slot);
        }
        is_gone
    }

    /// Sets the policy of connections without a route.
    pub(super) fn set_default_policy(&mut self, policy: &Arc<Policy>) {
        self.unrouted.set_policy(policy);
    }

    /// Makes a snapshot active, and returns the slots of the routes that changed.
    pub(super) fn activate(&mut self, snapshot: &Snapshot) -> Vec<RouteSlot> {
        let mut known: Vec<(RouteId, RouteSlot)> = self.by_id.iter().map(|(id, slot)| (*id, *slot)).collect();
        known.retain(|(id, slot)| {
            let has_changed = self.get_mut(*slot).update(snapshot.route(*id));
            !self.forget_if_gone(*slot) && has_changed
        });
        known.into_iter().map(|(_, slot)| slot).collect()
    }

    fn add(&mut self, route: &Arc<Route>) -> RouteSlot {
        let local = Some(LocalRoute::new(route));
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(entry) = self.table.get_mut(slot.0 as usize) {
                    *entry = local;
                }
                slot
            }
            None => {
                let slot = RouteSlot(u32::try_from(self.table.len()).expected_or(u32::MAX));
                self.table.push(local);
                slot
            }
        };
        self.by_id.insert(route.id, slot);
        slot
    }

    fn remove(&mut self, slot: RouteSlot) {
        let Some(local) = self.table.get_mut(slot.0 as usize).and_then(Option::take) else { return };
        if let Some(route) = local.route() {
            self.by_id.remove(&route.id);
        }
        self.free.push(slot);
        if !self.gone.keep(&local) {
            self.unrouted.add(&local);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::counts::MAX_GONE;
    use super::{RouteSlot, Routes};
    use crate::command::tally::Tally;
    use crate::proto::scan::FrameLimits;
    use crate::routing::policy::{Policy, Timeouts};
    use crate::routing::route::{Gate, Route, RouteId, RouteLabels, Service};
    use crate::routing::snapshot::Snapshot;

    fn policy() -> Arc<Policy> {
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
        Arc::new(Policy {
            frames: FrameLimits { max_frame_bytes: 1024, max_message_bytes: 1024 },
            timeouts,
            abnormal_close_code: None,
            drain_window: Duration::ZERO,
            tolerance: Default::default(),
            validation: Default::default(),
        })
    }

    fn route(id: u64, identifier: &str) -> Route {
        let labels = RouteLabels { identifier: identifier.into(), ..RouteLabels::default() };
        Route {
            id: RouteId(id),
            labels: Some(Arc::new(labels)),
            listener: 0,
            gate: Gate::Open,
            service: Service::Relay,
            endpoints: Box::default(),
            retries: Arc::default(),
            pseudonym: Default::default(),
            preserve_host: false,
            answer_lines: Box::default(),
            channels: None,
            unlisted_paths: Default::default(),
            checkers: None,
            entry: None,
            policy: policy(),
        }
    }

    fn opened(routes: &Routes, identifier: &str) -> u64 {
        let all = routes.reports();
        let own = all.iter().filter(|report| report.labels.as_ref().map_or("", |it| &it.identifier) == identifier);
        let mut sum = Tally::default();
        own.for_each(|report| sum.add(&report.tally));
        sum.opened
    }

    #[test]
    fn the_counts_of_a_deployment_stay_when_it_is_removed_and_deployed_again() {
        let mut routes = Routes::new(policy());
        for (id, total) in [(1, 1), (2, 2), (3, 3)] {
            let snapshot = Snapshot::of_one(route(id, "chat"));
            let route = snapshot.routes().next().unwrap();
            let slot = routes.enter(route);
            routes.get_mut(slot).opened(Duration::ZERO);
            assert_eq!(opened(&routes, "chat"), total);
            routes.activate(&Snapshot::default());
            assert_eq!(opened(&routes, "chat"), total, "while its last connection ends");
            routes.leave(slot);
            assert_eq!(opened(&routes, "chat"), total, "when it is gone");
            assert_eq!(routes.slot_of(RouteId(id)), None);
        }
    }

    #[test]
    fn counts_of_more_routes_than_are_kept_are_added_to_those_without_a_route() {
        let mut routes = Routes::new(policy());
        for id in 0..=MAX_GONE as u64 {
            let snapshot = Snapshot::of_one(route(id, &format!("api-{id}")));
            let slot = routes.enter(snapshot.routes().next().unwrap());
            assert_ne!(slot, RouteSlot::NONE);
            routes.get_mut(slot).opened(Duration::ZERO);
            routes.leave(slot);
            routes.activate(&Snapshot::default());
        }
        assert_eq!(opened(&routes, "api-0"), 1);
        assert_eq!(opened(&routes, &format!("api-{MAX_GONE}")), 0);
        assert_eq!(opened(&routes, ""), 1);
        assert_eq!(routes.reports().len(), MAX_GONE + 1);
    }
}
