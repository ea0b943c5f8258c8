//! Certificates that the operator names one by one: pinning.
//!
//! `openssl req -x509` makes a certificate that is an authority (CA:TRUE) and that a server shows as its own. webpki refuses an
//! authority as the certificate of a peer, so that nobody takes a stolen authority for a server. Where the operator has named
//! exactly this certificate, the key that it holds is trusted to vouch for anyone; so a peer that shows the same bytes, and
//! proves in the handshake that it holds that key, is taken. All else is as for every certificate: the name of a server, the
//! validity, and the purpose if the certificate names one.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::validity::{self, OutOfDate};
use super::verifier::{clients_asked_by, signatures_by};

/// The certificates that the operator named, byte for byte.
#[derive(Debug)]
struct Pins(Vec<CertificateDer<'static>>);

/// The purpose of a peer's certificate (RFC 5280 4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Server,
    Client,
}

impl Pins {
    /// Judges a certificate that the usual rules have refused for `why`. Only one of the pins may be good nevertheless.
    fn judge(&self, shown: &CertificateDer<'_>, purpose: Purpose, now: UnixTime, why: Error) -> Result<(), Error> {
        if !self.0.iter().any(|pin| pin.as_ref() == shown.as_ref()) {
            return Err(why);
        }
        let Ok((_, parsed)) = X509Certificate::from_der(shown) else { return Err(why) };
        validity::check(&parsed, now).map_err(|out| match out {
            OutOfDate::Expired => CertificateError::Expired,
            OutOfDate::NotYetValid => CertificateError::NotValidYet,
        })?;
        let Ok(purposes) = parsed.extended_key_usage() else { return Err(why) };
        let fits = purposes.is_none_or(|purposes| match purpose {
            Purpose::Server => purposes.value.server_auth || purposes.value.any,
            Purpose::Client => purposes.value.client_auth || purposes.value.any,
        });
        if fits { Ok(()) } else { Err(CertificateError::InvalidPurpose.into()) }
    }
}

/// Verifies servers as `usual` does, and takes a server that shows one of the certificates that the operator named.
#[derive(Debug)]
pub(super) struct PinnedServers {
    usual: Arc<dyn ServerCertVerifier>,
    pins: Pins,
}

impl PinnedServers {
    /// `named` are the certificates of the operator's files of authorities.
    pub(super) fn new(usual: Arc<dyn ServerCertVerifier>, named: Vec<CertificateDer<'static>>) -> Self {
        Self { usual, pins: Pins(named) }
    }
}

impl ServerCertVerifier for PinnedServers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let usual = self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(why) = usual else { return usual };
        self.pins.judge(end_entity, Purpose::Server, now, why)?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    signatures_by!(usual);
}

/// Verifies clients as `usual` does, and takes a client that shows one of the certificates that the operator named.
#[derive(Debug)]
pub(super) struct PinnedClients {
    usual: Arc<dyn ClientCertVerifier>,
    pins: Pins,
}

impl PinnedClients {
    /// `named` are the certificates of the operator's file of authorities.
    pub(super) fn new(usual: Arc<dyn ClientCertVerifier>, named: Vec<CertificateDer<'static>>) -> Self {
        Self { usual, pins: Pins(named) }
    }
}

