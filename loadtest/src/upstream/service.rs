//! One shard of an upstream as an engine service: the table of connections, and their role.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use ringway::engine::pool::Pool;
use ringway::engine::slab::Slab;
use ringway::engine::{Next, Service, Slot, Socket, Time, Transport};
use ringway::proto::close;

use super::connection::Connection;
use super::role::{Cx, Kit, Role};
use super::totals::Totals;

/// Commands that other threads can send to a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Stops accepting, closes all connections with 1001, and then ends the shard. Legal at any time; once is enough.
    Drain,
}

/// One shard of an upstream.
#[derive(Debug)]
pub struct Upstream<R: Role> {
    connections: Slab<Connection<R::State>>,
    role: R,
    kit: Kit,
    scratch: Vec<u8>,
}

impl<R: Role> Upstream<R> {
    /// Creates a shard without connections that counts into `totals`.
    #[must_use]
    pub fn new(role: R, totals: Arc<Totals>) -> Self {
        let mut pool = Pool::default();
        let scratch = pool.take();
        let kit = Kit { frames: role.frames(), totals, pool, draining: false };
        Self { connections: Slab::default(), role, kit, scratch }
    }
}

impl<R: Role> Service for Upstream<R> {
    type Command = Command;
    type Mail = Infallible;

    fn accept<T: Transport>(&mut self, net: &mut T, socket: Socket, _peer: SocketAddr, _listener: u16) -> Option<Slot> {
        self.connections.insert(Connection::new(socket, net.now())).ok()
    }

    fn step<T: Transport>(&mut self, net: &mut T, slot: Slot) -> Next {
        let Some(connection) = self.connections.get_mut(slot) else { return Next::Done };
        let mut cx = Cx { net, kit: &mut self.kit };
        let next = connection.step(slot, &mut self.role, &mut self.scratch, &mut cx);
        if next == Next::Done {
            self.connections.remove(slot);
        }
        self.role.settle(&mut self.connections, &mut cx);
        next
    }

    fn command<T: Transport>(&mut self, net: &mut T, command: Command) {
        match command {
            Command::Drain => {
                self.kit.draining = true;
                let slots: Vec<Slot> = self.connections.slots().collect();
                for slot in slots {
                    if let Some(connection) = self.connections.get_mut(slot) {
                        connection.tell_to_leave(close::GOING_AWAY, "shutting down");
                        net.wake(slot);
                    }
                }
            }
        }
    }

    fn mail<T: Transport>(&mut self, _: &mut T, mail: Infallible) {
        match mail {}
    }

    fn next_housekeeping(&self) -> Option<Time> {
        if self.kit.draining { None } else { self.role.next_due() }
    }

    fn housekeep<T: Transport>(&mut self, net: &mut T) {
        let now = Time::of_the_clock();
        let mut cx = Cx { net, kit: &mut self.kit };
        self.role.due(now, &mut self.connections, &mut cx);
    }

    fn is_accepting(&self) -> bool {
        !self.kit.draining
    }

    fn is_finished(&self) -> bool {
        self.kit.draining && self.connections.is_empty()
    }
}
