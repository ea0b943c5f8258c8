//! One look-up of a name, as getaddrinfo does it: /etc/hosts, then the servers, over the search domains; A and AAAA at once.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::fault::Fault;
use super::files::Host;
use super::question::Question;
use super::servers::{Server, Servers};

/// Rounds over all servers, until one answers.
const ROUNDS: usize = 2;
/// The limit of a look-up over all servers and search domains.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// The source of an answer, and how long the answer is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// /etc/hosts, or the meaning of `localhost`: valid until the file changes.
    Host,
    /// DNS: valid for this time.
    Dns(Duration),
}

/// An answer. One of the two families may have failed.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) origin: Origin,
    pub(super) v4: Result<Vec<IpAddr>, Fault>,
    pub(super) v6: Result<Vec<IpAddr>, Fault>,
}

impl Question {
    /// Looks the name up, with the files as they are given.
    pub(super) async fn look_up(&self, files: &Host, servers: &Servers) -> Result<Answer, Fault> {
        let host = self.host.strip_suffix('.').unwrap_or(&self.host);
        let mut found = files.hosts.as_ref().map_err(Fault::clone)?.lookup(host).to_vec();
        if found.is_empty() && is_localhost(host) {
            // RFC 6761 section 6.3: DNS is never asked for localhost.
            found = vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        }
        if !found.is_empty() {
            let (v4, v6) = found.into_iter().partition(IpAddr::is_ipv4);
            return Ok(Answer { origin: Origin::Host, v4: Ok(v4), v6: Ok(v6) });
        }
        let looking = self.ask(files, servers);
        tokio::time::timeout(LOOKUP_TIMEOUT, looking).await.unwrap_or(Err(Fault::Timeout(LOOKUP_TIMEOUT)))
    }

    async fn ask(&self, files: &Host, servers: &Servers) -> Result<Answer, Fault> {
        let conf = files.resolv_conf.as_ref().map_err(Fault::clone)?;
        let addresses = if self.servers.is_empty() { &conf.servers } else { &*self.servers };
        let servers: Arc<[Arc<Server>]> =
            addresses.iter().map(|address| servers.at(*address)).collect::<Result<_, _>>()?;
        let mut fault = Fault::NoSuchName;
        for name in meanings(&self.host, &conf.search, conf.ndots)? {
            match both(&servers, &name).await {
                Ok(answer) => return Ok(answer),
                Err(Fault::NoSuchName) => {}
                Err(other) => {
                    // If the name itself could not be looked up, no search domain is tried: another host may have that name.
                    let own =
                        name.to_ascii().trim_end_matches('.').eq_ignore_ascii_case(self.host.trim_end_matches('.'));
                    if own && other != Fault::NoAddress {
                        return Err(other);
                    }
                    fault = other;
                }
            }
        }
        Err(fault)
    }
}

