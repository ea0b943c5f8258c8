//! What a shard does when it is told to: take what is in force, answer questions, end connections over a window.

use std::collections::VecDeque;

use super::Proxy;
use crate::command::{Cause, Command, InForce, Listed, Listing, Report, Which};
use crate::engine::{Slot, Time, Transport};
use crate::proxy::connection::Connection;
use crate::proxy::ousting::Ousting;
use crate::proxy::routes::{Change, RouteSlot};

impl Proxy {
    pub(super) fn obey<T: Transport>(&mut self, net: &mut T, command: Command) {
        match command {
            Command::Certificates(listener, config) => {
                let index = usize::from(listener);
                if self.current.tls.len() <= index {
                    self.current.tls.resize(index.saturating_add(1), None);
                }
                if let Some(place) = self.current.tls.get_mut(index) {
                    *place = Some(config);
                }
            }
            Command::InForce(what) => self.take(net, *what),
            Command::Report(reply) => reply.send(self.report(net)),
            Command::List(listing, reply) => reply.send(self.list(&listing, net.now())),
            Command::Close(which, reply) => {
                let count = self.close(net, &which);
                reply.send(count);
            }
            Command::Drain => self.drain(net),
        }
    }

    fn take<T: Transport>(&mut self, net: &mut T, InForce { settings, snapshot, upstream_tls, done }: InForce) {
        // One that was sent again may come behind a newer one, which has all of it.
        if snapshot.number() < self.current.snapshot.number() {
            return done.send(());
        }
        self.routes.set_default_policy(&settings.policy);
        self.settings = settings;
        if let Some(configs) = upstream_tls {
            self.current.upstream_tls = configs;
        }
        let mut changes = Vec::new();
        self.routes.take(&snapshot, |slot, change| changes.push((slot, change)));
        self.current.snapshot = snapshot;
        for (slot, change) in changes {
            match change {
                Change::Stay => {}
                Change::EndAll(cause) => self.end_over_window(net.now(), slot, cause, |_| true),
                Change::EndElsewhere => self.end_elsewhere(net.now(), slot),
            }
        }
        self.oust(net);
        done.send(());
    }

    fn end_elsewhere(&mut self, now: Time, slot: RouteSlot) {
        let Some(route) = self.routes.get(slot).and_then(|local| local.route().cloned()) else { return };
        let is_elsewhere = |to: u64| !route.goes_to(to);
        self.end_over_window(now, slot, Cause::Redeployed, is_elsewhere);
    }

    /// The open tunnels of a route that `are_meant`, by where they go, are to end over its window.
    fn end_over_window(&mut self, now: Time, route: RouteSlot, cause: Cause, are_meant: impl Fn(u64) -> bool) {
        let Some(window) = self.routes.get(route).map(|local| local.policy().drain_window) else { return };
        let is_meant =
            |connection: &Connection| connection.route() == route && connection.tunnel().is_some_and(&are_meant);
        let waiting: VecDeque<(Slot, u64)> = self
            .connections
            .iter_from(Slot(0))
            .filter(|(_, connection)| is_meant(connection))
            .map(|(slot, connection)| (slot, connection.number()))
            .collect();
        if let Some(local) = self.routes.get_mut(route) {
            local.ousting = (!waiting.is_empty()).then(|| Ousting::new(cause, waiting, now, window));
        }
    }

    /// Ends the connections whose turn it is, and says when the next ones are.
    pub(super) fn oust<T: Transport>(&mut self, net: &mut T) {
        let now = net.now();
        self.ousts_at = None;
        for slot in self.routes.slots() {
            let Some(local) = self.routes.get_mut(slot) else { continue };
            let Some(ousting) = &mut local.ousting else { continue };
            let cause = ousting.cause();
            while let Some((place, number)) = ousting.next(now) {
                let Some(connection) = self.connections.get_mut(place) else { continue };
                if connection.number() == number {
                    connection.drain(cause);
                    net.wake(place);
                }
            }
            match ousting.wake_at(now) {
                Some(at) => self.ousts_at = Some(self.ousts_at.map_or(at, |other| other.min(at))),
                None => local.ousting = None,
            }
        }
    }

    /// The process ends: what is not open yet ends at once, what is open over the window.
    fn drain<T: Transport>(&mut self, net: &mut T) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        let now = net.now();
        for slot in self.routes.slots() {
            self.end_over_window(now, slot, Cause::Shutdown, |_| true);
        }
        let slots: Vec<Slot> = self.connections.slots().collect();
        for slot in slots {
            if let Some(connection) = self.connections.get_mut(slot)
                && connection.tunnel().is_none()
            {
                connection.drain(Cause::Shutdown);
                net.wake(slot);
            }
        }
        self.oust(net);
    }

    fn close<T: Transport>(&mut self, net: &mut T, which: &Which) -> u64 {
        let Which::Of(routes) = which else {
            return u64::from(self.close_one(net, which));
        };
        let mut count = 0_u64;
        for slot in routes.iter().filter_map(|id| self.routes.slot_of(*id)).collect::<Vec<_>>() {
            self.end_over_window(net.now(), slot, Cause::Closed, |_| true);
            let ousting = self.routes.get(slot).and_then(|local| local.ousting.as_ref());
            count = count.saturating_add(ousting.map_or(0, |ousting| ousting.progress().1));
        }
        self.oust(net);
        count
    }

    fn close_one<T: Transport>(&mut self, net: &mut T, which: &Which) -> bool {
        let Which::One(number) = which else { return false };
        let found = self.connections.iter_from(Slot(0)).find(|(_, connection)| connection.number() == *number);
        let Some(slot) = found.map(|(slot, _)| slot) else { return false };
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.drain(Cause::Closed);
        }
        net.wake(slot);
        true
    }

    fn report<T: Transport>(&self, net: &T) -> Report {
        Report {
            snapshot: self.current.snapshot.number(),
            figures: net.figures(),
            connections: self.connections.len(),
            routes: self.routes.reports(),
        }
    }

    fn list(&self, listing: &Listing, now: Time) -> Listed {
        let routes: Option<Vec<RouteSlot>> =
            listing.routes.as_ref().map(|routes| routes.iter().filter_map(|id| self.routes.slot_of(*id)).collect());
        let is_meant = |connection: &Connection| {
            routes.as_ref().is_none_or(|routes| routes.contains(&connection.route()))
                && listing.client.is_none_or(|client| connection.peer().ip().to_canonical() == client.to_canonical())
        };
        let mut listed = Listed::default();
        let meant = self.connections.iter_from(Slot(listing.from)).filter(|(_, connection)| is_meant(connection));
        for (slot, connection) in meant {
            if listed.connections.len() >= listing.limit {
                listed.next = Some(slot.0);
                break;
            }
            listed.connections.push(connection.view(&self.routes, now));
        }
        listed
    }
}
