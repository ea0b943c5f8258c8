//! Which route a request takes, written down a second time: by going through everything that is served, one by one. The
//! fuzz target in `tests/fuzz` and `fuzz_corpus` hold `Snapshot::find` against it on a fixed site, `route_properties` on
//! sites that are made up.

use std::sync::Arc;
use std::time::Duration;

use ringway::proto::authority::Authority;
use ringway::proto::scan::FrameLimits;
use ringway::routing::host::HostPattern;
use ringway::routing::policy::{Policy, Timeouts};
use ringway::routing::route::{Gate, Route, RouteId, Service};
use ringway::routing::snapshot::{BasePath, Builder, Snapshot};

/// One site: a listener, and the patterns of its hosts; none for all that no other site of the listener has.
#[derive(Clone, Debug)]
pub(crate) struct SiteRule {
    pub(crate) listener: u16,
    pub(crate) hosts: Vec<String>,
    /// True if one more route takes the requests that no base path takes.
    pub(crate) everything: bool,
}

/// One API on a site. Its route's number is its place in the list.
#[derive(Clone, Debug)]
pub(crate) struct ApiRule {
    pub(crate) site: usize,
    pub(crate) prefix: String,
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) sites: Vec<SiteRule>,
    pub(crate) apis: Vec<ApiRule>,
}

/// Routes for everything are numbered from here.
const EVERYTHING: u64 = 1_000_000;

impl Served {
    /// Builds the program's own snapshot of these routes: everything else here is the reference.
    pub(crate) fn snapshot(&self, listeners: u16) -> Snapshot {
        let mut builder = Builder::new(1, listeners);
        let mut places = Vec::new();
        for (index, site) in (0..).zip(&self.sites) {
            let patterns = site.hosts.iter().map(|host| HostPattern::parse(host).expect("a host"));
            let place = builder.site(site.listener, &patterns.collect::<Vec<_>>()).expect("a site of its own");
            if site.everything {
                builder.add_everything(place, route(EVERYTHING + index)).expect("the only one");
            }
            places.push(place);
        }
        for (id, api) in (0..).zip(&self.apis) {
            let path = BasePath { prefix: api.prefix.clone(), major: api.major, minor: api.minor };
            builder.add(places[api.site], &path, route(id)).expect("a path of its own");
        }
        builder.build()
    }

    /// The route's number, and what of the path stands behind its base path.
    pub(crate) fn find<'a>(&self, listener: u16, authority: &str, target: &'a str) -> Option<(u64, &'a str)> {
        let site = self.site(listener, authority)?;
        let here = self.apis.iter().enumerate().filter(|(_, api)| api.site == site);
        let mut best: Option<(usize, u64, &str)> = None;
        for (id, api) in here {
            let newest = self.apis.iter().filter(|other| {
                (other.site, &other.prefix, other.major) == (site, &api.prefix, api.major) && other.minor > api.minor
            });
            let mut served = vec![format!("{}/v{}.{}", api.prefix, api.major, api.minor)];
            if newest.count() == 0 {
                served.push(format!("{}/v{}", api.prefix, api.major));
            }
            for base in served {
                if let Some(rest) = behind(target, &base)
                    && best.is_none_or(|(len, ..)| base.len() > len)
                {
                    best = Some((base.len(), id as u64, rest));
                }
            }
        }
        let everything = self.sites[site].everything.then_some((EVERYTHING + site as u64, target));
        best.map(|(_, id, rest)| (id, rest)).or(everything)
    }

    /// An exact name goes before `*.`, a longer `*.` before a shorter, and the site without hosts is the last. A host is
    /// below a name if it ends with a dot and that name.
    fn site(&self, listener: u16, authority: &str) -> Option<usize> {
        let host = match authority.strip_prefix('[') {
            Some(address) => address.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let rank = |site: &SiteRule| {
            // RFC 1035 section 2.3.4: what is longer is no name.
            let ranks = site.hosts.iter().filter(|_| host.len() <= 253).filter_map(|pattern| {
                let pattern = pattern.strip_suffix('.').unwrap_or(pattern).to_ascii_lowercase();
                match pattern.strip_prefix('*') {
                    None => (pattern == host).then_some((2, 0)),
                    Some(parent) => host.ends_with(parent).then_some((1, parent.len())),
                }
            });
            if site.hosts.is_empty() { Some((0, 0)) } else { ranks.max() }
        };
        let here = self.sites.iter().enumerate().filter(|(_, site)| site.listener == listener);
        here.filter_map(|(index, site)| Some((rank(site)?, index))).max().map(|(_, index)| index)
    }
}

