//! The configuration file.
//!
//! ```text
//! ringway.toml -> document (form) -> written (each value) -> check (all of it together) -> Configuration -> open (files)
//! ```
//!
//! Every step reports all its faults, with line, column and option. Without a file the defaults take the same way.

mod check;
mod document;
mod findings;
mod listeners;
pub mod reload;
mod written;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use self::document::{Document, OptionPath};
pub use self::document::{Fault, Faults};
use self::written::Written;
use super::contract_source::ContractSource;
use super::limits::Limits;
use super::log::LogArgs;
pub use super::scalar::Secret;
use super::units::Cpus;
use crate::api::{EnvironmentName, PolicyLayer, PolicyValues};
use crate::engine::preflight;
use crate::routing::host::HostPattern;
use crate::routing::plain::PlainPath;
use crate::tls::client::{ClientFiles, ClientTls, Trust};
use crate::tls::pem::LoadError;
use crate::tls::server::{Served, ServerTls};

/// The most bytes of a file: ample for 64 environments with 256 variables each.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A configuration: checked as a whole, and immutable.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The CPUs to run on; all if `None`.
    pub cpus: Option<Cpus>,
    /// The hosts that contracts may be fetched from.
    pub contract_sources: Vec<ContractSource>,
    /// The admin API's address.
    pub admin: SocketAddr,
    /// TLS of the admin API; `None` for plain text.
    pub admin_tls: Option<ServerTls>,
    /// Host names of the admin API besides `localhost` and its address.
    pub allowed_hosts: Vec<String>,
    /// The file with the admin token; the one in the state directory if `None`.
    pub token_file: Option<PathBuf>,
    /// The address where metrics are served without a token.
    pub metrics: Option<SocketAddr>,
    /// Format and level of the log.
    pub log: LogArgs,
    /// Peers whose `X-Forwarded-*` and `Forwarded` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// DNS servers to use; if there are none, the host's own.
    pub resolver: Vec<SocketAddr>,
    /// The time over which many connections that must be closed are spread.
    pub drain_window: Duration,
    /// Refuses a request whose `Host` is not the name that its client asked TLS for, whatever the certificate covers.
    pub strict_sni_host: bool,
    /// The invalid credentials that a client's address may send in a minute before it is told so; `None` for any number.
    pub max_invalid_credentials: Option<u32>,
    /// The path of every listener of the data plane that says whether the node takes new clients.
    pub health_path: Option<PlainPath>,
    /// Limits of the process.
    pub limits: Limits,
    /// The node's value of every policy.
    pub policies: PolicyValues,
    /// The listeners. Several environments may share one.
    pub listeners: Vec<Listener>,
    /// The environments, in order: an API is promoted from one to the next.
    pub environments: Vec<Environment>,
    written: Written,
}

/// A listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The address; port 0 for any free one.
    pub listen: SocketAddr,
    /// TLS with clients; `None` for plain text.
    pub tls: Option<ServerTls>,
    /// Peers that must begin with a PROXY protocol header.
    pub proxy_protocol: Vec<IpNet>,
    /// The listener's option in the file.
    option: OptionPath,
}

impl Listener {
    /// The listener's option in the file, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.option.to_string()
    }
}

/// An environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The environment's name.
    pub name: EnvironmentName,
    /// The index of the external listener in [`Configuration::listeners`].
    pub external: usize,
    /// The index of the internal listener.
    pub internal: usize,
    /// The host names that the environment answers to; if there are none, all that no other environment claims.
    pub hosts: Vec<HostPattern>,
    /// The values of `${NAME}` in targets.
    pub variables: BTreeMap<String, Secret>,
    /// The policies that the environment names: they decide over those of APIs and of the node.
    pub policies: PolicyLayer,
    /// TLS with upstreams.
    pub upstream_tls: ClientFiles,
}

/// The contents of the files that a configuration names.
#[derive(Debug)]
pub struct Opened {
    /// The certificates of each listener.
    pub served: Vec<Option<Served>>,
    /// The certificates of the admin API.
    pub admin: Option<Served>,
    /// The TLS configuration of each environment's upstreams. Kept as an error only for environments without TLS options: an
    /// empty trust store of the host matters only once a target uses TLS.
    pub upstream_tls: Vec<Result<ClientTls, LoadError>>,
}

/// A file's text, or the defaults in its place.
#[derive(Debug)]
pub struct File {
    name: String,
    text: String,
    /// The folder that relative paths start from.
    folder: PathBuf,
}

