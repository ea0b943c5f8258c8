//! The parameters that a TLS handshake negotiated, as reports show them.

use ringway::engine::Socket;
use ringway::tls::SecureTransport;
use rustls::HandshakeKind;

use crate::record::Agreed;

/// The negotiated parameters of a socket's session; `None` in plain text.
pub(super) fn agreed<T: SecureTransport>(net: &T, socket: Socket) -> Option<Agreed> {
    let peer = net.peer(socket)?;
    Some(Agreed {
        version: peer.version.and_then(|version| version.as_str()).unwrap_or("unknown"),
        suite: peer.suite.and_then(|suite| suite.as_str()).unwrap_or("unknown"),
        group: peer.group.and_then(|group| group.as_str()).unwrap_or("unknown"),
        resumed: peer.kind == Some(HandshakeKind::Resumed),
    })
}
