//! The identity of a client: the subject of its certificate, written so that it is safe as the value of a header.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::asn1_rs::{Any, Tag, ToDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::AttributeTypeAndValue;

use super::validity::{self, OutOfDate};
use super::verifier::{clients_asked_by, signatures_by};
use crate::engine::TlsFault;

/// The longest subject that is passed on, in bytes as written. A longer one is refused, not cut: two cut subjects could
/// look the same.
pub const MAX_SUBJECT_BYTES: usize = 1024;

/// The reason why a subject cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectError {
    /// The certificate or its subject is not what X.509 allows.
    Malformed,
    /// The subject is longer than [`MAX_SUBJECT_BYTES`].
    TooLong,
}

/// The subject of a client's certificate, once the handshake is complete. The validity is checked again, because a
/// resumed session has the certificate from its ticket and rustls does not check it then.
///
/// # Errors
/// The certificate has expired, is not valid yet, or has a subject that cannot be passed on.
pub fn of_client(certificate: &[u8], now: SystemTime) -> Result<String, TlsFault> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| TlsFault::CertificateInvalid)?;
    let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
    validity::check(&parsed, now).map_err(|out| match out {
        OutOfDate::Expired => TlsFault::CertificateExpired,
        OutOfDate::NotYetValid => TlsFault::CertificateNotYetValid,
    })?;
    written(&parsed).map_err(|_| TlsFault::CertificateInvalid)
}

/// The subject of a certificate as an RFC 4514 string, the last relative name first: `CN=alice,O=Example`. Only visible
/// ASCII and inner spaces stand for themselves; everything else is written in hexadecimal, byte by byte of its UTF-8.
/// Empty for a certificate without a subject.
///
/// The certificate is not verified here: the handshake has done that.
///
/// # Errors
/// See [`SubjectError`].
pub fn subject(certificate: &[u8]) -> Result<String, SubjectError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| SubjectError::Malformed)?;
    written(&parsed)
}

fn written(certificate: &X509Certificate<'_>) -> Result<String, SubjectError> {
    let names: Vec<_> = certificate.subject().iter_rdn().collect();
    let mut out = String::new();
    // RFC 4514 section 2.1: the last relative name comes first.
    for (index, name) in names.iter().rev().enumerate() {
        if index > 0 {
            out.push(',');
        }
        for (index, attribute) in name.iter().enumerate() {
            if index > 0 {
                out.push('+');
            }
            write_attribute(attribute, &mut out)?;
            if out.len() > MAX_SUBJECT_BYTES {
                return Err(SubjectError::TooLong);
            }
        }
    }
    Ok(out)
}

/// The attribute types that are written by name: those of RFC 4514 section 3, and two more that are registered and
/// common.
const KINDS: [(&str, &str); 11] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

fn write_attribute(attribute: &AttributeTypeAndValue<'_>, out: &mut String) -> Result<(), SubjectError> {
    let oid = attribute.attr_type().to_id_string();
    let value = attribute.attr_value();
    let kind = KINDS.iter().find(|(number, _)| *number == oid).map(|(_, name)| *name);
    out.push_str(kind.unwrap_or(&oid));
    out.push('=');
    match kind.and_then(|_| text_of(value)) {
        Some(text) => write_escaped(&text, out),
        None => {
            // RFC 4514 section 2.4: any other value is written as its encoding.
            out.push('#');
            for byte in value.to_der_vec().map_err(|_| SubjectError::Malformed)? {
                let _ = write!(out, "{byte:02x}");
            }
        }
    }
    Ok(())
}

/// The text of a value, if its type is a text type and the value is valid in it.
fn text_of(value: &Any<'_>) -> Option<String> {
    let bytes = value.data;
    match value.tag() {
        Tag::Utf8String => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            bytes.is_ascii().then(|| bytes.iter().copied().map(char::from).collect())
        }
        Tag::BmpString => {
            let (units, rest) = bytes.as_chunks::<2>();
            let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
            rest.is_empty().then(|| char::decode_utf16(units).collect::<Result<String, _>>().ok()).flatten()
        }
        _ => None,
    }
}

/// Escapes a value (RFC 4514 section 2.4). `=` is escaped too, which the grammar allows: an upstream that searches for
/// `CN=admin` must not find it inside another value.
fn write_escaped(text: &str, out: &mut String) {
    let last = text.len().saturating_sub(1);
    for (at, character) in text.char_indices() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => {
                out.push('\\');
                out.push(character);
            }
            '#' if at == 0 => out.push_str("\\#"),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            ' '..='~' => out.push(character),
            _ => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{byte:02X}");
                }
            }
        }
    }
}

