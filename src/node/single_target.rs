//! A proxy or an echo from options alone: one address, and one target or none. No files of APIs, no store, no admin API.
//!
//! The phases are those of a node ([`serve`](super::serve)): [`Prepared`] has checked the options, read the certificates and
//! resolved the target; [`Bound`] listens; [`Running`] serves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use tracing::{info, warn};

use super::capacity::Capacity;
use super::data_plane::{BoundDataPlane, DataPlane, InitialConfig, Listener, RunningDataPlane};
use super::events::{Events, Signals};
use super::log::{self, LogGuard};
use super::running::Stopping;
use super::{NodeError, Shutdown, addresses, announce};
use crate::api::PolicyValues;
use crate::config::limits::Limits;
use crate::config::log::LogArgs;
use crate::config::units::Cpus;
use crate::control::certificates;
use crate::control::endpoints;
use crate::control::resolver::{self, Question, Resolver};
use crate::control::runtime::BackgroundRuntime;
use crate::proxy::journal::Kept;
use crate::routing::addresses::AddressCell;
use crate::routing::loops::way_back;
use crate::routing::plain::{PlainPath, PlainPaths};
use crate::routing::policy::Policy;
use crate::routing::route::{Endpoint, Gate, Route, RouteId, Service, UpstreamTls};
use crate::routing::settings::Settings;
use crate::routing::snapshot::Snapshot;
use crate::routing::target::Target;
use crate::tls::certificate;
use crate::tls::client::ClientTls;
use crate::tls::server::{Served, ServerTls};

/// The options of a proxy or an echo.
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    /// Peers that must begin with a PROXY protocol header.
    pub(crate) proxy_protocol: Vec<ipnet::IpNet>,
    /// Refuses a request whose `Host` is not the name that its client asked TLS for.
    pub(crate) strict_sni_host: bool,
    /// The path that says whether the process takes new clients.
    pub(crate) health_path: Option<PlainPath>,
    /// Peers whose forwarding headers are believed.
    pub(crate) trusted_proxies: Vec<ipnet::IpNet>,
    pub(crate) cpus: Option<Cpus>,
    /// Completions that a shard's ring has room for; the engine's own number if `None`.
    pub(crate) ring_completions: Option<u32>,
    /// The TLS of client connections; `None` for plain text.
    pub(crate) tls: Option<ServerTls>,
    pub(crate) limits: Limits,
    /// Limits and deadlines of connections.
    pub(crate) policies: PolicyValues,
    pub(crate) log: LogArgs,
    /// The target of connections; an echo has none.
    pub(crate) upstream: Option<Upstream>,
}

/// The target, and how it is reached.
pub(crate) struct Upstream {
    pub(crate) target: Target,
    pub(crate) preserve_host: bool,
    pub(crate) tls: Option<UpstreamTls>,
    /// The name or address to look up.
    pub(crate) question: Question,
    /// Each shard gets a configuration of its own from this.
    pub(crate) trust: Option<ClientTls>,
}

/// A proxy that has read and checked everything. Dropping it changes nothing.
pub(crate) struct Prepared {
    data_plane: DataPlane,
    parts: Parts,
}

/// A proxy that listens and accepts nobody yet. Dropping it closes the socket.
pub(crate) struct Bound {
    data_plane: BoundDataPlane,
    parts: Parts,
}

/// A proxy that serves.
pub(crate) struct Running {
    data_plane: RunningDataPlane,
    announcement: String,
    stopping: Stopping,
    runtime: Option<BackgroundRuntime>,
    log: LogGuard,
}

/// The parts that the first two phases share.
struct Parts {
    initial: InitialConfig,
    /// The service, with the target's addresses and the certificates, for people.
    headline: String,
    limits: Limits,
    policies: PolicyValues,
    /// Looks the target's name up, if it has one, and logs the endpoint's changes of state. An echo has none.
    runtime: Option<BackgroundRuntime>,
    log: LogGuard,
}

