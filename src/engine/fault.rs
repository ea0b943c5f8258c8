//! The ways in which a connection fails, as far as a caller can act on them.

use std::fmt;

/// A socket's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing listens at the address.
    Refused,
    /// The peer reset the connection, or went on after it had ended.
    Reset,
    /// The network gave up on the peer.
    TimedOut,
    /// The host has no route to the peer.
    Unreachable,
    /// This host has no port or address left to connect from.
    NoAddress,
    /// The process or the host has no file descriptor left.
    NoDescriptors,
    /// TLS failed.
    Tls(TlsFault),
    /// Anything else, by its errno.
    Other(i32),
}

impl Fault {
    /// A stable word for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::TimedOut => "timed-out",
            Self::Unreachable => "unreachable",
            Self::NoAddress => "no-local-address",
            Self::NoDescriptors => "no-descriptors",
            Self::Tls(fault) => fault.code(),
            Self::Other(_) => "failed",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(fault) => fault.fmt(f),
            fault => f.write_str(fault.code()),
        }
    }
}

/// A failure of TLS, as a client or as a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsFault {
    /// The first bytes were not TLS.
    NotTls,
    /// The peer's certificate has expired.
    CertificateExpired,
    /// The peer's certificate is not valid yet.
    CertificateNotYetValid,
    /// The peer's certificate is for another name.
    CertificateName,
    /// No trusted authority has signed the peer's certificate.
    CertificateUntrusted,
    /// The peer's certificate is wrong in another way: revoked, not meant for this use, malformed.
    CertificateInvalid,
    /// The peer must show a certificate, and has shown none.
    CertificateMissing,
    /// The peer refused, with this alert (RFC 8446 section 6).
    Alert(u8),
    /// The two ends have no version, cipher suite, group or application protocol in common.
    Incompatible,
    /// The peer's connection ended without close_notify: its last message may be cut off.
    Truncated,
    /// The peer sent what TLS does not allow: a record that was forged, torn or out of order.
    Violation,
    /// The peer sent too much that is not application data: a handshake without an end, or messages after it.
    TooLarge,
    /// TLS failed for a reason on this side.
    Internal,
}

impl TlsFault {
    /// A stable word for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotTls => "not-tls",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateNotYetValid => "certificate-not-yet-valid",
            Self::CertificateName => "certificate-for-another-name",
            Self::CertificateUntrusted => "certificate-untrusted",
            Self::CertificateInvalid => "certificate-invalid",
            Self::CertificateMissing => "certificate-missing",
            Self::Alert(_) => "tls-alert-received",
            Self::Incompatible => "tls-incompatible",
            Self::Truncated => "tls-truncated",
            Self::Violation => "tls-violation",
            Self::TooLarge => "tls-handshake-too-large",
            Self::Internal => "tls-internal",
        }
    }
}

impl fmt::Display for TlsFault {
    /// Writes the code, and for an alert its number in RFC 8446 section 6.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert(number) => write!(f, "{} {number}", self.code()),
            fault => f.write_str(fault.code()),
        }
    }
}
