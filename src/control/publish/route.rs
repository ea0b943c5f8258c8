//! Builds the route of a deployment: expands variables, parses targets, has their names resolved, and turns the lifecycle state
//! into what a shard obeys.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::environment::{Environment, RoutingBase};
use crate::api::lifecycle::AtRunTime;
use crate::api::policy::UpstreamServerName;
use crate::api::problem::{Fault, Faults};
use crate::api::{Deployed, Problems};
use crate::control::resolver::{Question, Resolver};
use crate::routing::channels::Channels;
use crate::routing::route::{Endpoint, Gate, Route, RouteId, RouteLabels, Service, UpstreamTls};
use crate::routing::snapshot::BasePath;
use crate::routing::target::Target;
use crate::tls::client;

/// The part of a deployment that its contract says.
#[derive(Debug)]
pub(super) enum Rules {
    /// The channels, if there are any.
    Loaded(Option<Arc<Channels>>),
    /// The contract cannot be loaded.
    Unavailable,
}

/// The route of a deployment.
///
/// # Errors
/// The targets that cannot be used in the environment, and why; or the environment is not configured.
pub(super) fn of(deployed: &Deployed, base: &RoutingBase, names: &Resolver, rules: Rules) -> Result<Route, Problems> {
    let Some(environment) = base.environments.get(deployed.environment.as_str()) else {
        let mut faults = Faults::default();
        faults.add("environment", Fault::new("configured", "this environment is not in the configuration"));
        return Err(faults.into_problems());
    };
    let treatment = environment.treatment(&deployed.policies);
    let server_name = treatment.upstream_server_name.as_ref();
    let mut faults = Faults::default();
    let mut endpoints = Vec::with_capacity(deployed.targets.len());
    for (index, target) in deployed.targets.iter().enumerate() {
        let made = target
            .expand(&environment.variables)
            .and_then(|expanded| endpoint(target.as_str(), expanded, server_name, environment, base, names));
        let at_fault =
            |fault: Fault| Fault { message: format!("in {}: {}", deployed.environment, fault.message), ..fault };
        endpoints.extend(faults.keep(format!("targets[{index}]"), made.map_err(at_fault)));
    }
    let is_verified = environment.verifies_clients(deployed.access);
    let entry = faults.keep("policies", treatment.entry.rules(deployed, is_verified));
    let Some(entry) = entry.filter(|_| endpoints.len() == deployed.targets.len()) else {
        return Err(faults.into_problems());
    };
    let (channels, gate) = match (rules, gate(deployed)) {
        (Rules::Loaded(channels), gate) => (channels, gate),
        (Rules::Unavailable, Gate::Open) => (None, Gate::Unavailable),
        (Rules::Unavailable, gate) => (None, gate),
    };
    Ok(Route {
        id: RouteId(deployed.id.0),
        labels: Some(Arc::new(labels(deployed))),
        listener: environment.listener(deployed.access),
        gate,
        service: Service::Relay,
        endpoints: endpoints.into_boxed_slice(),
        retries: Arc::default(),
        pseudonym: Default::default(),
        preserve_host: treatment.preserve_host,
        answer_lines: notice(deployed),
        channels,
        unlisted_paths: treatment.unlisted_paths,
        checkers: None,
        entry,
        policy: treatment.policy,
    })
}

/// The path that serves the deployment.
pub(super) fn base_path(deployed: &Deployed) -> BasePath {
    let key = &deployed.key;
    let (major, minor) = (u32::from(key.version.major), u32::from(key.version.minor));
    BasePath { prefix: format!("/{}/{}", key.project, key.identifier), major, minor }
}

/// True if the deployment takes new connections; if not, its targets do not matter.
pub(super) fn is_open(deployed: &Deployed) -> bool {
    gate(deployed) == Gate::Open
}

/// True if the deployment is served at all: a retired API has no path.
pub(super) fn is_served(deployed: &Deployed) -> bool {
    deployed.lifecycle.at_run_time() != AtRunTime::Gone
}

fn labels(deployed: &Deployed) -> RouteLabels {
    RouteLabels {
        project: deployed.key.project.as_str().into(),
        identifier: deployed.key.identifier.as_str().into(),
        version: deployed.key.version.to_string().into(),
        environment: deployed.environment.as_str().into(),
    }
}

fn gate(deployed: &Deployed) -> Gate {
    match deployed.lifecycle.at_run_time() {
        AtRunTime::Refused => Gate::Blocked,
        _ if deployed.stopped => Gate::Stopped,
        _ => Gate::Open,
    }
}

/// `written` is the target with its variables, which may be secrets, not filled in.
fn endpoint(
    written: &str,
    target: Target,
    server_name: Option<&UpstreamServerName>,
    environment: &Environment,
    base: &RoutingBase,
    names: &Resolver,
) -> Result<Endpoint, Fault> {
    let tls = if target.tls {
        let trust = environment.trust.clone().map_err(|why| Fault::new("upstream-tls", why))?;
        let name = server_name.map_or(target.host.as_str(), UpstreamServerName::as_str);
        let name = client::server_name(name).map_err(|why| Fault::new("host", why))?;
        let is_verified = base.trust.get(usize::from(trust)).is_none_or(client::ClientTls::is_verified);
        Some(UpstreamTls { name, is_verified, trust })
    } else {
        None
    };
    let question = Question { host: target.host.clone(), port: target.port, servers: Arc::clone(&base.resolver) };
    Ok(Endpoint::new(written, target, tls, names.follow(question)))
}

/// The fields that a deprecated API adds to its 101: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594).
fn notice(deployed: &Deployed) -> Box<[u8]> {
    let mut lines = String::new();
    if deployed.lifecycle.at_run_time() == AtRunTime::ServedWithNotice {
        if let Some(since) = deployed.deprecated_at {
            lines.push_str(&format!("Deprecation: @{}\r\n", since.as_second()));
        }
        if let Some(date) = deployed.sunset_at.and_then(http_date) {
            lines.push_str(&format!("Sunset: {date}\r\n"));
        }
    }
    lines.into_bytes().into_boxed_slice()
}

fn http_date(at: Timestamp) -> Option<String> {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
}
