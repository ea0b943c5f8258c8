//! What a shard does when it is told to: take what is in force, answer questions, end connections over a window.

use std::collections::HashMap;

use super::Proxy;
use crate::command::view::{ConnectionPage, Report};
use crate::command::{Activation, Cause, Command, ConnectionQuery, Selection};
use crate::engine::{Slot, Time, Transport};
use crate::proxy::connection::Connection;
use crate::proxy::drain::{Ousted, Ousting};
use crate::proxy::routes::{Places, RouteSlot};
use crate::routing::route::RouteId;

/// Connections that are looked at for one page: others have their turn then.
const LOOKED_AT: usize = 16 * 1024;

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
            Command::Activate(what) => self.take(net, *what),
            Command::Report(reply) => reply.send(self.report(net)),
            Command::List(listing, reply) => reply.send(self.list(&listing, net.now())),
            Command::Close(which, reply) => {
                let count = self.close(net, &which);
                reply.send(count);
            }
            Command::Drain => self.drain(net),
        }
    }

    fn take<T: Transport>(&mut self, net: &mut T, what: Activation) {
        let Activation { settings, snapshot, upstream_tls, done } = what;
        // What was sent again may come behind something newer.
        if let Some(configs) = upstream_tls.filter(|_| snapshot.number() >= self.upstream_tls_of) {
            self.config.upstream_tls = configs;
            self.upstream_tls_of = snapshot.number();
        }
        if snapshot.number() >= self.config.snapshot.number() {
            self.routes.set_default_policy(&settings.policy);
            self.config.settings = settings;
            let changed: Places = self.routes.take(&snapshot).into_iter().collect();
            self.config.snapshot = snapshot;
            self.look_at(net, &changed);
        }
        done.send(());
    }

    /// Routes have changed: their tunnels go by their new waits, and end over the window if they have no place there any
    /// more. All other connections are passed over.
    fn look_at<T: Transport>(&mut self, net: &mut T, changed: &Places) {
        if changed.is_empty() {
            return;
        }
        let mut ousted: HashMap<RouteSlot, Vec<Ousted>> = HashMap::new();
        for (place, connection) in self.connections.iter_from(Slot(0)) {
            let route = connection.route();
            let Some(fingerprint) = connection.tunnel().filter(|_| changed.has(route)) else { continue };
            net.wake(place);
            if let Some(cause) = self.routes.get(route).objection(connection.listener(), fingerprint) {
                ousted.entry(route).or_default().push(Ousted { place, number: connection.id(), cause });
            }
        }
        // When the process ends, all end.
        if self.draining {
            return;
        }
        for slot in self.routes.slots().filter(|slot| changed.has(*slot)) {
            self.amend(net.now(), slot, &ousted.remove(&slot).unwrap_or_default());
        }
        self.oust(net);
    }

    fn amend(&mut self, now: Time, slot: RouteSlot, ousted: &[Ousted]) {
        let local = self.routes.get_mut(slot);
        let window = local.policy().drain_window;
        local.ousting = Ousting::amended(local.ousting.take(), ousted, now, window);
    }

    /// All tunnels of these routes are to end over their windows: how many those are.
    fn end_all<T: Transport>(&mut self, net: &mut T, routes: &Places, cause: Cause) -> u64 {
        let (mut count, mut ousted) = (0_u64, HashMap::<RouteSlot, Vec<Ousted>>::new());
        for (place, connection) in self.connections.iter_from(Slot(0)) {
            let route = connection.route();
            if connection.tunnel().is_some() && routes.has(route) {
                count = count.saturating_add(1);
                ousted.entry(route).or_default().push(Ousted { place, number: connection.id(), cause });
            }
        }
        for (slot, ousted) in ousted {
            self.amend(net.now(), slot, &ousted);
        }
        self.oust(net);
        count
    }

    /// Ends the connections whose turn it is, and says when the next ones are.
    pub(super) fn oust<T: Transport>(&mut self, net: &mut T) {
        let now = net.now();
        self.ousts_at = None;
        for slot in self.routes.slots() {
            let local = self.routes.get_mut(slot);
            let Some(ousting) = &mut local.ousting else { continue };
            while let Some(Ousted { place, number, cause }) = ousting.next(now) {
                let Some(connection) = self.connections.get_mut(place) else { continue };
                if connection.id() == number {
                    connection.drain(cause);
                    net.wake(place);
                }
            }
            match ousting.wake_at(now) {
                Some(at) => self.ousts_at = Some(self.ousts_at.map_or(at, |other| other.min(at))),
                None => {
                    local.ousting = None;
                    self.routes.forget_if_gone(slot);
                }
            }
        }
    }

    /// The process ends: what is not open yet ends at once, what is open over the window.
    fn drain<T: Transport>(&mut self, net: &mut T) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        let all: Places = self.routes.slots().collect();
        self.end_all(net, &all, Cause::Shutdown);
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

    fn close<T: Transport>(&mut self, net: &mut T, which: &Selection) -> u64 {
        match which {
            Selection::Connection(number) => u64::from(self.close_one(net, *number)),
            Selection::Routes(routes) => {
                let places: Places = routes.iter().filter_map(|id| self.routes.slot_of(*id)).collect();
                if places.is_empty() { 0 } else { self.end_all(net, &places, Cause::Closed) }
            }
        }
    }

    fn close_one<T: Transport>(&mut self, net: &mut T, number: u64) -> bool {
        let found = self.connections.iter_from(Slot(0)).find(|(_, connection)| connection.id() == number);
        let Some(slot) = found.map(|(slot, _)| slot) else { return false };
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.drain(Cause::Closed);
        }
        net.wake(slot);
        true
    }

    fn report<T: Transport>(&self, net: &T) -> Report {
        Report {
            snapshot: self.config.snapshot.number(),
            figures: net.figures(),
            connections: self.connections.len(),
            routes: self.routes.reports(),
        }
    }

    fn list(&self, listing: &ConnectionQuery, now: Time) -> ConnectionPage {
        let of = |routes: &Vec<RouteId>| routes.iter().filter_map(|id| self.routes.slot_of(*id)).collect::<Places>();
        let routes = listing.routes.as_ref().map(of);
        let mut listed = ConnectionPage::default();
        if routes.as_ref().is_some_and(Places::is_empty) {
            return listed;
        }
        let is_meant = |connection: &Connection| {
            routes.as_ref().is_none_or(|routes| routes.has(connection.route()))
                && listing.client.is_none_or(|client| connection.peer().ip().to_canonical() == client.to_canonical())
        };
        let mut looked_at = 0_usize;
        for (slot, connection) in self.connections.iter_from(Slot(listing.from)) {
            if listed.connections.len() >= listing.limit || looked_at >= LOOKED_AT {
                listed.next = Some(slot.0);
                break;
            }
            looked_at = looked_at.saturating_add(1);
            if is_meant(connection) {
                listed.connections.push(connection.view(&self.routes, now));
            }
        }
        listed
    }
}
