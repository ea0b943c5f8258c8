//! The TLS layer between a transport and the stages: sockets with a session go through rustls, all others straight
//! through.
//!
//! The contract of [`Transport`] holds: a receive or send that is not blocked may be repeated, and a blocked one is
//! followed by a step when trying again makes sense. The simulator tests this layer with torn records.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::SupportedKxGroup;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use super::session::Session;
use super::transport::{Handshaking, Peer, SecureTransport};
use crate::engine::pool::BUFFER_BYTES;
use crate::engine::{Fault, Figures, Received, Sent, Slot, Socket, Time, TlsFault, Transport};

/// The most receives from the socket in one call, before other connections have their turn.
const TRIES: usize = 4;

/// The TLS sessions of a shard, by the index of their sockets.
#[derive(Debug, Default)]
pub struct Sessions {
    table: Vec<Option<Box<Session>>>,
    /// The buffer in which received bytes are shown to rustls. Allocated with the first session.
    wire: Vec<u8>,
}

impl Sessions {
    /// `true` if the socket may have a session. Asked first, so that a plain socket pays for this look-up alone.
    #[inline]
    fn has(&self, socket: Socket) -> bool {
        matches!(self.table.get(socket.index as usize), Some(Some(_)))
    }

    #[inline]
    fn get(&self, socket: Socket) -> Option<&Session> {
        self.table.get(socket.index as usize)?.as_deref().filter(|session| session.socket == socket)
    }

    /// The session of a socket, and the buffer for what it receives.
    #[inline]
    fn get_mut(&mut self, socket: Socket) -> Option<(&mut Session, &mut [u8])> {
        let session = self.table.get_mut(socket.index as usize)?.as_deref_mut()?;
        (session.socket == socket).then_some((session, self.wire.as_mut_slice()))
    }

    fn insert(&mut self, session: Session) {
        if self.wire.is_empty() {
            self.wire.resize(BUFFER_BYTES, 0);
        }
        let index = session.socket.index as usize;
        if index >= self.table.len() {
            self.table.resize_with(index.saturating_add(1), || None);
        }
        if let Some(place) = self.table.get_mut(index) {
            *place = Some(Box::new(session));
        }
    }

    fn remove(&mut self, socket: Socket) -> Option<Box<Session>> {
        self.table.get_mut(socket.index as usize)?.take_if(|session| session.socket == socket)
    }
}

/// A transport with a shard's sessions over it, for one step of one connection.
#[derive(Debug)]
pub struct Secured<'a, T> {
    net: &'a mut T,
    sessions: &'a mut Sessions,
    me: Slot,
}

impl<'a, T: Transport> Secured<'a, T> {
    /// Wraps `net` for a step of `me`.
    pub fn new(net: &'a mut T, sessions: &'a mut Sessions, me: Slot) -> Self {
        Self { net, sessions, me }
    }

    fn begin(&mut self, socket: Socket, tls: Connection, early: &[u8]) {
        let mut session = Session::new(socket, tls);
        session.begin(early, self.net);
        self.sessions.insert(session);
    }

    #[inline(never)]
    fn recv_tls(&mut self, socket: Socket, into: &mut [u8]) -> Received {
        let Some((session, wire)) = self.sessions.get_mut(socket) else { return self.net.recv(socket, into) };
        for _ in 0..TRIES {
            if let Some(received) = session.recv(self.net, wire, into) {
                return received;
            }
        }
        self.net.wake(self.me);
        Received::Blocked
    }

    #[inline(never)]
    fn send_tls(&mut self, socket: Socket, bytes: &[u8]) -> Sent {
        match self.sessions.get_mut(socket) {
            None => self.net.send(socket, bytes),
            Some((session, _)) if !session.tls().is_handshaking() => session.send(self.net, bytes),
            Some(_) => self.send_after_handshake(socket, bytes),
        }
    }

    #[inline(never)]
    fn send_vectored_tls(&mut self, socket: Socket, slices: &[IoSlice<'_>]) -> Sent {
        match self.sessions.get_mut(socket) {
            None => self.net.send_vectored(socket, slices),
            Some((session, _)) if !session.tls().is_handshaking() => session.send_vectored(self.net, slices),
            Some(_) => match self.handshake(socket) {
                Handshaking::Done => self.send_vectored(socket, slices),
                Handshaking::Failed(fault) => Sent::Failed(fault),
                Handshaking::Blocked => Sent::Blocked,
            },
        }
    }

    #[inline(never)]
    fn flush_tls(&mut self, socket: Socket, progress: &mut usize) -> Result<bool, Fault> {
        match self.sessions.get_mut(socket) {
            Some((session, _)) => session.flush(self.net, progress),
            None => self.net.flush(socket, progress),
        }
    }

    fn send_after_handshake(&mut self, socket: Socket, bytes: &[u8]) -> Sent {
        match self.handshake(socket) {
            Handshaking::Done => self.send(socket, bytes),
            Handshaking::Failed(fault) => Sent::Failed(fault),
            Handshaking::Blocked => Sent::Blocked,
        }
    }
}

impl<T: Transport> SecureTransport for Secured<'_, T> {
    fn accept_tls(&mut self, socket: Socket, config: Arc<ServerConfig>, early: &[u8]) -> Result<(), Fault> {
        let tls = ServerConnection::new(config).map_err(|_| Fault::Tls(TlsFault::Internal))?;
        self.begin(socket, Connection::Server(tls), early);
        Ok(())
    }

