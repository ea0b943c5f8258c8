//! TLS as a client: builds the configuration from the authorities to trust and the certificate to show.

use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};

use super::insecure::AcceptAnyCertificate;
use super::pem::{LoadError, PemFile};
use super::pinned::PinnedServers;
use super::{HTTP_1_1, provider};

/// The sessions that a shard keeps to resume. Rustls plans eight for each server: these are enough for four servers.
const SESSIONS: usize = 32;

/// The files and the trust of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// The trust in servers.
    pub trust: Trust,
    /// The certificate chain and the key for servers that ask for them.
    pub identity: Option<(PemFile, PemFile)>,
}

/// The authorities that a client trusts to vouch for servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The authorities that the host trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` move its store).
    #[default]
    Host,
    /// The authorities in these files, and no other.
    Authorities(Vec<PemFile>),
    /// Any certificate is accepted. Only an option with `insecure` in its name may ask for this.
    Insecure,
}

/// The configuration of a client. Sessions are created from [`for_shard`](Self::for_shard).
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: ClientConfig,
    is_verified: bool,
}

impl ClientTls {
    /// Reads the files. Blocks: call it at start or on a control thread, never on a shard.
    ///
    /// # Errors
    /// A file cannot be used (the error names it), or the host trusts no authority.
    pub fn load(files: &ClientFiles) -> Result<Self, LoadError> {
        Self::load_with(files, &provider())
    }

    /// Like [`load`](Self::load) with the caller's choice of cryptography, for measuring clients that offer less.
    ///
    /// # Errors
    /// See [`load`](Self::load).
    pub fn load_with(files: &ClientFiles, provider: &Arc<CryptoProvider>) -> Result<Self, LoadError> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()
            .map_err(LoadError::new)?;
        let builder = match roots(&files.trust)? {
            Some(Roots { store, named }) => {
                let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
                let verifier = PinnedServers::new(verifier.build().map_err(LoadError::new)?, named);
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
            None => {
                let anyone = AcceptAnyCertificate(Arc::clone(provider));
                builder.dangerous().with_custom_certificate_verifier(Arc::new(anyone))
            }
        };
        let mut config = match &files.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let (chain, own_key) = pair(certificate, key, provider)?;
                builder.with_client_auth_cert(chain, own_key).map_err(|error| key.error(error))?
            }
        };
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        config.enable_early_data = false;
        config.resumption = Resumption::disabled();
        Ok(Self { config, is_verified: !matches!(files.trust, Trust::Insecure) })
    }

    /// The configuration of one shard. It holds the sessions to resume, and shards share nothing.
    #[must_use]
    pub fn for_shard(&self) -> Arc<ClientConfig> {
        let mut config = self.config.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Arc::new(config)
    }

    /// Like [`for_shard`](Self::for_shard) without resumption: every handshake is a full one. For measuring clients.
    #[must_use]
    pub fn for_shard_without_resumption(&self) -> Arc<ClientConfig> {
        Arc::new(self.config.clone())
    }

    /// `true` if the certificates of servers are verified.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.is_verified
    }
}

/// The name that a server's certificate must have, from a host name or an address without brackets. A name is sent as
/// SNI.
///
/// # Errors
/// `host` is neither a name nor an address.
pub fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    // A dot at the end marks a complete name (RFC 1034 section 3.1). Certificates and SNI have none.
    let name = host.strip_suffix('.').unwrap_or(host);
    ServerName::try_from(name.to_owned())
        .map_err(|_| format!("`{host}` is neither a DNS name nor an address, so no certificate can be for it"))
}

fn pair(
    certificate: &PemFile,
    key: &PemFile,
    provider: &CryptoProvider,
) -> Result<(Vec<CertificateDer<'static>>, rustls_pki_types::PrivateKeyDer<'static>), LoadError> {
    let chain = certificate.certificates(&certificate.read()?)?;
    let own_key = key.private_key(&key.read()?)?;
    super::certified_key(certificate, chain.clone(), key, own_key.clone_key(), provider)?;
    Ok((chain, own_key))
}

/// The trusted authorities.
struct Roots {
    store: RootCertStore,
    /// The certificates that the operator named: a server may show one of them as its own certificate.
    named: Vec<CertificateDer<'static>>,
}

