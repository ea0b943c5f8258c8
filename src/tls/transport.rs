//! The transport that stages are written against: a [`Transport`] whose sockets may speak TLS.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CipherSuite, ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig};

use crate::engine::{Fault, Socket, Transport};

/// A [`Transport`] with a TLS session on some of its sockets. On those, receives give plaintext and sends take it; all
/// other sockets pass straight through.
///
/// Call order: [`accept_tls`](Self::accept_tls) or [`connect_tls`](Self::connect_tls) starts a session before anything
/// else is received or sent; [`handshake`](Self::handshake) drives it until it is done; [`peer`](Self::peer) then tells
/// who the peer is.
pub trait SecureTransport: Transport {
    /// Starts a TLS session as the server. `early` are the bytes that were received from the socket already.
    ///
    /// # Errors
    /// rustls cannot start with this configuration.
    fn accept_tls(&mut self, socket: Socket, config: Arc<ServerConfig>, early: &[u8]) -> Result<(), Fault>;

    /// Starts a TLS session as the client of a server called `name`. The socket may still be connecting.
    ///
    /// # Errors
    /// rustls cannot start with this configuration.
    fn connect_tls(
        &mut self,
        socket: Socket,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<(), Fault>;

    /// Continues the TLS handshake as far as it goes. [`Handshaking::Done`] for a socket without a session.
    fn handshake(&mut self, socket: Socket) -> Handshaking;

    /// The peer of a socket, as far as the handshake has shown; `None` for a socket without a session.
    fn peer(&self, socket: Socket) -> Option<Peer<'_>>;

    /// Drops the session of a socket, which speaks plain text from then on.
    fn forget(&mut self, socket: Socket);
}

/// The state of a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshaking {
    /// The handshake is complete.
    Done,
    /// The handshake continues when the socket has changed.
    Blocked,
    /// The handshake failed. The peer was sent an alert, if it could be.
    Failed(Fault),
}

/// The peer of a TLS session.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// The name that a client asked for (SNI).
    pub server_name: Option<&'a str>,
    /// The certificates that the peer has shown, its own first. Verified if the configuration verifies.
    pub certificates: &'a [CertificateDer<'static>],
    /// The negotiated version.
    pub version: Option<ProtocolVersion>,
    /// The negotiated cipher suite.
    pub suite: Option<CipherSuite>,
    /// The negotiated key exchange group.
    pub group: Option<NamedGroup>,
    /// The kind of handshake: full, or with a resumed session.
    pub kind: Option<HandshakeKind>,
}
