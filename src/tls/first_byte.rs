//! What the first byte on a connection tells: whether TLS is spoken there. It is a record's type (RFC 8446 section 5.1).

/// An alert's record, and a handshake's. No request and no answer of HTTP begins with either.
pub(super) const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Whether a client that begins so speaks TLS.
#[must_use]
pub fn is_of_client(byte: u8) -> bool {
    byte == HANDSHAKE
}

/// Whether a server that answers so speaks TLS: it may refuse with its first word.
#[must_use]
pub fn is_of_server(byte: u8) -> bool {
    matches!(byte, HANDSHAKE | ALERT)
}
