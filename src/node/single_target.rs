//! What `proxy` and `echo` share: one address, one target or none, from flags alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tracing::{info, warn};

use super::capacity::Capacity;
use super::events::Events;
use super::listen::listen;
use super::running::{Running, Start, tell_all};
use super::{NodeError, Shutdown, announce, log};
use crate::command::Command;
use crate::command::config::ShardConfig;
use crate::config::limits::LimitArgs;
use crate::config::log::LogArgs;
use crate::config::units::Cpus;
use crate::control::certificates;
use crate::control::resolver::{self, Question, Resolver};
use crate::engine::mailbox::Sender;
use crate::proto::refusal;
use crate::proxy::service::Proxy;
use crate::routing::addresses::AddressCell;
use crate::routing::policy::Policy;
use crate::routing::route::{Endpoint, Gate, Route, RouteId, UpstreamTls};
use crate::routing::settings::{Serve, Settings};
use crate::routing::snapshot::Snapshot;
use crate::routing::target::Target;
use crate::tls::certificate;
use crate::tls::client::ClientTls;
use crate::tls::server::{Served, ServerTls};

/// What is served, and with what.
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    /// Peers that must begin with a PROXY protocol header.
    pub(crate) proxy_protocol: Vec<ipnet::IpNet>,
    pub(crate) cpus: Option<Cpus>,
    /// Room for completions in a shard's ring; the engine's own if `None`.
    pub(crate) ring_completions: Option<u32>,
    /// What clients are spoken to with; `None` for plain text.
    pub(crate) tls: Option<ServerTls>,
    pub(crate) limits: LimitArgs,
    pub(crate) log: LogArgs,
}

/// Where connections go.
pub(crate) struct Upstream {
    pub(crate) target: Target,
    pub(crate) preserve_host: bool,
    pub(crate) tls: Option<UpstreamTls>,
    /// What is asked to find it.
    pub(crate) question: Question,
    /// Of which each shard gets a configuration of its own.
    pub(crate) trust: Option<ClientTls>,
}

/// Serves until SIGTERM or SIGINT. Without an upstream every message comes back.
pub(crate) fn run(
    options: &Options,
    upstream: Option<Upstream>,
    trusted_proxies: Vec<ipnet::IpNet>,
    descriptors_each: u64,
    headline: &str,
) -> Result<Shutdown, NodeError> {
    let serve = if upstream.is_some() { Serve::Route } else { Serve::Echo };
    let settings = settings(options, serve, trusted_proxies)?;
    let keepalive = options.limits.keepalive()?;
    let tls = read_certificates(options)?;
    let log = log::install(&options.log)?;
    let trust = upstream.as_ref().and_then(|upstream| upstream.trust.clone());
    warn_of_trust(tls.as_ref().map(|(_, served)| served), trust.as_ref());
    let capacity = Capacity::of_host(options.cpus.as_ref(), options.limits.max_connections, descriptors_each, 0)?;
    let place =
        upstream.as_ref().map(|upstream| find(&upstream.question, options.limits.connect_timeout)).transpose()?;
    let headline = described(headline, place.as_deref(), tls.as_ref());
    let refusal = if tls.is_some() { &crate::tls::NO_ROOM } else { refusal::no_descriptors() };
    let (bound, listeners) = listen(&[(options.listen, refusal)], capacity.cpus.len(), keepalive)?;
    let (hangup, hung_up) = channel();
    let events = Events::watch(move || {
        if hangup.send(()).is_err() {
            info!("SIGHUP: there are no certificates to read again");
        }
    })?;
    let start = Start {
        capacity: &capacity,
        max_per_address: options.limits.max_connections_per_address.0,
        keepalive,
        ring_completions: options.ring_completions,
        // Connections whose upstream is not verified are counted, whatever the log is set to.
        recorded: log.recorded || trust.as_ref().is_some_and(|trust| !trust.is_verified()),
    };
    let tls_config = tls.as_ref().map(|(_, served)| Arc::clone(&served.config));
    let snapshot = Arc::new(upstream.zip(place).map_or_else(Snapshot::default, |(upstream, place)| {
        snapshot_of(upstream, place, Arc::clone(&settings.policy))
    }));
    let settings = Arc::new(settings);
    let running = Running::start(&start, listeners, events, |admission, journal| {
        move |_| {
            let upstream_tls = trust.as_ref().map(ClientTls::for_shard).into_iter().collect();
            let config = ShardConfig { settings, snapshot, tls: vec![tls_config], upstream_tls };
            Proxy::new(config, admission, journal)
        }
    })?;
    let address = bound.first().copied().unwrap_or(options.listen);
    match tls {
        Some((tls, served)) => {
            let listener = certificates::Listener { place: 0, name: address.to_string(), tls, served };
            watch_certificates(listener, hung_up, running.senders())?;
        }
        // Nobody hears of SIGHUP then, and who sends it is told so.
        None => drop(hung_up),
    }
    announce::say(format!("listening on {address}\n  {headline}\n{}", announce::bounds(&capacity, &options.limits)))?;
    running.serve(|| options.limits.drain_timeout)
}

