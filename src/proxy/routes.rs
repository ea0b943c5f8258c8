//! A shard's own table of the routes that its connections take: what holds for them, what was counted of them, and which
//! of their connections are to end. A route is entered when its first connection comes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::ousting::Ousting;
use super::record::{End, SideRecord};
use crate::command::{Cause, RouteReport, Tally};
use crate::routing::policy::Policy;
use crate::routing::route::{Gate, Route, RouteId, Subject};
use crate::routing::snapshot::Snapshot;

/// A place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RouteSlot(u32);

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
}

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
    /// Those of its connections that are to end.
    pub(super) ousting: Ousting,
}

/// What a change means for a route's tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// They have other deadlines now.
    pub(super) waits: bool,
}

/// What has passed through a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Messages from the client, and from the upstream.
    pub(super) messages: [u64; 2],
    /// Bytes from the client, and from the upstream.
    pub(super) bytes: [u64; 2],
}

impl Counts {
    pub(super) fn of(client: &SideRecord, upstream: &SideRecord) -> Self {
        Self { messages: [client.messages, upstream.messages], bytes: [client.bytes, upstream.bytes] }
    }
}

impl Local {
    fn new(route: Option<Arc<Route>>, policy: Arc<Policy>) -> Self {
        let tally = Tally::default();
        Self { route, policy, tally, connections: 0, turn: 0, closed: None, ousting: Ousting::default() }
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Why a connection to this endpoint is not to be, or not to go on.
    pub(super) fn objection(&self, fingerprint: u64) -> Option<Cause> {
        let elsewhere = || self.route.as_ref().is_some_and(|route| !route.goes_to(fingerprint));
        self.closed.or_else(|| elsewhere().then_some(Cause::Redeployed))
    }

    /// Takes what the snapshot says of the route now. Its tunnels are to be looked at if that is something else: some may
    /// have to end, or need not any more; and with other waits each has to be stepped, to know of them.
    fn change(&mut self, now: Option<&Arc<Route>>) -> Option<Change> {
        let before = self.route.as_ref()?;
        let Some(route) = now else {
            let was_closed = self.closed.replace(Cause::Undeployed);
            return (was_closed != Some(Cause::Undeployed)).then_some(Change { waits: false });
        };
        // It may come back as it was while connections of before it went are still ending.
        if Arc::ptr_eq(before, route) && self.closed != Some(Cause::Undeployed) {
            return None;
        }
        let leaves = before.endpoints.iter().any(|endpoint| !route.goes_to(endpoint.fingerprint()));
        let waits = before.policy.timeouts != route.policy.timeouts;
        let closed = match route.gate {
            Gate::Open => None,
            Gate::Blocked => Some(Cause::Blocked),
            Gate::Stopped => Some(Cause::Stopped),
        };
        let was_closed = std::mem::replace(&mut self.closed, closed);
        self.route = Some(Arc::clone(route));
        self.policy = Arc::clone(&route.policy);
        let ends = leaves || closed.is_some() || was_closed.is_some() || !self.ousting.is_empty();
        (ends || waits).then_some(Change { waits })
    }
}

impl Routes {
    pub(super) fn new(policy: Arc<Policy>) -> Self {
        let first = Local::new(None, Arc::clone(&policy));
        Self { places: vec![Some(first)], default: policy, by_id: HashMap::new(), free: Vec::new() }
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
        if local.connections == 0 && local.closed == Some(Cause::Undeployed) {
            self.remove(slot);
        }
    }

    /// More has passed through a connection.
    #[inline]
    pub(super) fn moved(&mut self, slot: RouteSlot, before: Counts, after: Counts) {
        let Some(local) = self.get_mut(slot) else { return };
        let tally = &mut local.tally;
        for (total, (before, after)) in tally.messages.iter_mut().zip(before.messages.iter().zip(after.messages)) {
            *total = total.saturating_add(after.saturating_sub(*before));
        }
        for (total, (before, after)) in tally.bytes.iter_mut().zip(before.bytes.iter().zip(after.bytes)) {
            *total = total.saturating_add(after.saturating_sub(*before));
        }
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
            count_by(&mut tally.ended, end.label());
            return;
        }
        let count = match end {
            End::Refused(refusal) => return count_by(&mut tally.refused, refusal.code),
            End::Unannounced(_) => return count_by(&mut tally.refused, "proxy-protocol"),
            End::Declined => &mut tally.declined,
            End::Insecure(_) | End::UnexpectedTls => &mut tally.insecure,
            _ => &mut tally.left,
        };
        *count = count.saturating_add(1);
    }

    /// Why a connection of a route to this endpoint is not to be, or not to go on.
    pub(super) fn objection(&self, slot: RouteSlot, fingerprint: u64) -> Option<Cause> {
        self.get(slot)?.objection(fingerprint)
    }

    /// What holds while there is no route.
    pub(super) fn set_default_policy(&mut self, policy: &Arc<Policy>) {
        self.default = Arc::clone(policy);
        if let Some(local) = self.get_mut(RouteSlot::NONE) {
            local.policy = Arc::clone(policy);
        }
    }

    /// Takes what is in force from now on, and calls `changed` for every route whose tunnels are to be looked at.
    pub(super) fn take(&mut self, snapshot: &Snapshot, mut changed: impl FnMut(RouteSlot, Change)) {
        let known: Vec<(RouteId, RouteSlot)> = self.by_id.iter().map(|(id, slot)| (*id, *slot)).collect();
        for (id, slot) in known {
            let Some(local) = self.get_mut(slot) else { continue };
            let change = local.change(snapshot.route(id));
            if local.closed == Some(Cause::Undeployed) && local.connections == 0 {
                self.remove(slot);
            } else if let Some(change) = change {
                changed(slot, change);
            }
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
        let report = |local: &Local| RouteReport {
            id: local.route.as_ref().map(|route| route.id),
            subject: local.route.as_ref().and_then(|route| route.subject.clone()),
            tally: local.tally.clone(),
            draining: local.ousting.progress(),
        };
        self.places.iter().flatten().map(report).collect()
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
        let Some(id) = self.get(slot).and_then(|local| Some(local.route.as_ref()?.id)) else { return };
        self.by_id.remove(&id);
        if let Some(place) = self.places.get_mut(slot.0 as usize) {
            *place = None;
        }
        self.free.push(slot);
    }
}

/// Labels are few: a search is quicker than a table.
fn count_by(counts: &mut Vec<(&'static str, u64)>, label: &'static str) {
    match counts.iter_mut().find(|(known, _)| *known == label) {
        Some((_, count)) => *count = count.saturating_add(1),
        None => counts.push((label, 1)),
    }
}
