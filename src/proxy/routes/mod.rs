//! A shard's own table of the routes that its connections take: what holds for them, what was counted of them, and which
//! of their connections are to end. A route is entered when its first connection comes.

mod counts;
mod local;
mod places;

use std::collections::HashMap;
use std::sync::Arc;

use self::counts::Gone;
pub(super) use self::local::Local;
pub(super) use self::places::Places;
use crate::command::view::RouteReport;
use crate::routing::policy::Policy;
use crate::routing::route::{Route, RouteId};
use crate::routing::snapshot::Snapshot;

/// A place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RouteSlot(u32);

impl RouteSlot {
    /// Of connections that have no route, or none yet.
    pub(super) const NONE: Self = Self(0);
}

/// The table.
#[derive(Debug)]
pub(super) struct Routes {
    /// The first is always empty.
    places: Vec<Option<Local>>,
    /// What has no route.
    nobody: Local,
    by_id: HashMap<RouteId, RouteSlot>,
    free: Vec<RouteSlot>,
    gone: Gone,
}

impl Routes {
    pub(super) fn new(policy: Arc<Policy>) -> Self {
        Self {
            places: vec![None],
            nobody: Local::nobody(policy),
            by_id: HashMap::new(),
            free: Vec::new(),
            gone: Gone::default(),
        }
    }

    /// What is in a place; what has no route, if nothing is.
    #[inline]
    pub(super) fn get(&self, RouteSlot(index): RouteSlot) -> &Local {
        match self.places.get(index as usize) {
            Some(Some(local)) => local,
            _ => &self.nobody,
        }
    }

    /// The same, to change it.
    #[inline]
    pub(super) fn get_mut(&mut self, RouteSlot(index): RouteSlot) -> &mut Local {
        match self.places.get_mut(index as usize) {
            Some(Some(local)) => local,
            _ => &mut self.nobody,
        }
    }

    /// The places in use, the one of what has no route too.
    pub(super) fn slots(&self) -> impl Iterator<Item = RouteSlot> + use<> {
        let count = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        (0..count).map(RouteSlot)
    }

    /// The place of a route, if a connection has ever taken it.
    pub(super) fn slot_of(&self, id: RouteId) -> Option<RouteSlot> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn reports(&self) -> Vec<RouteReport> {
        let all = std::iter::once(&self.nobody).chain(self.places.iter().flatten());
        all.map(Local::report).chain(self.gone.reports()).collect()
    }

    /// Takes a connection in, and says which of its route's endpoints is tried first.
    pub(super) fn enter(&mut self, route: &Arc<Route>) -> (RouteSlot, usize) {
        let slot = match self.by_id.get(&route.id) {
            Some(slot) => *slot,
            None => self.add(route),
        };
        (slot, self.get_mut(slot).enter())
    }

    /// Lets a connection go. A route that is not deployed any more goes with its last one.
    pub(super) fn leave(&mut self, slot: RouteSlot) {
        self.get_mut(slot).leave();
        self.forget_if_gone(slot);
    }

    /// Lets a route go that is not deployed any more, once nobody takes it and the window of its ends is over. Whether it
    /// went.
    pub(super) fn forget_if_gone(&mut self, slot: RouteSlot) -> bool {
        let is_gone = self.get(slot).is_gone();
        if is_gone {
            self.remove(slot);
        }
        is_gone
    }

    /// What holds while there is no route.
    pub(super) fn set_default_policy(&mut self, policy: &Arc<Policy>) {
        self.nobody.set_policy(policy);
    }

    /// Takes what is in force from now on: the places of those routes that changed, whose connections are to be looked at.
    pub(super) fn take(&mut self, snapshot: &Snapshot) -> Vec<RouteSlot> {
        let mut known: Vec<(RouteId, RouteSlot)> = self.by_id.iter().map(|(id, slot)| (*id, *slot)).collect();
        known.retain(|(id, slot)| {
            let has_changed = self.get_mut(*slot).change(snapshot.route(*id));
            !self.forget_if_gone(*slot) && has_changed
        });
        known.into_iter().map(|(_, slot)| slot).collect()
    }

    fn add(&mut self, route: &Arc<Route>) -> RouteSlot {
        let local = Some(Local::new(route));
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.places.get_mut(slot.0 as usize) {
                    *place = local;
                }
                slot
            }
            None => {
                let slot = RouteSlot(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
                self.places.push(local);
                slot
            }
        };
        self.by_id.insert(route.id, slot);
        slot
    }

    fn remove(&mut self, slot: RouteSlot) {
        let Some(local) = self.places.get_mut(slot.0 as usize).and_then(Option::take) else { return };
        if let Some(route) = local.route() {
            self.by_id.remove(&route.id);
        }
        self.free.push(slot);
        if !self.gone.keep(&local) {
            self.nobody.add(&local);
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
    use crate::routing::route::{Gate, Route, RouteId, RouteLabels};
    use crate::routing::snapshot::Snapshot;

    fn policy() -> Arc<Policy> {
        let second = Duration::from_secs(1);
        let timeouts = Timeouts {
            handshake: second,
            connect: second,
            idle: None,
            ping_interval: None,
            pong: second,
            close: second,
        };
        Arc::new(Policy {
            frames: FrameLimits { max_frame_bytes: 1024, max_message_bytes: 1024 },
            timeouts,
            drain_window: Duration::ZERO,
        })
    }

    fn route(id: u64, identifier: &str) -> Route {
        let labels = RouteLabels { identifier: identifier.into(), ..RouteLabels::default() };
        Route {
            id: RouteId(id),
            labels: Some(Arc::new(labels)),
            listener: 0,
            gate: Gate::Open,
            endpoints: Box::default(),
            preserve_host: false,
            answer_lines: Box::default(),
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
    fn what_was_counted_of_a_deployment_stays_when_it_goes_and_comes_back() {
        let mut routes = Routes::new(policy());
        for (id, total) in [(1, 1), (2, 2), (3, 3)] {
            let snapshot = Snapshot::of_one(route(id, "chat"));
            let route = snapshot.routes().next().unwrap();
            let (slot, _) = routes.enter(route);
            routes.get_mut(slot).opened(Duration::ZERO);
            assert_eq!(opened(&routes, "chat"), total);
            routes.take(&Snapshot::default());
            assert_eq!(opened(&routes, "chat"), total, "while its last connection ends");
            routes.leave(slot);
            assert_eq!(opened(&routes, "chat"), total, "when it is gone");
            assert_eq!(routes.slot_of(RouteId(id)), None);
        }
    }

    #[test]
    fn counts_of_more_than_are_kept_become_nobodys() {
        let mut routes = Routes::new(policy());
        for id in 0..=MAX_GONE as u64 {
            let snapshot = Snapshot::of_one(route(id, &format!("api-{id}")));
            let (slot, _) = routes.enter(snapshot.routes().next().unwrap());
            assert_ne!(slot, RouteSlot::NONE);
            routes.get_mut(slot).opened(Duration::ZERO);
            routes.leave(slot);
            routes.take(&Snapshot::default());
        }
        assert_eq!(opened(&routes, "api-0"), 1);
        assert_eq!(opened(&routes, &format!("api-{MAX_GONE}")), 0);
        assert_eq!(opened(&routes, ""), 1);
        assert_eq!(routes.reports().len(), MAX_GONE + 1);
    }
}
