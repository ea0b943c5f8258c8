//! The configuration file: what the operator wrote, and what the program runs with.
//!
//! ```text
//! ringway.toml -> document (form) -> written (each value) -> check (all of it together) -> Configuration -> open (files)
//! ```
//!
//! Every step tells all that it finds wrong, with the line, the column and the option. Without a file there are the
//! defaults, which go the same way.

mod check;
mod document;
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
use super::limits::LimitArgs;
use super::log::LogArgs;
pub use super::scalar::Secret;
use super::units::Cpus;
use crate::api::EnvironmentName;
use crate::routing::host::HostPattern;
use crate::tls::client::{ClientFiles, ClientTls, Trust};
use crate::tls::pem::LoadError;
use crate::tls::server::{Served, ServerTls};

/// Bytes of the longest file: with 64 environments of 256 variables there is room to spare.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What the program runs with: checked as a whole, never changed.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The CPUs to run on; all if `None`.
    pub cpus: Option<Cpus>,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// Names that the admin API may be called by, besides the usual ones of this host.
    pub allowed_hosts: Vec<String>,
    /// Where metrics are served without a token.
    pub metrics: Option<SocketAddr>,
    /// How and what is logged.
    pub log: LogArgs,
    /// Peers whose word on earlier hops is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Servers of DNS to ask, and not the host's own; those if there are none.
    pub resolver: Vec<SocketAddr>,
    /// Over how long the ends of many connections are spread.
    pub drain_window: Duration,
    /// Whether upstreams get the client's `Host` and not the target's own.
    pub preserve_host: bool,
    /// What holds for the process, and for a connection as long as its environment is not known.
    pub limits: LimitArgs,
    /// Each once, though several environments may share one.
    pub listeners: Vec<Listener>,
    /// In their order: an API is promoted from one to the next.
    pub environments: Vec<Environment>,
    written: Written,
}

/// An address to listen on.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The address; port 0 for any free one.
    pub listen: SocketAddr,
    /// How clients are spoken to in TLS; `None` for plain text.
    pub tls: Option<ServerTls>,
    /// Peers that must begin with a PROXY header.
    pub proxy_protocol: Vec<IpNet>,
    /// Where it is written.
    option: OptionPath,
}

impl Listener {
    /// Where it is written, for people.
    #[must_use]
    pub fn name(&self) -> String {
        self.option.to_string()
    }
}

/// A place for APIs to run in.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// The place of its listener for external APIs in [`Configuration::listeners`].
    pub external: usize,
    /// The same for internal APIs.
    pub internal: usize,
    /// The host names that it answers to; if there are none, to all that no other environment claims.
    pub hosts: Vec<HostPattern>,
    /// What `${NAME}` in a target stands for.
    pub variables: BTreeMap<String, Secret>,
    /// What holds for its connections.
    pub limits: LimitArgs,
    /// How its upstreams are spoken to in TLS.
    pub upstream_tls: ClientFiles,
}

/// What the files hold that a configuration names.
#[derive(Debug)]
pub struct Opened {
    /// By listener: its certificates.
    pub served: Vec<Option<Served>>,
    /// By environment: what upstreams are spoken to with. It may fail only where nothing was written: on a host that trusts
    /// nobody, which is no matter until a target wants TLS.
    pub upstream_tls: Vec<Result<ClientTls, LoadError>>,
}

/// A file that was read, or what stands in for one.
#[derive(Debug)]
pub struct File {
    name: String,
    text: String,
    /// What paths in it are relative to.
    folder: PathBuf,
}

impl File {
    /// Reads the file; without one, the defaults.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: Option<&Path>) -> Result<Self, Faults> {
        let Some(path) = path else {
            return Ok(Self { name: "(defaults)".to_owned(), text: String::new(), folder: PathBuf::new() });
        };
        let name = path.display().to_string();
        let text = read_text(path).map_err(|why| Faults::whole(&name, why))?;
        Ok(Self { name, text, folder: path.parent().map(Path::to_owned).unwrap_or_default() })
    }

    /// What it says, checked as a whole. Reads no other file.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn configuration(&self) -> Result<Configuration, Faults> {
        let document = self.document()?;
        let written = self.written(&document)?;
        check::check(&document, written)
    }

    fn written(&self, document: &Document<'_>) -> Result<Written, Faults> {
        let mut written: Written = document.read()?;
        written.complete();
        written.resolve(&self.folder);
        Ok(written)
    }

    /// Reads the files that a configuration of this file names.
    ///
    /// # Errors
    /// All that is wrong with them.
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
        let mut upstream_tls: Vec<Result<ClientTls, LoadError>> = Vec::new();
        for (index, environment) in configuration.environments.iter().enumerate() {
            let files = &environment.upstream_tls;
            // Read once: the host's store of authorities has hundreds of them.
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
        if faults.is_empty() { Ok(Opened { served, upstream_tls }) } else { Err(document.faults(faults)) }
    }

    fn document(&self) -> Result<Document<'_>, Faults> {
        Document::parse(&self.name, &self.text)
    }
}

impl Configuration {
    /// All of it with its defaults, as it would be written, without the values of variables.
    #[must_use]
    pub fn shown(&self) -> serde_json::Value {
        // Nothing in it can fail to be written.
        serde_json::to_value(&self.written).unwrap_or_default()
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    // Asked before it is opened: opening a pipe would wait for who writes to it.
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
