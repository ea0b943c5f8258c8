//! Starts shards: one thread, one glommio executor and one ring a CPU.
//!
//! glommio places the executors and runs one task on each: the shard's loop, which sleeps in a ring of its own. The
//! measurements that led to this are in docs/decisions/0001.

use std::io;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use glommio::{LocalExecutorBuilder, Placement};

use super::listener::Inlet;
use super::mailbox::{Peers, Queues, Sender};
use super::net::Net;
use super::plan::Plan;
use super::ring;
use super::shard::Shard;
use super::sys;
use super::transport::Service;

/// The time after which glommio interrupts a task. The loop is one task, and runs until the shard ends.
const PREEMPT: Duration = Duration::from_secs(3600);
/// Memory that glommio registers for file I/O. A shard does none.
const IO_MEMORY_BYTES: usize = 64 * 1024;

/// The slice of CPU time that a shard asks for: the shortest that the kernel grants. Where a shard shares its CPU with
/// the control plane or with other processes, it must not wait until one of those has used up a long slice.
const SLICE: Duration = Duration::from_micros(100);

/// The running shards.
pub struct Shards<C> {
    senders: Vec<Sender<C>>,
}

impl<C: Send + 'static> Shards<C> {
    /// Starts one shard a CPU, and waits until each has its ring. `listeners` holds each shard's own. `service` makes
    /// the service on the shard's thread, from the shard's index among all and the way to its peers. `ended` is called
    /// when a shard has ended, with its result.
    ///
    /// # Errors
    /// A shard could not start: which one, and why. The caller must end the process: the other shards are abandoned.
    pub fn start<S, F, E>(plan: &Plan, listeners: Vec<Vec<Inlet>>, service: F, ended: E) -> io::Result<Self>
    where
        S: Service<Command = C>,
        F: FnOnce(usize, Peers<S::Mail>) -> S + Clone + Send + 'static,
        E: FnOnce(io::Result<()>) + Clone + Send + 'static,
    {
        let mut shards = Self { senders: Vec::new() };
        let mut starting = Vec::new();
        let queues = plan.cpus.iter().map(|_| Queues::open()).collect::<io::Result<Vec<_>>>()?;
        let peers = Peers::new(queues.iter().map(|queues| queues.mail.clone()));
        for (((index, cpu), listeners), queues) in plan.cpus.iter().enumerate().zip(listeners).zip(queues) {
            let (mailbox, peers) = (queues.mailbox, peers.clone());
            let (make, ended) = (service.clone(), ended.clone());
            let completions = plan.ring_completions.unwrap_or(ring::COMPLETIONS);
            let (wait, sockets) = (plan.wait, plan.sockets);
            let (started, is_started) = sync_channel(1);
            let made = move || {
                let net = Net::open(completions, sockets)?;
                Shard::new(make(index, peers), net, listeners, mailbox, wait)
            };
            let body = move || match made() {
                Ok(mut shard) => {
                    // Where the kernel is too old or forbids it, the shard has slices as long as all others.
                    let _ = sys::ask_for_slices_of(SLICE);
                    let _ = started.send(Ok(()));
                    let result = shard.run();
                    // The shard hands over its last records before anyone hears that it has ended.
                    drop(shard);
                    ended(result);
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            };
            let thread = LocalExecutorBuilder::new(Placement::Fixed(*cpu))
                .name("shard")
                .preempt_timer(PREEMPT)
                .io_memory(IO_MEMORY_BYTES)
                .spawn(move || async move { body() })
                .map_err(|error| io::Error::other(format!("the executor for CPU {cpu} did not start: {error}")))?;
            shards.senders.push(queues.commands);
            starting.push((*cpu, is_started, thread));
        }
        for (cpu, is_started, thread) in starting {
            let failed = match is_started.recv() {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                // The executor never ran the shard; its error says why.
                Err(_) => thread.join().map_or_else(|error| error.to_string(), |()| "it ended at once".to_owned()),
            };
            return Err(io::Error::other(format!("the shard for CPU {cpu} did not start: {failed}")));
        }
        Ok(shards)
    }

    /// The senders of commands, one a shard.
    #[must_use]
    pub fn senders(&self) -> &[Sender<C>] {
        &self.senders
    }
}
