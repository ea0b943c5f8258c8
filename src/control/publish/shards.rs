//! The publisher that sends snapshots to the shards. A route that did not change since the last snapshot is the same object in
//! the next one, so that shards skip it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::watch;
use tracing::warn;

use super::built_route::{BuiltRoute, BuiltRoutes, OnFault, build_route, was_broken};
use super::channels::ChannelTables;
use super::environment::RoutingBase;
use super::key_publisher::KeyPublisher;
use super::{ChangedApplication, Publisher, Receipt, route, send};
use crate::api::consumers::ApplicationState;
use crate::api::problem::Code;
use crate::api::{ContractRef, Deployed, DeploymentId, Problems};
use crate::command::{Activation, Command, Reply};
use crate::config::file::{Configuration, Opened};
use crate::control::contracts::Contracts;
use crate::control::resolver::Resolver;
use crate::engine::mailbox::Sender;
use crate::routing::addresses::AddressCell;
use crate::routing::consumers::{KeyTable, UnixSeconds};
use crate::routing::loops::{Listening, way_back};
use crate::routing::route::Gate;
use crate::routing::settings::Settings;
use crate::routing::snapshot::Snapshot;
use crate::tls::client::ClientTls;

/// The most earlier snapshots that are kept for shards that have not confirmed a newer one.
const MAX_OUTGOING: usize = 8;

/// Builds snapshots and sends them to the shards.
#[derive(Debug)]
pub struct ShardPublisher {
    outlet: Outlet,
    names: Resolver,
    listening: Listening,
    base: Arc<RoutingBase>,
    tables: ChannelTables,
    built_routes: BuiltRoutes,
    /// The snapshot that is ready to be published.
    prepared: Option<Prepared>,
    number: watch::Sender<u64>,
    keys: KeyPublisher,
    /// Earlier snapshots that a shard may still hold, kept so that no shard drops the last reference.
    outgoing: Vec<(Receipt, Arc<Snapshot>)>,
}

/// The way from the publisher to the shards. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Outlet {
    shards: Arc<OnceLock<Vec<Sender<Command>>>>,
    current: Arc<ArcSwap<Snapshot>>,
    keys: Arc<ArcSwapOption<KeyTable>>,
}

impl Outlet {
    /// The snapshot that was published last; before the first, one without routes.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The keys that were published last; `None` if they are not known.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<KeyTable>> {
        self.keys.load_full()
    }

    /// Sends later snapshots and keys to these shards, which have started with those that were published last. Called once.
    pub fn attach(&self, shards: Vec<Sender<Command>>) {
        let _ = self.shards.set(shards);
    }

    fn shards(&self) -> &[Sender<Command>] {
        self.shards.get().map_or(&[], Vec::as_slice)
    }
}

/// Tells shards if the configuration changed with a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BaseChange {
    Same,
    New,
}

/// A snapshot that is ready to be published.
#[derive(Debug)]
struct Prepared {
    snapshot: Snapshot,
    changed: Vec<(DeploymentId, BuiltRoute)>,
    gone: Vec<DeploymentId>,
    /// The base of a new configuration, with which every route was rebuilt.
    base: Option<Arc<RoutingBase>>,
}

