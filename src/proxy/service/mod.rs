//! A shard's connections: the table of them, and what the engine asks of it. What other threads tell it is obeyed in
//! `orders`.

mod orders;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use super::admission::{Admission, Counted};
use super::connection::Connection;
use super::context::Context;
use super::journal::{Journal, JournalSource};
use super::routes::Routes;
use crate::command::config::ShardConfig;
use crate::command::{Cause, Command};
use crate::engine::pool::Pool;
use crate::engine::slab::Slab;
use crate::engine::{Next, Service, Slot, Socket, Time, Transport};
use crate::proto::refusal::Refusal;
use crate::tls::secured::{Secured, Sessions};

/// Connections over the limit that a shard may be refusing at once. Who comes beyond that is closed without a word.
const MAX_REFUSING: usize = 256;

/// One shard's share of the proxy.
#[derive(Debug)]
pub struct Proxy {
    config: ShardConfig,
    routes: Routes,
    sessions: Sessions,
    admission: Arc<Admission>,
    journal: Journal,
    connections: Slab<Connection>,
    /// The number of the last_id.
    last_id: u64,
    refusing: usize,
    draining: bool,
    /// The number of the snapshot that brought how upstreams are spoken to in TLS.
    upstream_tls_of: u64,
    /// When the next connections are to end of those that end over a window.
    ousts_at: Option<Time>,
    scratch: Vec<u8>,
    answer: Vec<u8>,
    pool: Pool,
}

impl Proxy {
    /// A shard's service, without connections.
    #[must_use]
    pub fn new(config: ShardConfig, admission: Arc<Admission>, journal: JournalSource) -> Self {
        let mut pool = Pool::default();
        Self {
            routes: Routes::new(Arc::clone(&config.settings.policy)),
            config,
            sessions: Sessions::default(),
            admission,
            journal: journal.open(),
            connections: Slab::default(),
            last_id: 0,
            refusing: 0,
            draining: false,
            upstream_tls_of: 0,
            ousts_at: None,
            scratch: pool.take(),
            answer: Vec::new(),
            pool,
        }
    }

    /// How many connections it holds.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    fn remove(&mut self, slot: Slot, now: Time) {
        let Some(connection) = self.connections.remove(slot) else { return };
        self.count_out(&connection);
        let route = connection.route();
        if let Some((end, codes)) = connection.ended() {
            self.routes.get_mut(route).ended(connection.was_opened(), end, codes);
        }
        let labels = self.routes.get(route).labels().cloned();
        self.routes.leave(route);
        self.journal.write(now, connection.into_record(now, labels));
    }

    fn count_out(&mut self, connection: &Connection) {
        match connection.counted {
            Counted::Not => self.refusing = self.refusing.saturating_sub(1),
            Counted::Alone => self.admission.leave(),
            Counted::WithAddress => {
                self.admission.leave_address(connection.peer().ip());
                self.admission.leave();
            }
        }
    }

    /// Counts a connection in, with its address if that is known, and takes it from there.
    fn admit(&self, socket: Socket, peer: SocketAddr, listener: u16, now: Time) -> Result<Connection, Refusal> {
        let deadline = now.after(self.config.settings.policy.timeouts.handshake);
        self.admission.enter()?;
        if self.config.settings.announces(listener, peer.ip()) {
            return Ok(Connection::announced(socket, peer, now, deadline));
        }
        if let Err(refusal) = self.admission.enter_address(peer.ip()) {
            self.admission.leave();
            return Err(refusal);
        }
        Ok(Connection::new(socket, peer, self.config.listener_tls(listener), now, deadline))
    }
}

impl Service for Proxy {
    type Command = Command;
    type Mail = Infallible;

    fn accept<T: Transport>(&mut self, net: &mut T, socket: Socket, peer: SocketAddr, listener: u16) -> Option<Slot> {
        let now = net.now();
        let connection = match self.admit(socket, peer, listener, now) {
            Ok(connection) => connection,
            Err(_) if self.refusing >= MAX_REFUSING => return None,
            Err(refusal) => {
                self.refusing = self.refusing.saturating_add(1);
                let deadline = now.after(self.config.settings.policy.timeouts.close);
                Connection::refused(socket, peer, self.config.listener_tls(listener), refusal, now, deadline)
            }
        };
        self.last_id = self.last_id.saturating_add(1);
        let mut connection = connection.with_id(self.last_id, listener);
        if self.draining {
            connection.drain(Cause::Shutdown);
        }
        match self.connections.insert(connection) {
            Ok(slot) => Some(slot),
            Err(connection) => {
                self.count_out(&connection);
                None
            }
        }
    }

    #[inline]
    fn step<T: Transport>(&mut self, net: &mut T, slot: Slot) -> Next {
        let Some(connection) = self.connections.get_mut(slot) else { return Next::Done };
        let mut secured = Secured::new(net, &mut self.sessions, slot);
        let mut cx = Context {
            net: &mut secured,
            scratch: &mut self.scratch,
            answer: &mut self.answer,
            pool: &mut self.pool,
            config: &self.config,
            admission: &self.admission,
            route: connection.route(),
            listener: connection.listener(),
            routes: &mut self.routes,
        };
        let next = connection.step(slot, &mut cx);
        if next == Next::Done {
            self.remove(slot, net.now());
        }
        next
    }

    fn command<T: Transport>(&mut self, net: &mut T, command: Command) {
        self.obey(net, command);
    }

    fn mail<T: Transport>(&mut self, _: &mut T, mail: Infallible) {
        match mail {}
    }

    fn next_housekeeping(&self) -> Option<Time> {
        let (journal, ousting) = (self.journal.due(), self.ousts_at);
        journal.map_or(ousting, |due| Some(ousting.map_or(due, |at| at.min(due))))
    }

    fn housekeep<T: Transport>(&mut self, net: &mut T) {
        let now = net.now();
        if self.journal.due().is_some_and(|due| due <= now) {
            self.journal.hand_over();
        }
        if self.ousts_at.is_some_and(|at| at <= now) {
            self.oust(net);
        }
    }

    fn is_accepting(&self) -> bool {
        !self.draining
    }

    fn is_finished(&self) -> bool {
        self.draining && self.connections.is_empty()
    }
}
