//! `ringway serve`: a node. Environments from a file, APIs from the store, all of it managed by the admin API.

mod addresses;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::channel;

use tracing::{error, warn};

use self::addresses::AddressFile;
use super::process::events::Events;
use super::process::room::Room;
use super::process::running::{Running, Start};
use super::process::{self, announce, tell_all};
use super::{Failure, client, log};
use crate::command::Command;
use crate::config::file::{Configuration, File, Opened};
use crate::control::admin::token::Token;
use crate::control::admin::{self, Admin};
use crate::control::certificates;
use crate::control::dataplane;
use crate::control::last_good::{self, Keeper};
use crate::control::manage::{Manager, Origin, Settings, Started};
use crate::control::names::{self, Names};
use crate::control::notes::Notes;
use crate::control::publish::shards::ShardPublisher;
use crate::control::store::Store;
use crate::control::store::state::StateDir;
use crate::engine::keepalive::KeepAlive;
use crate::engine::mailbox::Sender;
use crate::proto::refusal;
use crate::proxy::current::Current;
use crate::proxy::service::Proxy;
use crate::tls::client::ClientTls;

/// A relayed connection has two sockets.
const DESCRIPTORS_EACH: u64 = 2;
/// Descriptors of the admin listeners and their connections, of the store, and of what is written now and then.
const DESCRIPTORS_BESIDE: u64 = 700;
/// How the health page knows that there is no store.
const STORE: &str = "store";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The configuration file; without one there are the environments development and production on this host
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the node keeps its state: APIs, the admin token, the last good snapshot; made if it is not there
    #[arg(long, value_name = "DIR", default_value = client::STATE)]
    state: PathBuf,
    /// Room for completions in a shard's ring; small values are for tests
    #[arg(long, hide = true)]
    ring_completions: Option<u32>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let file = File::read(args.config.as_deref())?;
    let configuration = file.configuration()?;
    let opened = file.open(&configuration)?;
    let log = log::install(&configuration.log)?;
    warn_of(&configuration, &opened);
    let room = Room::of_host(
        configuration.cpus.as_ref(),
        configuration.limits.max_connections,
        DESCRIPTORS_EACH,
        DESCRIPTORS_BESIDE.saturating_add(names::MAX_DESCRIPTORS),
    )?;
    let keepalive = configuration.limits.keepalive()?;
    let notes = Notes::default();

    let state = StateDir::take(&args.state).map_err(|error| Failure::Failed(error.to_string()))?;
    let token = Token::of_state(state.path()).map_err(|error| Failure::Failed(error.to_string()))?;
    let origin = origin(&state, &notes)?;
    let is_degraded = matches!(origin, Origin::Snapshot { .. });

    let mut admin_listeners = vec![bind(configuration.admin)?];
    admin_listeners.extend(configuration.metrics.map(bind).transpose()?);
    let (bound, inlets) = listen(&configuration, &room, keepalive)?;

    let patience = configuration.limits.connect_timeout;
    let names = Names::start(patience)?;
    let publisher = ShardPublisher::new(&configuration, &opened, names.clone()).map_err(Failure::Configuration)?;
    let (outlet, published, (settings, trust)) = (publisher.outlet(), publisher.published(), publisher.begin());
    let environments = addresses::environments(&configuration, &bound);
    let started = Manager::start(origin, publisher, environments, Settings::default());
    let Started { manager, thread: store, .. } = started.map_err(|problems| Failure::Failed(problems.to_string()))?;
    // The first clients shall not be refused for a name that is still being asked for.
    names.wait(patience);

    let (hangup, hung_up) = channel();
    let events = Events::watch(move || {
        let _ = hangup.send(());
    })?;
    let start = Start {
        room: &room,
        max_per_address: configuration.limits.max_connections_per_address.0,
        keepalive,
        ring_completions: args.ring_completions,
        // What is recorded may change with the configuration.
        recorded: true,
    };
    let snapshot = outlet.snapshot();
    let tls: Vec<_> =
        opened.served.iter().map(|served| served.as_ref().map(|served| Arc::clone(&served.config))).collect();
    let running = Running::start(&start, inlets, events, |admission, journal| {
        move |_| {
            let upstream_tls = trust.iter().map(ClientTls::for_shard).collect();
            Proxy::new(settings, Current { tls, upstream_tls, snapshot }, admission, journal)
        }
    })?;
    outlet.attach(running.senders());
    watch_certificates(&configuration, opened, hung_up, running.senders())?;

    let shards = dataplane::Shards::new(running.senders(), move || outlet.snapshot());
    let health = notes.clone();
    let admin = Admin::new(manager.clone(), shards, move || health.all());
    let mut routers = vec![admin.router(token, configuration.allowed_hosts.clone())];
    routers.push(admin.metrics_router());
    let addresses = admin_listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    let serving = admin_listeners.into_iter().zip(routers);
    let serving =
        admin::server::start(serving.map(|(socket, router)| admin::server::Listener { socket, router }).collect())?;
    let keeper = if is_degraded {
        None
    } else {
        Some(Keeper::start(state.path().to_owned(), published, manager.clone(), notes.clone())?)
    };
    let address_file = addresses.first().map(|address| AddressFile::write(state.path(), *address));
    let text = addresses::announcement(&args.state, &configuration, &bound, &addresses);
    announce::say(format!("{text}{}", announce::bounds(&room, &configuration.limits)))?;

    let code = running.serve(configuration.limits.drain_timeout)?;
    if code == ExitCode::SUCCESS {
        serving.stop();
        if let Some(keeper) = keeper {
            keeper.finish();
        }
        // With the last of these the store's thread ends, and closes the store.
        drop((admin, manager));
        let _ = store.join();
    }
    drop(address_file);
    drop(log);
    Ok(code)
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

