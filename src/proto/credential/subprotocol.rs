//! Credentials among the subprotocols that a client offers: browsers can set no header of a handshake but this one.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::is_ours;

/// The subprotocol that says that the next one is a credential. It is also the answer to a client that offers no other.
pub const MARKER: &str = "ringway.bearer";

/// The form that Kubernetes' API server takes: the token follows in base64url, without padding.
const ENCODED: &[u8] = b"base64url.bearer.authorization.k8s.io.";

/// The meaning of one subprotocol.
pub(super) enum Role<'n> {
    /// A subprotocol of the application.
    Application,
    /// The marker.
    Marker,
    /// A credential.
    Token(Cow<'n, [u8]>),
}

/// The credentials among the subprotocols.
pub(super) fn tokens<'n>(names: &'n [&'n [u8]]) -> impl Iterator<Item = Cow<'n, [u8]>> {
    roles(names).filter_map(|role| match role {
        Role::Token(text) => Some(text),
        Role::Application | Role::Marker => None,
    })
}

/// Every subprotocol's role, in order. No name comes twice: the request's parser has seen to that.
pub(super) fn roles<'n>(names: &'n [&'n [u8]]) -> impl Iterator<Item = Role<'n>> {
    names.iter().scan(false, |is_after_marker, name| {
        if std::mem::replace(is_after_marker, *name == MARKER.as_bytes()) || is_ours(name) {
            return Some(Role::Token(Cow::Borrowed(name)));
        }
        if *is_after_marker {
            return Some(Role::Marker);
        }
        let encoded = name.strip_prefix(ENCODED).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        Some(match encoded.filter(|text| is_ours(text)) {
            Some(text) => Role::Token(Cow::Owned(text)),
            None => Role::Application,
        })
    })
}
