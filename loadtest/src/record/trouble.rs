//! Faults that a run meets, and their words in the report.

use ringway::engine::{Fault, TlsFault};

/// A fault, in as much detail as a user can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No connection could be made.
    Connect(&'static str),
    /// The TLS handshake failed.
    Tls(TlsFault),
    /// The answer to the handshake was not a valid one.
    Handshake(&'static str),
    /// The server answered the handshake with a status other than 101.
    Status(u16),
    /// An open connection broke.
    Broken(&'static str),
    /// The server closed the connection, with this code or none.
    Closed(Option<u16>),
    /// The server violated RFC 6455.
    Violation(&'static str),
    /// A fault of a message, in a word.
    Message(&'static str),
}

impl Trouble {
    /// A connection that failed before it was open.
    #[must_use]
    pub fn connecting(fault: Fault) -> Self {
        match fault {
            Fault::Tls(fault) => Self::Tls(fault),
            fault => Self::Connect(fault.code()),
        }
    }

    /// A connection that failed after it was open.
    #[must_use]
    pub fn broken(fault: Fault) -> Self {
        Self::Broken(fault.code())
    }

    /// The stage at which it happened.
    #[must_use]
    pub fn during(self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Handshake(_) | Self::Status(_) => "handshake",
            Self::Broken(_) | Self::Closed(_) | Self::Violation(_) => "connection",
            Self::Message(_) => "message",
        }
    }

    /// The reason, for the report.
    #[must_use]
    pub fn reason(self) -> String {
        match self {
            Self::Connect(word)
            | Self::Handshake(word)
            | Self::Broken(word)
            | Self::Violation(word)
            | Self::Message(word) => word.to_owned(),
            Self::Tls(fault) => fault.to_string(),
            Self::Status(status) => format!("status {status}"),
            Self::Closed(Some(code)) => format!("closed with {code}"),
            Self::Closed(None) => "closed without a code".to_owned(),
        }
    }
}
