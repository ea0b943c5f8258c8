//! The publisher over the shards: what did not change since the last snapshot is the same object in the next, so that no
//! shard looks at it again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tracing::{error, warn};

use super::environment::RoutingBase;
use super::{Publisher, Receipt, route};
use crate::api::problem::Code;
use crate::api::{Deployed, DeploymentId, Problems};
use crate::command::{Activation, Command, Reply};
use crate::config::file::{Configuration, Opened};
use crate::control::resolver::Resolver;
use crate::engine::background;
use crate::engine::mailbox::{Sender, Unsent};
use crate::routing::addresses::AddressCell;
use crate::routing::route::{Gate, Route};
use crate::routing::settings::Settings;
use crate::routing::snapshot::Snapshot;
use crate::tls::client::ClientTls;

/// Snapshots that are kept for shards that have not said that they have a newer one.
const MAX_OUTGOING: usize = 8;
/// Attempts to send to a shard that has too many commands waiting.
const RETRIES: u32 = 1200;
/// The interval between two attempts.
const RETRY_EVERY: Duration = Duration::from_millis(50);

/// Builds snapshots and sends them to the shards.
#[derive(Debug)]
pub struct ShardPublisher {
    outlet: Outlet,
    names: Resolver,
    base: Arc<RoutingBase>,
    built_routes: HashMap<DeploymentId, BuiltRoute>,
    /// The snapshot that is ready to be published.
    prepared: Option<Prepared>,
    number: watch::Sender<u64>,
    /// Earlier snapshots that a shard may still hold, kept so that no shard drops the last reference.
    outgoing: Vec<(Receipt, Arc<Snapshot>)>,
}

/// The way from the publisher to the shards. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Outlet {
    shards: Arc<OnceLock<Vec<Sender<Command>>>>,
    current: Arc<ArcSwap<Snapshot>>,
}

impl Outlet {
    /// The snapshot that was published last; before the first, one without routes.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// From now on these shards are told what is published. They have begun with what was published last. Once.
    pub fn attach(&self, shards: Vec<Sender<Command>>) {
        let _ = self.shards.set(shards);
    }

    fn shards(&self) -> &[Sender<Command>] {
        self.shards.get().map_or(&[], Vec::as_slice)
    }
}

/// A deployment, and the route that was built of it.
#[derive(Debug)]
struct BuiltRoute {
    of: Deployed,
    /// `None` where it cannot be served: of that the log has told.
    route: Option<Arc<Route>>,
}

impl BuiltRoute {
    /// Reuses the route that was built before if this one says the same: shards look at the connections of each route that is
    /// another object.
    fn or_as_before(self, before: Option<&Self>) -> Self {
        let before = before.and_then(|before| before.route.as_ref());
        let route = self.route.map(|route| before.filter(|before| before.is_same(&route)).map_or(route, Arc::clone));
        Self { of: self.of, route }
    }
}

/// A snapshot that is ready.
#[derive(Debug)]
struct Prepared {
    snapshot: Snapshot,
    changed: Vec<(DeploymentId, BuiltRoute)>,
    gone: Vec<DeploymentId>,
    /// The base of a new configuration, with which every route was rebuilt.
    base: Option<Arc<RoutingBase>>,
}

impl ShardPublisher {
    /// For shards that are still to be started: they begin with what is published first, and [`begin`](Self::begin), and
    /// are then attached to the [`outlet`](Self::outlet).
    #[must_use]
    pub fn new(configuration: &Configuration, opened: &Opened, names: Resolver) -> Self {
        Self {
            outlet: Outlet::default(),
            names,
            base: Arc::new(RoutingBase::new(configuration, opened)),
            built_routes: HashMap::new(),
            prepared: None,
            number: watch::Sender::new(0),
            outgoing: Vec::new(),
        }
    }

    /// The outlet that snapshots go through.
    #[must_use]
    pub fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// What shards begin with besides a snapshot: what is the same for all routes, and what each makes its upstreams' TLS of.
    #[must_use]
    pub fn begin(&self) -> (Arc<Settings>, Vec<ClientTls>) {
        (Arc::clone(&self.base.settings), self.base.trust.clone())
    }

