//! A node's control plane: the manager with the store's thread, the resolver, the admin API, the last good snapshot.
//!
//! Three steps, since each needs something of the data plane that the one before does not: [`ControlPlane::start`] needs the
//! addresses that were bound and makes the first snapshot; [`ControlPlane::attach`] needs the shards; the
//! [`RunningControlPlane`] answers until [`stop`](RunningControlPlane::stop).

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task;

use super::data_plane::InitialConfig;
use super::declared::{Applied, Declared};
use super::log::SetLevel;
use super::reload::{Process, ReloadRequest, Reloader};
use super::running::{StopStep, Stopping};
use super::state::NodeState;
use super::{NodeError, addresses};
use crate::command::Command;
use crate::config::file::{Configuration, Opened};
use crate::control::admin::Admin;
use crate::control::certificates;
use crate::control::contracts::Contracts;
use crate::control::endpoints;
use crate::control::fetch::{self, Fetcher};
use crate::control::http::guard::AllowedHosts;
use crate::control::http::server::{self, ServingTls};
use crate::control::last_good_snapshot::SnapshotWriter;
use crate::control::manage::{self, Manager, Origin, Started};
use crate::control::publish::shards::{Outlet, ShardPublisher};
use crate::control::resolver::Resolver;
use crate::control::runtime::BackgroundRuntime;
use crate::control::shards::ShardClient;
use crate::engine::mailbox;
use crate::routing::consumers::UnixSeconds;
use crate::routing::settings::Settings;
use crate::tls::client::ClientTls;
use crate::tls::server::{Served, ServerTls};

/// The time that the store has to close at the end.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// A control plane that no shard hears of yet. The store's thread and the control runtime run.
pub(super) struct ControlPlane {
    runtime: BackgroundRuntime,
    fetcher: Fetcher,
    manager: Manager,
    store: JoinHandle<()>,
    declared: Option<Arc<Declared>>,
    outlet: Outlet,
    published: watch::Receiver<u64>,
    next_key_end: watch::Receiver<Option<UnixSeconds>>,
    settings: Arc<Settings>,
    upstream_tls: Vec<ClientTls>,
}

/// The parts of the process that a control plane is attached to.
pub(super) struct Attachment<'a> {
    /// The admin API's listener, and that of figures alone if there is one.
    pub(super) sockets: Vec<TcpListener>,
    /// TLS of the admin API's listener.
    pub(super) tls: Option<(ServerTls, Served)>,
    pub(super) shards: Vec<mailbox::Sender<Command>>,
    pub(super) state: &'a NodeState,
    /// The configuration file, if there is one.
    pub(super) file: Option<&'a Path>,
    pub(super) configuration: Configuration,
    /// The CPUs that the process may run on.
    pub(super) allowed_cpus: Vec<usize>,
    /// The bound addresses of the data plane's listeners.
    pub(super) bound: Vec<SocketAddr>,
    /// Sets what is logged.
    pub(super) level: SetLevel,
    /// Has the files of certificates read again.
    pub(super) certificates: Sender<()>,
    pub(super) reload_sender: mpsc::Sender<ReloadRequest>,
    pub(super) reload_receiver: mpsc::Receiver<ReloadRequest>,
}

/// A control plane that answers and reloads.
pub(super) struct RunningControlPlane {
    manager: Manager,
    store: JoinHandle<()>,
    admin: server::Running,
    snapshot: SnapshotWriter,
    reload: task::JoinHandle<()>,
    /// The active configuration; a reload replaces it.
    configuration: Arc<ArcSwap<Configuration>>,
    runtime: BackgroundRuntime,
}

impl ControlPlane {
    /// Makes the first snapshot, of what the store holds and of what `apply` declares, and waits a moment for the addresses of
    /// its upstreams: the first clients must not be refused for a name that is still being looked up.
    ///
    /// # Errors
    /// A deployment cannot be served, nothing is deployed and no declared document can be applied, or the host has no thread
    /// for it.
    pub(super) fn start(
        configuration: &Configuration,
        opened: &Opened,
        origin: Origin,
        state: &NodeState,
        apply: Option<&Path>,
        bound: &[SocketAddr],
    ) -> Result<Self, NodeError> {
        let patience = configuration.policies.connect_timeout;
        let runtime = BackgroundRuntime::start("control")?;
        let resolver = Resolver::start(runtime.handle(), patience);
        let contracts = Contracts::of(state.path());
        let publisher = ShardPublisher::new(
            configuration,
            opened,
            resolver.clone(),
            contracts.clone(),
            addresses::listening(bound),
        );
        let (outlet, published, (settings, upstream_tls)) =
            (publisher.outlet(), publisher.published(), publisher.begin());
        let next_key_end = publisher.next_key_end();
        let environments = addresses::environments(configuration, bound);
        let started = Manager::start(origin, publisher, contracts, environments, manage::Settings::default());
        let Started { manager, thread: store, .. } =
            started.map_err(|problems| NodeError::Failed(problems.to_string()))?;
        let declared = apply.map(|path| {
            Arc::new(Declared::new(path, manager.clone(), outlet.clone(), runtime.handle(), state.notes.clone()))
        });
        if let Some(declared) = &declared {
            let Applied { documents, faults } = declared.apply();
            // Nothing to serve and nobody to miss it: a mistake on the command line, or in the very first files.
            if documents == 0 && !faults.is_empty() && serves_nothing(runtime.handle(), &manager) {
                return Err(NodeError::Configuration(faults.join("\n")));
            }
        }
        resolver.wait(patience);
        let fetcher = Fetcher::new(resolver, fetch::Settings::of(configuration));
        Ok(Self { runtime, fetcher, manager, store, declared, outlet, published, next_key_end, settings, upstream_tls })
    }

