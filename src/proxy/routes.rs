//! A shard's own table of the routes that its connections take: what holds for them, what was counted of them, and which
//! of their connections are to end. A route is entered when its first connection comes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::ousting::Ousting;
use super::plan::Side;
use super::record::End;
use crate::command::{Cause, RouteReport, Tally, count_by};
use crate::routing::policy::Policy;
use crate::routing::route::{Gate, Route, RouteId, Subject};
use crate::routing::snapshot::Snapshot;

/// A place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RouteSlot(u32);

/// Places, to be asked of each connection whether its own is among them.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<bool>);

impl FromIterator<RouteSlot> for Places {
    fn from_iter<I: IntoIterator<Item = RouteSlot>>(slots: I) -> Self {
        let mut places = Vec::new();
        for RouteSlot(index) in slots {
            let index = index as usize;
            if places.len() <= index {
                places.resize(index.saturating_add(1), false);
            }
            if let Some(place) = places.get_mut(index) {
                *place = true;
            }
        }
        Self(places)
    }
}

impl Places {
    pub(super) fn has(&self, RouteSlot(index): RouteSlot) -> bool {
        self.0.get(index as usize).copied().unwrap_or(false)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl RouteSlot {
    /// Of connections that have no route, or none yet.
    pub(super) const NONE: Self = Self(0);
}

/// The table. Its first place is for what has no route.
#[derive(Debug)]
pub(super) struct Routes {
    places: Vec<Option<Local>>,
    /// What holds where there is no route.
    default: Arc<Policy>,
    by_id: HashMap<RouteId, RouteSlot>,
    free: Vec<RouteSlot>,
    /// What was counted of routes that are gone, by whose they were. An API that is deployed again goes on from there, so
    /// that no counter ever falls.
    gone: BTreeMap<Arc<Subject>, Tally>,
}

/// Of so many subjects that are gone counts are kept; those of any more become part of what has no route.
const MAX_GONE: usize = 1000;

/// A route on this shard.
#[derive(Debug)]
pub(super) struct Local {
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
    pub(super) ousting: Option<Ousting>,
}

impl Local {
    fn new(route: Option<Arc<Route>>, policy: Arc<Policy>) -> Self {
        let tally = Tally::default();
        Self { route, policy, tally, connections: 0, turn: 0, closed: None, ousting: None }
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Why a connection that came through this listener, to this endpoint, is not to be, or not to go on.
    pub(super) fn objection(&self, listener: u16, fingerprint: u64) -> Option<Cause> {
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

    fn is_gone(&self) -> bool {
        self.closed == Some(Cause::Undeployed) && self.connections == 0 && self.ousting.is_none()
    }

    /// Takes what the snapshot says of the route now. Whether anything of it changed.
    fn change(&mut self, now: Option<&Arc<Route>>) -> bool {
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

impl Routes {
    pub(super) fn new(policy: Arc<Policy>) -> Self {
        let first = Local::new(None, Arc::clone(&policy));
        Self {
            places: vec![Some(first)],
            default: policy,
            by_id: HashMap::new(),
            free: Vec::new(),
            gone: BTreeMap::new(),
        }
    }

    #[inline]
    pub(super) fn get(&self, RouteSlot(index): RouteSlot) -> Option<&Local> {
        self.places.get(index as usize)?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, RouteSlot(index): RouteSlot) -> Option<&mut Local> {
        self.places.get_mut(index as usize)?.as_mut()
    }

    /// What holds for the connections of a place.
    #[inline]
    pub(super) fn policy(&self, slot: RouteSlot) -> &Policy {
        self.get(slot).map_or(&self.default, |local| &local.policy)
    }

    pub(super) fn subject(&self, slot: RouteSlot) -> Option<&Arc<Subject>> {
        self.get(slot)?.route.as_ref()?.subject.as_ref()
    }

    /// Takes a connection in, and says which of its route's endpoints is tried first.
    pub(super) fn enter(&mut self, route: &Arc<Route>) -> (RouteSlot, usize) {
        let slot = match self.by_id.get(&route.id) {
            Some(slot) => *slot,
            None => self.add(route),
        };
        let Some(local) = self.get_mut(slot) else { return (RouteSlot::NONE, 0) };
        local.connections = local.connections.saturating_add(1);
        let turn = local.turn.checked_rem(route.endpoints.len()).unwrap_or(0);
        local.turn = turn.saturating_add(1);
        (slot, turn)
    }

    /// Lets a connection go. A route that is not deployed any more goes with its last one.
    pub(super) fn leave(&mut self, slot: RouteSlot) {
        let Some(local) = self.get_mut(slot) else { return };
        local.connections = local.connections.saturating_sub(1);
        self.forget_if_gone(slot);
    }

    /// Lets a route go that is not deployed any more, once nobody takes it and the window of its ends is over. Whether it
    /// went.
    pub(super) fn forget_if_gone(&mut self, slot: RouteSlot) -> bool {
        let is_gone = self.get(slot).is_some_and(Local::is_gone);
        if is_gone {
            self.remove(slot);
        }
        is_gone
    }

    /// So many messages, with so many bytes, have come from a side.
    #[inline]
    pub(super) fn passed(&mut self, slot: RouteSlot, from: Side, messages: u64, bytes: usize) {
        let Some(local) = self.get_mut(slot) else { return };
        let Tally { messages: [messages_up, messages_down], bytes: [bytes_up, bytes_down], .. } = &mut local.tally;
        let (all_messages, all_bytes) = match from {
            Side::Client => (messages_up, bytes_up),
            Side::Upstream => (messages_down, bytes_down),
        };
        *all_messages = all_messages.saturating_add(messages);
        *all_bytes = all_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// A connection to the upstream stands.
    pub(super) fn dialled(&mut self, slot: RouteSlot, took: Duration) {
        if let Some(local) = self.get_mut(slot) {
            local.tally.dial.count(took);
        }
    }

    /// A client has its 101.
    pub(super) fn opened(&mut self, slot: RouteSlot, took: Duration) {
        if let Some(local) = self.get_mut(slot) {
            let tally = &mut local.tally;
            tally.open = tally.open.saturating_add(1);
            tally.opened = tally.opened.saturating_add(1);
            tally.handshake.count(took);
        }
    }

    /// A connection has ended; `codes` are those of the close frames that each side sent.
    pub(super) fn ended(&mut self, slot: RouteSlot, was_open: bool, end: End, codes: [Option<u16>; 2]) {
        let Some(local) = self.get_mut(slot) else { return };
        let tally = &mut local.tally;
        for (closes, code) in tally.closes.iter_mut().zip(codes) {
            code.into_iter().for_each(|code| closes.count(code));
        }
        if was_open {
            tally.open = tally.open.saturating_sub(1);
            count_by(&mut tally.ended, end.label(), 1);
            return;
        }
        let count = match end {
            End::Refused(refusal) => return count_by(&mut tally.refused, refusal.code, 1),
            End::Unannounced(_) => return count_by(&mut tally.refused, "proxy-protocol", 1),
            End::Declined => &mut tally.declined,
            End::Insecure(_) | End::UnexpectedTls => &mut tally.insecure,
            _ => &mut tally.left,
        };
        *count = count.saturating_add(1);
    }

    /// Why a connection of a route to this endpoint is not to be, or not to go on.
    pub(super) fn objection(&self, slot: RouteSlot, listener: u16, fingerprint: u64) -> Option<Cause> {
        self.get(slot)?.objection(listener, fingerprint)
    }

    /// What holds while there is no route.
    pub(super) fn set_default_policy(&mut self, policy: &Arc<Policy>) {
        self.default = Arc::clone(policy);
        if let Some(local) = self.get_mut(RouteSlot::NONE) {
            local.policy = Arc::clone(policy);
        }
    }

    /// Takes what is in force from now on: the places of those routes that changed, whose connections are to be looked at.
    pub(super) fn take(&mut self, snapshot: &Snapshot) -> Vec<RouteSlot> {
        let mut known: Vec<(RouteId, RouteSlot)> = self.by_id.iter().map(|(id, slot)| (*id, *slot)).collect();
        known.retain(|(id, slot)| {
            let Some(local) = self.get_mut(*slot) else { return false };
            let has_changed = local.change(snapshot.route(*id));
            !self.forget_if_gone(*slot) && has_changed
        });
        known.into_iter().map(|(_, slot)| slot).collect()
    }

    /// Whether a route is still as it was when a connection took it.
    pub(super) fn is_current(&self, slot: RouteSlot, route: &Arc<Route>) -> bool {
        let current = self.get(slot).and_then(|local| local.route.as_ref());
        current.is_some_and(|current| Arc::ptr_eq(current, route))
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
        let report = |local: &Local| RouteReport {
            id: local.route.as_ref().map(|route| route.id),
            subject: local.route.as_ref().and_then(|route| route.subject.clone()),
            tally: local.tally.clone(),
            draining: local.ousting.as_ref().map_or((0, 0), Ousting::progress),
        };
        let gone = self.gone.iter().map(|(subject, tally)| RouteReport {
            id: None,
            subject: Some(Arc::clone(subject)),
            tally: tally.clone(),
            draining: (0, 0),
        });
        self.places.iter().flatten().map(report).chain(gone).collect()
    }

    fn add(&mut self, route: &Arc<Route>) -> RouteSlot {
        let local = Local::new(Some(Arc::clone(route)), Arc::clone(&route.policy));
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.places.get_mut(slot.0 as usize) {
                    *place = Some(local);
                }
                slot
            }
            None => {
                let slot = RouteSlot(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
                self.places.push(Some(local));
                slot
            }
        };
        self.by_id.insert(route.id, slot);
        slot
    }

    fn remove(&mut self, slot: RouteSlot) {
        let Some(place) = self.places.get_mut(slot.0 as usize) else { return };
        let Some(Local { route: Some(route), tally, .. }) = place.take_if(|local| local.route.is_some()) else {
            return;
        };
        self.by_id.remove(&route.id);
        self.free.push(slot);
        self.keep(route.subject.as_ref(), &tally);
    }

    /// Keeps the counts of a route that goes.
    fn keep(&mut self, subject: Option<&Arc<Subject>>, tally: &Tally) {
        let has_room = self.gone.len() < MAX_GONE;
        match subject {
            Some(subject) if has_room || self.gone.contains_key(subject) => {
                self.gone.entry(Arc::clone(subject)).or_default().add(tally);
            }
            _ => {
                if let Some(nobody) = self.get_mut(RouteSlot::NONE) {
                    nobody.tally.add(tally);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{MAX_GONE, RouteSlot, Routes};
    use crate::command::Tally;
    use crate::proto::scan::FrameLimits;
    use crate::routing::policy::{Policy, Timeouts};
    use crate::routing::route::{Gate, Route, RouteId, Subject};
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
        let subject = Subject { identifier: identifier.into(), ..Subject::default() };
        Route {
            id: RouteId(id),
            subject: Some(Arc::new(subject)),
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
        let own = all.iter().filter(|report| report.subject.as_ref().map_or("", |it| &it.identifier) == identifier);
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
            routes.opened(slot, Duration::ZERO);
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
            routes.opened(slot, Duration::ZERO);
            routes.leave(slot);
            routes.take(&Snapshot::default());
        }
        assert_eq!(opened(&routes, "api-0"), 1);
        assert_eq!(opened(&routes, &format!("api-{MAX_GONE}")), 0);
        assert_eq!(opened(&routes, ""), 1);
        assert_eq!(routes.reports().len(), MAX_GONE + 1);
    }
}
