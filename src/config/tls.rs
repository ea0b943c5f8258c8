//! TLS options, as flags and in the configuration file: of listeners, and of connections to upstreams.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::routing::route::UpstreamTls;
use crate::routing::target::Target;
use crate::tls::client::{self, ClientFiles, ClientTls, Trust};
use crate::tls::pem::PemFile;
use crate::tls::server::{ClientCertificates, ServerTls};

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
    #[arg(long, value_name = "MODE", value_enum)]
    pub client_cert: Option<ClientCertArg>,
}

/// The values of `--client-cert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertArg {
    /// Request no client certificate
    Off,
    /// Request a client certificate, accept clients without one
    Optional,
    /// Refuse clients without a valid certificate
    Required,
}

/// The names of the options for messages: as flags, or as in the file.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    certificate: &'static str,
    key: &'static str,
    client_ca: &'static str,
    client_cert: &'static str,
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
        upstream_ca: "ca",
        upstream_cert: "cert",
        upstream_key: "key",
        upstream_insecure: "insecure_skip_verify",
    };
}

impl ListenTlsArgs {
    /// The listener's TLS; `None` for plain text. Reads no file.
    ///
    /// # Errors
    /// The option that contradicts the others.
    pub fn server(&self) -> Result<Option<ServerTls>, String> {
        self.server_named(&Names::FLAGS)
    }

