//! Routes whose target leads back to themselves, as far as that is certain before any request: by the addresses of the
//! listeners and of the endpoints. A request that comes back in another way is recognised by its `Via` header
//! ([`crate::proto::via`]).

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::route::{Endpoint, Gate, Route, RouteId};
use super::snapshot::Snapshot;
use crate::proto::authority::Authority;

/// The listeners of a process, by index.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    addresses: Vec<SocketAddr>,
    /// True if an address is one of this host's.
    is_own: Option<fn(IpAddr) -> bool>,
}

impl Listening {
    /// Takes the bound addresses, in the order of the listeners. `is_own` says whether an address is one of this host's: it
    /// decides where a listener is on all addresses.
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>, is_own: fn(IpAddr) -> bool) -> Self {
        Self { addresses, is_own: Some(is_own) }
    }

    /// The indices of the listeners that accept connections to `target`.
    fn reached_at(&self, target: SocketAddr) -> impl Iterator<Item = u16> {
        let ip = target.ip().to_canonical();
        let is_local = move || ip.is_loopback() || ip.is_unspecified() || self.is_own.is_some_and(|is_own| is_own(ip));
        let accepts = move |listener: &SocketAddr| {
            let own = listener.ip().to_canonical();
            listener.port() == target.port() && (own == ip || (own.is_unspecified() && is_local()))
        };
        (0_u16..).zip(&self.addresses).filter(move |(_, listener)| accepts(listener)).map(|(index, _)| index)
    }
}

/// The routes that a request passes which comes to `start` and returns there, `start` first; `None` if no such way is
/// certain. A route that keeps the client's `Host` is followed where hosts make no difference.
#[must_use]
pub fn way_back(start: &Arc<Route>, snapshot: &Snapshot, listening: &Listening) -> Option<Vec<Arc<Route>>> {
    let mut seen: HashSet<RouteId> = HashSet::new();
    let mut ways = vec![vec![Arc::clone(start)]];
    while let Some(way) = ways.pop() {
        let Some(last) = way.last().filter(|last| last.gate == Gate::Open) else { continue };
        for next in last.endpoints.iter().flat_map(|endpoint| led_to(last, endpoint, snapshot, listening)) {
            if next.id == start.id {
                return Some(way);
            }
            if seen.insert(next.id) {
                ways.push(way.iter().chain([&next]).cloned().collect());
            }
        }
    }
    None
}

