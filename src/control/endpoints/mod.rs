//! The endpoints of all routes, as shards found them: shown, logged when their state changes, and tried once when an API is
//! deployed.
//!
//! In: the active snapshot, whose endpoints carry their [health](crate::routing::balance::health) in atomics, and the shards'
//! clock. Out: views for the admin API, problems for the health page, log lines, and warnings for whoever deploys. Nothing
//! here changes the health: only clients' handshakes do.

mod line_limit;
pub mod probe;
pub mod watch;

use std::fmt;

use crate::api::view::channels::ServedChannels;
use crate::api::view::endpoints::{Endpoint as View, EndpointState as ViewState};
use crate::api::{ApiKey, Deployment};
use crate::engine::Time;
use crate::routing::balance::health::{EndpointHealth, EndpointState};
use crate::routing::route::{Gate, Route, Service};
use crate::routing::snapshot::Snapshot;

/// APIs without an endpoint that works which the health page names; the others are counted.
const MAX_NAMED: usize = 20;
/// The most channels that are shown of a deployment.
const MAX_CHANNELS: usize = 100;

/// An endpoint, for people.
#[must_use]
pub fn view(health: &EndpointHealth, now: Time) -> View {
    let failures = health.failures().map(|(_, count)| count).fold(0, u64::saturating_add);
    let target = health.name().to_owned();
    let (state, failed) = match health.state() {
        EndpointState::Untried => (ViewState::Untried, None),
        EndpointState::Works => (ViewState::Works, None),
        EndpointState::Failed { cause, since_ms, next_try_ms } => {
            let now_ms = now.as_millis();
            let times = (now_ms.saturating_sub(since_ms), next_try_ms.saturating_sub(now_ms));
            (ViewState::Failed, Some((cause.word().to_owned(), times)))
        }
    };
    View {
        target,
        state,
        cause: failed.as_ref().map(|(cause, _)| cause.clone()),
        failed_for_ms: failed.as_ref().map(|(_, (failed_for, _))| *failed_for),
        next_try_in_ms: failed.as_ref().map(|(_, (_, next_try))| *next_try),
        failures,
    }
}

fn channels(route: &Route) -> Option<ServedChannels> {
    let all = route.channels.as_ref()?.all();
    let paths: Vec<String> = all.iter().take(MAX_CHANNELS).map(|channel| channel.path.as_ref().to_owned()).collect();
    let checked = paths.iter().filter(|path| route.check_of(path).is_some()).cloned().collect();
    Some(ServedChannels { count: u64::try_from(all.len()).unwrap_or(u64::MAX), paths, checked })
}

/// The route of a deployment, if the shards serve it.
#[must_use]
pub fn route_of<'a>(snapshot: &'a Snapshot, api: &ApiKey, environment: &str) -> Option<&'a Route> {
    let (project, identifier, version) = (api.project.as_str(), api.identifier.as_str(), api.version.to_string());
    snapshot.routes().map(AsRef::as_ref).find(|route: &&Route| {
        route.labels.as_ref().is_some_and(|labels| {
            (&*labels.project, &*labels.identifier, &*labels.version) == (project, identifier, version.as_str())
                && *labels.environment == *environment
        })
    })
}

/// Adds what the shards serve to deployments of an API: their endpoints and channels.
pub fn add_to(deployments: &mut [Deployment], api: &ApiKey, snapshot: &Snapshot) {
    let now = Time::of_the_clock();
    for deployment in deployments {
        let route = route_of(snapshot, api, deployment.environment.as_str());
        deployment.endpoints =
            route.map(|route| route.endpoints.iter().map(|endpoint| view(&endpoint.health, now)).collect());
        deployment.channels = route.and_then(channels);
    }
}

/// The problems of APIs that take connections and have no endpoint that works.
#[must_use]
pub fn problems(snapshot: &Snapshot) -> Vec<String> {
    let broken: Vec<&Route> = snapshot.routes().map(AsRef::as_ref).filter(|route| has_no_endpoint(route)).collect();
    let mut problems: Vec<String> = broken.iter().take(MAX_NAMED).map(|route| problem(route)).collect();
    let more = broken.len().saturating_sub(MAX_NAMED);
    if more > 0 {
        problems.push(format!("{more} more APIs have no endpoint that works."));
    }
    problems
}

/// True if the route takes connections and none of its endpoints works, as far as handshakes found.
fn has_no_endpoint(route: &Route) -> bool {
    let works = |route: &Route| route.endpoints.iter().any(|endpoint| endpoint.health.works());
    route.gate == Gate::Open && route.service == Service::Relay && !works(route)
}

/// The problems of APIs whose contract cannot be loaded.
#[must_use]
pub fn without_rules(snapshot: &Snapshot) -> Vec<String> {
    let closed = snapshot.routes().filter(|route| route.gate == Gate::Unavailable);
    let mut problems: Vec<String> = closed
        .map(|route| {
            format!("{}: the contract cannot be loaded, and new clients get 503; the log says why.", Place(route))
        })
        .collect();
    let more = problems.len().saturating_sub(MAX_NAMED);
    problems.truncate(MAX_NAMED);
    if more > 0 {
        problems.push(format!("{more} more APIs have a contract that cannot be loaded."));
    }
    problems
}

fn problem(route: &Route) -> String {
    let failed = |health: &EndpointHealth| match health.state() {
        EndpointState::Failed { cause, .. } => format!("{} ({})", health.name(), cause.word()),
        EndpointState::Untried | EndpointState::Works => health.name().to_owned(),
    };
    let endpoints: Vec<String> = route.endpoints.iter().map(|endpoint| failed(&endpoint.health)).collect();
    format!("{}: no endpoint works: {}.", Place(route), endpoints.join(", "))
}

/// An API in its environment, for people.
struct Place<'a>(&'a Route);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.labels {
            Some(labels) => write!(f, "{labels} in {}", labels.environment),
            None => f.write_str("The target"),
        }
    }
}

#[cfg(test)]
mod tests;
