//! What a shard does when it is told to: take what is in force, answer questions, end connections over a window.

use std::collections::HashMap;

use super::Proxy;
use crate::command::{Cause, Command, InForce, Listed, Listing, Report, Which};
use crate::engine::{Slot, Time, Transport};
use crate::proxy::connection::Connection;
use crate::proxy::routes::{Change, RouteSlot};

/// Routes whose tunnels are looked at, each with those of them that are to end.
type Meant = HashMap<RouteSlot, (Change, Vec<(Slot, u64)>)>;

/// A route that has not changed.
fn meant_of(slot: RouteSlot) -> (RouteSlot, (Change, Vec<(Slot, u64)>)) {
    (slot, (Change { waits: false }, Vec::new()))
}

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
        self.routes.set_default_policy(&settings.policy);
        self.settings = settings;
        if let Some(configs) = upstream_tls {
            self.current.upstream_tls = configs;
        }
        let mut changed = Meant::new();
        self.routes.take(&snapshot, |slot, change| drop(changed.insert(slot, (change, Vec::new()))));
        self.current.snapshot = snapshot;
        self.end_over_window(net, None, changed);
        self.oust(net);
        done.send(());
    }

    /// Tunnels of these routes are to end over the routes' windows: all of them for this cause, or without one those that
    /// there is an objection to. Says how many. One look at each connection, however many routes there are.
    fn end_over_window<T: Transport>(&mut self, net: &mut T, cause: Option<Cause>, mut routes: Meant) -> u64 {
        if routes.is_empty() {
            return 0;
        }
        for (slot, connection) in self.connections.iter_from(Slot(0)) {
            let Some(to) = connection.tunnel() else { continue };
            let Some((change, meant)) = routes.get_mut(&connection.route()) else { continue };
            if cause.is_some() || self.routes.objection(connection.route(), to).is_some() {
                meant.push((slot, connection.number()));
            } else if change.waits {
                net.wake(slot);
            }
        }
        let mut count = 0_usize;
        for (route, (_, meant)) in routes {
            count = count.saturating_add(meant.len());
            if let Some(local) = self.routes.get_mut(route) {
                let window = local.policy().drain_window;
                local.ousting.spread(&meant, cause, net.now(), window);
            }
        }
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Ends the connections whose turn it is, and says when the next ones are.
    pub(super) fn oust<T: Transport>(&mut self, net: &mut T) {
        let now = net.now();
        self.ousts_at = None;
        for slot in self.routes.slots() {
            let Some(local) = self.routes.get_mut(slot) else { continue };
            while let Some(next) = local.ousting.next(now) {
                let Some(connection) = self.connections.get_mut(next.place) else { continue };
                let objection = || connection.tunnel().and_then(|to| local.objection(to));
                if connection.number() == next.number
                    && let Some(cause) = next.cause.or_else(objection)
                {
                    connection.drain(cause);
                    net.wake(next.place);
                }
            }
            if let Some(at) = local.ousting.wake_at(now) {
                self.ousts_at = Some(self.ousts_at.map_or(at, |other| other.min(at)));
            }
        }
    }

    /// The process ends: what is not open yet ends at once, what is open over the window.
    fn drain<T: Transport>(&mut self, net: &mut T) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        let all = self.routes.slots().map(meant_of).collect();
        self.end_over_window(net, Some(Cause::Shutdown), all);
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
        let meant = routes.iter().filter_map(|id| self.routes.slot_of(*id)).map(meant_of).collect();
        let count = self.end_over_window(net, Some(Cause::Closed), meant);
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
