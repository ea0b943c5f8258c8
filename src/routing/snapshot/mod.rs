//! The snapshot of all active routes: immutable, shared by all shards, replaced as a whole.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use super::host::HostPattern;
use super::name::MAX_NAME;
use super::path::Normalised;
use super::route::{Route, RouteId};
use crate::invariant::Invariant;
use crate::proto::authority::{Authority, canonical};

/// All active routes. A [`Builder`] makes a snapshot; [`find`](Self::find) finds the route of a connection, and
/// [`route`](Self::route) a route by its identity.
#[derive(Debug, Default)]
pub struct Snapshot {
    number: u64,
    /// The hosts of each listener, by index.
    listeners: Vec<Hosts>,
    sites: Vec<Paths>,
    routes: HashMap<RouteId, Arc<Route>>,
}

/// The route of a request.
#[derive(Debug)]
pub struct Found<'a> {
    /// The route.
    pub route: &'a Arc<Route>,
    /// The rest of the path after the base path, unchanged: empty, or beginning with a slash or question mark.
    pub rest: &'a str,
}

/// The sites of one listener, by host name.
#[derive(Debug, Default)]
struct Hosts {
    exact: HashMap<Box<str>, usize>,
    below: HashMap<Box<str>, usize>,
    any: Option<usize>,
}

/// The base paths of one site.
#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<Box<str>, Arc<Route>>,
    /// The route of the newest minor version, with that version.
    newest: HashMap<Box<str>, (u32, Arc<Route>)>,
    any: Option<Arc<Route>>,
    max_segments: usize,
    max_bytes: usize,
}

impl Snapshot {
    /// A snapshot with one route for every request on the first listener.
    #[must_use]
    pub fn of_one(route: Route) -> Self {
        let route = Arc::new(route);
        let listener = Hosts { any: Some(0), ..Hosts::default() };
        let site = Paths { any: Some(Arc::clone(&route)), ..Paths::default() };
        Self { number: 0, listeners: vec![listener], sites: vec![site], routes: HashMap::from([(route.id, route)]) }
    }

    /// The snapshot's number: a later snapshot of the process has a greater one.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The number of routes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// True if there are no routes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// The route with this identity.
    #[must_use]
    pub fn route(&self, id: RouteId) -> Option<&Arc<Route>> {
        self.routes.get(&id)
    }

    /// All routes, in no order.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.values()
    }

    /// True if requests of a listener go to different APIs by their host.
    #[must_use]
    pub fn tells_hosts_apart(&self, listener: u16) -> bool {
        self.listeners
            .get(usize::from(listener))
            .is_some_and(|hosts| !hosts.exact.is_empty() || !hosts.below.is_empty())
    }

    /// The route of a request: by its listener, its host, and the longest base path that its path begins with.
    /// `path_and_query` begins with a slash. Takes a few hash look-ups, however many routes there are.
    #[must_use]
    pub fn find<'a>(&'a self, listener: u16, authority: Authority<'_>, path_and_query: &'a str) -> Option<Found<'a>> {
        let site = self.listeners.get(usize::from(listener))?.site(authority)?;
        self.sites.get(site)?.find(path_and_query)
    }
}

impl Hosts {
    fn site(&self, authority: Authority<'_>) -> Option<usize> {
        if self.exact.is_empty() && self.below.is_empty() {
            return self.any;
        }
        let host = canonical(authority.host());
        // A text that is no host name matches no pattern, and each of its dots would cost a look-up.
        if host.len() > MAX_NAME {
            return self.any;
        }
        if let Some(site) = self.exact.get(&*host) {
            return Some(*site);
        }
        let mut rest = &*host;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(site) = self.below.get(parent) {
                return Some(*site);
            }
            rest = parent;
        }
        self.any
    }
}

impl Paths {
    fn find<'a>(&'a self, path_and_query: &'a str) -> Option<Found<'a>> {
        if !self.exact.is_empty() {
            let path = path_and_query.split('?').next().expected_or_default();
            let normalised = Normalised::read(path, self.max_segments, self.max_bytes);
            for (prefix, end) in normalised.prefixes() {
                let newest = || self.newest.get(prefix).map(|(_, route)| route);
                if let Some(route) = self.exact.get(prefix).or_else(newest) {
                    return Some(Found { route, rest: path_and_query.get(end..).expected_or_default() });
                }
            }
        }
        self.any.as_ref().map(|route| Found { route, rest: path_and_query })
    }
}

