//! What rustls says went wrong, in the engine's words.

use rustls::{CertificateError, Error};

use crate::engine::TlsFault;

/// The fault that an error of a session is.
#[must_use]
pub fn fault_of(error: &Error) -> TlsFault {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::NoCertificatesPresented => TlsFault::CertificateMissing,
        Error::AlertReceived(alert) => TlsFault::Alert(u8::from(*alert)),
        Error::NoApplicationProtocol | Error::PeerIncompatible(_) => TlsFault::Incompatible,
        Error::UnsupportedNameType
        | Error::InvalidCertRevocationList(_)
        | Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::HandshakeNotComplete
        | Error::EncryptError
        | Error::General(_)
        | Error::BadMaxFragmentSize
        | Error::Other(_) => TlsFault::Internal,
        _ => TlsFault::Violation,
    }
}

fn of_certificate(error: &CertificateError) -> TlsFault {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::CertificateExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::CertificateNotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFault::CertificateName
        }
        // A signature that does not fit is what an authority of the same name with another key looks like.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::CertificateUntrusted,
        _ => TlsFault::CertificateInvalid,
    }
}

#[cfg(test)]
mod tests {
    use super::{TlsFault, fault_of};
    use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

    #[test]
    fn what_an_operator_can_act_on_has_a_name_of_its_own() {
        for (error, fault) in [
            (Error::InvalidCertificate(CertificateError::Expired), TlsFault::CertificateExpired),
            (Error::InvalidCertificate(CertificateError::NotValidForName), TlsFault::CertificateName),
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), TlsFault::CertificateUntrusted),
            (Error::InvalidCertificate(CertificateError::InvalidPurpose), TlsFault::CertificateInvalid),
            (Error::NoCertificatesPresented, TlsFault::CertificateMissing),
            (Error::AlertReceived(AlertDescription::UnknownCA), TlsFault::Alert(48)),
            (Error::NoApplicationProtocol, TlsFault::Incompatible),
            (Error::DecryptError, TlsFault::Violation),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), TlsFault::Violation),
        ] {
            assert_eq!(fault_of(&error), fault, "{error}");
        }
    }
}