impl File {
    /// Reads the file; without one, the defaults.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: Option<&Path>) -> Result<Self, Faults> {
        let Some(path) = path else {
            return Ok(Self { name: "(defaults)".to_owned(), text: String::new(), folder: PathBuf::new() });
        };
        let name = path.display().to_string();
        let text = read_text(path).map_err(|why| Faults::whole(&name, why))?;
        Ok(Self { name, text, folder: path.parent().map(Path::to_owned).unwrap_or_default() })
    }

    /// Checks the file as a whole. Reads no other file.
    ///
    /// # Errors
    /// All faults of the file.
    pub fn configuration(&self) -> Result<Configuration, Faults> {
        let document = self.document()?;
        let written = self.written(&document)?;
        check::check(&document, written)
    }

    /// The written options, with the defaults filled in and paths that start from the file's folder.
    ///
    /// # Errors
    /// Every entry that cannot be read, and the faults of the rest.
    fn written(&self, document: &Document<'_>) -> Result<Written, Faults> {
        let mut read = document.read::<Written>()?;
        let mut written = std::mem::take(&mut read.written);
        written.complete();
        written.resolve(&self.folder);
        if read.faults.is_empty() {
            return Ok(written);
        }
        let checked = if read.keeps_places() { check::check(document, written).err() } else { None };
        let mut faults = std::mem::take(&mut read.faults);
        let more = checked.map_or_else(Vec::new, |broken| broken.faults);
        faults.extend(more.into_iter().filter(|fault| !read.explains(fault)));
        Err(document.faults(faults))
    }

    /// Checks that this process can run as the configuration says, and reads the files that it names.
    ///
    /// # Errors
    /// All faults: those of [`check_cpus`](Self::check_cpus) and of [`open`](Self::open).
    pub fn open_here(&self, configuration: &Configuration, allowed_cpus: &[usize]) -> Result<Opened, Faults> {
        match (self.check_cpus(configuration, allowed_cpus), self.open(configuration)) {
            (Ok(()), opened) => opened,
            (Err(faults), Ok(_)) => Err(faults),
            (Err(mut faults), Err(more)) => {
                faults.faults.extend(more.faults);
                Err(faults)
            }
        }
    }

    /// Checks that the process may run on the CPUs that the configuration names.
    ///
    /// # Errors
    /// The configuration may not be used.
    pub fn check_cpus(&self, configuration: &Configuration, allowed_cpus: &[usize]) -> Result<(), Faults> {
        let Some(Cpus(asked)) = &configuration.cpus else { return Ok(()) };
        let document = self.document()?;
        let fault = |why| document.fault(&OptionPath::root("cpus"), why);
        preflight::check_cpus(asked, allowed_cpus).map_err(|why| document.faults(vec![fault(why)]))
    }

    /// Reads the files that a configuration names.
    ///
    /// # Errors
    /// All faults of those files.
    pub fn open(&self, configuration: &Configuration) -> Result<Opened, Faults> {
        let document = self.document()?;
        let mut faults = Vec::new();
        let mut served = Vec::new();
        for listener in &configuration.listeners {
            let loaded = listener.tls.as_ref().map(|tls| tls.load(None)).transpose();
            served.push(loaded.unwrap_or_else(|error| {
                faults.push(document.fault(&listener.option.key("tls"), error.to_string()));
                None
            }));
        }
        let admin = configuration.admin_tls.as_ref().map(|tls| tls.load(None)).transpose().unwrap_or_else(|error| {
            faults.push(document.fault(&OptionPath::root("admin").key("tls"), error.to_string()));
            None
        });
        let mut upstream_tls: Vec<Result<ClientTls, LoadError>> = Vec::new();
        for (index, environment) in configuration.environments.iter().enumerate() {
            let files = &environment.upstream_tls;
            // Equal options are read once: the host's trust store has hundreds of authorities.
            let same =
                configuration.environments.iter().zip(&upstream_tls).find(|(other, _)| other.upstream_tls == *files);
            let loaded = same.map_or_else(|| ClientTls::load(files), |(_, loaded)| loaded.clone());
            if let Err(error) = &loaded
                && (files.trust != Trust::Host || files.identity.is_some())
            {
                let option = OptionPath::root("environments").index(index).key("upstream_tls");
                faults.push(document.fault(&option, error.to_string()));
            }
            upstream_tls.push(loaded);
        }
        if faults.is_empty() { Ok(Opened { served, admin, upstream_tls }) } else { Err(document.faults(faults)) }
    }

    /// A fault of an option, for what only its user finds out.
    #[must_use]
    pub fn fault(&self, option: &[&str], why: impl Into<String>) -> Faults {
        let path = option.iter().fold(OptionPath::default(), |path, key| path.key(key));
        match self.document() {
            Ok(document) => document.faults(vec![document.fault(&path, why)]),
            Err(faults) => faults,
        }
    }

    fn document(&self) -> Result<Document<'_>, Faults> {
        Document::parse(&self.name, &self.text)
    }
}

impl Configuration {
    /// All options with their defaults, in the file's form. Values of variables are masked.
    #[must_use]
    pub fn shown(&self) -> serde_json::Value {
        // Serialising these types cannot fail.
        serde_json::to_value(self.written.whole()).unwrap_or_default()
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    // Checked before opening: opening a pipe would wait for a writer.
    let kind = std::fs::metadata(path).map_err(|error| format!("it cannot be read: {error}"))?;
    if !kind.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| format!("it cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("it is longer than {MAX_FILE_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        format!("it is not UTF-8 text: the byte at {} is not part of a character", error.utf8_error().valid_up_to())
    })
}

#[cfg(test)]
mod tests;