impl ClientCertVerifier for PinnedClients {
    clients_asked_by!(usual);

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let usual = self.usual.verify_client_cert(end_entity, intermediates, now);
        let Err(why) = usual else { return usual };
        self.pins.judge(end_entity, Purpose::Client, now, why)?;
        Ok(ClientCertVerified::assertion())
    }

    signatures_by!(usual);
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};

    use crate::engine::TlsFault;
    use crate::tls::client::{ClientFiles, ClientTls, Trust};
    use crate::tls::fault::fault_of;
    use crate::tls::pem::PemFile;
    use crate::tls::server::{ClientCertificates, ServerTls};
    use crate::tls::testing::{Authority, Folder, Pair, params, shake};

    /// A certificate as `openssl req -x509` makes one: signed by itself, and an authority.
    fn itself(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = params(names);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    /// The end of a handshake with a server that shows `shown`, by a client that was given `named`.
    fn server(shown: &Pair, named: &str, name: &str) -> Result<(), TlsFault> {
        let folder = Folder::new();
        let pair = (folder.write("c", &shown.certificate), folder.write("k", &shown.key));
        let server = ServerTls::new(vec![pair], ClientCertificates::Off).load(None).unwrap().config;
        let trust = Trust::Authorities(vec![PemFile::new("--upstream-ca", folder.write("ca", named))]);
        let client = ClientTls::load(&ClientFiles { trust, identity: None }).unwrap().for_shard();
        shake(&server, &client, name).map(drop).map_err(|error| fault_of(&error))
    }

    #[test]
    fn a11_a_server_with_the_very_certificate_that_was_named_is_taken() {
        let own = itself(&["a.test", "127.0.0.1"], |_| {});
        assert_eq!(server(&own, &own.certificate, "a.test"), Ok(()));
        assert_eq!(server(&own, &own.certificate, "127.0.0.1"), Ok(()));
        assert_eq!(server(&own, &own.certificate, "b.test"), Err(TlsFault::CertificateName));
        // Beside others, in one file.
        let both = format!("{}{}", Authority::new("ca").certificate, own.certificate);
        assert_eq!(server(&own, &both, "a.test"), Ok(()));
    }

    #[test]
    fn a11_no_other_authority_is_taken_for_a_server() {
        let (own, other) = (itself(&["a.test"], |_| {}), itself(&["a.test"], |_| {}));
        assert!(matches!(
            server(&own, &other.certificate, "a.test"),
            Err(TlsFault::CertificateInvalid | TlsFault::CertificateUntrusted)
        ));
        // An authority that a named one has signed.
        let authority = Authority::new("ca");
        let mut below = params(&["a.test"]);
        below.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let below = authority.sign(&below);
        assert_eq!(server(&below, &authority.certificate, "a.test"), Err(TlsFault::CertificateInvalid));
    }

    #[test]
    fn a11_validity_and_purpose_count_as_ever() {
        let expired = itself(&["a.test"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
        assert_eq!(server(&expired, &expired.certificate, "a.test"), Err(TlsFault::CertificateExpired));
        let early = itself(&["a.test"], |params| {
            params.not_before = rcgen::date_time_ymd(4000, 1, 1);
            params.not_after = rcgen::date_time_ymd(4001, 1, 1);
        });
        assert_eq!(server(&early, &early.certificate, "a.test"), Err(TlsFault::CertificateNotYetValid));
        for (purpose, expected) in [
            (ExtendedKeyUsagePurpose::ServerAuth, Ok(())),
            (ExtendedKeyUsagePurpose::ClientAuth, Err(TlsFault::CertificateInvalid)),
        ] {
            let own = itself(&["a.test"], |params| params.extended_key_usages = vec![purpose]);
            assert_eq!(server(&own, &own.certificate, "a.test"), expected);
        }
    }

    #[test]
    fn a11_a_client_with_the_very_certificate_that_was_named_is_taken() {
        let folder = Folder::new();
        let authority = Authority::new("ca");
        let leaf = authority.leaf(&["a.test"]);
        let pair = (folder.write("c", &leaf.certificate), folder.write("k", &leaf.key));
        let ca = folder.write("ca", &authority.certificate);
        let client = |shown: &Pair, named: &str| {
            let clients = ClientCertificates::Required(PemFile::new("--client-ca", folder.write("clients", named)));
            let server = ServerTls::new(vec![pair.clone()], clients).load(None).unwrap().config;
            let trust = Trust::Authorities(vec![PemFile::new("--upstream-ca", &ca)]);
            let own = |name, text| PemFile::new("--upstream-cert", folder.write(name, text));
            let identity = Some((own("own", &shown.certificate), own("own-key", &shown.key)));
            let client = ClientTls::load(&ClientFiles { trust, identity }).unwrap().for_shard();
            shake(&server, &client, "a.test").map(drop).map_err(|error| fault_of(&error))
        };
        let (own, other) = (itself(&["client.test"], |_| {}), itself(&["client.test"], |_| {}));
        assert_eq!(client(&own, &own.certificate), Ok(()));
        assert!(client(&own, &other.certificate).is_err());
        let server_only =
            itself(&["x.test"], |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
        assert!(client(&server_only, &server_only.certificate).is_err());
    }
}