    /// The number of the snapshot that was published last; 0 before the first.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<u64> {
        self.number.subscribe()
    }

    /// The snapshot that was published last.
    #[must_use]
    pub fn in_force(&self) -> Arc<Snapshot> {
        self.outlet.snapshot()
    }

    fn next_number(&self) -> u64 {
        self.number.borrow().saturating_add(1)
    }

    /// Whether it could not be served before, and that has nothing to do with what has changed of it: then it must not keep
    /// its API from being changed.
    fn was_broken(&self, id: DeploymentId, one: &Deployed) -> bool {
        let before = self.built_routes.get(&id).filter(|built| built.route.is_none() && route::is_served(&built.of));
        before.is_some_and(|built| built.of.targets == one.targets)
    }

    /// What is to be in force with the configuration as it is; `forgives` says what may be left out if it cannot be served.
    fn built(
        &self,
        deployed: &BTreeMap<DeploymentId, Deployed>,
        forgives: impl Fn(DeploymentId, &Deployed) -> bool,
    ) -> Result<Prepared, Problems> {
        let mut changed = Vec::new();
        for (id, one) in deployed {
            if self.built_routes.get(id).is_none_or(|built| built.of != *one) {
                changed.push((*id, build_route(one, &self.base, &self.names, forgives(*id, one))?));
            }
        }
        let gone: Vec<DeploymentId> =
            self.built_routes.keys().filter(|id| !deployed.contains_key(id)).copied().collect();
        let rebuilt: HashMap<DeploymentId, &BuiltRoute> = changed.iter().map(|(id, built)| (*id, built)).collect();
        let routes = deployed.keys().filter_map(|id| rebuilt.get(id).copied().or_else(|| self.built_routes.get(id)));
        let snapshot = build(&self.base, self.next_number(), routes)?;
        Ok(Prepared { snapshot, changed, gone, base: None })
    }

    /// The command for every shard.
    fn tell(&self, upstream_tls: bool, done: Reply<()>) -> Command {
        let base = &self.base;
        let upstream_tls = upstream_tls.then(|| base.trust.iter().map(ClientTls::for_shard).collect());
        Command::Activate(Box::new(Activation {
            settings: Arc::clone(&base.settings),
            snapshot: self.outlet.snapshot(),
            upstream_tls,
            done,
        }))
    }
}

