//! One shard's share of the proxy: the table of its connections, stepped by the engine.
//!
//! In: accepted sockets, readiness, and commands (obeyed in `commands`). Out: steps of connections, and one record for
//! each that ended. A shard never waits and never looks at another shard's connections.

mod commands;
mod keys;
mod sample;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use super::admission::{Admission, Counted};
use super::connection::Connection;
use super::context::{Context, Readiness};
use super::holders::Holders;
use super::inspection::Inspection;
use super::journal::{Journal, JournalSource};
use super::routes::Routes;
use crate::command::config::ShardConfig;
use crate::command::{Cause, Command};
use crate::engine::pool::Pool;
use crate::engine::slab::Slab;
use crate::engine::{Next, Service, Slot, Socket, Time, Transport};
use crate::proto::refusal::Refusal;
use crate::tls::secured::{Secured, Sessions};

/// The most clients over the connection limit that a shard answers at once. Further ones are closed without an answer.
const MAX_REFUSING: usize = 256;

/// The connections of one shard.
#[derive(Debug)]
pub struct Proxy {
    config: ShardConfig,
    routes: Routes,
    sessions: Sessions,
    admission: Arc<Admission>,
    journal: Journal,
    connections: Slab<Connection>,
    /// The id of the newest connection.
    last_id: u64,
    refusing: usize,
    draining: bool,
    /// `true` once the process is about to drain.
    ending: bool,
    /// The connections that were admitted with a key.
    holders: Holders,
    /// The number of the table of keys.
    keys_number: u64,
    /// The number of the snapshot that came with the TLS configurations for upstreams.
    upstream_tls_of: u64,
    /// The place in the table where the next sample of connections begins.
    sampled_to: u32,
    /// When the next draining connections are due to be closed.
    drain_at: Option<Time>,
    scratch: Vec<u8>,
    answer: Vec<u8>,
    pool: Pool,
    inspection: Inspection,
}

impl Proxy {
    /// Creates a shard's service, without connections.
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
            ending: false,
            holders: Holders::default(),
            keys_number: 0,
            upstream_tls_of: 0,
            sampled_to: 0,
            drain_at: None,
            scratch: pool.take(),
            answer: Vec::new(),
            pool,
            inspection: Inspection::default(),
        }
    }

    /// The number of connections that the shard holds.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    fn remove(&mut self, slot: Slot, now: Time) {
        let Some(connection) = self.connections.remove(slot) else { return };
        debug_assert!(
            !self.connections.is_empty() || self.inspection.waiting() == 0,
            "no connection is left, and bytes of messages are waiting"
        );
        if let Some((consumer, expires_at)) = connection.consumer()
            && let Some(holder) = consumer.key_holder()
        {
            self.holders.leave(slot, holder, expires_at);
        }
        debug_assert!(
            !self.connections.is_empty() || self.holders.is_empty(),
            "no connection is left, and one with a key is known"
        );
        self.count_out(&connection);
        let route = connection.route();
        if let Some((end, codes)) = connection.ended() {
            let local = self.routes.get_mut(route);
            if connection.was_opened() {
                local.tunnel_ended(end, codes);
                if let Some(channel) = connection.channel() {
                    local.channel_ended(channel);
                }
            } else {
                local.handshake_ended(end);
            }
        }
        let labels = self.routes.get(route).labels().cloned();
        self.routes.leave(route);
        self.journal.write(now, connection.into_record(now, labels));
    }

    fn count_out(&mut self, connection: &Connection) {
        match connection.counted {
            Counted::Not => {
                debug_assert!(self.refusing > 0, "a connection that is refused was counted");
                self.refusing = self.refusing.saturating_sub(1);
            }
            Counted::Alone => self.admission.leave(),
            Counted::WithAddress => {
                self.admission.leave_address(connection.peer().ip());
                self.admission.leave();
            }
        }
    }

    /// Counts a connection in, with its address if that is known already, and starts it.
    fn admit(&self, socket: Socket, peer: SocketAddr, listener: u16, now: Time) -> Result<Connection, Refusal> {
        let deadline = now.after(self.config.settings.policy.timeouts.handshake);
        self.admission.enter()?;
        if self.config.settings.announces(listener, peer.ip()) {
            return Ok(Connection::announced(socket, peer, now, deadline));
        }
        // The clients of a trusted proxy are counted once their requests name them.
        let counted = if self.config.settings.trusts(peer.ip()) { Counted::Alone } else { Counted::WithAddress };
        if counted == Counted::WithAddress
            && let Err(refusal) = self.admission.enter_address(peer.ip())
        {
            self.admission.leave();
            return Err(refusal);
        }
        Ok(Connection::new(socket, peer, self.config.listener_tls(listener), counted, now, deadline))
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
            inspection: &mut self.inspection,
            config: &self.config,
            admission: &self.admission,
            route: connection.route(),
            listener: connection.listener(),
            routes: &mut self.routes,
            holders: &mut self.holders,
            readiness: if self.ending { Readiness::Ending } else { Readiness::Ready },
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
        // Asked twice in every turn: an iterator over the moments costs three times as many instructions.
        let first = earlier(self.journal.due(), self.drain_at);
        earlier(earlier(first, self.inspection.due()), self.holders.due())
    }

    fn housekeep<T: Transport>(&mut self, net: &mut T) {
        let now = net.now();
        if self.journal.due().is_some_and(|due| due <= now) {
            self.journal.hand_over();
        }
        if self.drain_at.is_some_and(|at| at <= now) {
            self.close_due(net);
        }
        if self.holders.due().is_some_and(|due| due <= now) {
            self.end_expired(net);
        }
        if self.inspection.due().is_some_and(|due| due <= now) {
            self.journal.sighted(self.inspection.take_batch());
        }
    }

    fn is_accepting(&self) -> bool {
        !self.draining
    }

    fn is_finished(&self) -> bool {
        self.draining && self.connections.is_empty()
    }
}

/// The earlier of two moments, if there is one.
#[inline]
fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (only, None) | (None, only) => only,
    }
}
