//! What a client is told when TLS with the upstream fails: while it is dialled, or before it has answered.

use crate::engine::TlsFault;
use crate::proto::refusal::Refusal;

/// What a client is told of an upstream whose TLS failed.
pub(super) fn refusal_of(fault: TlsFault) -> Refusal {
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