impl ShardPublisher {
    /// A publisher for shards that have not started. They start with the first published snapshot and the values of
    /// [`begin`](Self::begin), and are then attached to the [`outlet`](Self::outlet).
    /// `listening` are the listeners' bound addresses.
    #[must_use]
    pub fn new(
        configuration: &Configuration,
        opened: &Opened,
        names: Resolver,
        contracts: Contracts,
        listening: Listening,
    ) -> Self {
        let base = RoutingBase::new(configuration, opened);
        names.drop_gone_after(base.gone_name_timeout);
        let outlet = Outlet::default();
        Self {
            keys: KeyPublisher::new(Arc::clone(&outlet.keys)),
            outlet,
            names,
            listening,
            base: Arc::new(base),
            tables: ChannelTables::new(contracts),
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

    /// The values that a shard starts with besides the snapshot: the settings of all routes, and the TLS configurations for
    /// upstreams.
    #[must_use]
    pub fn begin(&self) -> (Arc<Settings>, Vec<ClientTls>) {
        (Arc::clone(&self.base.settings), self.base.trust.clone())
    }

    /// The number of the snapshot that was published last; 0 before the first.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<u64> {
        self.number.subscribe()
    }

    /// The next moment at which [`publish_keys`](Publisher::publish_keys) has to be called because a key ends.
    #[must_use]
    pub fn next_key_end(&self) -> watch::Receiver<Option<UnixSeconds>> {
        self.keys.next_end()
    }

    /// The snapshot that was published last.
    #[must_use]
    pub fn in_force(&self) -> Arc<Snapshot> {
        self.outlet.snapshot()
    }

    fn next_number(&self) -> u64 {
        self.number.borrow().saturating_add(1)
    }

    /// Builds the snapshot of these deployments with the active configuration. `on_fault` decides for each deployment that
    /// cannot be served.
    fn built(
        &mut self,
        deployed: &BTreeMap<DeploymentId, Deployed>,
        on_fault: impl Fn(Option<&BuiltRoute>, &Deployed) -> OnFault,
    ) -> Result<Prepared, Problems> {
        let number = self.next_number();
        let Self { base, names, tables, built_routes, .. } = self;
        let mut changed = Vec::new();
        for (id, one) in deployed {
            let before = built_routes.get(id);
            if before.is_none_or(|built| built.of != *one || built.is_unavailable()) {
                let built = build_route(one, base, names, tables, on_fault(before, one))?;
                let is_as_before = built.of == *one && before.is_some_and(BuiltRoute::is_unavailable);
                let built = if is_as_before { built.or_as_before(before) } else { built };
                changed.push((*id, built.continuing(before)));
            }
        }
        let gone: Vec<DeploymentId> = built_routes.keys().filter(|id| !deployed.contains_key(id)).copied().collect();
        let rebuilt: HashMap<DeploymentId, &BuiltRoute> = changed.iter().map(|(id, built)| (*id, built)).collect();
        let routes = deployed.keys().filter_map(|id| rebuilt.get(id).copied().or_else(|| built_routes.get(id)));
        let snapshot = build(base, number, routes)?;
        Ok(Prepared { snapshot, changed, gone, base: None })
    }

    /// Forgets the tables of contracts that no published deployment refers to.
    fn forget_unused_tables(&mut self) {
        let used: HashSet<_> = self.built_routes.values().filter_map(|built| built.of.contract.as_ref()).collect();
        self.tables.keep(&used);
        self.tables.keep_told(|id| self.built_routes.contains_key(&id));
    }

    /// The command that activates the current snapshot on one shard; with a new base, its TLS configurations too.
    fn activation(&self, base: BaseChange, done: Reply<()>) -> Command {
        let trust = &self.base.trust;
        let upstream_tls = (base == BaseChange::New).then(|| trust.iter().map(ClientTls::for_shard).collect());
        Command::Activate(Box::new(Activation {
            settings: Arc::clone(&self.base.settings),
            snapshot: self.outlet.snapshot(),
            upstream_tls,
            done,
        }))
    }
}

impl Publisher for ShardPublisher {
    fn prepare(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems> {
        // What an earlier change has read, and was rolled back.
        self.prepared = None;
        self.forget_unused_tables();
        self.prepared = Some(self.built(deployed, |before, one| {
            let may_be_left_out = was_broken(before, one) || !route::is_open(one);
            if may_be_left_out { OnFault::LeaveOut } else { OnFault::Refuse }
        })?);
        Ok(())
    }

    fn prepare_kept(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems> {
        self.prepared = None;
        self.prepared = Some(self.built(deployed, |_, _| OnFault::LeaveOut)?);
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
        let number = self.next_number();
        let Self { names, tables, built_routes, .. } = self;
        let mut changed = Vec::with_capacity(deployed.len());
        for (id, one) in deployed {
            let before = built_routes.get(id);
            let was_served = before.is_some_and(|built| built.route.is_some() && !built.is_unavailable());
            let on_fault = if was_served { OnFault::Refuse } else { OnFault::LeaveOut };
            let built = build_route(one, &base, names, tables, on_fault)?;
            changed.push((*id, built.or_as_before(before).continuing(before)));
        }
        let routes = changed.iter().map(|(_, built)| built);
        let snapshot = build(&base, number, routes)?;
        self.prepared = Some(Prepared { snapshot, changed, gone: Vec::new(), base: Some(Arc::new(base)) });
        Ok(())
    }

    fn unread_contracts(&self) -> Vec<ContractRef> {
        let unavailable = self.built_routes.values().filter(|built| built.is_unavailable());
        let contracts: HashSet<_> = unavailable.filter_map(|built| built.of.contract.as_ref()).collect();
        contracts.into_iter().filter(|contract| !self.tables.is_unroutable(contract)).cloned().collect()
    }

    fn publish(&mut self) -> Option<Receipt> {
        let Prepared { snapshot, changed, gone, base } = self.prepared.take()?;
        let base_change = if base.is_some() { BaseChange::New } else { BaseChange::Same };
        if let Some(base) = base {
            self.names.drop_gone_after(base.gone_name_timeout);
            self.base = base;
            self.built_routes.clear();
        }
        let unresolved = unresolved(&changed);
        warn_of_loops(&changed, &snapshot, &self.listening);
        self.built_routes.extend(changed);
        for id in gone {
            self.built_routes.remove(&id);
        }
        self.forget_unused_tables();
        let number = snapshot.number();
        let before = self.outlet.current.swap(Arc::new(snapshot));
        let receipt = send::to_all(self.outlet.shards(), number, |done| self.activation(base_change, done));
        let receipt = receipt.with_places(unresolved);
        self.outgoing.retain(|(receipt, _)| !receipt.is_in_force());
        self.outgoing.push((receipt.clone(), before));
        // A shard that never confirms must not make the list grow without end.
        #[expect(clippy::disallowed_methods, reason = "no more is taken out than is there")]
        self.outgoing.drain(..self.outgoing.len().saturating_sub(MAX_OUTGOING));
        self.number.send_replace(number);
        Some(receipt)
    }

    fn publish_all_keys(&mut self, all: Option<Vec<ApplicationState>>) -> Option<Receipt> {
        Some(self.keys.publish_all(self.outlet.shards(), all))
    }

    fn publish_keys(&mut self, changed: Vec<ChangedApplication>) -> Option<Receipt> {
        self.keys.publish(self.outlet.shards(), changed)
    }
}

/// Warns of the changed routes whose target leads back to themselves.
fn warn_of_loops(changed: &[(DeploymentId, BuiltRoute)], snapshot: &Snapshot, listening: &Listening) {
    for BuiltRoute { of, route } in changed.iter().map(|(_, built)| built) {
        let Some(way) = route.as_ref().and_then(|route| way_back(route, snapshot, listening)) else { continue };
        let labels = way.iter().filter_map(|route| route.labels.as_ref());
        let way = labels.map(|labels| format!("{labels} ({})", labels.environment)).collect::<Vec<_>>().join(" -> ");
        warn!(
            api = %of.key,
            environment = %of.environment,
            way,
            "the target leads back to the API itself: its requests will be refused with 508 (loop-detected)"
        );
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
