//! `ringway serve`: a node. Environments from a file, APIs from the store, all of it managed by the admin API.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tracing::warn;

use super::addresses::{self, AddressFile};
use super::capacity::Capacity;
use super::declared::Declared;
use super::events::Events;
use super::listen;
use super::reload::{ReloadRequest, Reloader};
use super::running::{Running, Start, tell_all};
use super::state::NodeState;
use super::{NodeError, Shutdown, announce, log};
use crate::command::Command;
use crate::command::config::ShardConfig;
use crate::config::file::{Configuration, File, Opened};
use crate::control::admin::Admin;
use crate::control::certificates;
use crate::control::http::guard::AllowedHosts;
use crate::control::http::server;
use crate::control::last_good_snapshot::SnapshotWriter;
use crate::control::manage::{self, Manager, Origin, Reconfigure, Started};
use crate::control::publish::shards::{Outlet, ShardPublisher};
use crate::control::resolver::{self, Resolver};
use crate::control::shards::ShardClient;
use crate::engine::keepalive::KeepAlive;
use crate::engine::listener::Inlet;
use crate::engine::mailbox::Sender;
use crate::proto::refusal;
use crate::proxy::service::Proxy;
use crate::routing::settings::Settings;
use crate::tls::client::ClientTls;
use crate::tls::server::Served;

/// A relayed connection has two sockets.
const DESCRIPTORS_EACH: u64 = 2;
/// Descriptors of the admin listeners and their connections, of the store, and of what is written now and then.
const DESCRIPTORS_BESIDE: u64 = 700;
/// How long the store may take to close at the end.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// What a node is started with.
pub(crate) struct Options {
    /// The configuration file, if there is one.
    pub(crate) config: Option<PathBuf>,
    /// The state directory.
    pub(crate) state: PathBuf,
    /// Files of APIs that are applied at the start and on SIGHUP.
    pub(crate) apply: Option<PathBuf>,
    /// Room for completions in a shard's ring; the engine's own if `None`.
    pub(crate) ring_completions: Option<u32>,
}

/// What a node says when it serves.
pub(crate) struct Ready {
    /// Where its admin API listens.
    pub(crate) admin: SocketAddr,
    /// Of itself, for people.
    pub(crate) text: String,
}

/// Serves until it is told to end. Calls `ready` once commands can be given to it; an error there ends it.
pub(crate) fn serve(
    options: &Options,
    ready: impl FnOnce(&Ready) -> Result<(), NodeError>,
) -> Result<Shutdown, NodeError> {
    let file = File::read(options.config.as_deref())?;
    let configuration = file.configuration()?;
    let opened = file.open(&configuration)?;
    let log = log::install(&configuration.log)?;
    warn_of(&configuration, &opened);
    let capacity = Capacity::of_host(
        configuration.cpus.as_ref(),
        configuration.limits.max_connections,
        DESCRIPTORS_EACH,
        DESCRIPTORS_BESIDE.saturating_add(resolver::MAX_DESCRIPTORS),
    )?;
    let (home, origin) = NodeState::open(&options.state)?;
    let keepalive = configuration.limits.keepalive()?;
    let mut admin_sockets = vec![bind(configuration.admin)?];
    admin_sockets.extend(configuration.metrics.map(bind).transpose()?);
    let (bound, inlets) = listen(&configuration, &capacity, keepalive)?;

    let node = Node::start(options, &configuration, &opened, home, origin, &bound)?;
    let (hangup, hung_up) = channel();
    let stop = hangup.clone();
    let events = Events::watch(move || {
        let _ = hangup.send(ReloadRequest::Reload);
    })?;
    let start = Start {
        capacity: &capacity,
        max_per_address: configuration.limits.max_connections_per_address.0,
        keepalive,
        ring_completions: options.ring_completions,
        // What is recorded may change with the configuration.
        recorded: true,
    };
    let running = node.start_shards(&start, inlets, events, &opened)?;
    let certificates = watch_certificates(&configuration, opened, running.senders())?;
    let allowed_hosts = AllowedHosts::from(configuration.allowed_hosts.clone());
    let addresses = admin_sockets.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    let serving = node.serve_admin(&running, admin_sockets, allowed_hosts.clone())?;
    let keeper = node.keep()?;

    let address_file = addresses.first().map(|address| AddressFile::write(node.home.path(), *address));
    let text = addresses::announcement(&options.state, &configuration, &bound, &addresses);
    let text = format!("{text}{}", announce::bounds(&capacity, &configuration.limits));
    let admin = addresses.first().copied().unwrap_or(configuration.admin);
    ready(&Ready { admin, text })?;
    let configuration = Arc::new(ArcSwap::from_pointee(configuration));
    let Node { manager, reconfigure, store, declared, home, .. } = node;
    Reloader {
        file: options.config.clone(),
        configuration: Arc::clone(&configuration),
        bound,
        reconfigure,
        allowed_hosts,
        level: log.level,
        certificates,
        declared,
        notes: home.notes.clone(),
    }
    .start(hung_up)?;
    let taken_up = stop.clone();
    manager.reopen_store(move || {
        let _ = taken_up.send(ReloadRequest::Declare);
    });

    let shutdown = running.serve(|| {
        manager.drain();
        configuration.load().limits.drain_timeout
    })?;
    drop(address_file);
    if shutdown == Shutdown::Drained {
        serving.stop();
        keeper.finish();
        // With the last manager the store's thread ends, and closes the store.
        let _ = stop.send(ReloadRequest::Stop);
        drop(manager);
        wait_for(&store, STORE_PATIENCE);
    }
    drop(log.guard);
    Ok(shutdown)
}

