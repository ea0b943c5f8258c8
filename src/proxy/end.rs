//! The end of a connection: the side that caused it, the reason, and the totals of each side.

use std::fmt;

use crate::command::Cause;
use crate::engine::{Fault, TlsFault};
use crate::proto::Violation;
use crate::proto::refusal::Refusal;

/// One of the two peers of a relayed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client, downstream: it connected to Ringway.
    Client,
    /// The upstream: Ringway connected to it.
    Upstream,
}

impl Side {
    /// The other peer.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Upstream,
            Self::Upstream => Self::Client,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
        })
    }
}

/// The reason for the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Ringway refused the handshake.
    Refused(Refusal),
    /// A peer that must send a PROXY header did not, for this reason. Ringway closed without an answer.
    Unannounced(&'static str),
    /// The upstream answered with another status than 101; the client got that answer.
    Declined,
    /// The client left before the handshake was complete.
    LeftEarly,
    /// The client left and had sent nothing: neither a request nor, on a listener that speaks TLS, a hello. Balancers check
    /// this way whether a port is open.
    LeftSilently,
    /// Ringway answered a plain HTTP request itself.
    Answered,
    /// The TLS handshake with the client failed.
    Insecure(TlsFault),
    /// The client spoke TLS to a plain-text listener.
    UnexpectedTls,
    /// This side sent a close frame.
    Closed(Side),
    /// This side ended its connection without a close frame.
    Ended(Side),
    /// This side's connection broke.
    Broken(Side, Fault),
    /// This side broke the protocol or a limit.
    Violated(Side, Violation),
    /// Nothing was relayed for the idle timeout.
    Idle,
    /// This side did not answer a ping in time.
    Silent(Side),
    /// An operator, a change or a shutdown ended it.
    Drained(Cause),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "refused: {}", refusal.code),
            Self::Unannounced(reason) => write!(f, "refused: proxy-protocol: {reason}"),
            Self::Declined => f.write_str("declined by upstream"),
            Self::LeftEarly => f.write_str("client left before the handshake was over"),
            Self::LeftSilently => f.write_str("client left without a request"),
            Self::Answered => f.write_str("answered by ringway"),
            Self::Insecure(fault) => write!(f, "tls handshake failed: {fault}"),
            Self::UnexpectedTls => f.write_str("client speaks TLS, this port does not"),
            Self::Closed(side) => write!(f, "closed by {side}"),
            Self::Ended(side) => write!(f, "{side} ended without a close frame"),
            Self::Broken(side, fault) => write!(f, "{side} broken: {fault}"),
            Self::Violated(side, violation) => write!(f, "{side} violation: {}", violation.code()),
            Self::Idle => f.write_str("idle timeout"),
            Self::Silent(side) => write!(f, "{side} did not answer a ping"),
            Self::Drained(cause) => write!(f, "drained{}", cause.suffix()),
        }
    }
}

impl End {
    /// `true` if one side of an open tunnel was lost without a close frame: it ended, its connection broke, or it did not
    /// answer a ping.
    pub(super) fn is_abnormal(&self) -> bool {
        match self {
            Self::Ended(_) | Self::Broken(..) | Self::Silent(_) => true,
            Self::Refused(_)
            | Self::Unannounced(_)
            | Self::Declined
            | Self::LeftEarly
            | Self::Insecure(_)
            | Self::UnexpectedTls
            | Self::Closed(_)
            | Self::Violated(..)
            | Self::Idle
            | Self::LeftSilently
            | Self::Answered
            | Self::Drained(_) => false,
        }
    }

    /// The label of counters: one word out of a small set.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Refused(_) | Self::Unannounced(_) => "refused",
            Self::Declined => "declined",
            Self::LeftEarly | Self::LeftSilently => "left_early",
            Self::Answered => "answered",
            Self::Insecure(_) | Self::UnexpectedTls => "insecure",
            Self::Closed(Side::Client) => "client_closed",
            Self::Closed(Side::Upstream) => "upstream_closed",
            Self::Ended(Side::Client) => "client_ended",
            Self::Ended(Side::Upstream) => "upstream_ended",
            Self::Broken(Side::Client, _) => "client_broken",
            Self::Broken(Side::Upstream, _) => "upstream_broken",
            Self::Violated(Side::Client, _) => "client_violation",
            Self::Violated(Side::Upstream, _) => "upstream_violation",
            Self::Idle => "idle",
            Self::Silent(Side::Client) => "client_silent",
            Self::Silent(Side::Upstream) => "upstream_silent",
            Self::Drained(cause) => cause.label(),
        }
    }
}

/// The totals of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideRecord {
    /// Data messages from this side, counted at the header of their last frame.
    pub messages: u64,
    /// Bytes of frames from this side that were forwarded, headers included; for an echo, bytes received.
    pub bytes: u64,
    /// The code of the close frame that this side sent; 1005 for a close frame without a code.
    pub close_received: Option<u16>,
    /// The code of the close frame that was sent to this side.
    pub close_sent: Option<u16>,
}

/// The refusal for a client whose upstream failed in TLS.
pub(super) fn upstream_tls_refusal(fault: TlsFault) -> Refusal {
    match fault {
        TlsFault::NotTls => Refusal::UPSTREAM_NOT_TLS,
        TlsFault::CertificateExpired | TlsFault::CertificateNotYetValid => Refusal::UPSTREAM_CERTIFICATE_EXPIRED,
        TlsFault::CertificateName => Refusal::UPSTREAM_CERTIFICATE_NAME,
        TlsFault::CertificateUntrusted => Refusal::UPSTREAM_CERTIFICATE_UNTRUSTED,
        TlsFault::CertificateInvalid | TlsFault::CertificateMissing => Refusal::UPSTREAM_CERTIFICATE_INVALID,
        TlsFault::Alert(_) => Refusal::UPSTREAM_TLS_REFUSED,
        TlsFault::Truncated => Refusal::UPSTREAM_CLOSED,
        TlsFault::Incompatible | TlsFault::Violation | TlsFault::TooLarge | TlsFault::Internal => Refusal::UPSTREAM_TLS,
    }
}