impl Prepared {
    /// Checks the options, reads the certificates, sets up the log, checks the host, and looks the target up, for
    /// `connect_timeout` at most.
    ///
    /// # Errors
    /// One of these cannot be used.
    pub(crate) fn new(options: Options) -> Result<Self, NodeError> {
        let Options { listen, tls, limits, policies, upstream, .. } = &options;
        let settings = settings(&options);
        let tls = tls.as_ref().map(read_certificates).transpose()?;
        let log = log::install(&options.log)?;
        let trust = upstream.as_ref().and_then(|upstream| upstream.trust.clone());
        warn_of_trust(tls.as_ref().map(|(_, served)| served), trust.as_ref());
        // A relayed connection has two sockets, an echoed one has one.
        let (descriptors_each, mut headline) = match upstream {
            Some(upstream) => (2, format!("target: {}", upstream.target)),
            None => (1, "echo: every message comes back".to_owned()),
        };
        let cpus_error = |why| NodeError::Configuration(format!("--cpus {why}"));
        let capacity =
            Capacity::of_host(options.cpus.as_ref(), limits.max_connections, descriptors_each, 0, cpus_error)?;
        let runtime = upstream.as_ref().map(|_| BackgroundRuntime::start("control")).transpose()?;
        let found = upstream.as_ref().zip(runtime.as_ref());
        let cell = found.map(|(upstream, runtime)| find(&upstream.question, policies.connect_timeout, limits, runtime));
        describe(&mut headline, cell.as_deref(), tls.as_ref());
        let data_plane = DataPlane {
            listeners: vec![Listener { address: *listen, name: None, tls }],
            capacity,
            client_sockets: limits.client_sockets(),
            upstream_sockets: limits.upstream_sockets(),
            max_per_address: limits.max_connections_per_address,
            ring_completions: options.ring_completions,
            records: if log.recorded { Kept::All } else { Kept::Notable },
            violations: Arc::default(),
        };
        let policy = Arc::clone(&settings.policy);
        let route = match options.upstream.zip(cell) {
            Some((upstream, addresses)) => relay(upstream, addresses, policy),
            None => Route::echo(policy),
        };
        let snapshot = Arc::new(Snapshot::of_one(route));
        if let Some(runtime) = &runtime {
            let watched = Arc::clone(&snapshot);
            runtime.handle().spawn(endpoints::watch::run(move || Arc::clone(&watched)));
        }
        let initial = InitialConfig {
            settings: Arc::new(settings),
            snapshot,
            keys: None,
            upstream_tls: trust.into_iter().collect(),
        };
        Ok(Self {
            data_plane,
            parts: Parts {
                initial,
                headline,
                limits: options.limits,
                policies: options.policies,
                runtime,
                log: log.guard,
            },
        })
    }

    /// Binds the address.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(crate) fn bind(self) -> Result<Bound, NodeError> {
        Ok(Bound { data_plane: self.data_plane.bind()?, parts: self.parts })
    }
}

impl Bound {
    /// Starts the shards.
    ///
    /// # Errors
    /// The host has no thread, ring or descriptor for them.
    pub(crate) fn start(self, signals: Signals) -> Result<Running, NodeError> {
        let Self { data_plane, parts: Parts { initial, headline, limits, policies, runtime, log } } = self;
        let address = data_plane.addresses().iter().map(SocketAddr::to_string).collect::<String>();
        let (hangup, reread) = channel();
        let events = Events::watch(signals, move || {
            if hangup.send(()).is_err() {
                info!("SIGHUP: there are no certificates to read again");
            }
        })?;
        warn_of_loop(&initial.snapshot, data_plane.addresses());
        let data_plane = data_plane.start(events, initial, reread)?;
        let bounds = announce::bounds(data_plane.capacity(), &limits, &policies);
        let announcement = format!("listening on {address}\n  {headline}\n{bounds}");
        Ok(Running { data_plane, announcement, stopping: Stopping::of(&limits), runtime, log })
    }
}