fn is_localhost(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// The absolute names that a name may stand for, in the order in which they are tried (resolv.conf(5), `search`).
fn meanings(host: &str, search: &[Name], ndots: usize) -> Result<Vec<Name>, Fault> {
    let unable = |error: &dyn fmt::Display| Fault::Unable(format!("`{host}` is not a name of DNS: {error}"));
    let mut name = Name::from_str_relaxed(host).map_err(|error| unable(&error))?;
    if name.is_fqdn() {
        return Ok(vec![name]);
    }
    // A name that is too long with a search domain is skipped.
    let mut names: Vec<Name> = search.iter().filter_map(|domain| name.clone().append_domain(domain).ok()).collect();
    name.set_fqdn(true);
    let own = if host.matches('.').count() >= ndots { 0 } else { names.len() };
    #[expect(clippy::disallowed_methods, reason = "the name goes before the first or after the last")]
    names.insert(own, name);
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

/// Asks for A and AAAA at once. A family without a record is empty; two empty ones are a fault.
async fn both(servers: &Arc<[Arc<Server>]>, name: &Name) -> Result<Answer, Fault> {
    // A set, which stops its task when this look-up is dropped.
    let mut other = tokio::task::JoinSet::new();
    other.spawn(ask(Arc::clone(servers), name.clone(), RecordType::AAAA));
    let v4 = ask(Arc::clone(servers), name.clone(), RecordType::A).await;
    let v6 = match other.join_next().await {
        Some(Ok(answer)) => answer,
        _ => Err(Fault::Unable("the look-up was abandoned".to_owned())),
    };
    let ttl = [&v4, &v6].into_iter().flatten().map(|(_, ttl)| *ttl).min();
    let Some(ttl) = ttl else {
        return match (v4, v6) {
            (Err(Fault::NoSuchName | Fault::NoAddress), Err(fault)) | (Err(fault), _) => Err(fault),
            (_, Err(fault)) => Err(fault),
            (Ok(_), Ok(_)) => Err(Fault::NoAddress),
        };
    };
    let family = |answer: Result<(Vec<IpAddr>, Duration), Fault>| match answer {
        Ok((addresses, _)) => Ok(addresses),
        Err(Fault::NoSuchName | Fault::NoAddress) => Ok(Vec::new()),
        Err(fault) => Err(fault),
    };
    Ok(Answer { origin: Origin::Dns(ttl), v4: family(v4), v6: family(v6) })
}

/// Asks one server after the other, until one answers.
async fn ask(servers: Arc<[Arc<Server>]>, name: Name, kind: RecordType) -> Result<(Vec<IpAddr>, Duration), Fault> {
    let mut fault = Fault::Unable("there is no server to ask".to_owned());
    for server in std::iter::repeat_n(&servers, ROUNDS).flat_map(|servers| servers.iter()) {
        match server.ask(&name, kind).await {
            Ok(lookup) => return read(&lookup, &name, kind).ok_or(Fault::NoAddress),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
                ResponseCode::NXDomain => return Err(Fault::NoSuchName),
                ResponseCode::NoError => return Err(Fault::NoAddress),
                code => fault = Fault::Server(server.address, code.to_string()),
            },
            Err(error) => fault = Fault::Server(server.address, error.to_string()),
        }
    }
    Err(fault)
}

/// The addresses of the name in an answer, or of the names that it is an alias of, and how long they are valid.
fn read(lookup: &Lookup, name: &Name, kind: RecordType) -> Option<(Vec<IpAddr>, Duration)> {
    let mut names = HashSet::from([name]);
    let mut ttl = u32::MAX;
    let mut addresses = Vec::new();
    for record in lookup.answers() {
        if !names.contains(&record.name) {
            continue;
        }
        match &record.data {
            RData::CNAME(alias) => {
                names.insert(&alias.0);
            }
            data if record.record_type() == kind => addresses.extend(data.ip_addr()),
            _ => continue,
        }
        ttl = ttl.min(record.ttl);
    }
    (!addresses.is_empty()).then(|| (addresses, Duration::from_secs(ttl.into())))
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::{is_localhost, meanings};

    #[test]
    fn a_name_is_searched_for_as_getaddrinfo_does() {
        let search: Vec<Name> = ["a.test", "b.test."].map(|name| Name::from_str_relaxed(name).unwrap()).into();
        for (host, ndots, expected) in [
            ("api", 1, "api.a.test. api.b.test. api."),
            ("api.x", 1, "api.x. api.x.a.test. api.x.b.test."),
            ("api.x", 2, "api.x.a.test. api.x.b.test. api.x."),
            ("api", 0, "api. api.a.test. api.b.test."),
            ("api.", 1, "api."),
            ("under_score", 0, "under_score. under_score.a.test. under_score.b.test."),
        ] {
            let names = meanings(host, &search, ndots).unwrap();
            let names: Vec<String> = names.iter().map(Name::to_ascii).collect();
            assert_eq!(names.join(" "), expected, "{host} {ndots}");
        }
        let root = [Name::root()];
        assert_eq!(meanings("api", &root, 1).unwrap().len(), 1, "a search of the root adds nothing");
        assert!(meanings(&"x".repeat(64), &search, 1).is_err());
    }

    #[test]
    fn localhost_is_known_in_every_spelling() {
        assert!(["localhost", "LocalHost", "a.localhost"].iter().all(|name| is_localhost(name)));
        assert!(!["localhost.test", "notlocalhost"].iter().any(|name| is_localhost(name)));
    }
}
