//! The route that was built from a deployment, and the treatment of deployments that cannot be served.
//!
//! A deployment without a usable target has no route. One whose contract cannot be loaded has a route that refuses its clients:
//! an API is never served without the rules of its contract.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::error;

use super::channels::ChannelTables;
use super::environment::RoutingBase;
use super::route::{self, Rules};
use crate::api::problem::{Fault, Faults};
use crate::api::{Deployed, DeploymentId, Problems};
use crate::control::resolver::Resolver;
use crate::routing::route::{Gate, Route};

/// The routes of the snapshot that was published last.
pub(super) type BuiltRoutes = HashMap<DeploymentId, BuiltRoute>;

/// A deployment, and the route that was built from it.
#[derive(Debug)]
pub(super) struct BuiltRoute {
    pub(super) of: Deployed,
    /// `None` if the deployment cannot be served; a log line has said why.
    pub(super) route: Option<Arc<Route>>,
}

impl BuiltRoute {
    /// True if the contract could not be loaded. It is read again with every change.
    pub(super) fn is_unavailable(&self) -> bool {
        self.route.as_ref().is_some_and(|route| route.gate == Gate::Unavailable)
    }

    /// Reuses the earlier route if the new one is equal to it: shards look at the connections of every route that is a
    /// different object.
    pub(super) fn or_as_before(self, before: Option<&Self>) -> Self {
        let before = before.and_then(|before| before.route.as_ref());
        let route = self.route.map(|route| before.filter(|before| before.is_same(&route)).map_or(route, Arc::clone));
        Self { of: self.of, route }
    }

    /// Keeps what shards found out about the endpoints that did not change.
    pub(super) fn continuing(self, before: Option<&Self>) -> Self {
        let before = before.and_then(|before| before.route.as_ref());
        let route = match (self.route, before) {
            (Some(route), Some(before)) if !Arc::ptr_eq(&route, before) => {
                Some(Arc::try_unwrap(route).map_or_else(|shared| shared, |own| Arc::new(own.continuing(before))))
            }
            (route, _) => route,
        };
        Self { of: self.of, route }
    }
}

/// The answer to a deployment that cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnFault {
    /// The whole change is refused.
    Refuse,
    /// The snapshot leaves the deployment out, or refuses its clients if only its contract is at fault. A log line says why.
    LeaveOut,
}

/// True if the deployment could not be served before either, and the reason for that, its targets or its contract, is
/// unchanged. Such a deployment must not block changes of its API.
pub(super) fn was_broken(before: Option<&BuiltRoute>, one: &Deployed) -> bool {
    before.is_some_and(|built| {
        let lacks_targets = built.route.is_none() && route::is_served(&built.of) && built.of.targets == one.targets;
        lacks_targets || (built.is_unavailable() && built.of.contract == one.contract)
    })
}

/// Builds the route of a deployment.
///
/// # Errors
/// The deployment cannot be served, and `on_fault` refuses that.
pub(super) fn build_route(
    deployed: &Deployed,
    base: &RoutingBase,
    names: &Resolver,
    tables: &mut ChannelTables,
    on_fault: OnFault,
) -> Result<BuiltRoute, Problems> {
    if !route::is_served(deployed) {
        return Ok(BuiltRoute { of: deployed.clone(), route: None });
    }
    let built = rules(deployed, tables, on_fault).and_then(|rules| route::of(deployed, base, names, rules));
    match built {
        Ok(route) => {
            let route = with_checkers(route, deployed, tables);
            Ok(BuiltRoute { of: deployed.clone(), route: Some(Arc::new(route)) })
        }
        Err(problems) if on_fault == OnFault::LeaveOut => {
            error!(api = %deployed.key, environment = %deployed.environment, "cannot be served: {problems}");
            Ok(BuiltRoute { of: deployed.clone(), route: None })
        }
        Err(problems) => Err(problems),
    }
}

/// Adds the rules of the contract's messages to a route that has them checked. A route whose rules cannot be loaded refuses its
/// clients: it is never served without them.
fn with_checkers(mut route: Route, deployed: &Deployed, tables: &mut ChannelTables) -> Route {
    let is_checked = route.channels.is_some() && route.policy.validation.is_on();
    let Some(contract) = deployed.contract.as_ref().filter(|_| is_checked) else { return route };
    match tables.checkers(contract) {
        Ok(checkers) => route.checkers = Some(checkers),
        Err(why) => {
            error!(
                api = %deployed.key,
                environment = %deployed.environment,
                contract = %contract.digest,
                "new clients get 503 (policy-unavailable), because the rules of messages cannot be loaded: {why}"
            );
            if route.gate == Gate::Open {
                route.gate = Gate::Unavailable;
            }
        }
    }
    route
}

/// The rules of a deployment's contract.
///
/// # Errors
/// The contract cannot be loaded, and `on_fault` refuses that.
fn rules(deployed: &Deployed, tables: &mut ChannelTables, on_fault: OnFault) -> Result<Rules, Problems> {
    let Some(contract) = &deployed.contract else { return Ok(Rules::Loaded(None)) };
    match tables.of(contract) {
        Ok(channels) => Ok(Rules::Loaded(channels)),
        // Its clients are refused for another reason, and it cannot be opened without its rules.
        Err(_) if !route::is_open(deployed) => Ok(Rules::Unavailable),
        Err(why) if on_fault == OnFault::LeaveOut => {
            if tables.is_news(deployed.id, &why) {
                error!(
                    api = %deployed.key,
                    environment = %deployed.environment,
                    contract = %contract.digest,
                    "new clients get 503 (policy-unavailable), because the contract cannot be loaded: {why}"
                );
            }
            Ok(Rules::Unavailable)
        }
        Err(why) => {
            let mut faults = Faults::default();
            let message = format!("in {}: the contract cannot be loaded: {why}", deployed.environment);
            faults.add("contract", Fault::new("channels", message));
            Err(faults.into_problems())
        }
    }
}
