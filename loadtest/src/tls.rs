//! TLS options that the generator offers to a target: the trusted authorities, the suites and groups, and session
//! resumption.
//!
//! In: the user's options. Out: a configuration for each shard, with its own session cache, so that shards share
//! nothing.

use std::path::PathBuf;
use std::sync::Arc;

use ringway::tls;
use ringway::tls::client::{ClientFiles, ClientTls, Trust};
use ringway::tls::pem::PemFile;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CipherSuite, ClientConfig, NamedGroup, SupportedCipherSuite};

/// TLS options on the command line.
#[derive(clap::Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsArgs {
    /// Trust the authorities in this file (PEM) and no other; the host's store if not given. For wss:// and https://
    /// targets
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Let connections resume the TLS sessions of earlier ones; with `off` each makes a full handshake
    #[arg(long, value_name = "HOW", default_value = "on")]
    pub tls_resume: Resume,
    /// Offer this TLS cipher suite, for example TLS_AES_128_GCM_SHA256, and none but those given; may be repeated. A
    /// version without a suite is not offered
    #[arg(long, value_name = "NAME", value_parser = suite)]
    pub tls_suite: Vec<CipherSuite>,
    /// Offer this group to agree on TLS keys in, for example X25519, and none but those given; may be repeated
    #[arg(long, value_name = "NAME", value_parser = group)]
    pub tls_group: Vec<NamedGroup>,
}

/// Use of earlier TLS sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Resume {
    /// Connections resume a session where the server allows it.
    #[default]
    On,
    /// Connections never resume a session.
    Off,
}

/// IANA's name of a suite, from rustls' own name, which contains the TLS version.
#[must_use]
pub fn suite_name(of_rustls: &str) -> String {
    of_rustls.replacen("TLS13_", "TLS_", 1)
}

fn suite(text: &str) -> Result<CipherSuite, String> {
    let known = aws_lc_rs::ALL_CIPHER_SUITES.iter().map(SupportedCipherSuite::suite);
    pick(text, known.filter_map(|suite| Some((suite_name(suite.as_str()?), suite))))
}

fn group(text: &str) -> Result<NamedGroup, String> {
    let known = aws_lc_rs::ALL_KX_GROUPS.iter().map(|group| group.name());
    pick(text, known.filter_map(|group| Some((group.as_str()?.to_owned(), group))))
}

fn pick<T>(text: &str, known: impl Iterator<Item = (String, T)>) -> Result<T, String> {
    let mut names = Vec::new();
    for (name, value) in known {
        if name.eq_ignore_ascii_case(text) {
            return Ok(value);
        }
        names.push(name);
    }
    Err(format!("there are {}", names.join(", ")))
}

impl TlsArgs {
    /// Builds the TLS configuration. Reads the file of authorities.
    ///
    /// # Errors
    /// Fails if the file is not usable, or if the offered versions, suites and groups do not fit together.
    pub fn load(&self) -> Result<Tls, String> {
        let authorities = self.tls_ca.iter().map(|path| PemFile::new("--tls-ca", path)).collect::<Vec<_>>();
        let trust = if authorities.is_empty() { Trust::Host } else { Trust::Authorities(authorities) };
        let files = ClientFiles { trust, identity: None };
        let client = ClientTls::load_with(&files, &Arc::new(self.provider())).map_err(|error| error.to_string())?;
        Ok(Tls { client, resume: self.tls_resume })
    }

    fn provider(&self) -> CryptoProvider {
        let mut provider = tls::provider().as_ref().clone();
        let (suites, groups) = (&self.tls_suite, &self.tls_group);
        if !suites.is_empty() {
            provider.cipher_suites.retain(|suite| suites.contains(&suite.suite()));
        }
        if !groups.is_empty() {
            let all = aws_lc_rs::ALL_KX_GROUPS.iter().copied();
            provider.kx_groups = all.filter(|group| groups.contains(&group.name())).collect();
        }
        provider
    }
}

/// The TLS configuration of the generator's connections.
#[derive(Clone, Debug)]
pub struct Tls {
    client: ClientTls,
    resume: Resume,
}

impl Tls {
    /// The configuration of one shard, with its own session cache.
    #[must_use]
    pub fn for_shard(&self) -> Arc<ClientConfig> {
        match self.resume {
            Resume::On => self.client.for_shard(),
            Resume::Off => self.client.for_shard_without_resumption(),
        }
    }
}