/// What the node is made of beside its shards.
struct Node {
    home: NodeState,
    manager: Manager,
    reconfigure: Reconfigure<ShardPublisher>,
    store: JoinHandle<()>,
    declared: Option<Declared>,
    outlet: Outlet,
    published: watch::Receiver<u64>,
    /// What shards begin with.
    settings: Arc<Settings>,
    trust: Vec<ClientTls>,
}

impl Node {
    /// Makes a first snapshot of what is deployed, with what is declared: the shards begin with it.
    fn start(
        options: &Options,
        configuration: &Configuration,
        opened: &Opened,
        home: NodeState,
        origin: Origin,
        bound: &[SocketAddr],
    ) -> Result<Self, NodeError> {
        let patience = configuration.limits.connect_timeout;
        let names = Resolver::start(patience)?;
        let publisher = ShardPublisher::new(configuration, opened, names.clone()).map_err(NodeError::Configuration)?;
        let (outlet, published, (settings, trust)) = (publisher.outlet(), publisher.published(), publisher.begin());
        let environments = addresses::environments(configuration, bound);
        let started = Manager::start(origin, publisher, environments, manage::Settings::default());
        let Started { manager, reconfigure, thread: store, .. } =
            started.map_err(|problems| NodeError::Failed(problems.to_string()))?;
        let declared = options.apply.as_deref().map(|path| Declared::new(path, manager.clone(), home.notes.clone()));
        let mut declared = declared.transpose()?;
        if let Some(declared) = &mut declared {
            declared.apply();
        }
        // The first clients shall not be refused for a name that is still being asked for.
        names.wait(patience);
        Ok(Self { home, manager, reconfigure, store, declared, outlet, published, settings, trust })
    }

    fn start_shards(
        &self,
        start: &Start<'_>,
        inlets: Vec<Vec<Inlet>>,
        events: Events,
        opened: &Opened,
    ) -> Result<Running, NodeError> {
        let of_listener = |served: &Option<Served>| served.as_ref().map(|served| Arc::clone(&served.config));
        let tls: Vec<_> = opened.served.iter().map(of_listener).collect();
        let (settings, trust, snapshot) = (Arc::clone(&self.settings), self.trust.clone(), self.outlet.snapshot());
        let running = Running::start(start, inlets, events, |admission, journal| {
            move |_| {
                let upstream_tls = trust.iter().map(ClientTls::for_shard).collect();
                Proxy::new(ShardConfig { settings, snapshot, tls, upstream_tls }, admission, journal)
            }
        })?;
        self.outlet.attach(running.senders());
        Ok(running)
    }

