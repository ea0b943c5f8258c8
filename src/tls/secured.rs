//! A transport whose sockets may speak TLS: those that have a session go through it, the others straight through.
//!
//! It keeps the contract of [`Transport`]: a receive or send that is not blocked may be repeated, and a blocked one is
//! followed by a step when trying again makes sense. A layer of its own under the stages, it is what the simulator tests
//! over torn records.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::crypto::SupportedKxGroup;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, Connection, HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig,
    ServerConnection,
};

pub use super::session::Handshaking;
use super::session::Session;
use crate::engine::pool::BUFFER_BYTES;
use crate::engine::{Fault, Figures, Received, Sent, Slot, Socket, Time, TlsFault, Transport};

/// Looks at what came, in one call, before others have their turn.
const TRIES: usize = 4;

/// A shard's sessions, by their sockets' places.
#[derive(Debug, Default)]
pub struct Sessions {
    table: Vec<Option<Box<Session>>>,
    /// What is received is shown to rustls here. Without memory until there is a session.
    wire: Vec<u8>,
}

/// What is known of who speaks TLS with us.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// The name that a client asked for (SNI).
    pub server_name: Option<&'a str>,
    /// The certificates it showed, its own first. Verified, if the configuration verifies.
    pub certificates: &'a [CertificateDer<'static>],
    /// The version that was agreed on.
    pub version: Option<ProtocolVersion>,
    /// The cipher suite that was agreed on.
    pub suite: Option<CipherSuite>,
    /// The group that keys were agreed on in.
    pub group: Option<NamedGroup>,
    /// Whether the handshake was full or resumed a session.
    pub kind: Option<HandshakeKind>,
}

impl Sessions {
    /// Whether there may be a session: asked first, so that a socket without one pays for no more than this.
    #[inline]
    fn has(&self, socket: Socket) -> bool {
        matches!(self.table.get(socket.index as usize), Some(Some(_)))
    }

    #[inline]
    fn get(&self, socket: Socket) -> Option<&Session> {
        self.table.get(socket.index as usize)?.as_deref().filter(|session| session.socket == socket)
    }

    /// A socket's session, and where it may be shown what it received.
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

/// A transport, and a shard's sessions over it, for one step.
#[derive(Debug)]
pub struct Secured<'a, T> {
    net: &'a mut T,
    sessions: &'a mut Sessions,
    me: Slot,
}

impl<'a, T: Transport> Secured<'a, T> {
    /// For a step of `me`, whose sockets are used.
    pub fn new(net: &'a mut T, sessions: &'a mut Sessions, me: Slot) -> Self {
        Self { net, sessions, me }
    }

    /// The socket speaks TLS from here on, and we are the server. `early` was received from it already.
    ///
    /// # Errors
    /// rustls cannot begin with this configuration.
    pub fn accept_tls(&mut self, socket: Socket, config: Arc<ServerConfig>, early: &[u8]) -> Result<(), Fault> {
        let tls = ServerConnection::new(config).map_err(|_| Fault::Tls(TlsFault::Internal))?;
        self.begin(socket, Connection::Server(tls), early);
        Ok(())
    }

    /// The socket speaks TLS from here on, and we are the client, who wants `name`. It may still be connecting.
    ///
    /// # Errors
    /// rustls cannot begin with this configuration.
    pub fn connect_tls(
        &mut self,
        socket: Socket,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<(), Fault> {
        let tls = ClientConnection::new(config, name).map_err(|_| Fault::Tls(TlsFault::Internal))?;
        self.begin(socket, Connection::Client(tls), &[]);
        Ok(())
    }

    fn begin(&mut self, socket: Socket, tls: Connection, early: &[u8]) {
        let mut session = Session::new(socket, tls);
        session.begin(early, self.net);
        self.sessions.insert(session);
    }

    /// Takes the handshake as far as it goes. A socket without a session has none to wait for.
    pub fn handshake(&mut self, socket: Socket) -> Handshaking {
        let Some((session, wire)) = self.sessions.get_mut(socket) else { return Handshaking::Done };
        for _ in 0..TRIES {
            if let Some(result) = session.shake_hands(self.net, wire) {
                return result;
            }
        }
        self.net.wake(self.me);
        Handshaking::Blocked
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

    /// Who speaks on this socket, once the handshake is done; `None` in plain text.
    #[must_use]
    pub fn peer(&self, socket: Socket) -> Option<Peer<'_>> {
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

    /// The socket's session is over: what is left of it goes in plain text.
    pub fn forget(&mut self, socket: Socket) {
        self.sessions.remove(socket);
    }
}

impl<T: Transport> Transport for Secured<'_, T> {
    fn now(&self) -> Time {
        self.net.now()
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