/// The trusted authorities; `None` if any certificate is accepted.
fn roots(trust: &Trust) -> Result<Option<Roots>, LoadError> {
    let (mut roots, mut named) = (RootCertStore::empty(), Vec::new());
    match trust {
        Trust::Insecure => return Ok(None),
        Trust::Authorities(files) => {
            for file in files {
                let bytes = file.read()?;
                file.add_authorities(&bytes, &mut roots)?;
                named.extend(file.certificates(&bytes)?);
            }
        }
        Trust::Host => {
            let found = rustls_native_certs::load_native_certs();
            // Many hosts' stores hold old authorities that cannot be read: the others count.
            let (added, _) = roots.add_parsable_certificates(found.certs);
            if added == 0 {
                let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
                return Err(LoadError::new(format!(
                    "this host's store of trusted authorities is empty or cannot be read{why}; install the package \
                     ca-certificates, or name a file of authorities"
                )));
            }
        }
    }
    Ok(Some(Roots { store: roots, named }))
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::ServerName;

    use super::{ClientFiles, ClientTls, Trust, server_name};
    use crate::tls::pem::PemFile;
    use crate::tls::server::{ClientCertificates, ServerTls};
    use crate::tls::testing::{Authority, Folder, shake};

    #[test]
    fn a_certificate_must_be_for_a_name_or_an_address() {
        assert_eq!(server_name("a.test."), Ok(ServerName::try_from("a.test").unwrap()));
        assert_eq!(server_name("::1"), Ok(ServerName::try_from("::1").unwrap()));
        assert_eq!(server_name("127.0.0.1"), Ok(ServerName::try_from("127.0.0.1").unwrap()));
        for bad in ["", ".", "a b", "[::1]", "a%20b", "é.test"] {
            assert!(server_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_is_accepted_by_its_authority_and_name_unless_verification_is_off() {
        let folder = Folder::new();
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let leaf = ours.leaf(&["a.test", "127.0.0.1"]);
        let (certificate, key) = (folder.write("c", &leaf.certificate), folder.write("k", &leaf.key));
        let server = ServerTls::new(vec![(certificate, key)], ClientCertificates::Off).load(None).unwrap().config;
        let trusting = |ca: &Authority| {
            Trust::Authorities(vec![PemFile::new("--upstream-ca", folder.write("ca", &ca.certificate))])
        };
        let client = |trust| ClientTls::load(&ClientFiles { trust, identity: None }).unwrap().for_shard();
        let (right, wrong, anyone) = (client(trusting(&ours)), client(trusting(&theirs)), client(Trust::Insecure));
        let ends = shake(&server, &right, "a.test").unwrap();
        assert_eq!(ends.client.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(shake(&server, &right, "127.0.0.1").is_ok());
        assert!(shake(&server, &right, "b.test").is_err());
        assert!(shake(&server, &wrong, "a.test").is_err());
        assert!(shake(&server, &anyone, "b.test").is_ok());
    }

    #[test]
    fn each_shard_resumes_its_own_sessions_and_none_if_so_asked() {
        let folder = Folder::new();
        let authority = Authority::new("ca");
        let leaf = authority.leaf(&["a.test"]);
        let (certificate, key) = (folder.write("c", &leaf.certificate), folder.write("k", &leaf.key));
        let server = ServerTls::new(vec![(certificate, key)], ClientCertificates::Off).load(None).unwrap().config;
        let client = ClientTls::load(&ClientFiles { trust: Trust::Insecure, identity: None }).unwrap();
        let (one, other, full) = (client.for_shard(), client.for_shard(), client.for_shard_without_resumption());
        let kind = |config| shake(&server, config, "a.test").unwrap().client.handshake_kind().unwrap();
        for (config, expected) in [
            (&one, rustls::HandshakeKind::Full),
            (&one, rustls::HandshakeKind::Resumed),
            (&other, rustls::HandshakeKind::Full),
            (&full, rustls::HandshakeKind::Full),
            (&full, rustls::HandshakeKind::Full),
        ] {
            assert_eq!(kind(config), expected);
        }
    }

    #[test]
    fn a_bad_file_is_named() {
        let folder = Folder::new();
        let (one, other) = (Authority::new("ca").leaf(&["a.test"]), Authority::new("ca").leaf(&["a.test"]));
        let file = |option, text: &str| PemFile::new(option, folder.write(option, text));
        let load = |files| ClientTls::load(&files).map(|_| ()).unwrap_err().to_string();
        let error = load(ClientFiles { trust: Trust::Authorities(vec![file("--upstream-ca", "")]), identity: None });
        assert!(error.starts_with("--upstream-ca ") && error.contains("it is empty"), "{error}");
        let identity = Some((file("--upstream-cert", &one.certificate), file("--upstream-key", &other.key)));
        let error = load(ClientFiles { trust: Trust::Insecure, identity });
        assert!(error.starts_with("--upstream-key ") && error.contains("does not belong"), "{error}");
    }
}
