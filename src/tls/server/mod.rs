//! TLS as a server: builds the configuration of a listener from certificates by name, client authorities, and tickets.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;

use super::certificate::Certificate;
use super::identity::OnlyPlainSubjects;
use super::pem::{LoadError, PemFile};
use super::pinned::PinnedClients;
use super::{HTTP_1_1, certified_key, provider};
use crate::proto::certificate_names::{CertificateNames, Names};

/// The files that the operator named. They are read at start and at each reload.
#[derive(Clone, Debug)]
pub struct ServerTls {
    pairs: Vec<(PemFile, PemFile)>,
    clients: ClientCertificates,
    /// The most plaintext bytes of a record; 16 KiB if `None`.
    max_record_bytes: Option<u16>,
}

/// The header of a record, which rustls counts as part of it.
const RECORD_HEADER_BYTES: usize = 5;

/// The certificates that clients are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Clients are not asked for a certificate.
    Off,
    /// Clients are asked. One without a certificate is anonymous; one with an invalid certificate is refused.
    Optional(PemFile),
    /// A client without a certificate of one of these authorities is refused.
    Required(PemFile),
}

impl ClientCertificates {
    fn authorities(&self) -> Option<&PemFile> {
        match self {
            Self::Off => None,
            Self::Optional(file) | Self::Required(file) => Some(file),
        }
    }
}

impl fmt::Display for ClientCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Optional(_) => "optional",
            Self::Required(_) => "required",
        })
    }
}

/// The contents of the files. Not for logs: keys are part of them.
#[derive(Clone, Hash)]
pub struct Contents {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    authorities: Option<Vec<u8>>,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}

/// A number that changes with the contents, or with the reason why they cannot be read.
#[must_use]
pub fn fingerprint(read: &Result<Contents, LoadError>) -> u64 {
    let mut hasher = DefaultHasher::new();
    read.hash(&mut hasher);
    hasher.finish()
}

/// The configuration that was built from one reading of the files.
#[derive(Clone, Debug)]
pub struct Served {
    /// The configuration of sessions.
    pub config: Arc<ServerConfig>,
    /// The names of the certificates.
    pub names: Arc<CertificateNames>,
    /// The certificates, in the operator's order. Clients that name no host, or an unknown one, get the first.
    pub certificates: Vec<Certificate>,
    /// The [`fingerprint`] of the files.
    pub fingerprint: u64,
    tickets: Arc<dyn ProducesTickets>,
    authorities: Vec<CertificateDer<'static>>,
}

impl ServerTls {
    /// Takes pairs of a certificate chain and its key, and what clients are asked for.
    #[must_use]
    pub fn new(pairs: Vec<(PathBuf, PathBuf)>, clients: ClientCertificates) -> Self {
        let pair = |(certificate, key)| (PemFile::new("--tls-cert", certificate), PemFile::new("--tls-key", key));
        Self::of(pairs.into_iter().map(pair).collect(), clients)
    }

    /// Like [`new`](Self::new), with other names for the options in errors.
    #[must_use]
    pub fn of(pairs: Vec<(PemFile, PemFile)>, clients: ClientCertificates) -> Self {
        Self { pairs, clients, max_record_bytes: None }
    }

    /// True if the certificates of clients are asked for and verified.
    #[must_use]
    pub fn verifies_clients(&self) -> bool {
        self.clients != ClientCertificates::Off
    }

    /// Sends no record with more plaintext than this, for clients that have little memory. From 32 bytes to 16 KiB.
    #[must_use]
    pub fn with_max_record(self, bytes: Option<u16>) -> Self {
        Self { max_record_bytes: bytes, ..self }
    }

    /// All files, to watch them for changes.
    pub fn files(&self) -> impl Iterator<Item = &PemFile> {
        self.pairs.iter().flat_map(|(certificate, key)| [certificate, key]).chain(self.clients.authorities())
    }

    /// The certificates that clients are asked for.
    #[must_use]
    pub fn clients(&self) -> &ClientCertificates {
        &self.clients
    }

    /// Reads the files and builds the configuration. Blocks: call it at start and on a control thread, never on a
    /// shard.
    ///
    /// # Errors
    /// A file cannot be read or used. The error names it.
    pub fn load(&self, before: Option<&Served>) -> Result<Served, LoadError> {
        self.build(self.read(), before)
    }

    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read. The error names it.
    pub fn read(&self) -> Result<Contents, LoadError> {
        let pairs = self.pairs.iter().map(|(certificate, key)| Ok((certificate.read()?, key.read()?)));
        let authorities = self.clients.authorities().map(PemFile::read).transpose()?;
        Ok(Contents { pairs: pairs.collect::<Result<_, LoadError>>()?, authorities })
    }

