//! The shards' threads, from their start to the end of the last connection.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender as EventSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::capacity::Capacity;
use super::events::{Event, Events};
use super::{NodeError, Shutdown, access_log};
use crate::command::Command;
use crate::command::config::ShardConfig;
use crate::config::limits::Limits;
use crate::config::units::show_duration;
use crate::control::violations::{self, Violations};
use crate::engine::host::Shards;
use crate::engine::listener::Inlet;
use crate::engine::mailbox::Sender;
use crate::engine::plan::{Plan, Wait};
use crate::engine::socket_options::SocketOptions;
use crate::proxy::admission::Admission;
use crate::proxy::journal::{self, Kept};
use crate::proxy::service::Proxy;

/// A step of an orderly end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopStep {
    /// Readiness fails, and the listeners stay open.
    Announce,
    /// The listeners close, and connections end.
    Drain,
}

/// The time that each step of an orderly end takes at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopping {
    delay: Duration,
    drain: Duration,
}

impl Stopping {
    pub(super) fn of(limits: &Limits) -> Self {
        Self { delay: limits.drain_delay, drain: limits.drain_timeout }
    }

    pub(super) fn time_of(self, step: StopStep) -> Duration {
        match step {
            StopStep::Announce => self.delay,
            StopStep::Drain => self.drain,
        }
    }
}

/// The options of the shards.
pub(super) struct Start<'a> {
    pub(super) capacity: &'a Capacity,
    pub(super) max_per_address: Option<u64>,
    /// The options of dialled sockets.
    pub(super) sockets: SocketOptions,
    pub(super) ring_completions: Option<u32>,
    pub(super) records: Kept,
    pub(super) violations: &'a Arc<Violations>,
}

/// The shards' threads. Dropping this does not end them: [`serve`](Self::serve) does.
pub(super) struct RunningShards {
    shards: Shards<Command>,
    count: usize,
    stop: EventSender<Event>,
    events: Receiver<Event>,
    admission: Arc<Admission>,
    writer: JoinHandle<()>,
}

impl RunningShards {
    /// Starts a shard a CPU, each with its listeners. Each shard calls its clone of `config` on its own thread.
    ///
    /// # Errors
    /// The host has no thread, ring or descriptor for a shard.
    pub(super) fn start(
        start: &Start<'_>,
        listeners: Vec<Vec<Inlet>>,
        events: Events,
        config: impl FnOnce() -> ShardConfig + Clone + Send + 'static,
    ) -> Result<Self, NodeError> {
        let (mut source, reader) = journal::channel(start.records);
        // The thread ends after the last shard; nobody waits for its last samples.
        violations::start(source.sightings(), Arc::clone(start.violations))?;
        let writer = access_log::start(reader)?;
        let admission = Arc::new(Admission::new(start.capacity.max_connections, start.max_per_address));
        let plan = Plan {
            cpus: start.capacity.cpus.clone(),
            ring_completions: start.ring_completions,
            wait: Wait::Sleep,
            sockets: start.sockets,
        };
        let Events { sender: stop, receiver: events } = events;
        let sender = stop.clone();
        let ended = move |result| {
            let _ = sender.send(Event::Ended(result));
        };
        let counted = Arc::clone(&admission);
        let service = move |_, _| Proxy::new(config(), counted, source);
        let shards = Shards::start(&plan, listeners, service, ended)?;
        Ok(Self { shards, count: plan.cpus.len(), stop, events, admission, writer })
    }

    /// The shards' senders for commands, in order.
    pub(super) fn senders(&self) -> Vec<Sender<Command>> {
        self.shards.senders().to_vec()
    }

    /// Asks [`serve`](Self::serve) to drain and return, as SIGTERM does.
    pub(super) fn request_stop(&self) {
        // An error says that nobody serves any more.
        let _ = self.stop.send(Event::Stop);
    }

    /// Serves until SIGTERM, SIGINT or [`request_stop`](Self::request_stop), and drains. `begin` is called at the begin of each
    /// step, before the shards are told, and says how long the step may take. The access log's writer is waited for when all connections are
    /// closed.
    ///
    /// # Errors
    /// A shard failed.
    pub(super) fn serve(self, begin: impl FnMut(StopStep) -> Duration) -> Result<Shutdown, NodeError> {
        let shutdown = self.serve_and_drain(begin)?;
        if shutdown == Shutdown::Drained && self.admission.connections() == 0 {
            let _ = self.writer.join();
        }
        Ok(shutdown)
    }

    /// Answers 503 to health checks and takes clients as before, so that balancers send new ones elsewhere before the
    /// listeners close. Ends with the time, or with the event that cuts it short.
    fn wait_with_open_doors(&self, delay: Duration) -> Option<Event> {
        if delay.is_zero() {
            return None;
        }
        self.tell(|| Command::AnnounceEnd);
        info!(delay = show_duration(delay), "health checks fail from now on; the drain begins after the delay");
        let event = self.events.recv_timeout(delay).ok();
        if matches!(event, Some(Event::Stop)) {
            info!("second signal: the drain begins at once");
        }
        event
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for sender in self.shards.senders() {
            // A shard that is gone has nothing to do.
            let _ = sender.send(command());
        }
    }

    /// Waits for a signal, tells the shards to drain, and waits until they end. When a shard fails the others drain and the
    /// process ends: its supervisor then starts a whole one.
    fn serve_and_drain(&self, mut begin: impl FnMut(StopStep) -> Duration) -> Result<Shutdown, NodeError> {
        let Self { count, events, admission, .. } = self;
        let (mut running, mut failure): (usize, _) = (*count, None);
        let event = match events.recv() {
            Ok(Event::Stop) => self.wait_with_open_doors(begin(StopStep::Announce)),
            other => other.ok(),
        };
        if let Some(Event::Ended(result)) = event {
            running = running.saturating_sub(1);
            failure =
                Some(result.err().map_or_else(|| "it ended without reason".to_owned(), |error| error.to_string()));
        }
        let drain_timeout = begin(StopStep::Drain);
        self.tell(|| Command::Drain);
        if let Some(failure) = &failure {
            error!(failure, "a shard failed: shutting down");
        }
        info!(connections = admission.connections(), timeout = show_duration(drain_timeout), "shutting down");
        let begun = Instant::now();
        while running > 0 {
            match events.recv_timeout(drain_timeout.saturating_sub(begun.elapsed())) {
                Ok(Event::Ended(result)) => {
                    running = running.saturating_sub(1);
                    failure = failure.or(result.err().map(|error| error.to_string()));
                }
                Ok(Event::Stop) => {
                    warn!(connections = admission.connections(), "second signal: ending at once");
                    return Ok(Shutdown::Forced);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    warn!(connections = admission.connections(), "drain timeout: ending with connections open");
                    break;
                }
            }
        }
        match failure {
            Some(failure) => Err(NodeError::Failed(format!("a shard failed: {failure}"))),
            None => {
                if running == 0 {
                    info!("all connections closed");
                }
                Ok(Shutdown::Drained)
            }
        }
    }
}

/// Sends a command to every shard, even if the queue of one is full. Returns `true` if all have it; else the caller must send
/// it to all of them again.
pub(super) fn tell_all<C>(shards: &[Sender<C>], command: impl Fn() -> C) -> bool {
    shards.iter().map(|shard| shard.send(command()).is_ok()).fold(true, |all, one| all & one)
}
