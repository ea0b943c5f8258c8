//! What `proxy` and `echo` share: check the host, listen, start the shards, say so, and serve until told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use clap::Args;
use tracing::{error, info, warn};

use super::log::LogArgs;
use super::{Failure, journal, signals};
use crate::config::limits::LimitArgs;
use crate::config::tls::ListenTlsArgs;
use crate::config::units::{self, Cpus, show_duration};
use crate::control::certificates;
use crate::control::names::{self, Names, Question};
use crate::engine::host::{Plan, Shards, Wait};
use crate::engine::mailbox::Sender;
use crate::engine::{listener, preflight};
use crate::proto::refusal;
use crate::proxy::admission::Admission;
use crate::proxy::current::Current;
use crate::proxy::record::{self, JournalSource};
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

enum Event {
    Signal,
    Ended(std::io::Result<()>),
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
    let room = Room::of_host(args, descriptors_each)?;
    let mut names = name.map(Names::new).transpose()?;
    if let Some(names) = &mut names {
        current.addresses = names.first(args.limits.connect_timeout).into();
    }
    let headline = described(headline, &settings.serve, &current, tls.as_ref());
    let (address, listeners) = listener::bind(args.listen, room.cpus.len(), keepalive)
        .map_err(|error| Failure::Failed(format!("cannot listen on {}: {error}", args.listen)))?;

    let (events, happens) = channel();
    let hung_up = watch_signals(events.clone())?;
    // Connections whose upstream is not verified are counted, whatever the log is set to.
    let (source, writer) = if recorded || settings.has_unverified_upstream() {
        let (source, reader) = record::journal();
        (source, Some(journal::start(reader)?))
    } else {
        (JournalSource::off(), None)
    };
    let admission = Arc::new(Admission::new(room.max_connections, args.limits.max_connections_per_address.0));
    let plan = Plan {
        cpus: room.cpus.clone(),
        refusal: if current.tls.is_some() { &crate::tls::NO_ROOM } else { refusal::no_descriptors() },
        ring_completions: args.ring_completions,
        wait: Wait::Sleep,
        keepalive,
    };
    let listeners = listeners.into_iter().map(|listener| vec![listener]).collect();
    let (settings, counted) = (Arc::new(settings), Arc::clone(&admission));
    let service = move |_| {
        let current = Current { upstream_tls: upstream_tls.as_ref().map(ClientTls::for_shard), ..current };
        Proxy::new(settings, current, counted, source)
    };
    let ended = move |result| {
        let _ = events.send(Event::Ended(result));
    };
    let shards = Shards::start(&plan, listeners, service, ended)?;
    if let Some(names) = names {
        watch_names(names, shards.senders().to_vec())?;
    }
    match tls {
        Some((tls, served)) => watch_certificates(tls, served, hung_up, shards.senders().to_vec())?,
        // Nobody hears of SIGHUP then, and who sends it is told so.
        None => drop(hung_up),
    }
    announce(args, address, &headline, &room)?;

