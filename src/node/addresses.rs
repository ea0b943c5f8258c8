//! A node's addresses: for people, for clients of the admin API, and for commands on the same host.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::api::Environments;
use crate::api::environment::RunningEnvironment;
use crate::config::file::{Configuration, Environment};
use crate::control::state_dir::{ADMIN_ADDRESS, Existing, write_whole};
use crate::proto::authority::{bracketed, reached_locally};
use crate::routing::loops::Listening;
use crate::tls::server::Served;

/// The file in the state directory that names the admin listener's address. Dropping this removes the file.
pub(super) struct AddressFile(PathBuf);

impl AddressFile {
    /// Writes the file: the address, and where TLS is spoken a line with the name that the certificate has. A node whose disk
    /// takes no file serves all the same, and logs a warning.
    pub(super) fn write(folder: &Path, address: SocketAddr, tls_name: Option<&str>) -> Self {
        let path = folder.join(ADMIN_ADDRESS);
        let (name, scheme) = match tls_name {
            Some(name) => (format!("https {name}\n"), "https"),
            None => (String::new(), "http"),
        };
        let written = write_whole(&path, format!("{address}\n{name}").as_bytes(), Existing::Replaced);
        if let Err(error) = written {
            warn!(%error, "{} cannot be written: commands find this node with --admin {scheme}://{address} only", path.display());
        }
        Self(path)
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        // A file that remains names an address where no node listens.
        let _ = fs::remove_file(&self.0);
    }
}

/// The name by which a client on this host may verify the admin listener's certificate: the address that it dials if the
/// certificate has that, or else the certificate's first name.
pub(super) fn name_of(served: &Served, address: SocketAddr) -> String {
    let dialled = reached_locally(address).ip();
    let first = served.certificates.first();
    let has_address = first.is_some_and(|certificate| certificate.addresses.contains(&dialled));
    let name = first.and_then(|certificate| certificate.names.first()).filter(|_| !has_address);
    // A wildcard stands for any one label.
    name.map_or_else(|| dialled.to_string(), |name| name.replacen('*', "admin", 1))
}

/// The listeners, for the search for targets that lead back to them.
pub(super) fn listening(bound: &[SocketAddr]) -> Listening {
    // The kernel binds a socket to no address but this host's.
    Listening::new(bound.to_vec(), |ip| UdpSocket::bind((ip, 0)).is_ok())
}

/// The environments with the bound addresses of their listeners.
pub(super) fn environments(configuration: &Configuration, bound: &[SocketAddr]) -> Environments {
    let place = |environment: &Environment| {
        let [external, internal] =
            [environment.external, environment.internal].map(|place| at(configuration, bound, place));
        RunningEnvironment {
            name: environment.name.clone(),
            external: external.0.to_string(),
            internal: internal.0.to_string(),
            external_url: url(environment, external),
            internal_url: url(environment, internal),
            hosts: environment.hosts.iter().map(ToString::to_string).collect(),
            variables: environment
                .variables
                .iter()
                .map(|(name, value)| (name.clone(), value.reveal().to_owned()))
                .collect(),
            policies: environment.policies.clone(),
        }
    };
    Environments::new(configuration.policies.clone(), configuration.environments.iter().map(place).collect())
}

/// A listener's bound address, and `true` if the listener speaks TLS.
fn at(configuration: &Configuration, bound: &[SocketAddr], place: usize) -> (SocketAddr, bool) {
    let listener = configuration.listeners.get(place);
    let address = bound.get(place).copied().or(listener.map(|listener| listener.listen));
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    (address.unwrap_or(nowhere), listener.is_some_and(|listener| listener.tls.is_some()))
}

/// The URL that consumers connect to; an API's path follows.
fn url(environment: &Environment, (address, is_tls): (SocketAddr, bool)) -> String {
    let (scheme, usual) = if is_tls { ("wss", 443) } else { ("ws", 80) };
    let named = environment.hosts.iter().map(ToString::to_string).find(|host| !host.starts_with("*."));
    let host = named.unwrap_or_else(|| bracketed(&reached_locally(address).ip().to_string()).into_owned());
    if address.port() == usual { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{}", address.port()) }
}

/// The node's state directory and addresses, for people.
pub(super) fn announcement(
    state: &Path,
    configuration: &Configuration,
    bound: &[SocketAddr],
    admin: &[SocketAddr],
) -> String {
    let mut text = format!("serving, with its state in {}\n", state.display());
    for place in environments(configuration, bound).iter() {
        text.push_str(&format!("  {}: {} (internal {})\n", place.name, place.external_url, place.internal_url));
    }
    let urls = ["admin API", "metrics"].into_iter().zip(admin);
    for (name, address) in urls {
        let scheme = if name == "admin API" && configuration.admin_tls.is_some() { "https" } else { "http" };
        text.push_str(&format!("  {name}: {scheme}://{}\n", reached_locally(*address)));
    }
    text
}