    /// Builds the configuration from the contents of the files.
    ///
    /// Earlier tickets stay valid unless the client authorities have changed: a ticket stands for the certificate that
    /// the client showed when it got the ticket, and must not outlive the trust in that certificate.
    ///
    /// # Errors
    /// A file cannot be used. The error names it.
    pub fn build(&self, read: Result<Contents, LoadError>, before: Option<&Served>) -> Result<Served, LoadError> {
        let fingerprint = fingerprint(&read);
        let contents = read?;
        let provider = provider();
        let (resolver, certificates) = self.resolver(&contents, &provider)?;
        let authorities = match (self.clients.authorities(), &contents.authorities) {
            (Some(file), Some(bytes)) => file.certificates(bytes)?,
            _ => Vec::new(),
        };
        let tickets = match before {
            Some(before) if before.authorities == authorities => Arc::clone(&before.tickets),
            _ => Ticketer::new().map_err(LoadError::new)?,
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(LoadError::new)?;
        let builder = match (self.clients.authorities(), &contents.authorities) {
            (Some(file), Some(bytes)) => {
                let mut roots = RootCertStore::empty();
                file.add_authorities(bytes, &mut roots)?;
                let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                if matches!(self.clients, ClientCertificates::Optional(_)) {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier.build().map_err(|error| file.error(error))?;
                let verifier = Arc::new(PinnedClients::new(verifier, authorities.clone()));
                builder.with_client_cert_verifier(Arc::new(OnlyPlainSubjects(verifier)))
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        config.max_fragment_size =
            self.max_record_bytes.map(|bytes| usize::from(bytes).saturating_add(RECORD_HEADER_BYTES));
        config.ticketer = Arc::clone(&tickets);
        // A WebSocket client returns with one connection, not several at once; each ticket costs work and bytes.
        config.send_tls13_tickets = 1;
        // Tickets hold the whole session: a table of sessions would be shared by all shards, behind a lock.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // Off, so that a request cannot be replayed: a request that opens a connection is not safe to repeat.
        config.max_early_data_size = 0;
        let config = Arc::new(config);
        let names = certificates
            .iter()
            .map(|Certificate { names, addresses, .. }| Names { names: names.clone(), addresses: addresses.clone() });
        let names = Arc::new(CertificateNames::new(names));
        Ok(Served { config, names, certificates, fingerprint, tickets, authorities })
    }

    fn resolver(
        &self,
        contents: &Contents,
        provider: &CryptoProvider,
    ) -> Result<(ByName, Vec<Certificate>), LoadError> {
        let (mut keys, mut certificates) = (Vec::new(), Vec::new());
        for ((certificate, key), (certificate_bytes, key_bytes)) in self.pairs.iter().zip(&contents.pairs) {
            let chain = certificate.certificates(certificate_bytes)?;
            let Some(leaf) = chain.first() else { return Err(certificate.error("there is no certificate in it")) };
            let described = Certificate::read(leaf).map_err(|error| certificate.error(error))?;
            if described.names.is_empty() && !certificates.is_empty() {
                return Err(certificate.error(
                    "it has no DNS name (subjectAltName), so no client would be shown it; name it first, or remove it",
                ));
            }
            let own_key = key.private_key(key_bytes)?;
            keys.push(Arc::new(certified_key(certificate, chain, key, own_key, provider)?));
            certificates.push(described);
        }
        let resolver = ByName::new(&keys, &certificates);
        let resolver = resolver.ok_or_else(|| LoadError::new("--tls-cert: there is no certificate to serve"))?;
        Ok((resolver, certificates))
    }
}

/// Certificates by the name that a client asks for. One name may have several, with different kinds of key.
#[derive(Debug)]
struct ByName {
    /// The certificates for clients that name no host, or an unknown one.
    first: Candidates,
    exact: HashMap<Box<str>, Candidates>,
    /// The wildcard certificates, by the part after `*.`.
    wildcard: HashMap<Box<str>, Candidates>,
}

type Candidates = Vec<Arc<CertifiedKey>>;

impl ByName {
    fn new(keys: &[Arc<CertifiedKey>], certificates: &[Certificate]) -> Option<Self> {
        let first_names = &certificates.first()?.names;
        let mut by_name = Self { first: Vec::new(), exact: HashMap::new(), wildcard: HashMap::new() };
        for (key, certificate) in keys.iter().zip(certificates) {
            if certificate.names == *first_names {
                by_name.first.push(Arc::clone(key));
            }
            for name in &certificate.names {
                let candidates = match name.strip_prefix("*.") {
                    Some(rest) => by_name.wildcard.entry(rest.into()),
                    None => by_name.exact.entry(name.clone()),
                };
                candidates.or_default().push(Arc::clone(key));
            }
        }
        Some(by_name)
    }

    fn candidates(&self, name: Option<&str>) -> &Candidates {
        let found = name.and_then(|name| {
            // A client may write capitals (RFC 4343); most do not.
            if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                self.look_up(&name.to_ascii_lowercase())
            } else {
                self.look_up(name)
            }
        });
        found.unwrap_or(&self.first)
    }

    fn look_up(&self, name: &str) -> Option<&Candidates> {
        // A wildcard stands for one label (RFC 9525 section 6.3).
        let wild = || self.wildcard.get(name.split_once('.')?.1);
        self.exact.get(name).or_else(wild)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let candidates = self.candidates(hello.server_name());
        if let [only] = candidates.as_slice() {
            return Some(Arc::clone(only));
        }
        let suits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        candidates.iter().find(suits).or_else(|| candidates.first()).map(Arc::clone)
    }
}

#[cfg(test)]
mod tests;
