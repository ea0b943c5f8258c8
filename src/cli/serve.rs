//! What `proxy` and `echo` share: check the host, listen, start the shards, say so, and serve until told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::{info, warn};

use super::log::LogArgs;
use super::{Failure, journal};
use crate::config::limits::LimitArgs;
use crate::config::units::{self, Cpus, show_duration};
use crate::engine::host::{Plan, Shards};
use crate::engine::{listener, preflight};
use crate::proto::refusal::Refusal;
use crate::proxy::admission::Admission;
use crate::proxy::record::{self, JournalSource};
use crate::proxy::service::{Command, Proxy};
use crate::proxy::settings::{Serve, Settings};

#[derive(Args, Clone, Debug)]
pub(super) struct ServeArgs {
    /// Where to listen: an address and a port, 0 for any free one
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// The CPUs to run on, one shard each, for example 0-3,6; all if not given
    #[arg(long, value_name = "LIST", value_parser = units::cpus)]
    cpus: Option<Cpus>,
    /// Room for completions in a shard's ring; small values are for tests
    #[arg(long, hide = true)]
    ring_completions: Option<u32>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    log: LogArgs,
}

enum Event {
    Signal,
    Ended(std::io::Result<()>),
}

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(
    args: &ServeArgs,
    serve: Serve,
    trusted_proxies: Vec<ipnet::IpNet>,
    descriptors_each: u64,
    headline: &str,
) -> Result<ExitCode, Failure> {
    let settings = Settings {
        serve,
        head: args.limits.head().map_err(Failure::Configuration)?,
        frames: args.limits.frames(),
        timeouts: args.limits.timeouts(),
        trusted_proxies,
    };
    let recorded = args.log.install()?;
    let host = preflight::check().map_err(|missing| Failure::Failed(missing.to_string()))?;
    let cpus = cpus_for(args.cpus.as_ref(), &host)?;
    preflight::check_locked_memory(cpus.len()).map_err(|missing| Failure::Failed(missing.to_string()))?;
    let fit = host.max_connections(descriptors_each, cpus.len());
    let max_connections = args.limits.max_connections.unwrap_or(fit);
    if max_connections > fit {
        warn!(max_connections, fit, "--max-connections is more than the file descriptors allow; raise `ulimit -Hn`");
    }
    let (address, listeners) = listener::bind(args.listen, cpus.len())
        .map_err(|error| Failure::Failed(format!("cannot listen on {}: {error}", args.listen)))?;

    let events = channel();
    watch_signals(events.0.clone())?;
    let (source, writer) = if recorded {
        let (source, reader) = record::journal();
        (source, Some(journal::start(reader)?))
    } else {
        (JournalSource::off(), None)
    };
    let admission = Arc::new(Admission::new(max_connections, args.limits.max_connections_per_address.0));
    let shards = start(args, &cpus, listeners, settings, &admission, source)?;
    announce(args, address, headline, &cpus, max_connections, host.max_descriptors);

    let senders = shards.senders().to_vec();
    let ended = events.0;
    std::thread::Builder::new().name("join".to_owned()).spawn(move || {
        let _ = ended.send(Event::Ended(shards.join()));
    })?;
    if let Ok(Event::Ended(result)) = events.1.recv() {
        // Without a command to, a shard ends only by an error.
        result.map_err(|error| Failure::Failed(format!("a shard failed: {error}")))?;
    }
    let drain_timeout = args.limits.drain_timeout;
    info!(connections = admission.connections(), timeout = show_duration(drain_timeout), "shutting down");
    for sender in &senders {
        // A shard that is gone has nothing to drain.
        let _ = sender.send(Command::Drain);
    }
    let code = match events.1.recv_timeout(drain_timeout) {
        Ok(Event::Ended(result)) => {
            result.map_err(|error| Failure::Failed(format!("a shard failed: {error}")))?;
            if let Some(writer) = writer {
                let _ = writer.join();
            }
            info!("all connections closed");
            ExitCode::SUCCESS
        }
        Ok(Event::Signal) => {
            warn!(connections = admission.connections(), "second signal: ending at once");
            ExitCode::FAILURE
        }
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            warn!(connections = admission.connections(), "drain timeout: ending with connections open");
            ExitCode::SUCCESS
        }
    };
    Ok(code)
}

fn start(
    args: &ServeArgs,
    cpus: &[usize],
    listeners: Vec<std::os::fd::OwnedFd>,
    settings: Settings,
    admission: &Arc<Admission>,
    journal: JournalSource,
) -> Result<Shards<Command>, Failure> {
    let plan = Plan { cpus: cpus.to_vec(), refusal: no_descriptors(), ring_completions: args.ring_completions };
    let (settings, admission) = (Arc::new(settings), Arc::clone(admission));
    let listeners = listeners.into_iter().map(|listener| vec![listener]).collect();
    Ok(Shards::start(&plan, listeners, move |_| Proxy::new(settings, admission, journal))?)
}

fn cpus_for(asked: Option<&Cpus>, host: &preflight::Host) -> Result<Vec<usize>, Failure> {
    let Some(Cpus(asked)) = asked else { return Ok(host.cpus.clone()) };
    match asked.iter().find(|cpu| !host.cpus.contains(cpu)) {
        None => Ok(asked.clone()),
        Some(cpu) => {
            let allowed = list(&host.cpus);
            Err(Failure::Configuration(format!("--cpus names CPU {cpu}; this process may run on {allowed}")))
        }
    }
}

fn no_descriptors() -> &'static [u8] {
    static ANSWER: OnceLock<Vec<u8>> = OnceLock::new();
    ANSWER.get_or_init(|| {
        let mut answer = Vec::new();
        Refusal::NO_DESCRIPTORS.write(&mut answer);
        answer
    })
}

fn watch_signals(events: Sender<Event>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            if events.send(Event::Signal).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

fn announce(args: &ServeArgs, address: SocketAddr, headline: &str, cpus: &[usize], connections: u64, descriptors: u64) {
    let limits = &args.limits;
    let optional = |value: Option<Duration>| value.map_or_else(|| "off".to_owned(), show_duration);
    let text = format!(
        "listening on {address}\n  {headline}\n  shards: {} (CPU {})\n  connections: {connections} at most \
         ({descriptors} file descriptors)\n  messages: {} bytes at most, frames {}\n  deadlines: handshake {}, \
         connect {}, idle {}, ping every {}, pong {}, close {}, drain {}\n",
        cpus.len(),
        list(cpus),
        limits.max_message_bytes,
        limits.max_frame_bytes,
        show_duration(limits.handshake_timeout),
        show_duration(limits.connect_timeout),
        optional(limits.idle_timeout.0),
        optional(limits.ping_interval.0),
        show_duration(limits.pong_timeout),
        show_duration(limits.close_timeout),
        show_duration(limits.drain_timeout),
    );
    // Who started it may have stopped listening (`ringway proxy .. | head -1`): it serves all the same.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn list(cpus: &[usize]) -> String {
    cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
