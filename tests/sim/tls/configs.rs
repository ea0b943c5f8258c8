//! Certificates, made once a process, and what both ends of both sides go by.

use std::sync::{Arc, LazyLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ED25519, SerialNumber, date_time_ymd,
};
use ringway::command::config::ListenerTls;
use ringway::routing::route::UpstreamTls;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
};

use super::{Identity, TlsPlan, Version};

struct Issued {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

struct Certificates {
    authority: CertificateDer<'static>,
    stranger: CertificateDer<'static>,
    /// The proxy's, one after the other.
    downstream: [Issued; 2],
    right: Issued,
    strange: Issued,
    wrong_name: Issued,
    expired: Issued,
}

static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| {
    let (authority, stranger) = (authority(1), authority(2));
    Certificates {
        downstream: [3, 8].map(|serial| issue(&authority, "a.test", serial, 4000)),
        right: issue(&authority, "upstream.test", 4, 4000),
        strange: issue(&stranger, "upstream.test", 5, 4000),
        wrong_name: issue(&authority, "else.test", 6, 4000),
        expired: issue(&authority, "upstream.test", 7, 2000),
        authority: authority.der().clone(),
        stranger: stranger.der().clone(),
    }
});

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).unwrap()
}

fn authority(serial: u8) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.serial_number = Some(SerialNumber::from_slice(&[serial]));
    CertifiedIssuer::self_signed(params, key()).unwrap()
}

fn issue(authority: &CertifiedIssuer<'static, KeyPair>, name: &str, serial: u8, until: i32) -> Issued {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    // Of one length, as all that a run depends on.
    params.serial_number = Some(SerialNumber::from_slice(&[serial]));
    params.not_after = date_time_ymd(until, 1, 1);
    let key = key();
    let certificate = params.signed_by(&key, authority).unwrap();
    Issued {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
    }
}

fn provider(version: Version, client: bool) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    if version == Version::Retried {
        // Of the proxy's two sides, one sends a key for X25519 and the other likes it most.
        let group = if client { aws_lc_rs::kx_group::SECP384R1 } else { aws_lc_rs::kx_group::SECP256R1 };
        provider.kx_groups = if client { vec![group, aws_lc_rs::kx_group::X25519] } else { vec![group] };
    }
    Arc::new(provider)
}

fn roots(authority: &CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    roots
}

fn version(version: Version) -> &'static SupportedProtocolVersion {
    match version {
        Version::Tls12 => &TLS12,
        Version::Tls13 | Version::Retried => &TLS13,
    }
}

/// Which of the proxy's certificates this is.
pub(crate) fn which(certificate: &CertificateDer<'_>) -> Option<usize> {
    CERTIFICATES.downstream.iter().position(|issued| issued.chain[0] == *certificate)
}

/// The proxy's configuration for clients, with one of two certificates.
pub(crate) fn for_clients(turn: usize) -> ListenerTls {
    let Issued { chain, key } = &CERTIFICATES.downstream[turn % 2];
    let builder = ServerConfig::builder_with_provider(provider(Version::Tls13, false));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(chain.clone(), key.clone_key()).unwrap();
    config.session_storage = ServerSessionMemoryCache::new(16);
    ListenerTls { config: Arc::new(config), names: Arc::default() }
}

/// The proxy's configuration for upstreams.
pub(crate) fn for_upstream() -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider(Version::Tls13, false));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots(&CERTIFICATES.authority)).with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(16);
    Arc::new(config)
}

/// The proxy's requirements for the upstream's certificate.
pub(crate) fn of_upstream() -> UpstreamTls {
    UpstreamTls { name: ServerName::try_from("upstream.test").unwrap(), is_verified: true, trust: 0 }
}

/// How a peer speaks TLS: kept for all the connections it makes or takes, so that sessions are resumed.
#[derive(Clone, Debug)]
pub(crate) enum Config {
    Client(Arc<ClientConfig>),
    Server(Arc<ServerConfig>),
}

/// The configurations of one scene.
#[derive(Debug, Default)]
pub(crate) struct Configs(Vec<(Kind, Config)>);

/// The properties that distinguish peers' configurations.
type Kind = (Version, Identity, [bool; 3]);

impl Configs {
    pub(crate) fn of(&mut self, plan: &TlsPlan, is_upstream: bool) -> Config {
        let kind = (plan.version, plan.identity, [plan.asks_for_certificate, plan.trusts, is_upstream]);
        if let Some((_, config)) = self.0.iter().find(|(known, _)| *known == kind) {
            return config.clone();
        }
        let config = Config::of_peer(plan, is_upstream);
        self.0.push((kind, config.clone()));
        config
    }
}

impl Config {
    fn of_peer(plan: &TlsPlan, is_upstream: bool) -> Self {
        if is_upstream {
            let Issued { chain, key } = match plan.identity {
                Identity::Right => &CERTIFICATES.right,
                Identity::Stranger => &CERTIFICATES.strange,
                Identity::WrongName => &CERTIFICATES.wrong_name,
                Identity::Expired => &CERTIFICATES.expired,
            };
            let builder = ServerConfig::builder_with_provider(provider(plan.version, false));
            let builder = builder.with_protocol_versions(&[version(plan.version)]).unwrap();
            let builder = if plan.asks_for_certificate {
                let roots = Arc::new(roots(&CERTIFICATES.authority));
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider(plan.version, false));
                builder.with_client_cert_verifier(verifier.build().unwrap())
            } else {
                builder.with_no_client_auth()
            };
            let mut config = builder.with_single_cert(chain.clone(), key.clone_key()).unwrap();
            config.session_storage = ServerSessionMemoryCache::new(16);
            Self::Server(Arc::new(config))
        } else {
            let trusted = if plan.trusts { &CERTIFICATES.authority } else { &CERTIFICATES.stranger };
            let builder = ClientConfig::builder_with_provider(provider(plan.version, true));
            let builder = builder.with_protocol_versions(&[version(plan.version)]).unwrap();
            let mut config = builder.with_root_certificates(roots(trusted)).with_no_client_auth();
            config.resumption = Resumption::in_memory_sessions(16);
            Self::Client(Arc::new(config))
        }
    }

    pub(crate) fn begin(&self) -> Connection {
        let mut session = match self {
            Self::Client(config) => {
                let name = ServerName::try_from("a.test").unwrap();
                Connection::Client(ClientConnection::new(Arc::clone(config), name).unwrap())
            }
            Self::Server(config) => Connection::Server(ServerConnection::new(Arc::clone(config)).unwrap()),
        };
        session.set_buffer_limit(None);
        session
    }
}
