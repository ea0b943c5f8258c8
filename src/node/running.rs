//! Shards that run, from their start to the end of the last connection.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::capacity::Capacity;
use super::events::{Event, Events};
use super::{NodeError, Shutdown, access_log};
use crate::command::Command;
use crate::config::units::show_duration;
use crate::engine::Service;
use crate::engine::host::Shards;
use crate::engine::keepalive::KeepAlive;
use crate::engine::listener::Inlet;
use crate::engine::mailbox::Sender;
use crate::engine::plan::{Plan, Wait};
use crate::proxy::admission::Admission;
use crate::proxy::record::{self, JournalSource};

/// What shards are started with.
pub(super) struct Start<'r> {
    pub(super) capacity: &'r Capacity,
    pub(super) max_per_address: Option<u64>,
    pub(super) keepalive: KeepAlive,
    pub(super) ring_completions: Option<u32>,
    /// Whether connections leave records.
    pub(super) recorded: bool,
}

/// The shards, and what is known of them.
pub(super) struct Running {
    shards: Shards<Command>,
    count: usize,
    happens: Receiver<Event>,
    admission: Arc<Admission>,
    writer: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts a shard a CPU, each with its listeners. `make` gets what all shards count with and what their records go
    /// into, and gives what makes a shard's service.
    pub(super) fn start<S, F>(
        start: &Start<'_>,
        listeners: Vec<Vec<Inlet>>,
        events: Events,
        make: impl FnOnce(Arc<Admission>, JournalSource) -> F,
    ) -> Result<Self, NodeError>
    where
        S: Service<Command = Command>,
        F: FnOnce(usize) -> S + Clone + Send + 'static,
    {
        let capacity = start.capacity;
        let (source, writer) = if start.recorded {
            let (source, reader) = record::journal();
            (source, Some(access_log::start(reader)?))
        } else {
            (JournalSource::off(), None)
        };
        let admission = Arc::new(Admission::new(capacity.max_connections, start.max_per_address));
        let plan = Plan {
            cpus: capacity.cpus.clone(),
            ring_completions: start.ring_completions,
            wait: Wait::Sleep,
            keepalive: start.keepalive,
        };
        let Events { sender, happens } = events;
        let ended = move |result| {
            let _ = sender.send(Event::Ended(result));
        };
        let service = make(Arc::clone(&admission), source);
        let shards = Shards::start(&plan, listeners, |shard, _| service(shard), ended)?;
        Ok(Self { shards, count: capacity.cpus.len(), happens, admission, writer })
    }

    /// Where commands go, one sender a shard.
    pub(super) fn senders(&self) -> Vec<Sender<Command>> {
        self.shards.senders().to_vec()
    }

    /// Serves until SIGTERM or SIGINT, and drains. `drains` is called before a shard hears of that, and says how long it may take.
    pub(super) fn serve(self, drains: impl FnOnce() -> Duration) -> Result<Shutdown, NodeError> {
        let shutdown = self.serve_and_drain(drains)?;
        if let (Some(writer), Shutdown::Drained) = (self.writer, shutdown)
            && self.admission.connections() == 0
        {
            let _ = writer.join();
        }
        Ok(shutdown)
    }

    /// Waits for a signal, tells the shards to drain, and waits for that. A shard that fails takes the process with it, in
    /// order: whoever supervises it starts a whole one.
    fn serve_and_drain(&self, drains: impl FnOnce() -> Duration) -> Result<Shutdown, NodeError> {
        let Self { shards, count, happens, admission, .. } = self;
        let (mut running, mut failure) = (*count, None);
        if let Ok(Event::Ended(result)) = happens.recv() {
            running -= 1;
            failure =
                Some(result.err().map_or_else(|| "it ended without reason".to_owned(), |error| error.to_string()));
        }
        let drain_timeout = drains();
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
            match happens.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended(result)) => {
                    running -= 1;
                    failure = failure.or(result.err().map(|error| error.to_string()));
                }
                Ok(Event::Signal) => {
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

/// Tells all shards, even if one has too many commands waiting. Says whether all have it: if not, all are to be told again.
pub(super) fn tell_all<C>(shards: &[Sender<C>], command: impl Fn() -> C) -> bool {
    shards.iter().map(|shard| shard.send(command()).is_ok()).fold(true, |all, one| all & one)
}
