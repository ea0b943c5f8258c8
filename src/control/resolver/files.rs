//! /etc/hosts and /etc/resolv.conf, read again when they change.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::parse_resolv_conf;

use super::fault::Fault;
use super::question::DNS_PORT;
use crate::control::stamp::Stamp;

const HOSTS: &str = "/etc/hosts";
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Bytes that are read of a file; the rest of a longer one is ignored.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Both files as they were last read. A look-up reads them only if they have changed.
#[derive(Debug)]
pub(super) struct Files {
    stamps: Option<[Option<Stamp>; 2]>,
    host: Arc<Host>,
}

/// The contents of the files, or the reason why one cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) hosts: Result<Hosts, Fault>,
    pub(super) resolv_conf: Result<ResolvConf, Fault>,
}

impl Files {
    /// Reads both files.
    pub(super) fn new() -> Self {
        let stamps = stamps();
        let mut files = Self { stamps: None, host: Arc::new(Host::read()) };
        files.remember(stamps);
        files
    }

    /// The contents now, and `true` if they differ from those of the last call.
    pub(super) fn look(&mut self) -> (Arc<Host>, bool) {
        // Taken before the files are read: a change in between is then seen at the next call.
        let stamps = stamps();
        if self.stamps == Some(stamps) {
            return (Arc::clone(&self.host), false);
        }
        let host = Host::read();
        let is_news = *self.host != host;
        if is_news {
            self.host = Arc::new(host);
        }
        self.remember(stamps);
        (Arc::clone(&self.host), is_news)
    }

    /// Remembers the stamps, unless a file could not be read: the next call then reads it again.
    fn remember(&mut self, stamps: [Option<Stamp>; 2]) {
        self.stamps = (self.host.hosts.is_ok() && self.host.resolv_conf.is_ok()).then_some(stamps);
    }
}

fn stamps() -> [Option<Stamp>; 2] {
    [HOSTS, RESOLV_CONF].map(Stamp::of)
}

impl Host {
    fn read() -> Self {
        let text = |path| read(path).map_err(|error| Fault::Unable(format!("{path}: {error}")));
        Self {
            hosts: text(HOSTS).map(|text| Hosts::parse(&text)),
            resolv_conf: text(RESOLV_CONF).and_then(|text| ResolvConf::parse(&text)),
        }
    }
}

/// Reads a file's text, which is empty if there is no file.
fn read(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(MAX_BYTES).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The addresses of /etc/hosts, by name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hosts(HashMap<Box<str>, Vec<IpAddr>>);

impl Hosts {
    fn parse(text: &str) -> Self {
        let mut hosts: HashMap<Box<str>, Vec<IpAddr>> = HashMap::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse) else { continue };
            for name in words {
                hosts.entry(name.to_ascii_lowercase().into()).or_default().push(address);
            }
        }
        Self(hosts)
    }

    /// The addresses of every line with the name, in their order.
    pub(super) fn lookup(&self, name: &str) -> &[IpAddr] {
        self.0.get(name.to_ascii_lowercase().as_str()).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The options of /etc/resolv.conf that are used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ResolvConf {
    pub(super) servers: Vec<SocketAddr>,
    /// The search domains.
    pub(super) search: Vec<Name>,
    /// A name with so many dots or more is tried as an absolute name first.
    pub(super) ndots: usize,
}

impl ResolvConf {
    fn parse(text: &str) -> Result<Self, Fault> {
        // A file without servers means the one on this host (resolv.conf(5)).
        let (config, options) = parse_resolv_conf(text)
            .or_else(|_| parse_resolv_conf(format!("{text}\nnameserver 127.0.0.1\n")))
            .map_err(|error| Fault::Unable(format!("{RESOLV_CONF}: {error}")))?;
        Ok(Self {
            servers: config.name_servers().iter().map(|server| SocketAddr::new(server.ip, DNS_PORT)).collect(),
            search: config.search().to_vec(),
            ndots: options.ndots,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Hosts, ResolvConf};

    #[test]
    fn a_hosts_file_is_read_as_people_write_it() {
        let hosts = Hosts::parse(
            "\u{feff}127.0.0.1 localhost\n# 10.0.0.9 api\n\n10.0.0.1\tapi.test  API # api2\r\n\
             fd00::1 api\nnonsense api\n10.0.0.2 api",
        );
        let found = |name| hosts.lookup(name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(found("api"), ["10.0.0.1", "fd00::1", "10.0.0.2"]);
        assert_eq!(found("Api.Test"), ["10.0.0.1"]);
        assert_eq!(found("localhost"), ["127.0.0.1"]);
        assert!(found("api2").is_empty() && found("10.0.0.1").is_empty());
    }

    #[test]
    fn a_resolv_conf_without_servers_means_the_one_on_this_host() {
        for (text, servers) in [("", "127.0.0.1:53"), ("nameserver 10.0.0.53\nsearch a.test\n", "10.0.0.53:53")] {
            let conf = ResolvConf::parse(text).unwrap();
            assert_eq!(conf.servers, [servers.parse().unwrap()], "{text}");
        }
    }
}