    /// [`server`](Self::server) with messages that use these names.
    ///
    /// # Errors
    /// As for [`server`](Self::server).
    pub fn server_named(&self, names: &Names) -> Result<Option<ServerTls>, String> {
        let (certificates, keys) = (self.tls_cert.len(), self.tls_key.len());
        if certificates != keys {
            return Err(format!(
                "--tls-cert is given {certificates} times and --tls-key {keys} times; each certificate needs its key, \
                 in the same order"
            ));
        }
        let clients = self.clients(names)?;
        if certificates == 0 {
            let useless =
                |option| format!("{option} is of use with TLS only; give {} and {}", names.certificate, names.key);
            return match (&self.client_ca, self.client_cert) {
                (None, None | Some(ClientCertArg::Off)) => Ok(None),
                (Some(_), _) => Err(useless(names.client_ca)),
                _ => Err(useless(names.client_cert)),
            };
        }
        let pair = |(certificate, key)| (PemFile::new(names.certificate, certificate), PemFile::new(names.key, key));
        let pairs = self.tls_cert.iter().zip(&self.tls_key).map(pair).collect();
        Ok(Some(ServerTls::of(pairs, clients)))
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
                    "{option} is of use with a TLS target only; {target} is plain text, write wss:// or remove the option"
                )),
                None => Ok(None),
            };
        }
        let files = self.files(&Names::FLAGS)?;
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

    /// The authorities to trust and the certificate to present; messages use these names. Reads no file.
    ///
    /// # Errors
    /// The option that contradicts the others.
    pub fn files(&self, names: &Names) -> Result<ClientFiles, String> {
        let Names { upstream_cert, upstream_key, .. } = names;
        let identity = match (&self.upstream_cert, &self.upstream_key) {
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
        match (self.upstream_insecure_skip_verify, self.upstream_ca.is_empty()) {
            (true, true) => Ok(Trust::Insecure),
            (true, false) => Err(format!("{upstream_ca} has no effect with {upstream_insecure}; remove one of them")),
            (false, true) => Ok(Trust::Host),
            (false, false) => {
                let file = |path| PemFile::new(upstream_ca, path);
                Ok(Trust::Authorities(self.upstream_ca.iter().map(file).collect()))
            }
        }
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

#[cfg(test)]
mod tests {
    use super::{ClientCertArg, ListenTlsArgs, UpstreamTlsArgs};
    use crate::routing::target::Target;
    use crate::tls::server::ClientCertificates;

    fn listen(certs: usize, keys: usize, ca: bool, mode: Option<ClientCertArg>) -> ListenTlsArgs {
        ListenTlsArgs {
            tls_cert: vec!["cert".into(); certs],
            tls_key: vec!["key".into(); keys],
            client_ca: ca.then(|| "ca".into()),
            client_cert: mode,
        }
    }

    #[test]
    fn clients_are_asked_for_certificates_as_the_flags_say() {
        use ClientCertArg::{Off, Optional, Required};
        for (ca, mode, is) in [
            (false, None, "off"),
            (false, Some(Off), "off"),
            (true, None, "required"),
            (true, Some(Required), "required"),
            (true, Some(Optional), "optional"),
            (true, Some(Off), "off"),
        ] {
            let server = listen(1, 1, ca, mode).server().unwrap().unwrap();
            assert_eq!(server.clients().to_string(), is);
            assert_eq!(server.files().count(), if matches!(server.clients(), ClientCertificates::Off) { 2 } else { 3 });
        }
        assert!(listen(0, 0, false, None).server().unwrap().is_none());
        assert!(listen(0, 0, false, Some(Off)).server().unwrap().is_none());
    }

    #[test]
    fn flags_of_the_listener_that_do_not_fit_each_other_are_named() {
        use ClientCertArg::{Off, Optional, Required};
        for (args, says) in [
            (listen(2, 1, false, None), "--tls-cert is given 2 times and --tls-key 1 times"),
            (listen(0, 1, false, None), "--tls-cert is given 0 times"),
            (listen(1, 1, false, Some(Required)), "--client-cert required needs --client-ca"),
            (listen(1, 1, false, Some(Optional)), "--client-cert optional needs --client-ca"),
            (listen(0, 0, true, None), "--client-ca is of use with TLS only"),
            (listen(0, 0, true, Some(Off)), "--client-ca is of use with TLS only"),
            (listen(0, 0, false, Some(Required)), "--client-cert required needs --client-ca"),
        ] {
            let error = args.server().map(|_| ()).unwrap_err();
            assert!(error.contains(says), "{error:?} does not say {says:?}");
        }
    }

    #[test]
    fn flags_of_the_upstream_that_do_not_fit_are_named() {
        let plain: Target = "ws://a".parse().unwrap();
        let tls: Target = "wss://a".parse().unwrap();
        let none = UpstreamTlsArgs::default;
        assert!(none().client(&plain).unwrap().is_none());
        for (target, args, says) in [
            (&plain, UpstreamTlsArgs { upstream_ca: vec!["x".into()], ..none() }, "--upstream-ca is of use with a TLS"),
            (&plain, UpstreamTlsArgs { upstream_insecure_skip_verify: true, ..none() }, "ws://a is plain text"),
            (
                &tls,
                UpstreamTlsArgs { upstream_cert: Some("x".into()), ..none() },
                "--upstream-cert needs --upstream-key",
            ),
            (
                &tls,
                UpstreamTlsArgs { upstream_key: Some("x".into()), ..none() },
                "--upstream-key needs --upstream-cert",
            ),
            (
                &tls,
                UpstreamTlsArgs { upstream_server_name: Some("a b".into()), ..none() },
                "--upstream-server-name: `a b`",
            ),
            (
                &tls,
                UpstreamTlsArgs { upstream_ca: vec!["/nowhere".into()], ..none() },
                "--upstream-ca /nowhere: there is no",
            ),
            (
                &tls,
                UpstreamTlsArgs { upstream_ca: vec!["/nowhere".into()], upstream_insecure_skip_verify: true, ..none() },
                "--upstream-ca has no effect",
            ),
        ] {
            let error = args.client(target).map(|_| ()).unwrap_err();
            assert!(error.contains(says), "{error:?} does not say {says:?}");
        }
    }

    #[test]
    fn the_targets_host_is_the_name_unless_another_is_given() {
        let target: Target = "wss://[::1]:8443/x".parse().unwrap();
        for (given, name) in [(None, "::1"), (Some("up.test"), "up.test")] {
            let args = UpstreamTlsArgs {
                upstream_server_name: given.map(str::to_owned),
                upstream_insecure_skip_verify: true,
                ..UpstreamTlsArgs::default()
            };
            let (_, upstream) = args.client(&target).unwrap().unwrap();
            assert_eq!((upstream.name.to_str().as_ref(), upstream.is_verified), (name, false));
        }
    }
}
