//! Translates errors of rustls to the engine's faults, and faults to text for people.

use rustls::{CertificateError, Error};

use crate::engine::TlsFault;

/// The fault for an error of a session.
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

/// One line of text for the user of a client with the option `--tls-ca`.
#[must_use]
pub fn explained(fault: TlsFault) -> String {
    let meaning = match fault {
        TlsFault::NotTls => "the server does not speak TLS; is it a ws:// or http:// address?",
        TlsFault::CertificateUntrusted => {
            "no trusted authority has signed the server's certificate; name one with --tls-ca FILE"
        }
        TlsFault::CertificateName => "the server's certificate is for another name than the one in the URL",
        TlsFault::CertificateExpired => "the server's certificate has expired",
        TlsFault::CertificateNotYetValid => "the server's certificate is not valid yet; are the clocks right?",
        TlsFault::CertificateInvalid => {
            "the server's certificate is not fit for a server. If it is an authority's (CA:TRUE), name the very same with \
             --tls-ca FILE, or make one that is fit: openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem \
             -days 90 -subj /CN=NAME -addext subjectAltName=DNS:NAME -addext basicConstraints=critical,CA:FALSE"
        }
        TlsFault::CertificateMissing => "the server has sent no certificate",
        TlsFault::Incompatible => "there is no version, cipher suite, group or protocol in common",
        TlsFault::Alert(_) => "the server refused the handshake; its log may say why",
        TlsFault::Truncated => "the connection was cut off: it ended without close_notify",
        TlsFault::Violation => "the server broke the TLS protocol",
        TlsFault::TooLarge => "the server's handshake is too long",
        TlsFault::Internal => "this program could not continue",
    };
    format!("TLS failed ({fault}): {meaning}")
}

fn of_certificate(error: &CertificateError) -> TlsFault {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::CertificateExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::CertificateNotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFault::CertificateName
        }
        // A wrong signature is how another authority with the same name and another key shows.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::CertificateUntrusted,
        _ => TlsFault::CertificateInvalid,
    }
}

#[cfg(test)]
mod tests {
    use super::{TlsFault, fault_of};
    use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

    #[test]
    fn a_fault_that_an_operator_can_mend_has_a_name_of_its_own() {
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
