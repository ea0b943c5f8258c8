//! The places of a request that a route takes a credential from.

use std::fmt;

/// The places. Without any no request has a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The header whose value is a key; with it `Authorization: Bearer` is a place as well.
    pub header: Option<Box<str>>,
    /// The parameter of the query whose value is a key.
    pub query: Option<Box<str>>,
    /// The cookie whose value is a key.
    pub cookie: Option<Box<str>>,
    /// `true` if subprotocols are a place.
    pub has_subprotocol: bool,
}

/// A place of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `Authorization`, or the key's own header.
    Header,
    /// A parameter of the query.
    Query,
    /// A word in `Sec-WebSocket-Protocol`.
    Subprotocol,
    /// A cookie.
    Cookie,
}

impl Place {
    /// The word that policies and logs use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Query => "query",
            Self::Subprotocol => "subprotocol",
            Self::Cookie => "cookie",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
