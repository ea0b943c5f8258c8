//! The thread that starts the shards, waits for a signal, and drains them.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use ringway::engine::host::Shards;
use ringway::engine::listener::Inlet;
use ringway::engine::plan::{Plan, Wait};
use ringway::engine::socket_options::SocketOptions;
use ringway::engine::{Service, listener, preflight};
use ringway::node::signals;
use ringway::proto::refusal;

use super::role::Role;
use super::service::{Command, Upstream};
use super::totals::{Sum, Totals};
use crate::failure::Failure;

/// The longest time that all connections together may take to close. Longer than one connection may take, which is
/// twice five seconds for an echo whose client does not read.
const DRAIN: Duration = Duration::from_secs(12);

/// The address and CPUs to serve on.
#[derive(Clone, Debug)]
pub struct Place {
    /// The address to listen on; with port 0 the kernel chooses a free port.
    pub listen: SocketAddr,
    /// The CPUs to run on, one shard each; at least one.
    pub cpus: Vec<usize>,
}

/// The end of serving: all connections closed, or some were cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All connections have closed.
    Drained,
    /// Some connections had not closed in time, or before a second signal.
    Cut,
}

/// The result that is printed at the end.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The end of serving.
    pub ended: Ended,
    /// The totals, as one line of text.
    pub totals: String,
}

enum Event {
    Signal,
    Ended(io::Result<()>),
}

/// Serves a role until a signal. `role` creates the role of each shard from the shard's index.
///
/// # Errors
/// Fails if the server cannot be started, or if a shard fails.
pub fn play<R, F>(place: &Place, role: F) -> Result<Outcome, Failure>
where
    R: Role + 'static,
    R::State: 'static,
    F: FnOnce(usize) -> R + Clone + Send + 'static,
{
    let totals: Vec<Arc<Totals>> = place.cpus.iter().map(|_| Arc::default()).collect();
    let counts = totals.clone();
    let service = move |index: usize| {
        let totals = counts.get(index).cloned().unwrap_or_default();
        Upstream::new(role(index), totals)
    };
    let ended = serve(place, service, || Command::Drain)?;
    Ok(Outcome { ended, totals: Sum(&totals).to_string() })
}

/// Serves until a signal. `drain` creates the command that makes a shard drain and end.
pub(super) fn serve<S, F>(place: &Place, service: F, drain: impl Fn() -> S::Command) -> Result<Ended, Failure>
where
    S: Service,
    F: FnOnce(usize) -> S + Clone + Send + 'static,
{
    check(place)?;
    let (address, listeners) = listener::bind(place.listen, place.cpus.len(), SocketOptions::default())
        .map_err(|error| Failure::Failed(format!("cannot listen on {}: {error}", place.listen)))?;
    let (events, happens) = channel();
    let signalled = events.clone();
    signals::watch(move |_| signalled.send(Event::Signal).is_ok())?;
    let plan =
        Plan { cpus: place.cpus.clone(), ring_completions: None, wait: Wait::Sleep, sockets: SocketOptions::default() };
    let inlet = |fd| vec![Inlet { fd, refusal: refusal::no_descriptors() }];
    let listeners = listeners.into_iter().map(inlet).collect();
    let ended = move |result| {
        let _ = events.send(Event::Ended(result));
    };
    let shards = Shards::start(&plan, listeners, |shard, _| service(shard), ended)?;
    announce(address);
    wait(&happens, &shards, &drain, place.cpus.len())
}

fn check(place: &Place) -> Result<(), Failure> {
    let host = preflight::check().map_err(|missing| Failure::Failed(missing.to_string()))?;
    preflight::check_limits(&host, place.cpus.len()).map_err(|missing| Failure::Failed(missing.to_string()))?;
    host.choose_cpus(Some(&place.cpus)).map(drop).map_err(|why| Failure::Configuration(format!("--cpus {why}")))
}

/// Waits for a signal, tells the shards to drain, and waits until they have.
fn wait<C>(
    events: &Receiver<Event>,
    shards: &Shards<C>,
    drain: &impl Fn() -> C,
    mut running: usize,
) -> Result<Ended, Failure>
where
    C: Send + 'static,
{
    let failed = |result: io::Result<()>| {
        let why = result.err().map_or_else(|| "it ended without reason".to_owned(), |error| error.to_string());
        Failure::Failed(format!("a shard failed: {why}"))
    };
    if let Ok(Event::Ended(result)) = events.recv() {
        // The other shards end with the process.
        return Err(failed(result));
    }
    for sender in shards.senders() {
        // The send fails only if the shard has ended, and its end event reports that.
        let _ = sender.send(drain());
    }
    let begun = Instant::now();
    while running > 0 {
        match events.recv_timeout(DRAIN.saturating_sub(begun.elapsed())) {
            Ok(Event::Ended(Ok(()))) => running = running.saturating_sub(1),
            Ok(Event::Ended(result)) => return Err(failed(result)),
            Ok(Event::Signal) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Ok(Ended::Cut);
            }
        }
    }
    Ok(Ended::Drained)
}

fn announce(address: SocketAddr) {
    let mut stdout = io::stdout().lock();
    // There may be no reader.
    let _ = writeln!(stdout, "listening on {address}").and_then(|()| stdout.flush());
}