impl Publisher for ShardPublisher {
    fn prepare(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems> {
        self.prepared = None;
        self.prepared = Some(self.built(deployed, |id, one| self.was_broken(id, one) || !route::is_open(one))?);
        Ok(())
    }

    fn prepare_kept(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems> {
        self.prepared = None;
        self.prepared = Some(self.built(deployed, |_, _| true)?);
        Ok(())
    }

    fn prepare_with(
        &mut self,
        configuration: &Configuration,
        opened: &Opened,
        deployed: &BTreeMap<DeploymentId, Deployed>,
    ) -> Result<(), Problems> {
        self.prepared = None;
        let base = RoutingBase::new(configuration, opened);
        let was_served = |id: &DeploymentId| self.built_routes.get(id).is_some_and(|built| built.route.is_some());
        let mut changed = Vec::with_capacity(deployed.len());
        for (id, one) in deployed {
            let built = build_route(one, &base, &self.names, !was_served(id))?;
            changed.push((*id, built.or_as_before(self.built_routes.get(id))));
        }
        let routes = changed.iter().map(|(_, built)| built);
        let snapshot = build(&base, self.next_number(), routes)?;
        self.prepared = Some(Prepared { snapshot, changed, gone: Vec::new(), base: Some(Arc::new(base)) });
        Ok(())
    }

    fn publish(&mut self) -> Option<Receipt> {
        let Prepared { snapshot, changed, gone, base } = self.prepared.take()?;
        let upstream_tls = base.is_some();
        if let Some(base) = base {
            self.base = base;
            self.built_routes.clear();
        }
        let unresolved = unresolved(&changed);
        self.built_routes.extend(changed);
        for id in gone {
            self.built_routes.remove(&id);
        }
        let number = snapshot.number();
        let before = self.outlet.current.swap(Arc::new(snapshot));
        let shards = self.outlet.shards();
        let (receipt, confirmations) = Receipt::new(number, 0..shards.len());
        let receipt = receipt.with_places(unresolved);
        for (index, shard) in shards.iter().enumerate() {
            let (confirmations, confirmations_of_gone) = (confirmations.clone(), confirmations.clone());
            let done = Reply::new(move |()| confirmations.confirm(index));
            match shard.send(self.tell(upstream_tls, done)) {
                Ok(()) => {}
                Err(Unsent::Full(command)) => send_later(index, shard.clone(), command),
                // Who has ended has nothing to take, and nobody is to wait for it.
                Err(Unsent::Gone(_)) => confirmations_of_gone.confirm(index),
            }
        }
        self.outgoing.retain(|(receipt, _)| !receipt.is_in_force());
        self.outgoing.push((receipt.clone(), before));
        // A shard that is silent must not keep every snapshot there has been.
        #[expect(clippy::disallowed_methods, reason = "no more is taken out than is there")]
        self.outgoing.drain(..self.outgoing.len().saturating_sub(MAX_OUTGOING));
        self.number.send_replace(number);
        Some(receipt)
    }
}

/// `forgives` one that cannot be served: it is left out, and the log tells of it.
fn build_route(
    deployed: &Deployed,
    base: &RoutingBase,
    names: &Resolver,
    forgives: bool,
) -> Result<BuiltRoute, Problems> {
    if !route::is_served(deployed) {
        return Ok(BuiltRoute { of: deployed.clone(), route: None });
    }
    match route::of(deployed, base, names) {
        Ok(route) => Ok(BuiltRoute { of: deployed.clone(), route: Some(Arc::new(route)) }),
        Err(problems) if forgives => {
            error!(api = %deployed.key, environment = %deployed.environment, "cannot be served: {problems}");
            Ok(BuiltRoute { of: deployed.clone(), route: None })
        }
        Err(problems) => Err(problems),
    }
}

/// The address cells of new open routes that hold no address yet.
fn unresolved(changed: &[(DeploymentId, BuiltRoute)]) -> Vec<Arc<AddressCell>> {
    let routes = changed.iter().filter_map(|(_, built)| built.route.as_ref());
    let endpoints = routes.filter(|route| route.gate == Gate::Open).flat_map(|route| &route.endpoints);
    let cells = endpoints.map(|endpoint| &endpoint.addresses).filter(|cell| cell.load().addresses().is_empty());
    cells.cloned().collect()
}

fn build<'a>(base: &RoutingBase, number: u64, all: impl Iterator<Item = &'a BuiltRoute>) -> Result<Snapshot, Problems> {
    let conflict = |conflict| Problems::new(Code::API_EXISTS, format!("{conflict}: it cannot be served."));
    let (mut builder, sites) = base.sites(number).map_err(conflict)?;
    for BuiltRoute { of, route } in all {
        let Some(route) = route else { continue };
        let Some(sites) = sites.get(of.environment.as_str()) else { continue };
        builder.add(sites.of(of.access), &route::base_path(of), Arc::clone(route)).map_err(conflict)?;
    }
    Ok(builder.build())
}

/// A shard that has a thousand commands waiting is in trouble; it shall not go by what was in force before for good.
fn send_later(index: usize, shard: Sender<Command>, command: Command) {
    let retry = move || {
        let mut command = command;
        for _ in 0..RETRIES {
            std::thread::sleep(RETRY_EVERY);
            match shard.send(command) {
                Ok(()) | Err(Unsent::Gone(_)) => return,
                Err(Unsent::Full(back)) => command = back,
            }
        }
        error!(shard = index, "a shard did not accept a change and keeps the previous snapshot");
    };
    warn!(shard = index, "a shard has too many commands waiting: a change is sent to it again");
    if let Err(error) = background::start("resend", retry) {
        error!(shard = index, "a change cannot be sent to a shard again: {error}");
    }
}
