//! Routes and snapshots, made of what is deployed. It keeps no route alive: only the proxy does.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use ringway::routing::addresses::AddressCell;
use ringway::routing::host::HostPattern;
use ringway::routing::route::{Endpoint, Route, RouteId, RouteLabels, Service, UnlistedPaths};
use ringway::routing::snapshot::{BasePath, Builder, Snapshot};

use super::{APIS, DEPRECATION, Deployed, HOSTS, Plan, State};
use crate::tls::configs;

/// Everything that was ever in force.
#[derive(Debug, Default)]
pub(crate) struct Forge {
    routes: HashMap<(usize, u32), Weak<Route>>,
    places: Vec<Weak<AddressCell>>,
    number: u64,
}

/// Whose route an API's is.
pub(crate) fn labels(api: usize) -> RouteLabels {
    let of = APIS[api];
    let (project, identifier) = of.prefix[1..].split_once('/').unwrap();
    RouteLabels {
        project: project.into(),
        identifier: identifier.into(),
        version: format!("{}.{}", of.major, of.minor).into(),
        environment: "simulated".into(),
    }
}

impl Forge {
    pub(crate) fn next(&mut self, plan: &Plan, state: &State) -> Arc<Snapshot> {
        self.number += 1;
        self.snapshot(plan, state, self.number)
    }

    pub(crate) fn snapshot(&mut self, plan: &Plan, state: &State, number: u64) -> Arc<Snapshot> {
        let mut builder = Builder::new(number, 2);
        let hosts = HOSTS.map(|host| HostPattern::parse(host).unwrap());
        let sites = [builder.site(0, &[]).unwrap(), builder.site(1, &hosts).unwrap()];
        for (api, deployed) in state.iter().enumerate() {
            if let Some(deployed) = deployed {
                let Some(of) = APIS.get(api) else { continue };
                let path = BasePath { prefix: of.prefix.to_owned(), major: of.major, minor: of.minor };
                let route = self.route(plan, api, deployed);
                builder.add(sites[usize::from(deployed.listener)], &path, route).unwrap();
            }
        }
        Arc::new(builder.build())
    }

    /// The route of an edition: the same object for as long as anything refers to it.
    fn route(&mut self, plan: &Plan, api: usize, deployed: &Deployed) -> Arc<Route> {
        let known = self.routes.get(&(api, deployed.edition));
        if let Some(route) = known.and_then(Weak::upgrade) {
            return route;
        }
        let endpoints = deployed.targets.iter().map(|target| {
            let target = &plan.targets[*target];
            let place = Arc::new(AddressCell::unresolved());
            place.replace(target.addresses.clone());
            self.places.push(Arc::downgrade(&place));
            let tls = target.url.starts_with("wss").then(configs::of_upstream);
            Endpoint::new(&target.url, target.url.parse().unwrap(), tls, place)
        });
        let route = Arc::new(Route {
            id: RouteId(api as u64),
            labels: Some(Arc::new(labels(api))),
            listener: deployed.listener,
            gate: deployed.gate,
            service: Service::Relay,
            endpoints: endpoints.collect(),
            retries: Arc::default(),
            pseudonym: Default::default(),
            preserve_host: deployed.preserve_host,
            answer_lines: if deployed.deprecated { DEPRECATION.as_bytes().into() } else { Box::default() },
            checkers: None,
            entry: None,
            policy: Arc::clone(&plan.policies[deployed.policy]),
            channels: None,
            unlisted_paths: UnlistedPaths::default(),
        });
        self.routes.insert((api, deployed.edition), Arc::downgrade(&route));
        route
    }

    /// How many snapshots there were.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// How many routes, and how many of their places, somebody still has.
    pub(crate) fn alive(&self) -> (usize, usize) {
        let routes = self.routes.values().filter(|route| route.strong_count() > 0).count();
        (routes, self.places.iter().filter(|place| place.strong_count() > 0).count())
    }
}
