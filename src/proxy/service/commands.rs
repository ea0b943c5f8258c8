//! Obeys the commands of other threads: makes a configuration active, answers questions, drains connections.

use std::collections::HashMap;

use super::Proxy;
use crate::command::view::{ConnectionPage, Report};
use crate::command::{Activation, Cause, Command, ConnectionQuery, Selection};
use crate::engine::{Slot, Time, Transport};
use crate::proxy::connection::Connection;
use crate::proxy::drain::{DrainQueue, Draining};
use crate::proxy::routes::{RouteSlot, SlotSet};
use crate::routing::route::RouteId;

/// The most connections that are looked at for one page, so that a large table does not delay the shard's connections.
const MAX_LOOKED_AT: usize = 16 * 1024;

impl Proxy {
    pub(super) fn obey<T: Transport>(&mut self, net: &mut T, command: Command) {
        match command {
            Command::Certificates(listener, config) => {
                let index = usize::from(listener);
                if self.config.tls.len() <= index {
                    self.config.tls.resize(index.saturating_add(1), None);
                }
                if let Some(place) = self.config.tls.get_mut(index) {
                    *place = Some(config);
                }
            }
            Command::Activate(activation) => self.activate(net, *activation),
            Command::Keys(change) => self.change_keys(net, *change),
            Command::Report(reply) => reply.send(self.report(net)),
            Command::List(query, reply) => reply.send(self.list(&query, net.now())),
            Command::Close(selection, reply) => {
                let count = self.close(net, &selection);
                reply.send(count);
            }
            Command::AnnounceEnd => self.ending = true,
            Command::Drain => self.drain(net),
        }
    }

    fn activate<T: Transport>(&mut self, net: &mut T, activation: Activation) {
        let Activation { settings, snapshot, upstream_tls, done } = activation;
        // A command that was sent a second time may arrive after a newer one.
        if let Some(configs) = upstream_tls.filter(|_| snapshot.number() >= self.upstream_tls_of) {
            self.config.upstream_tls = configs;
            self.upstream_tls_of = snapshot.number();
        }
        if snapshot.number() >= self.config.snapshot.number() {
            self.routes.set_default_policy(&settings.policy);
            self.config.settings = settings;
            let changed: SlotSet = self.routes.activate(&snapshot).into_iter().collect();
            self.config.snapshot = snapshot;
            self.apply_changes(net, &changed);
        }
        done.send(());
    }

    /// Applies changed routes to their open tunnels: new deadlines count at once, and a tunnel that its route rejects
    /// now is drained. Connections of other routes are not looked at.
    fn apply_changes<T: Transport>(&mut self, net: &mut T, changed: &SlotSet) {
        if changed.is_empty() {
            return;
        }
        let mut rejected: HashMap<RouteSlot, Vec<Draining>> = HashMap::new();
        let mut concerned = Vec::new();
        for (slot, connection) in self.connections.iter_from(Slot(0)) {
            let route = connection.route();
            let Some(fingerprint) = connection.tunnel().filter(|_| changed.has(route)) else { continue };
            net.wake(slot);
            concerned.push(slot);
            let local = self.routes.get(route);
            let escapes = || connection.escapes_enforcement(local).then_some(Cause::Validated);
            if let Some(cause) = local.rejection_reason(connection.listener(), fingerprint).or_else(escapes) {
                rejected.entry(route).or_default().push(Draining { slot, id: connection.id(), cause });
            }
        }
        // Connections that wait for their close, too: until then the new policies hold for their messages.
        for slot in concerned {
            if let Some(connection) = self.connections.get_mut(slot) {
                connection.reconsider();
            }
        }
        // A shutdown is closing every tunnel already, whatever its route says.
        if self.draining {
            return;
        }
        for slot in self.routes.slots().filter(|slot| changed.has(*slot)) {
            self.update_queue(net.now(), slot, &rejected.remove(&slot).unwrap_or_default());
        }
        self.close_due(net);
    }

    fn update_queue(&mut self, now: Time, slot: RouteSlot, to_close: &[Draining]) {
        let local = self.routes.get_mut(slot);
        let window = local.policy().drain_window;
        local.drain = DrainQueue::updated(local.drain.take(), to_close, now, window);
    }

