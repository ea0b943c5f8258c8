//! TLS options of listeners and of connections to upstreams.
//!
//! In: options as flags ([`args`]) or as in the configuration file, with the names that the operator knows them by. Out: what
//! a listener serves and what a connection presents and trusts, or the option that contradicts the others. Nothing here
//! reads a file but [`args::UpstreamTlsArgs::client`].

pub mod args;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Deserializer, Serialize};

use super::scalar::word;
use crate::tls::client::{ClientFiles, Trust};
use crate::tls::pem::PemFile;
use crate::tls::server::{ClientCertificates, ServerTls};

/// The range of a record's plaintext. The longest is TLS's own (RFC 8446 section 5.1), the shortest the least that a client can ask
/// for by max_fragment_length (RFC 6066 section 4).
const MAX_RECORD_BYTES: u16 = 16 * 1024;
const MIN_RECORD_BYTES: u16 = 512;

/// The values of `--client-cert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertArg {
    /// Request no client certificate
    Off,
    /// Request a client certificate, accept clients without one
    Optional,
    /// Refuse clients without a valid certificate
    Required,
}

impl<'de> Deserialize<'de> for ClientCertArg {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        word(from)
    }
}

/// The names of the options for messages: as flags, or as in the file.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    certificate: &'static str,
    key: &'static str,
    client_ca: &'static str,
    client_cert: &'static str,
    max_record: &'static str,
    upstream_ca: &'static str,
    upstream_cert: &'static str,
    upstream_key: &'static str,
    upstream_insecure: &'static str,
}

impl Names {
    /// The names of the flags.
    pub const FLAGS: Self = Self {
        certificate: "--tls-cert",
        key: "--tls-key",
        client_ca: "--client-ca",
        client_cert: "--client-cert",
        max_record: "--tls-max-record-bytes",
        upstream_ca: "--upstream-ca",
        upstream_cert: "--upstream-cert",
        upstream_key: "--upstream-key",
        upstream_insecure: "--upstream-insecure-skip-verify",
    };
    /// The names in the file, below a listener or `upstream_tls`.
    pub const FILE: Self = Self {
        certificate: "cert",
        key: "key",
        client_ca: "client_ca",
        client_cert: "client_cert",
        max_record: "tls_max_record_bytes",
        upstream_ca: "ca",
        upstream_cert: "cert",
        upstream_key: "key",
        upstream_insecure: "insecure_skip_verify",
    };
}

/// A listener's options. Without any the listener speaks plain text.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// Certificate chains with their keys, in PEM. The first pair is for clients that name no host, or an unknown one.
    pub pairs: Vec<(PathBuf, PathBuf)>,
    /// The authorities whose certificates clients may show, in PEM.
    pub client_ca: Option<PathBuf>,
    /// Requests client certificates, or not; by default if there is a `client_ca`.
    pub client_cert: Option<ClientCertArg>,
    /// The most plaintext bytes of a record; 16 KiB if `None`.
    pub max_record_bytes: Option<u64>,
}

impl ListenOptions {
    /// The listener's TLS; `None` for plain text.
    ///
    /// # Errors
    /// The option that contradicts the others.
    pub fn server(&self, names: &Names) -> Result<Option<ServerTls>, String> {
        let clients = self.clients(names)?;
        if self.pairs.is_empty() {
            let useless =
                |option| format!("{option} applies to TLS only; give {} and {}", names.certificate, names.key);
            return match (&self.client_ca, self.client_cert) {
                _ if self.max_record_bytes.is_some() => Err(useless(names.max_record)),
                (None, None | Some(ClientCertArg::Off)) => Ok(None),
                (Some(_), _) => Err(useless(names.client_ca)),
                _ => Err(useless(names.client_cert)),
            };
        }
        let pair = |(certificate, key): &(PathBuf, PathBuf)| {
            (PemFile::new(names.certificate, certificate), PemFile::new(names.key, key))
        };
        let max_record = self.max_record(names)?;
        Ok(Some(ServerTls::of(self.pairs.iter().map(pair).collect(), clients).with_max_record(max_record)))
    }

    fn max_record(&self, names: &Names) -> Result<Option<u16>, String> {
        let Some(bytes) = self.max_record_bytes else { return Ok(None) };
        let known = u16::try_from(bytes).ok().filter(|bytes| (MIN_RECORD_BYTES..=MAX_RECORD_BYTES).contains(bytes));
        let range =
            || format!("{} is {bytes}; it must be from {MIN_RECORD_BYTES} to {MAX_RECORD_BYTES}", names.max_record);
        known.map(Some).ok_or_else(range)
    }

    fn clients(&self, names: &Names) -> Result<ClientCertificates, String> {
        let ca = self.client_ca.as_ref().map(|path| PemFile::new(names.client_ca, path));
        match (self.client_cert, ca) {
            (None | Some(ClientCertArg::Off), None) => Ok(ClientCertificates::Off),
            // An operator switches client certificates off for a while without removing the authorities.
            (Some(ClientCertArg::Off), Some(_)) => Ok(ClientCertificates::Off),
            (None | Some(ClientCertArg::Required), Some(ca)) => Ok(ClientCertificates::Required(ca)),
            (Some(ClientCertArg::Optional), Some(ca)) => Ok(ClientCertificates::Optional(ca)),
            (Some(mode), None) => {
                let mode = mode.to_possible_value().map(|mode| mode.get_name().to_owned()).unwrap_or_default();
                let Names { client_cert, client_ca, .. } = names;
                Err(format!("{client_cert} {mode} needs {client_ca}: the authorities whose certificates count"))
            }
        }
    }
}

/// Options of connections to upstreams.
#[derive(Clone, Debug, Default)]
pub struct UpstreamOptions {
    /// The authorities to trust, in PEM, and no other; the host's own store if there are none.
    pub ca: Vec<PathBuf>,
    /// The certificate chain to present to an upstream that asks for one, in PEM.
    pub cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM.
    pub key: Option<PathBuf>,
    /// Accepts any certificate.
    pub insecure_skip_verify: bool,
}

impl UpstreamOptions {
    /// The authorities to trust and the certificate to present.
    ///
    /// # Errors
    /// The option that contradicts the others.
    pub fn files(&self, names: &Names) -> Result<ClientFiles, String> {
        let Names { upstream_cert, upstream_key, .. } = names;
        let identity = match (&self.cert, &self.key) {
            (Some(certificate), Some(key)) => {
                Some((PemFile::new(upstream_cert, certificate), PemFile::new(upstream_key, key)))
            }
            (Some(_), None) => return Err(format!("{upstream_cert} needs {upstream_key}")),
            (None, Some(_)) => return Err(format!("{upstream_key} needs {upstream_cert}")),
            (None, None) => None,
        };
        Ok(ClientFiles { trust: self.trust(names)?, identity })
    }

    fn trust(&self, names: &Names) -> Result<Trust, String> {
        let Names { upstream_ca, upstream_insecure, .. } = names;
        match (self.insecure_skip_verify, self.ca.is_empty()) {
            (true, true) => Ok(Trust::Insecure),
            (true, false) => Err(format!("{upstream_ca} has no effect with {upstream_insecure}; remove one of them")),
            (false, true) => Ok(Trust::Host),
            (false, false) => {
                let file = |path| PemFile::new(upstream_ca, path);
                Ok(Trust::Authorities(self.ca.iter().map(file).collect()))
            }
        }
    }
}