/// The routes of this process that an endpoint leads to.
fn led_to(route: &Route, endpoint: &Endpoint, snapshot: &Snapshot, listening: &Listening) -> Vec<Arc<Route>> {
    let target = &endpoint.target;
    let Ok(authority) = Authority::parse(&target.authority) else { return Vec::new() };
    // After its base path the target gets the rest of each request's path: at least a slash.
    let path = format!("{}/", target.base_path);
    let addresses = endpoint.addresses.load();
    let listeners = addresses.addresses().iter().flat_map(|address| listening.reached_at(*address));
    let certain = listeners.filter(|listener| !(route.preserve_host && snapshot.tells_hosts_apart(*listener)));
    let found = certain.filter_map(|listener| snapshot.find(listener, authority, &path));
    found.map(|found| Arc::clone(found.route)).collect()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Listening, way_back};
    use crate::config::limits::LimitArgs;
    use crate::routing::addresses::AddressCell;
    use crate::routing::host::HostPattern;
    use crate::routing::route::{Endpoint, Gate, Route, RouteId, Service};
    use crate::routing::snapshot::{BasePath, Builder, Snapshot};
    use crate::routing::target::Target;

    fn route(id: u64, target: &str) -> Route {
        let target: Target = target.parse().unwrap();
        let address = format!("{}:{}", crate::proto::authority::bracketed(&target.host), target.port);
        let cell = Arc::new(AddressCell::fixed(address.parse().unwrap()));
        let policies = LimitArgs::default().policies(false);
        let policy = Arc::new(policies.route_policy(Duration::from_secs(1), Duration::ZERO));
        let endpoints = Box::new([Endpoint::new("ws://a", target, None, cell)]);
        Route { id: RouteId(id), service: Service::Relay, endpoints, ..Route::echo(policy) }
    }

    fn api(id: u64) -> BasePath {
        BasePath { prefix: format!("/default/a{id}"), major: 1, minor: 0 }
    }

    /// The ids on the way back of the first route; `hosts` are those that the listener answers to.
    fn ids(routes: Vec<Route>, listeners: &[&str], hosts: &[&str]) -> Option<Vec<u64>> {
        let mut builder = Builder::new(1, u16::try_from(listeners.len()).unwrap());
        let hosts: Vec<HostPattern> = hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
        let site = builder.site(0, &hosts).unwrap();
        let routes: Vec<Arc<Route>> = routes.into_iter().map(Arc::new).collect();
        for route in &routes {
            builder.add(site, &api(route.id.0), Arc::clone(route)).unwrap();
        }
        way(&routes[0], &builder.build(), listeners)
    }

    fn way(first: &Arc<Route>, snapshot: &Snapshot, listeners: &[&str]) -> Option<Vec<u64>> {
        let addresses: Vec<SocketAddr> = listeners.iter().map(|address| address.parse().unwrap()).collect();
        let listening = Listening::new(addresses, |ip| ip.to_string() == "192.0.2.1");
        way_back(first, snapshot, &listening).map(|way| way.iter().map(|route| route.id.0).collect())
    }

    #[test]
    fn b4_a_target_that_is_the_apis_own_url_is_found() {
        let own = "ws://127.0.0.1:8080/default/a1/v1.0";
        assert_eq!(ids(vec![route(1, own)], &["127.0.0.1:8080"], &[]), Some(vec![1]));
        assert_eq!(ids(vec![route(1, &format!("{own}/below"))], &["0.0.0.0:8080"], &[]), Some(vec![1]));
        assert_eq!(ids(vec![route(1, "ws://127.0.0.1:8080/default/a1/v1")], &["[::]:8080"], &[]), Some(vec![1]));
        assert_eq!(ids(vec![route(1, &own.replace("127.0.0.1", "192.0.2.1"))], &["0.0.0.0:8080"], &[]), Some(vec![1]));
        for (target, listener) in [
            (own, "127.0.0.1:8081"),
            (own, "127.0.0.2:8080"),
            ("ws://192.0.2.9:8080/default/a1/v1.0", "0.0.0.0:8080"),
            ("ws://127.0.0.1:8080/default/a2/v1.0", "127.0.0.1:8080"),
        ] {
            assert_eq!(ids(vec![route(1, target)], &[listener], &[]), None, "{target} {listener}");
        }
        // The environment answers to another name only.
        assert_eq!(ids(vec![route(1, own)], &["127.0.0.1:8080"], &["a.test"]), None);
    }

    #[test]
    fn b4_two_that_point_at_each_other_are_found_and_one_that_only_points_is_not() {
        let target = |id: u64| format!("ws://127.0.0.1:8080/default/a{id}/v1.0");
        let listeners = ["127.0.0.1:8080"];
        assert_eq!(ids(vec![route(1, &target(2)), route(2, &target(1))], &listeners, &[]), Some(vec![1, 2]));
        assert_eq!(ids(vec![route(1, &target(2)), route(2, "ws://192.0.2.9")], &listeners, &[]), None);
        assert_eq!(ids(vec![route(1, &target(2)), route(2, &target(2))], &listeners, &[]), None, "that is the other's");
        let stopped = Route { gate: Gate::Stopped, ..route(2, &target(1)) };
        assert_eq!(ids(vec![route(1, &target(2)), stopped], &listeners, &[]), None);
        let by_host = || Route { preserve_host: true, ..route(1, &target(1)) };
        assert_eq!(ids(vec![by_host()], &listeners, &[]), Some(vec![1]));
        assert_eq!(ids(vec![by_host()], &listeners, &["127.0.0.1"]), None, "it depends on the client");
    }

    #[test]
    fn b4_the_one_route_of_a_proxy_is_found_whatever_the_targets_path() {
        let snapshot = Snapshot::of_one(route(0, "ws://127.0.0.1:8080/any"));
        let first = Arc::clone(snapshot.routes().next().unwrap());
        assert_eq!(way(&first, &snapshot, &["127.0.0.1:8080"]), Some(vec![0]));
        assert_eq!(way(&first, &snapshot, &["127.0.0.1:8081"]), None);
    }
}