    /// Drains all tunnels of these routes over their windows, and returns how many.
    fn drain_routes<T: Transport>(&mut self, net: &mut T, routes: &SlotSet, cause: Cause) -> u64 {
        let (mut count, mut to_close) = (0_u64, HashMap::<RouteSlot, Vec<Draining>>::new());
        for (slot, connection) in self.connections.iter_from(Slot(0)) {
            let route = connection.route();
            if connection.tunnel().is_some() && routes.has(route) {
                count = count.saturating_add(1);
                to_close.entry(route).or_default().push(Draining { slot, id: connection.id(), cause });
            }
        }
        for (slot, to_close) in to_close {
            self.update_queue(net.now(), slot, &to_close);
        }
        self.close_due(net);
        count
    }

    /// Closes the draining connections that are due, and sets the time of the next round.
    pub(super) fn close_due<T: Transport>(&mut self, net: &mut T) {
        let now = net.now();
        self.drain_at = None;
        for slot in self.routes.slots() {
            let local = self.routes.get_mut(slot);
            let Some(queue) = &mut local.drain else { continue };
            while let Some(Draining { slot, id, cause }) = queue.next_due(now) {
                let Some(connection) = self.connections.get_mut(slot) else { continue };
                if connection.id() == id {
                    connection.drain(cause);
                    net.wake(slot);
                }
            }
            match queue.wake_at(now) {
                Some(at) => self.drain_at = Some(self.drain_at.map_or(at, |other| other.min(at))),
                None => {
                    local.drain = None;
                    self.routes.forget_if_gone(slot);
                }
            }
        }
    }

    /// Shuts down: closes every connection, open tunnels over their windows and all others at once.
    fn drain<T: Transport>(&mut self, net: &mut T) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        self.ending = true;
        let all: SlotSet = self.routes.slots().collect();
        self.drain_routes(net, &all, Cause::Shutdown);
        let slots: Vec<Slot> = self.connections.slots().collect();
        for slot in slots {
            if let Some(connection) = self.connections.get_mut(slot)
                && connection.tunnel().is_none()
            {
                connection.drain(Cause::Shutdown);
                net.wake(slot);
            }
        }
    }

    fn close<T: Transport>(&mut self, net: &mut T, selection: &Selection) -> u64 {
        match selection {
            Selection::Connection(id) => u64::from(self.close_one(net, *id)),
            Selection::Routes(routes) => {
                let slots: SlotSet = routes.iter().filter_map(|id| self.routes.slot_of(*id)).collect();
                if slots.is_empty() { 0 } else { self.drain_routes(net, &slots, Cause::Closed) }
            }
        }
    }

    fn close_one<T: Transport>(&mut self, net: &mut T, id: u64) -> bool {
        let found = self.connections.iter_from(Slot(0)).find(|(_, connection)| connection.id() == id);
        let Some(slot) = found.map(|(slot, _)| slot) else { return false };
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.drain(Cause::Closed);
        }
        net.wake(slot);
        true
    }

    fn report<T: Transport>(&mut self, net: &T) -> Report {
        Report {
            snapshot: self.config.snapshot.number(),
            figures: net.figures(),
            connections: self.connections.len(),
            kernel: self.kernel_bytes(net),
            routes: self.routes.reports(),
        }
    }

    fn list(&self, query: &ConnectionQuery, now: Time) -> ConnectionPage {
        let of = |routes: &Vec<RouteId>| routes.iter().filter_map(|id| self.routes.slot_of(*id)).collect::<SlotSet>();
        let routes = query.routes.as_ref().map(of);
        let mut page = ConnectionPage::default();
        if routes.as_ref().is_some_and(SlotSet::is_empty) {
            return page;
        }
        let is_selected = |connection: &Connection| {
            routes.as_ref().is_none_or(|routes| routes.has(connection.route()))
                && query.client.is_none_or(|client| connection.peer().ip().to_canonical() == client.to_canonical())
        };
        let mut looked_at = 0_usize;
        for (slot, connection) in self.connections.iter_from(Slot(query.from)) {
            if page.connections.len() >= query.limit || looked_at >= MAX_LOOKED_AT {
                page.next = Some(slot.0);
                break;
            }
            looked_at = looked_at.saturating_add(1);
            if is_selected(connection) {
                page.connections.push(connection.view(&self.routes, now));
            }
        }
        page
    }
}