/// Where the upstream is. If that is a name it is asked for as long as anyone holds its place.
fn find(question: &Question, patience: Duration) -> Result<Arc<AddressCell>, NodeError> {
    if let Some(address) = question.address() {
        return Ok(Arc::new(AddressCell::fixed(address)));
    }
    let names = Resolver::start(patience)?;
    let place = names.follow(question.clone());
    names.wait(patience);
    Ok(place)
}

/// One route for everything.
fn snapshot_of(upstream: Upstream, place: Arc<AddressCell>, policy: Arc<Policy>) -> Snapshot {
    let endpoint = Endpoint::new(upstream.target, upstream.tls, place);
    let route = Route {
        id: RouteId(0),
        labels: None,
        listener: 0,
        gate: Gate::Open,
        endpoints: Box::new([endpoint]),
        preserve_host: upstream.preserve_host,
        answer_lines: Box::default(),
        policy,
    };
    Snapshot::of_one(route)
}

fn settings(options: &Options, serve: Serve, trusted_proxies: Vec<ipnet::IpNet>) -> Result<Settings, NodeError> {
    Ok(Settings {
        serve,
        head: options.limits.head()?,
        policy: Arc::new(options.limits.policy(Duration::ZERO)),
        trusted_proxies,
        proxy_protocol: vec![options.proxy_protocol.clone()],
    })
}

/// What clients are spoken to with, read; `None` for plain text.
fn read_certificates(options: &Options) -> Result<Option<(ServerTls, Served)>, NodeError> {
    let Some(tls) = options.tls.clone() else { return Ok(None) };
    let served = tls.load(None).map_err(|error| NodeError::Configuration(error.to_string()))?;
    Ok(Some((tls, served)))
}

fn warn_of_trust(served: Option<&Served>, upstream: Option<&ClientTls>) {
    if let Some(served) = served {
        certificates::warn_at_start([served]);
    }
    if upstream.is_some_and(|tls| !tls.is_verified()) {
        warn!(
            "--upstream-insecure-skip-verify: the upstream may be anyone, and whoever is in between reads everything"
        );
    }
}

/// The headline, with where the upstream is and what clients are spoken to with.
fn described(headline: &str, place: Option<&AddressCell>, tls: Option<&(ServerTls, Served)>) -> String {
    let place = place.map_or_else(String::new, |place| match place.load().addresses() {
        [] => " (not resolved yet)".to_owned(),
        addresses => format!(" (at {})", resolver::show(addresses)),
    });
    let tls = tls.map_or_else(String::new, |(tls, served)| {
        format!("\n  TLS: {}, client certificates: {}", certificate::list(&served.certificates), tls.clients())
    });
    format!("{headline}{place}{tls}")
}

fn watch_certificates(
    listener: certificates::Listener,
    hung_up: Receiver<()>,
    shards: Vec<Sender<Command>>,
) -> Result<(), NodeError> {
    certificates::watch(vec![listener], hung_up, move |place, config| {
        tell_all(&shards, || Command::Certificates(place, Arc::clone(config)))
    })?;
    Ok(())
}