    let code = serve_and_drain(&happens, &shards, room.cpus.len(), &admission, args.limits.drain_timeout)?;
    if let (Some(writer), ExitCode::SUCCESS) = (writer, code)
        && admission.connections() == 0
    {
        let _ = writer.join();
    }
    Ok(code)
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

/// What this host has to serve with.
struct Room {
    cpus: Vec<usize>,
    max_connections: u64,
    max_descriptors: u64,
}

impl Room {
    /// Checks the host, too.
    fn of_host(args: &ServeArgs, descriptors_each: u64) -> Result<Self, Failure> {
        let host = preflight::check().map_err(|missing| Failure::Failed(missing.to_string()))?;
        let cpus =
            host.choose_cpus(args.cpus.as_ref().map(|Cpus(asked)| asked.as_slice())).map_err(Failure::Configuration)?;
        preflight::check_limits(&host, cpus.len()).map_err(|missing| Failure::Failed(missing.to_string()))?;
        let fit = host.max_connections(descriptors_each, cpus.len());
        let max_connections = args.limits.max_connections.unwrap_or(fit);
        if max_connections > fit {
            warn!(
                max_connections,
                fit, "--max-connections is more than the file descriptors allow; raise `ulimit -Hn`"
            );
        }
        Ok(Self { cpus, max_connections, max_descriptors: host.max_descriptors })
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

/// Signals become events, and SIGHUP a word to who listens for it.
fn watch_signals(events: mpsc::Sender<Event>) -> Result<Receiver<()>, Failure> {
    let (hangup, hung_up) = channel();
    signals::watch_with_hangups(
        move |_| events.send(Event::Signal).is_ok(),
        move || {
            if hangup.send(()).is_err() {
                info!("SIGHUP: there are no certificates to read again");
            }
        },
    )?;
    Ok(hung_up)
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

/// Tells all shards, even if one has too many commands waiting. Says whether all have it: if not, all are to be told again.
fn tell_all(shards: &[Sender<Command>], command: &Command) -> bool {
    shards.iter().map(|shard| shard.send(command.clone()).is_ok()).fold(true, |all, one| all & one)
}

/// Waits for a signal, tells the shards to drain, and waits for that. A shard that fails takes the process with it, in
/// order: whoever supervises it starts a whole one.
fn serve_and_drain(
    events: &Receiver<Event>,
    shards: &Shards<Command>,
    mut running: usize,
    admission: &Admission,
    drain_timeout: Duration,
) -> Result<ExitCode, Failure> {
    let mut failure = None;
    if let Ok(Event::Ended(result)) = events.recv() {
        running -= 1;
        failure = Some(result.err().map_or_else(|| "it ended without reason".to_owned(), |error| error.to_string()));
    }
    for sender in shards.senders() {
        // A shard that is gone has nothing to drain.
        let _ = sender.send(Command::Drain);
    }
    if let Some(failure) = &failure {
        error!(failure, "a shard failed: shutting down");
    }
    info!(connections = admission.connections(), timeout = show_duration(drain_timeout), "shutting down");
    let deadline = Instant::now() + drain_timeout;
    while running > 0 {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Ended(result)) => {
                running -= 1;
                failure = failure.or(result.err().map(|error| error.to_string()));
            }
            Ok(Event::Signal) => {
                warn!(connections = admission.connections(), "second signal: ending at once");
                return Ok(ExitCode::FAILURE);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                warn!(connections = admission.connections(), "drain timeout: ending with connections open");
                break;
            }
        }
    }
    match failure {
        Some(failure) => Err(Failure::Failed(format!("a shard failed: {failure}"))),
        None => {
            if running == 0 {
                info!("all connections closed");
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn announce(args: &ServeArgs, address: SocketAddr, headline: &str, room: &Room) -> Result<(), Failure> {
    let limits = &args.limits;
    let Room { cpus, max_connections: connections, max_descriptors: descriptors } = room;
    let optional = |value: Option<Duration>| value.map_or_else(|| "off".to_owned(), show_duration);
    let (shards, max_message, max_frame) = (cpus.len(), limits.max_message_bytes, limits.max_frame_bytes);
    let deadlines = format!(
        "handshake {}, connect {}, idle {}, ping every {}, pong {}, unacknowledged {}, keepalive {}, close {}, drain {}",
        show_duration(limits.handshake_timeout),
        show_duration(limits.connect_timeout),
        optional(limits.idle_timeout.0),
        optional(limits.ping_interval.0),
        show_duration(limits.pong_timeout),
        optional(limits.tcp_user_timeout.0),
        optional(limits.tcp_keepalive.0),
        show_duration(limits.close_timeout),
        show_duration(limits.drain_timeout),
    );
    let text = format!(
        "listening on {address}\n  {headline}\n  shards: {shards} (CPU {})\n  \
         connections: {connections} at most ({descriptors} file descriptors)\n  \
         messages: {max_message} bytes at most, frames {max_frame}\n  deadlines: {deadlines}\n",
        list(cpus)
    );
    // Nobody may be reading, or the pipe may be full: that is no reason not to serve, or not to hear a signal.
    std::thread::Builder::new().name("announce".to_owned()).spawn(move || {
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    })?;
    Ok(())
}

fn list(cpus: &[usize]) -> String {
    cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