    fn connect_tls(
        &mut self,
        socket: Socket,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<(), Fault> {
        let tls = ClientConnection::new(config, name).map_err(|_| Fault::Tls(TlsFault::Internal))?;
        self.begin(socket, Connection::Client(tls), &[]);
        Ok(())
    }

    fn handshake(&mut self, socket: Socket) -> Handshaking {
        let Some((session, wire)) = self.sessions.get_mut(socket) else { return Handshaking::Done };
        for _ in 0..TRIES {
            if let Some(result) = session.shake_hands(self.net, wire) {
                return result;
            }
        }
        self.net.wake(self.me);
        Handshaking::Blocked
    }

    fn peer(&self, socket: Socket) -> Option<Peer<'_>> {
        let tls = self.sessions.get(socket)?.tls();
        let server_name = match tls {
            Connection::Server(server) => server.server_name(),
            Connection::Client(_) => None,
        };
        Some(Peer {
            server_name,
            certificates: tls.peer_certificates().unwrap_or_default(),
            version: tls.protocol_version(),
            suite: tls.negotiated_cipher_suite().map(|suite| suite.suite()),
            group: tls.negotiated_key_exchange_group().map(SupportedKxGroup::name),
            kind: tls.handshake_kind(),
        })
    }

    fn forget(&mut self, socket: Socket) {
        self.sessions.remove(socket);
    }
}

impl<T: Transport> Transport for Secured<'_, T> {
    fn now(&self) -> Time {
        self.net.now()
    }

    fn wall_clock(&self) -> SystemTime {
        self.net.wall_clock()
    }

    #[inline]
    fn recv(&mut self, socket: Socket, into: &mut [u8]) -> Received {
        if self.sessions.has(socket) { self.recv_tls(socket, into) } else { self.net.recv(socket, into) }
    }

    #[inline]
    fn send(&mut self, socket: Socket, bytes: &[u8]) -> Sent {
        if self.sessions.has(socket) { self.send_tls(socket, bytes) } else { self.net.send(socket, bytes) }
    }

    fn send_vectored(&mut self, socket: Socket, slices: &[IoSlice<'_>]) -> Sent {
        if self.sessions.has(socket) {
            self.send_vectored_tls(socket, slices)
        } else {
            self.net.send_vectored(socket, slices)
        }
    }

    #[inline]
    fn flush(&mut self, socket: Socket, progress: &mut usize) -> Result<bool, Fault> {
        if self.sessions.has(socket) { self.flush_tls(socket, progress) } else { self.net.flush(socket, progress) }
    }

    #[inline]
    fn holds(&self, socket: Socket) -> bool {
        self.sessions.has(socket) && self.sessions.get(socket).is_some_and(Session::holds)
    }

    fn hung_up(&self, socket: Socket) -> bool {
        self.net.hung_up(socket) || self.sessions.get(socket).is_some_and(Session::has_ended)
    }

    fn unacknowledged(&self, socket: Socket) -> usize {
        self.net.unacknowledged(socket)
    }

    fn acknowledged(&self, socket: Socket) -> u64 {
        self.net.acknowledged(socket)
    }

    fn unread(&self, socket: Socket) -> usize {
        self.net.unread(socket)
    }

    fn dial(&mut self, owner: Slot, from: Option<IpAddr>, to: SocketAddr) -> Result<Socket, Fault> {
        self.net.dial(owner, from, to)
    }

    fn shutdown(&mut self, socket: Socket) {
        match self.sessions.get_mut(socket) {
            Some((session, _)) => session.shutdown(self.net),
            None => self.net.shutdown(socket),
        }
    }

    fn close(&mut self, socket: Socket) {
        if let Some(mut session) = self.sessions.remove(socket) {
            session.last_words(self.net);
        }
        self.net.close(socket);
    }

    fn abort(&mut self, socket: Socket) {
        self.sessions.remove(socket);
        self.net.abort(socket);
    }

    fn wake(&mut self, slot: Slot) {
        self.net.wake(slot);
    }

    fn random(&mut self, into: &mut [u8]) {
        self.net.random(into);
    }

    fn figures(&self) -> Figures {
        self.net.figures()
    }
}