    /// The admin API on the first socket, figures alone on the second.
    fn serve_admin(
        &self,
        running: &Running,
        sockets: Vec<TcpListener>,
        allowed_hosts: AllowedHosts,
    ) -> Result<server::Running, NodeError> {
        let (outlet, notes) = (self.outlet.clone(), self.home.notes.clone());
        let shards = ShardClient::new(running.senders(), move || outlet.snapshot());
        let admin = Admin::new(self.manager.clone(), shards, move || notes.all());
        let routers = [admin.router(self.home.token.clone(), allowed_hosts), admin.metrics_router()];
        let rooms = [server::MAX_CALLERS, server::MAX_SCRAPERS];
        let listeners = sockets.into_iter().zip(routers).zip(rooms);
        Ok(server::start(
            listeners.map(|((socket, router), connections)| server::Listener { socket, router, connections }).collect(),
        )?)
    }

    /// Keeps the last good snapshot. Where that is what is served it stays as it is, until there is a store.
    fn keep(&self) -> Result<SnapshotWriter, NodeError> {
        let (path, notes) = (self.home.path().to_owned(), self.home.notes.clone());
        Ok(SnapshotWriter::start(path, self.published.clone(), self.manager.clone(), notes)?)
    }
}

/// Waits until a thread has ended, but not for good.
fn wait_for(thread: &JoinHandle<()>, patience: Duration) {
    let deadline = Instant::now() + patience;
    while !thread.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What is to be said of a configuration before it is served.
fn warn_of(configuration: &Configuration, opened: &Opened) {
    certificates::warn_at_start(opened.served.iter().flatten());
    if !configuration.admin.ip().is_loopback() {
        warn!(
            listen = %configuration.admin,
            "the admin API can be reached from other hosts and speaks plain HTTP: whoever is in between reads the token; \
             put a proxy with TLS before it, or let it listen on 127.0.0.1"
        );
    }
    for (environment, tls) in configuration.environments.iter().zip(&opened.upstream_tls) {
        if tls.as_ref().is_ok_and(|tls| !tls.is_verified()) {
            warn!(
                environment = environment.name.as_str(),
                "insecure_skip_verify: its upstreams may be anyone, and whoever is in between reads everything"
            );
        }
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).map_err(|error| NodeError::Failed(format!("cannot listen on {address}: {error}")))
}

fn listen(
    configuration: &Configuration,
    capacity: &Capacity,
    keepalive: KeepAlive,
) -> Result<(Vec<SocketAddr>, Vec<Vec<Inlet>>), NodeError> {
    let refusal = |is_tls: bool| if is_tls { &crate::tls::NO_ROOM } else { refusal::no_descriptors() };
    let addresses = configuration.listeners.iter().map(|listener| (listener.listen, refusal(listener.tls.is_some())));
    listen::listen(&addresses.collect::<Vec<_>>(), capacity.cpus.len(), keepalive)
}

/// Has the files of certificates watched. What is sent has them read again.
fn watch_certificates(
    configuration: &Configuration,
    opened: Opened,
    shards: Vec<Sender<Command>>,
) -> Result<mpsc::Sender<()>, NodeError> {
    let (read_again, told) = channel();
    let served = configuration.listeners.iter().zip(opened.served).zip(0_u16..);
    let listeners = served.filter_map(|((listener, served), place)| {
        let (tls, served) = (listener.tls.clone()?, served?);
        Some(certificates::Listener { place, name: listener.name(), tls, served })
    });
    let listeners: Vec<_> = listeners.collect();
    if !listeners.is_empty() {
        certificates::watch(listeners, told, move |place, config| {
            tell_all(&shards, || Command::Certificates(place, Arc::clone(config)))
        })?;
    }
    Ok(read_again)
}