/// The store; without one, what was deployed when it was last in order.
fn origin(state: &StateDir, notes: &Notes) -> Result<Origin, Failure> {
    let why = match Store::open(state) {
        Ok(store) => return Ok(Origin::Store(store)),
        Err(why) => why,
    };
    if why.forbids_serving() {
        return Err(Failure::Failed(why.to_string()));
    }
    match last_good::read(state.path()) {
        Ok(deployed) => {
            error!(deployments = deployed.len(), "{why}; what was deployed last is served, and nothing can be changed");
            notes.set(STORE, format!("{why}; what was deployed last is served, and nothing can be changed"));
            Ok(Origin::Snapshot { why, deployed })
        }
        Err(none) => Err(Failure::Failed(format!("{why}\n  and there is no last good snapshot to serve: {none}"))),
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| Failure::Failed(format!("cannot listen on {address}: {error}")))
}

fn listen(
    configuration: &Configuration,
    room: &Room,
    keepalive: KeepAlive,
) -> Result<(Vec<SocketAddr>, Vec<Vec<crate::engine::listener::Inlet>>), Failure> {
    let refusal = |is_tls: bool| if is_tls { &crate::tls::NO_ROOM } else { refusal::no_descriptors() };
    let addresses = configuration.listeners.iter().map(|listener| (listener.listen, refusal(listener.tls.is_some())));
    process::listen(&addresses.collect::<Vec<_>>(), room.cpus.len(), keepalive)
}

fn watch_certificates(
    configuration: &Configuration,
    opened: Opened,
    hung_up: std::sync::mpsc::Receiver<()>,
    shards: Vec<Sender<Command>>,
) -> Result<(), Failure> {
    let served = configuration.listeners.iter().zip(opened.served).zip(0_u16..);
    let listeners = served.filter_map(|((listener, served), place)| {
        let (tls, served) = (listener.tls.clone()?, served?);
        Some(certificates::Listener { place, name: listener.name(), tls, served })
    });
    certificates::watch(listeners.collect(), hung_up, move |place, config| {
        tell_all(&shards, || Command::Certificates(place, Arc::clone(config)))
    })?;
    Ok(())
}
