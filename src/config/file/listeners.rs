//! The listeners of all environments: each address once, and no request that could belong to two environments.

use std::net::SocketAddr;

use super::document::OptionPath;
use super::findings::Findings;
use super::written::{self, Written};
use super::{Environment, Listener};
use crate::config::scalar::{Listen, Network};
use crate::config::tls::{ListenOptions, Names};
use crate::tls::server::ServerTls;

/// The listeners, and for each environment the indices of its external and internal listener.
pub(super) fn of(findings: &mut Findings<'_>, written: &Written) -> (Vec<Listener>, Vec<[usize; 2]>) {
    let mut gathered = Gathered::default();
    let mut places = Vec::new();
    for (index, environment) in written.environments.iter().enumerate() {
        let option = OptionPath::root("environments").index(index);
        let own = [("external", &environment.external), ("internal", &environment.internal)];
        places.push(own.map(|(name, listener)| gathered.add(findings, option.key(name), listener)));
    }
    others(findings, written, &gathered.listeners);
    (gathered.listeners, places)
}

#[derive(Default)]
struct Gathered<'w> {
    listeners: Vec<Listener>,
    /// The options that each listener was made of.
    written: Vec<&'w written::Listener>,
}

impl<'w> Gathered<'w> {
    /// The index of a listener; environments with the same address share one.
    fn add(&mut self, findings: &mut Findings<'_>, option: OptionPath, written: &'w written::Listener) -> usize {
        let Some(Listen(listen)) = written.listen else {
            findings
                .add(&option.key("listen"), "is missing: write the address to listen on, such as \"127.0.0.1:8082\"");
            // The fault above means that no configuration will use this index.
            return usize::MAX;
        };
        // The kernel gives each port 0 a different port.
        let same = self.listeners.iter().position(|other| other.listen == listen && listen.port() > 0);
        if let Some((place, first)) = same.and_then(|place| Some((place, self.written.get(place)?))) {
            let says_nothing = written::Listener { listen: written.listen.clone(), ..Default::default() };
            if written != *first && *written != says_nothing {
                let other = self.listeners.get(place).map(|other| other.option.to_string()).unwrap_or_default();
                findings.add(
                    &option,
                    format!(
                        "{listen} is {other}'s address, too, and that says otherwise how clients are spoken to there: say \
                         the same in both, or only there"
                    ),
                );
            }
            return place;
        }
        for other in &self.listeners {
            if covers(other.listen, listen) || covers(listen, other.listen) {
                let other = format!("{} ({})", other.listen, other.option);
                findings.add(
                    &option.key("listen"),
                    format!("{listen} cannot be had beside {other}: one is part of the other"),
                );
            }
        }
        self.listeners.push(listener(findings, option, written, listen));
        self.written.push(written);
        self.listeners.len().saturating_sub(1)
    }
}

fn listener(
    findings: &mut Findings<'_>,
    option: OptionPath,
    written: &written::Listener,
    listen: SocketAddr,
) -> Listener {
    let options = ListenOptions {
        pairs: written.tls.iter().map(|pair| (pair.cert.clone(), pair.key.clone())).collect(),
        client_ca: written.client_ca.clone(),
        client_cert: written.client_cert,
        max_record_bytes: written.tls_max_record_bytes,
    };
    let tls = options.server(&Names::FILE).unwrap_or_else(|why| {
        findings.add(&option, why);
        None
    });
    let proxy_protocol = written.proxy_protocol.iter().map(|Network(network)| *network).collect();
    Listener { listen, tls, proxy_protocol, option }
}

/// TLS of a listener that asks its clients for no certificate; `None` for plain text.
pub(super) fn tls(findings: &mut Findings<'_>, option: &OptionPath, pairs: &[written::Pair]) -> Option<ServerTls> {
    let pairs = pairs.iter().map(|pair| (pair.cert.clone(), pair.key.clone())).collect();
    let options = ListenOptions { pairs, ..ListenOptions::default() };
    options.server(&Names::FILE).unwrap_or_else(|why| {
        findings.add(option, why);
        None
    })
}

/// Checks that the admin API and the metrics have addresses of their own.
fn others(findings: &mut Findings<'_>, written: &Written, listeners: &[Listener]) {
    let admin = (OptionPath::root("admin").key("listen"), written.admin.listen.0);
    let metrics = written.metrics.listen.as_ref();
    let metrics = metrics.map(|Listen(address)| (OptionPath::root("metrics").key("listen"), *address));
    let mut taken: Vec<(String, SocketAddr)> =
        listeners.iter().map(|listener| (listener.option.to_string(), listener.listen)).collect();
    for (option, address) in [Some(admin), metrics].into_iter().flatten() {
        let clash =
            taken.iter().find(|(_, other)| same(*other, address) || covers(*other, address) || covers(address, *other));
        if let Some((other, _)) = clash {
            findings.add(&option, format!("{address} is taken: {other} listens there"));
        }
        taken.push((option.to_string(), address));
    }
}

fn same(one: SocketAddr, other: SocketAddr) -> bool {
    one == other && one.port() > 0
}

/// True if `all` is the unspecified address that includes `one`, at the same port.
fn covers(all: SocketAddr, one: SocketAddr) -> bool {
    all != one
        && all.port() == one.port()
        && one.port() > 0
        && all.ip().is_unspecified()
        && all.is_ipv4() == one.is_ipv4()
}

/// Reports environments that would answer the same requests.
pub(super) fn tell_apart(findings: &mut Findings<'_>, listeners: &[Listener], environments: &[Environment]) {
    for (index, environment) in environments.iter().enumerate() {
        let option = OptionPath::root("environments").index(index);
        let address =
            |place: usize| listeners.get(place).map(|listener| listener.listen.to_string()).unwrap_or_default();
        if environment.external == environment.internal && environment.external < listeners.len() {
            let address = address(environment.external);
            findings.add(
                &option.key("internal").key("listen"),
                format!("{address} is the external listener, too: clients of one would reach the other"),
            );
        }
        for earlier in environments.iter().take(index) {
            let places = [environment.external, environment.internal];
            let Some(shared) = places.iter().find(|place| [earlier.external, earlier.internal].contains(place)) else {
                continue;
            };
            let (address, other) = (address(*shared), &earlier.name);
            if environment.hosts.is_empty() && earlier.hosts.is_empty() {
                let why = format!(
                    "{other} answers on {address}, too, and nothing tells the two apart: give one of them `hosts`"
                );
                findings.add(&option, why);
            }
            if let Some(host) = environment.hosts.iter().find(|host| earlier.hosts.contains(host)) {
                findings.add(&option.key("hosts"), format!("{other} answers to {host} on {address}, too"));
            }
        }
    }
}
