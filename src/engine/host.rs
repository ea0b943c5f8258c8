//! Starts shards: one thread, one glommio executor and one ring a CPU.
//!
//! glommio places the executors and runs one task on each: the shard's loop, which sleeps in a ring of its own
//! (docs/decisions/0001 has the measurements behind that).

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};

use super::mailbox::{self, Mailbox, Sender};
use super::ring;
use super::shard::Shard;
use super::transport::Service;

/// glommio arms a timer to interrupt tasks that run long. The loop is one task, and runs for good.
const PREEMPT: Duration = Duration::from_secs(3600);
/// Memory glommio registers for file I/O, of which there is none.
const IO_MEMORY_BYTES: usize = 64 * 1024;

/// What every shard of a process has in common.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The CPUs to run on, one shard each.
    pub cpus: Vec<usize>,
    /// The bytes that are sent to a client for whom there is no file descriptor.
    pub refusal: &'static [u8],
    /// Completions a ring has room for, or the default. Small values are for tests of overflow.
    pub ring_completions: Option<u32>,
}

/// The running shards.
pub struct Shards<C> {
    senders: Vec<Sender<C>>,
    threads: Vec<ExecutorJoinHandle<io::Result<()>>>,
}

impl<C: Send + 'static> Shards<C> {
    /// Starts one shard a CPU. `listeners` holds each shard's own; `service` makes the service on the shard's thread.
    ///
    /// # Errors
    /// A thread or wake-up that cannot be made. What a shard itself fails with, [`join`](Self::join) tells.
    pub fn start<S, F>(plan: &Plan, listeners: Vec<Vec<OwnedFd>>, service: F) -> io::Result<Self>
    where
        S: Service<Command = C>,
        F: FnOnce(usize) -> S + Clone + Send + 'static,
    {
        let mut shards = Self { senders: Vec::new(), threads: Vec::new() };
        for ((index, cpu), listeners) in plan.cpus.iter().enumerate().zip(listeners) {
            let (sender, mailbox) = mailbox::new()?;
            let make = service.clone();
            let (refusal, completions) = (plan.refusal, plan.ring_completions.unwrap_or(ring::COMPLETIONS));
            let body = move || run_shard(make(index), listeners, refusal, mailbox, completions);
            let thread = LocalExecutorBuilder::new(Placement::Fixed(*cpu))
                .name("shard")
                .preempt_timer(PREEMPT)
                .io_memory(IO_MEMORY_BYTES)
                .spawn(move || async move { body() })
                .map_err(|error| io::Error::other(format!("the executor for CPU {cpu} did not start: {error}")))?;
            shards.senders.push(sender);
            shards.threads.push(thread);
        }
        Ok(shards)
    }

    /// Where commands go, one sender a shard.
    #[must_use]
    pub fn senders(&self) -> &[Sender<C>] {
        &self.senders
    }

    /// Waits until every shard has ended.
    ///
    /// # Errors
    /// The first that one of them failed with.
    pub fn join(self) -> io::Result<()> {
        let mut result = Ok(());
        for thread in self.threads {
            let ended = match thread.join() {
                Ok(ended) => ended,
                Err(error) => Err(io::Error::other(error.to_string())),
            };
            result = result.and(ended);
        }
        result
    }
}

fn run_shard<S: Service>(
    service: S,
    listeners: Vec<OwnedFd>,
    refusal: &'static [u8],
    mailbox: Mailbox<S::Command>,
    completions: u32,
) -> io::Result<()> {
    Shard::new(service, listeners, refusal, mailbox, completions)?.run()
}
