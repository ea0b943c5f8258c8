//! TLS options as flags.

use std::path::PathBuf;

use clap::Args;

use super::{ClientCertArg, ListenOptions, Names, UpstreamOptions};
use crate::api::units::counted;
use crate::config::units;
use crate::routing::route::UpstreamTls;
use crate::routing::target::Target;
use crate::tls::client::{self, ClientTls, Trust};
use crate::tls::server::ServerTls;

/// A listener's options, as the operator wrote them. Without any the listener speaks plain text.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS for clients")]
pub struct ListenTlsArgs {
    /// Certificate chain in PEM, the server's own first; may be repeated: clients that name no known host get the first
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Vec<PathBuf>,
    /// Private key of the certificate at the same position, in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Vec<PathBuf>,
    /// Authorities that may sign client certificates, in PEM
    #[arg(long, value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
    /// Client certificates [default: required with --client-ca, otherwise off]
    #[arg(long, value_name = "MODE", value_enum, ignore_case = true)]
    pub client_cert: Option<ClientCertArg>,
    /// Most plaintext bytes of a TLS record to clients, from 512 to 16384, for clients with little memory [default: 16384]
    #[arg(long, value_name = "BYTES", value_parser = units::bytes)]
    pub tls_max_record_bytes: Option<u64>,
    /// Refuse a request (421) whose Host is not the name that its client asked TLS for, even if the certificate covers both
    #[arg(long)]
    pub strict_sni_host: bool,
}

impl ListenTlsArgs {
    /// The listener's TLS; `None` for plain text. Reads no file.
    ///
    /// # Errors
    /// The option that contradicts the others.
    pub fn server(&self) -> Result<Option<ServerTls>, String> {
        let (certificates, keys) = (self.tls_cert.len(), self.tls_key.len());
        if certificates != keys {
            return Err(format!(
                "--tls-cert is given {} and --tls-key {}; each certificate needs its key, in the same order",
                counted(certificates as u64, "time"),
                counted(keys as u64, "time")
            ));
        }
        let pairs = self.tls_cert.iter().cloned().zip(self.tls_key.iter().cloned()).collect();
        let options = ListenOptions {
            pairs,
            client_ca: self.client_ca.clone(),
            client_cert: self.client_cert,
            max_record_bytes: self.tls_max_record_bytes,
        };
        options.server(&Names::FLAGS)
    }
}

/// Options of connections to the upstream, as the operator wrote them.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS to the upstream (wss:// and https:// targets)")]
pub struct UpstreamTlsArgs {
    /// Authorities to trust for the upstream, in PEM; may be repeated [default: the host's store]
    #[arg(long, value_name = "FILE")]
    pub upstream_ca: Vec<PathBuf>,
    /// Client certificate chain for the upstream, in PEM
    #[arg(long, value_name = "FILE")]
    pub upstream_cert: Option<PathBuf>,
    /// Private key of that certificate, in PEM
    #[arg(long, value_name = "FILE")]
    pub upstream_key: Option<PathBuf>,
    /// Name that the upstream's certificate must have, also sent as SNI [default: the target's host]
    #[arg(long, value_name = "NAME")]
    pub upstream_server_name: Option<String>,
    /// Accept any certificate from the upstream: anyone on the path can read and change everything
    #[arg(long)]
    pub upstream_insecure_skip_verify: bool,
}

impl UpstreamTlsArgs {
    /// The TLS configuration of a shard's sessions, and what the target's certificate must be; `None` for a plain-text target.
    /// Reads the files.
    ///
    /// # Errors
    /// The option that contradicts the target or the others, or the file that cannot be used.
    pub fn client(&self, target: &Target) -> Result<Option<(ClientTls, UpstreamTls)>, String> {
        if !target.tls {
            return match self.given() {
                Some(option) => Err(format!(
                    "{option} applies to TLS targets only; {target} is plain text, write wss:// or remove the option"
                )),
                None => Ok(None),
            };
        }
        let options = UpstreamOptions {
            ca: self.upstream_ca.clone(),
            cert: self.upstream_cert.clone(),
            key: self.upstream_key.clone(),
            insecure_skip_verify: self.upstream_insecure_skip_verify,
        };
        let files = options.files(&Names::FLAGS)?;
        let name = match &self.upstream_server_name {
            Some(name) => client::server_name(name).map_err(|error| format!("--upstream-server-name: {error}"))?,
            None => client::server_name(&target.host)
                .map_err(|error| format!("--target {target}: {error}; --upstream-server-name names another"))?,
        };
        let client = ClientTls::load(&files).map_err(|error| match files.trust {
            Trust::Host => format!("--target {target}: {error} with --upstream-ca"),
            _ => error.to_string(),
        })?;
        let is_verified = client.is_verified();
        Ok(Some((client, UpstreamTls { name, is_verified, trust: 0 })))
    }

    /// The first option that was given.
    fn given(&self) -> Option<&'static str> {
        [
            (!self.upstream_ca.is_empty(), "--upstream-ca"),
            (self.upstream_cert.is_some(), "--upstream-cert"),
            (self.upstream_key.is_some(), "--upstream-key"),
            (self.upstream_server_name.is_some(), "--upstream-server-name"),
            (self.upstream_insecure_skip_verify, "--upstream-insecure-skip-verify"),
        ]
        .into_iter()
        .find_map(|(is_given, option)| is_given.then_some(option))
    }
}
