//! What `proxy` and `echo` share: one address, one target or none, from flags alone.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use clap::Args;
use tracing::{info, warn};

use super::Failure;
use super::log::LogArgs;
use super::process::events::Events;
use super::process::room::Room;
use super::process::running::{Running, Start};
use super::process::{self, announce, tell_all};
use crate::config::limits::LimitArgs;
use crate::config::tls::ListenTlsArgs;
use crate::config::units::{self, Cpus};
use crate::control::certificates;
use crate::control::names::{self, Names, Question};
use crate::engine::mailbox::Sender;
use crate::proto::refusal;
use crate::proxy::current::Current;
use crate::proxy::service::{Command, Proxy};
use crate::proxy::settings::{Serve, Settings};
use crate::tls::certificate;
use crate::tls::client::ClientTls;
use crate::tls::server::{Served, ServerTls};

#[derive(Args, Clone, Debug)]
pub(super) struct ServeArgs {
    /// Where to listen: an address and a port, 0 for any free one
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Peers that must begin with a PROXY protocol header (version 1 or 2), as addresses or networks
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = units::network)]
    proxy_protocol: Vec<ipnet::IpNet>,
    /// The CPUs to run on, one shard each, for example 0-3,6; all if not given
    #[arg(long, value_name = "LIST", value_parser = units::cpus)]
    cpus: Option<Cpus>,
    /// Room for completions in a shard's ring; small values are for tests
    #[arg(long, hide = true)]
    ring_completions: Option<u32>,
    #[command(flatten)]
    tls: ListenTlsArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// What becomes of connections.
pub(super) struct Sides {
    pub(super) serve: Serve,
    pub(super) current: Current,
    /// The name whose addresses are the upstream's, if it is not known by its address.
    pub(super) name: Option<Question>,
    /// Of which each shard gets a configuration of its own.
    pub(super) upstream_tls: Option<ClientTls>,
}

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(
    args: &ServeArgs,
    sides: Sides,
    trusted_proxies: Vec<ipnet::IpNet>,
    descriptors_each: u64,
    headline: &str,
) -> Result<ExitCode, Failure> {
    let Sides { serve, mut current, name, upstream_tls } = sides;
    let settings = settings(args, serve, trusted_proxies)?;
    let keepalive = args.limits.keepalive().map_err(Failure::Configuration)?;
    let tls = read_certificates(args)?;
    current.tls = tls.as_ref().map(|(_, served)| Arc::clone(&served.config));
    let (recorded, _log) = args.log.install()?;
    warn_of_trust(tls.as_ref().map(|(_, served)| served), upstream_tls.as_ref());
    let room = Room::of_host(args.cpus.as_ref(), args.limits.max_connections, descriptors_each)?;
    let mut names = name.map(Names::new).transpose()?;
    if let Some(names) = &mut names {
        current.addresses = names.first(args.limits.connect_timeout).into();
    }
    let headline = described(headline, &settings.serve, &current, tls.as_ref());
    let (bound, listeners) = process::listen(&[args.listen], room.cpus.len(), keepalive)?;
    let (hangup, hung_up) = channel();
    let events = Events::watch(move || {
        if hangup.send(()).is_err() {
            info!("SIGHUP: there are no certificates to read again");
        }
    })?;
    let start = Start {
        room: &room,
        max_per_address: args.limits.max_connections_per_address.0,
        keepalive,
        refusal: if current.tls.is_some() { &crate::tls::NO_ROOM } else { refusal::no_descriptors() },
        ring_completions: args.ring_completions,
        // Connections whose upstream is not verified are counted, whatever the log is set to.
        recorded: recorded || settings.has_unverified_upstream(),
    };
    let settings = Arc::new(settings);
    let running = Running::start(&start, listeners, events, |admission, journal| {
        move |_| {
            let current = Current { upstream_tls: upstream_tls.as_ref().map(ClientTls::for_shard), ..current };
            Proxy::new(settings, current, admission, journal)
        }
    })?;
    if let Some(names) = names {
        watch_names(names, running.senders())?;
    }
    match tls {
        Some((tls, served)) => watch_certificates(tls, served, hung_up, running.senders())?,
        // Nobody hears of SIGHUP then, and who sends it is told so.
        None => drop(hung_up),
    }
    let address = bound.first().copied().unwrap_or(args.listen);
    announce::say(format!("listening on {address}\n  {headline}\n{}", announce::bounds(&room, &args.limits)))?;
    running.serve(args.limits.drain_timeout)
}

fn settings(args: &ServeArgs, serve: Serve, trusted_proxies: Vec<ipnet::IpNet>) -> Result<Settings, Failure> {
    Ok(Settings {
        serve,
        head: args.limits.head().map_err(Failure::Configuration)?,
        frames: args.limits.frames(),
        timeouts: args.limits.timeouts(),
        trusted_proxies,
        proxy_protocol: args.proxy_protocol.clone(),
    })
}

/// What clients are spoken to with, read; `None` for plain text.
fn read_certificates(args: &ServeArgs) -> Result<Option<(ServerTls, Served)>, Failure> {
    let Some(tls) = args.tls.server().map_err(Failure::Configuration)? else { return Ok(None) };
    let served = tls.load(None).map_err(|error| Failure::Configuration(error.to_string()))?;
    Ok(Some((tls, served)))
}

fn warn_of_trust(served: Option<&Served>, upstream: Option<&ClientTls>) {
    if let Some(served) = served {
        certificates::warn_at_start(served);
    }
    if upstream.is_some_and(|tls| !tls.is_verified()) {
        warn!(
            "--upstream-insecure-skip-verify: the upstream may be anyone, and whoever is in between reads everything"
        );
    }
}

/// The headline, with where the upstream is and what clients are spoken to with.
fn described(headline: &str, serve: &Serve, current: &Current, tls: Option<&(ServerTls, Served)>) -> String {
    let place = match (serve, current.addresses.given()) {
        (Serve::Relay(_), none) if none.is_empty() => " (not resolved yet)".to_owned(),
        (Serve::Relay(_), addresses) => format!(" (at {})", names::show(addresses)),
        (Serve::Echo, _) => String::new(),
    };
    let tls = tls.map_or_else(String::new, |(tls, served)| {
        format!("\n  TLS: {}, client certificates: {}", certificate::list(&served.certificates), tls.clients())
    });
    format!("{headline}{place}{tls}")
}

fn watch_names(names: Names, shards: Vec<Sender<Command>>) -> Result<(), Failure> {
    names.watch(move |addresses| tell_all(&shards, &Command::Addresses(Arc::clone(addresses))))?;
    Ok(())
}

fn watch_certificates(
    tls: ServerTls,
    served: Served,
    hung_up: Receiver<()>,
    shards: Vec<Sender<Command>>,
) -> Result<(), Failure> {
    certificates::watch(tls, served, hung_up, move |config| {
        tell_all(&shards, &Command::Certificates(Arc::clone(config)))
    })?;
    Ok(())
}
