//! A shard's connections: the table of them, and what the engine asks of it.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;

use super::admission::{Admission, Counted};
use super::connection::Connection;
use super::context::Context;
use super::current::Current;
use super::record::{Journal, JournalSource};
use super::settings::Settings;
use crate::engine::pool::Pool;
use crate::engine::slab::Slab;
use crate::engine::{Next, Service, Slot, Socket, Time, Transport};
use crate::proto::refusal::Refusal;
use crate::tls::secured::{Secured, Sessions};

/// Connections over the limit that a shard may be refusing at once. Who comes beyond that is closed without a word.
const MAX_REFUSING: usize = 256;

/// What other threads can tell a shard.
#[derive(Clone, Debug)]
pub enum Command {
    /// From now on clients are spoken to with these certificates.
    Certificates(Arc<ServerConfig>),
    /// Stop accepting, end every connection in order, then be finished. Legal at any time; once is enough.
    Drain,
}

/// One shard's share of the proxy.
#[derive(Debug)]
pub struct Proxy {
    settings: Arc<Settings>,
    current: Current,
    sessions: Sessions,
    admission: Arc<Admission>,
    journal: Journal,
    connections: Slab<Connection>,
    refusing: usize,
    draining: bool,
    scratch: Vec<u8>,
    answer: Vec<u8>,
    pool: Pool,
}

impl Proxy {
    /// A shard's service, without connections.
    #[must_use]
    pub fn new(settings: Arc<Settings>, current: Current, admission: Arc<Admission>, journal: JournalSource) -> Self {
        let mut pool = Pool::default();
        Self {
            settings,
            current,
            sessions: Sessions::default(),
            admission,
            journal: journal.open(),
            connections: Slab::default(),
            refusing: 0,
            draining: false,
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
        self.journal.write(now, connection.into_record(now));
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
    fn admit(&self, socket: Socket, peer: SocketAddr, now: Time) -> Result<Connection, Refusal> {
        let deadline = now.after(self.settings.timeouts.handshake);
        self.admission.enter()?;
        if self.settings.announces(peer.ip()) {
            return Ok(Connection::announced(socket, peer, now, deadline));
        }
        if let Err(refusal) = self.admission.enter_address(peer.ip()) {
            self.admission.leave();
            return Err(refusal);
        }
        Ok(Connection::new(socket, peer, self.current.tls.as_ref(), now, deadline))
    }
}

impl Service for Proxy {
    type Command = Command;

    fn accept<T: Transport>(&mut self, net: &mut T, socket: Socket, peer: SocketAddr) -> Option<Slot> {
        let now = net.now();
        let connection = match self.admit(socket, peer, now) {
            Ok(connection) => connection,
            Err(_) if self.refusing >= MAX_REFUSING => return None,
            Err(refusal) => {
                self.refusing = self.refusing.saturating_add(1);
                let deadline = now.after(self.settings.timeouts.close);
                Connection::refused(socket, peer, self.current.tls.as_ref(), refusal, now, deadline)
            }
        };
        let slot = match self.connections.insert(connection) {
            Ok(slot) => slot,
            Err(connection) => {
                self.count_out(&connection);
                return None;
            }
        };
        if self.draining
            && let Some(connection) = self.connections.get_mut(slot)
        {
            connection.drain();
        }
        Some(slot)
    }

    fn step<T: Transport>(&mut self, net: &mut T, slot: Slot) -> Next {
        let Some(connection) = self.connections.get_mut(slot) else { return Next::Done };
        let mut secured = Secured::new(net, &mut self.sessions, slot);
        let mut cx = Context {
            net: &mut secured,
            scratch: &mut self.scratch,
            answer: &mut self.answer,
            pool: &mut self.pool,
            settings: &self.settings,
            current: &self.current,
            admission: &self.admission,
        };
        let next = connection.step(slot, &mut cx);
        if next == Next::Done {
            self.remove(slot, net.now());
        }
        next
    }

    fn command<T: Transport>(&mut self, net: &mut T, command: Command) {
        match command {
            Command::Certificates(config) => self.current.tls = Some(config),
            Command::Drain => {
                self.draining = true;
                let slots: Vec<Slot> = self.connections.slots().collect();
                for slot in slots {
                    if let Some(connection) = self.connections.get_mut(slot) {
                        connection.drain();
                        net.wake(slot);
                    }
                }
            }
        }
    }

    fn next_housekeeping(&self) -> Option<Time> {
        self.journal.due()
    }

    fn housekeep<T: Transport>(&mut self, _net: &mut T) {
        self.journal.hand_over();
    }

    fn is_accepting(&self) -> bool {
        !self.draining
    }

    fn is_finished(&self) -> bool {
        self.draining && self.connections.is_empty()
    }
}