/// The rest of a target after `base`, if the target begins with it and the base ends a segment.
fn behind<'a>(target: &'a str, base: &str) -> Option<&'a str> {
    let path = target.split('?').next().unwrap_or_default();
    let ends = (1..=path.len()).filter(|end| *end == path.len() || path[*end..].starts_with('/'));
    // A byte is written in three at most.
    let mut ends = ends.take_while(|end| *end <= base.len() * 3);
    ends.find(|end| normalised(&path[..*end]) == base).map(|end| &target[end..])
}

/// RFC 3986 section 6.2.2: an escape of an unreserved character is that character, any other has digits in upper case.
fn normalised(path: &str) -> String {
    let (bytes, mut out, mut at) = (path.as_bytes(), String::new(), 0);
    while at < bytes.len() {
        let digit = |ahead: usize| bytes.get(at + ahead).and_then(|byte| char::from(*byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (bytes[at], digit(1), digit(2)) {
            let byte = char::from_u32(high * 16 + low).expect("a byte");
            if byte.is_ascii_alphanumeric() || "-._~".contains(byte) {
                out.push(byte);
            } else {
                out += &path[at..at + 3].to_ascii_uppercase();
            }
            at += 3;
        } else {
            out.push(char::from(bytes[at]));
            at += 1;
        }
    }
    out
}

fn route(id: u64) -> Arc<Route> {
    let second = Duration::from_secs(1);
    let timeouts = Timeouts {
        handshake: second,
        connect: second,
        idle: None,
        ping_interval: None,
        upstream_ping_interval: None,
        pong: second,
        close: second,
    };
    let frames = FrameLimits { max_frame_bytes: 1, max_message_bytes: 1 };
    Arc::new(Route {
        id: RouteId(id),
        labels: None,
        listener: 0,
        gate: Gate::Open,
        service: Service::Relay,
        endpoints: Box::default(),
        retries: Arc::default(),
        pseudonym: Default::default(),
        preserve_host: false,
        answer_lines: Box::default(),
        channels: None,
        unlisted_paths: Default::default(),
        checkers: None,
        entry: None,
        policy: Arc::new(Policy {
            frames,
            timeouts,
            abnormal_close_code: None,
            drain_window: second,
            tolerance: Default::default(),
            validation: Default::default(),
        }),
    })
}

/// A site with something of everything.
fn fixed() -> Served {
    let site = |listener, hosts: &[&str], everything| SiteRule {
        listener,
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        everything,
    };
    let api = |site, prefix: &str, major, minor| ApiRule { site, prefix: prefix.to_owned(), major, minor };
    Served {
        sites: vec![
            site(0, &[], false),
            site(0, &["chat.test", "*.chat.test"], false),
            site(0, &["*.eu.chat.test"], true),
            site(1, &["only.test"], false),
        ],
        apis: vec![
            api(0, "/default/chat", 1, 0),
            api(0, "/default/chat", 1, 12),
            api(0, "/default/chat", 2, 0),
            api(0, "/default/chat/v1", 1, 0),
            api(0, "/a", 0, 0),
            api(1, "/default/chat", 1, 3),
            api(1, "/p-1/a_b~c.d", 10, 99),
            api(2, "/default/chat", 1, 4),
            api(3, "/default/chat", 3, 1),
        ],
    }
}

/// Any first line and `Host` of a request lead to the route that the reference finds. The bytes are the host, a
/// line end, and the target.
pub(crate) fn find(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Some((authority, target)) = text.split_once('\n') else { return false };
    // The rest is refused before anybody looks for a route.
    if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) || !authority.is_ascii() {
        return false;
    }
    let Ok(host) = Authority::parse(authority) else { return false };
    let served = fixed();
    let snapshot = served.snapshot(2);
    let mut known = false;
    for listener in 0..3 {
        let found = snapshot.find(listener, host, target).map(|found| (found.route.id.0, found.rest));
        assert_eq!(found, served.find(listener, authority, target), "listener {listener}");
        if let Some((_, rest)) = found {
            assert!(target.ends_with(rest) && (rest.is_empty() || rest.starts_with(['/', '?'])), "{rest}");
            known = true;
        }
    }
    known
}