/// An API's base path: `/{project}/{identifier}/v{major}.{minor}`. The path without the minor version leads to the newest
/// minor version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasePath {
    /// `/{project}/{identifier}`, in characters that need no percent-encoding.
    pub prefix: String,
    /// The major version.
    pub major: u32,
    /// The minor version.
    pub minor: u32,
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/v{}.{}", self.prefix, self.major, self.minor)
    }
}

/// A conflict between two sites or routes: what both of them claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict(pub String);

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is claimed twice", self.0)
    }
}

impl std::error::Error for Conflict {}

/// A site: the base paths that a listener serves for some host names, or for all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site(usize);

/// Builds a snapshot: first the sites ([`site`](Self::site)), then their routes ([`add`](Self::add),
/// [`add_everything`](Self::add_everything)).
#[derive(Debug, Default)]
pub struct Builder {
    snapshot: Snapshot,
}

impl Builder {
    /// Begins a snapshot. `listeners` is the number of listeners of each shard.
    #[must_use]
    pub fn new(number: u64, listeners: u16) -> Self {
        let listeners = (0..listeners).map(|_| Hosts::default()).collect();
        Self { snapshot: Snapshot { number, listeners, ..Snapshot::default() } }
    }

    /// Adds a site to a listener for these hosts; without hosts, for all that no other site of the listener claims.
    ///
    /// # Errors
    /// Another site claims one of the hosts, or the listener does not exist.
    pub fn site(&mut self, listener: u16, hosts: &[HostPattern]) -> Result<Site, Conflict> {
        let site = self.snapshot.sites.len();
        let table = self.snapshot.listeners.get_mut(usize::from(listener));
        let table = table.ok_or_else(|| Conflict(format!("listener {listener}")))?;
        if hosts.is_empty() && table.any.replace(site).is_some() {
            return Err(Conflict("every host".to_owned()));
        }
        for pattern in hosts {
            let (name, any_below) = pattern.parts();
            let table = if any_below { &mut table.below } else { &mut table.exact };
            if table.insert(name.into(), site).is_some() {
                return Err(Conflict(format!("host {pattern}")));
            }
        }
        self.snapshot.sites.push(Paths::default());
        Ok(Site(site))
    }

    /// Adds a route at its base path.
    ///
    /// # Errors
    /// Another route has that base path.
    pub fn add(&mut self, site: Site, path: &BasePath, route: Arc<Route>) -> Result<(), Conflict> {
        self.snapshot.routes.insert(route.id, Arc::clone(&route));
        let Some(paths) = self.snapshot.sites.get_mut(site.0) else { return Err(Conflict(path.to_string())) };
        let full = path.to_string();
        paths.max_segments = paths.max_segments.max(full.bytes().filter(|byte| *byte == b'/').count());
        paths.max_bytes = paths.max_bytes.max(full.len());
        match paths.newest.entry(format!("{}/v{}", path.prefix, path.major).into()) {
            Entry::Vacant(entry) => {
                entry.insert((path.minor, Arc::clone(&route)));
            }
            Entry::Occupied(mut entry) if entry.get().0 < path.minor => {
                entry.insert((path.minor, Arc::clone(&route)));
            }
            Entry::Occupied(_) => {}
        }
        match paths.exact.insert(full.into(), route) {
            None => Ok(()),
            Some(_) => Err(Conflict(path.to_string())),
        }
    }

    /// Adds a route for every path of a site that has no route of its own. The upstream gets the whole path.
    ///
    /// # Errors
    /// Another route has all paths already.
    pub fn add_everything(&mut self, site: Site, route: Arc<Route>) -> Result<(), Conflict> {
        self.snapshot.routes.insert(route.id, Arc::clone(&route));
        let Some(paths) = self.snapshot.sites.get_mut(site.0) else { return Err(Conflict("every path".to_owned())) };
        match paths.any.replace(route) {
            None => Ok(()),
            Some(_) => Err(Conflict("every path".to_owned())),
        }
    }

    /// Finishes the snapshot.
    #[must_use]
    pub fn build(self) -> Snapshot {
        self.snapshot
    }
}

#[cfg(test)]
mod tests;
