//! How a connection fails, as far as anyone can act on it.

use std::fmt;

/// How a socket fails, as far as anyone can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing listens there.
    Refused,
    /// The peer reset the connection, or went on after it had ended.
    Reset,
    /// The network gave up on the peer.
    TimedOut,
    /// No way to the peer.
    Unreachable,
    /// No port or address of this host's left to connect from.
    NoAddress,
    /// No file descriptor left, in the process or on the host.
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

/// How TLS fails, whichever end we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsFault {
    /// What came first was not TLS.
    NotTls,
    /// The peer's certificate is past its end.
    CertificateExpired,
    /// The peer's certificate is not valid yet.
    CertificateNotYetValid,
    /// The peer's certificate is for another name.
    CertificateName,
    /// The peer's certificate leads to no authority that is trusted.
    CertificateUntrusted,
    /// The peer's certificate is wrong in another way: revoked, not meant for this use, malformed.
    CertificateInvalid,
    /// A certificate is required of the peer, and it has shown none.
    CertificateMissing,
    /// The peer refused, with this alert (RFC 8446 section 6).
    Alert(u8),
    /// No version, cipher suite, group or application protocol in common.
    Incompatible,
    /// The peer's connection ended without saying so in TLS (close_notify): what it said last may have been cut off.
    Truncated,
    /// What came is not what TLS allows: a record that was forged, torn or out of order.
    Violation,
    /// More came than is taken of what is no application data: a handshake without an end, or messages behind it.
    TooLarge,
    /// TLS could not go on for a reason of our own.
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
    /// The code; of an alert also its number, by which RFC 8446 section 6 explains it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert(number) => write!(f, "{} {number}", self.code()),
            fault => f.write_str(fault.code()),
        }
    }
}