/// Verifies client certificates with the inner verifier, and refuses those whose subject cannot be passed on.
#[derive(Debug)]
pub(super) struct OnlyPlainSubjects(pub(super) Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for OnlyPlainSubjects {
    clients_asked_by!(0);

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.0.verify_client_cert(end_entity, intermediates, now)?;
        match subject(end_entity) {
            Ok(_) => Ok(verified),
            Err(_) => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
        }
    }

    signatures_by!(0);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use rcgen::{DnType, DnValue};
    use rustls::{ClientConfig, HandshakeKind, ServerConfig};

    use super::{MAX_SUBJECT_BYTES, SubjectError, of_client, subject};
    use crate::engine::TlsFault;
    use crate::tls::client::{ClientFiles, ClientTls, Trust};
    use crate::tls::pem::PemFile;
    use crate::tls::server::{ClientCertificates, ServerTls};
    use crate::tls::testing::{Authority, Folder, Pair, params, shake};

    fn of(pair: &Pair) -> Result<String, SubjectError> {
        subject(&PemFile::new("", "").certificates(pair.certificate.as_bytes()).unwrap()[0])
    }

    #[test]
    fn a_subject_is_written_last_name_first_and_safe_as_a_header() {
        let authority = Authority::new("ca");
        let bmp = |text: &str| {
            let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            DnValue::BmpString(rcgen::string::BmpString::from_utf16be(units).unwrap())
        };
        for (given, written) in [
            (DnValue::from("alice"), "CN=alice"),
            ("a b".into(), "CN=a b"),
            ("".into(), "CN="),
            (" lead and trail ".into(), "CN=\\ lead and trail\\ "),
            (" ".into(), "CN=\\ "),
            ("#1 #2".into(), "CN=\\#1 #2"),
            ("a,b+c;d<e>f\"g\\h=i".into(), "CN=a\\,b\\+c\\;d\\<e\\>f\\\"g\\\\h\\=i"),
            ("x\r\nRingway-Client-Subject: CN=root".into(), "CN=x\\0D\\0ARingway-Client-Subject: CN\\=root"),
            ("nul\0tab\tdel\x7f".into(), "CN=nul\\00tab\\09del\\7F"),
            ("Lučić".into(), "CN=Lu\\C4\\8Di\\C4\\87"),
            ("\u{202e}nimda\u{1f600}".into(), "CN=\\E2\\80\\AEnimda\\F0\\9F\\98\\80"),
            (bmp("é\n"), "CN=\\C3\\A9\\0A"),
            (DnValue::TeletexString("tele".try_into().unwrap()), "CN=#140474656c65"),
        ] {
            let subject = of(&authority.named(given)).unwrap();
            assert_eq!(subject, written);
            assert!(subject.bytes().all(|byte| (0x20..0x7F).contains(&byte)), "{subject:?}");
        }
    }

    #[test]
    fn the_order_is_reversed_and_unknown_kinds_are_numbers() {
        let mut params = params(&[]);
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in [
            (DnType::CountryName, "DE"),
            (DnType::OrganizationName, "Example"),
            (DnType::CommonName, "alice"),
            (DnType::CustomDnType(vec![1, 2, 3, 4]), "x"),
        ] {
            params.distinguished_name.push(kind, value);
        }
        assert_eq!(of(&Authority::new("ca").sign(&params)).unwrap(), "1.2.3.4=#0c0178,CN=alice,O=Example,C=DE");
    }

    #[test]
    fn a_certificate_without_a_subject_has_an_empty_one_and_a_broken_one_none() {
        let mut params = params(&["a.test"]);
        params.distinguished_name = rcgen::DistinguishedName::new();
        assert_eq!(of(&Authority::new("ca").sign(&params)).as_deref(), Ok(""));
        assert_eq!(subject(b"no certificate"), Err(SubjectError::Malformed));
    }

    #[test]
    fn a_subject_that_is_too_long_is_refused_in_the_handshake_already() {
        let authority = Authority::new("ca");
        let longest = "x".repeat(MAX_SUBJECT_BYTES - 3);
        assert_eq!(of(&authority.named(longest.as_str())).map(|subject| subject.len()), Ok(MAX_SUBJECT_BYTES));
        let too_long = authority.named(format!("{longest}x"));
        assert_eq!(of(&too_long), Err(SubjectError::TooLong));

        for (pair, is_let_in) in [(&authority.named(longest.as_str()), true), (&too_long, false)] {
            let (server, client) = ends(&authority, pair);
            assert_eq!(shake(&server, &client, "a.test").is_ok(), is_let_in);
        }
    }

    /// Connects a server that requests certificates and a client that shows this one.
    fn ends(authority: &Authority, shown: &Pair) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
        let folder = Folder::new();
        let leaf = authority.leaf(&["a.test"]);
        let pair = (folder.write("c", &leaf.certificate), folder.write("k", &leaf.key));
        let ca = PemFile::new("--client-ca", folder.write("ca", &authority.certificate));
        let server = ServerTls::new(vec![pair], ClientCertificates::Optional(ca)).load(None).unwrap().config;
        let certificate = PemFile::new("--upstream-cert", folder.write("cc", &shown.certificate));
        let key = PemFile::new("--upstream-key", folder.write("ck", &shown.key));
        let files = ClientFiles { trust: Trust::Insecure, identity: Some((certificate, key)) };
        (server, ClientTls::load(&files).unwrap().for_shard())
    }

    #[test]
    fn a_certificate_that_was_good_when_its_ticket_was_given_is_refused_once_it_has_expired() {
        let authority = Authority::new("ca");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let end = Duration::from_secs(now.as_secs() + 3600);
        let (server, client) = ends(&authority, &authority.until(&[], end));
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let ends = shake(&server, &client, "a.test").unwrap();
            assert_eq!(ends.server.handshake_kind(), Some(kind));
            let shown = &ends.server.peer_certificates().unwrap()[0];
            let at = |since| of_client(shown, UNIX_EPOCH + since);
            assert!(at(now).is_ok() && at(end).is_ok());
            assert_eq!(at(end + Duration::from_secs(1)), Err(TlsFault::CertificateExpired));
            assert_eq!(at(Duration::ZERO), Err(TlsFault::CertificateNotYetValid));
        }
        assert_eq!(of_client(b"no certificate", SystemTime::now()), Err(TlsFault::CertificateInvalid));
    }
}