impl Running {
    /// The address and the limits, for people.
    pub(crate) fn announcement(&self) -> &str {
        &self.announcement
    }

    /// Serves until a signal ends it, and drains.
    ///
    /// # Errors
    /// A shard failed.
    pub(crate) fn wait(self) -> Result<Shutdown, NodeError> {
        let stopping = self.stopping;
        let shutdown = self.data_plane.serve(|step| stopping.time_of(step))?;
        if let (Some(runtime), Shutdown::Drained) = (self.runtime, shutdown) {
            runtime.stop();
        }
        drop(self.log);
        Ok(shutdown)
    }
}

/// Finds the target's addresses. A name is looked up again and again for as long as the cell is held.
fn find(question: &Question, patience: Duration, limits: &Limits, runtime: &BackgroundRuntime) -> Arc<AddressCell> {
    if let Some(address) = question.address() {
        return Arc::new(AddressCell::fixed(address));
    }
    let resolver = Resolver::start(runtime.handle(), patience);
    resolver.drop_gone_after(limits.gone_name_timeout);
    let cell = resolver.follow(question.clone());
    resolver.wait(patience);
    cell
}

/// One route to the target, whatever the path.
fn relay(upstream: Upstream, addresses: Arc<AddressCell>, policy: Arc<Policy>) -> Route {
    let endpoint = Endpoint::new(&upstream.target.to_string(), upstream.target, upstream.tls, addresses);
    Route {
        id: RouteId(0),
        labels: None,
        listener: 0,
        gate: Gate::Open,
        service: Service::Relay,
        endpoints: Box::new([endpoint]),
        retries: Arc::default(),
        pseudonym: Default::default(),
        preserve_host: upstream.preserve_host,
        answer_lines: Box::default(),
        channels: None,
        unlisted_paths: Default::default(),
        checkers: None,
        entry: None,
        policy,
    }
}

fn settings(options: &Options) -> Settings {
    Settings {
        head: options.limits.head,
        policy: Arc::new(options.policies.route_policy(options.limits.handshake_timeout, Duration::ZERO)),
        trusted_proxies: options.trusted_proxies.clone(),
        proxy_protocol: vec![options.proxy_protocol.clone()],
        strict_sni_host: options.strict_sni_host,
        max_invalid_credentials: None,
        plain: PlainPaths { health: options.health_path.clone() },
    }
}

fn read_certificates(tls: &ServerTls) -> Result<(ServerTls, Served), NodeError> {
    let served = tls.load(None).map_err(|error| NodeError::Configuration(error.to_string()))?;
    Ok((tls.clone(), served))
}

fn warn_of_trust(served: Option<&Served>, upstream: Option<&ClientTls>) {
    if let Some(served) = served {
        certificates::warn_at_start([served]);
    }
    if upstream.is_some_and(|tls| !tls.is_verified()) {
        warn!("--upstream-insecure-skip-verify: the upstream is not verified, and anyone on the path reads everything");
    }
}

/// Warns if the target is the proxy itself.
fn warn_of_loop(snapshot: &Snapshot, bound: &[SocketAddr]) {
    let listening = addresses::listening(bound);
    for route in snapshot.routes().filter(|route| way_back(route, snapshot, &listening).is_some()) {
        let target = route.endpoints.first().map(|endpoint| endpoint.target.to_string()).unwrap_or_default();
        warn!(target, "--target leads back to --listen: every request will be refused with 508 (loop-detected)");
    }
}

/// Adds the target's addresses and the certificates.
fn describe(headline: &mut String, addresses: Option<&AddressCell>, tls: Option<&(ServerTls, Served)>) {
    if let Some(cell) = addresses {
        headline.push_str(&match cell.load().addresses() {
            [] => " (not resolved yet)".to_owned(),
            addresses => format!(" (at {})", resolver::show(addresses)),
        });
    }
    if let Some((tls, served)) = tls {
        let certificates = certificate::list(&served.certificates);
        headline.push_str(&format!("\n  TLS: {certificates}, client certificates: {}", tls.clients()));
    }
}