    /// The configuration that the shards begin with.
    pub(super) fn initial(&self) -> InitialConfig {
        InitialConfig {
            settings: Arc::clone(&self.settings),
            snapshot: self.outlet.snapshot(),
            keys: self.outlet.keys(),
            upstream_tls: self.upstream_tls.clone(),
        }
    }

    /// Publishes to the shards from now on, serves the admin API, writes the last good snapshot, and reloads on request.
    ///
    /// # Errors
    /// The host has no thread for it.
    pub(super) fn attach(self, to: Attachment<'_>) -> Result<RunningControlPlane, NodeError> {
        let Self { runtime, fetcher, manager, store, declared, outlet, published, next_key_end, .. } = self;
        let Attachment { state, configuration, .. } = to;
        outlet.attach(to.shards.clone());
        let allowed_hosts = AllowedHosts::from(configuration.allowed_hosts.clone());
        let watched = outlet.clone();
        runtime.handle().spawn(endpoints::watch::run(move || watched.snapshot()));
        let shards = ShardClient::new(to.shards, move || outlet.snapshot());
        let mut certificates = vec![to.certificates];
        let tls = to.tls.map(|tls| serve_tls(tls, &mut certificates)).transpose()?;
        let router = Admin::new(manager.clone(), shards, state.notes.clone(), Arc::clone(&state.violations))
            .fetching_with(fetcher.clone());
        let routers = [router.router(state.token.clone(), allowed_hosts.clone()), router.metrics_router()];
        let admin = serve_admin(runtime.handle(), to.sockets, routers, tls)?;
        let snapshot = SnapshotWriter::start(
            runtime.handle(),
            state.path().to_owned(),
            published,
            manager.clone(),
            state.notes.clone(),
        );
        let configuration = Arc::new(ArcSwap::from_pointee(configuration));
        manager.attach(Process {
            configuration: Arc::clone(&configuration),
            allowed_hosts,
            fetcher,
            level: to.level,
            certificates,
        });
        let reloader = Reloader {
            file: to.file.map(Path::to_owned),
            configuration: Arc::clone(&configuration),
            allowed_cpus: to.allowed_cpus.into(),
            bound: to.bound,
            manager: manager.clone(),
            declared,
            notes: state.notes.clone(),
        };
        let reload = reloader.start(runtime.handle(), to.reload_receiver);
        manager.end_rotated_keys(runtime.handle(), next_key_end);
        manager.tidy_contracts(runtime.handle());
        manager.retry_contracts(runtime.handle());
        let reload_sender = to.reload_sender;
        manager.reopen_store(runtime.handle(), move || {
            let _ = reload_sender.try_send(ReloadRequest::Declare);
        });
        Ok(RunningControlPlane { manager, store, admin, snapshot, reload, configuration, runtime })
    }
}

impl RunningControlPlane {
    /// Begins a step of the end: readiness fails, then changes are refused. Returns the time that the step may take.
    pub(super) fn begin(&self, step: StopStep) -> Duration {
        match step {
            StopStep::Announce => self.manager.announce_end(),
            StopStep::Drain => self.manager.drain(),
        }
        Stopping::of(&self.configuration.load().limits).time_of(step)
    }

    /// Ends it, in this order: the admin API answers what was asked, the last good snapshot is written, reloads end, the
    /// store closes, the runtime ends. Each step waits for a bounded time.
    pub(super) fn stop(self) {
        self.admin.stop();
        self.snapshot.finish();
        self.reload.abort();
        // An error says that it was aborted.
        let _ = self.runtime.handle().block_on(self.reload);
        // With the last manager the store's thread ends, and closes the store.
        drop(self.manager);
        wait_for(&self.store, STORE_PATIENCE);
        self.runtime.stop();
    }
}

/// Serves the admin API on the first socket, figures alone on the second.
fn serve_admin(
    runtime: &Handle,
    sockets: Vec<TcpListener>,
    routers: [Router; 2],
    tls: Option<ServingTls>,
) -> Result<server::Running, NodeError> {
    let limits = [(server::MAX_CALLERS, tls), (server::MAX_SCRAPERS, None)];
    let listeners = sockets.into_iter().zip(routers).zip(limits);
    let listeners =
        listeners.map(|((socket, router), (connections, tls))| server::Listener { socket, router, connections, tls });
    Ok(server::start(runtime, listeners.collect())?)
}

/// TLS of the admin listener, whose certificates are watched like those of the data plane. What is sent to `requests` has the
/// files read again.
fn serve_tls((tls, served): (ServerTls, Served), requests: &mut Vec<Sender<()>>) -> Result<ServingTls, NodeError> {
    let serving = ServingTls::new(Arc::clone(&served.config));
    let (request, requested) = channel();
    requests.push(request);
    let listener = certificates::Listener { place: 0, name: "admin".to_owned(), tls, served };
    let replaced = serving.clone();
    certificates::watch(vec![listener], requested, move |_, tls| {
        replaced.replace(Arc::clone(&tls.config));
        true
    })?;
    Ok(serving)
}

/// Waits until a thread has ended, for `patience` at most.
fn wait_for(thread: &JoinHandle<()>, patience: Duration) {
    let begun = Instant::now();
    while !thread.is_finished() && begun.elapsed() < patience {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// True if the store is open and holds no deployment.
fn serves_nothing(runtime: &Handle, manager: &Manager) -> bool {
    runtime.block_on(manager.deployed()).is_ok_and(|deployed| deployed.is_empty())
}
