//! Starts shards: one thread, one glommio executor and one ring a CPU.
//!
//! glommio places the executors and runs one task on each: the shard's loop, which sleeps in a ring of its own
//! (docs/decisions/0001 has the measurements behind that).

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

/// glommio arms a timer to interrupt tasks that run long. The loop is one task, and runs for good.
const PREEMPT: Duration = Duration::from_secs(3600);
/// Memory glommio registers for file I/O, of which there is none.
const IO_MEMORY_BYTES: usize = 64 * 1024;

/// A shard has little to do at a time, and clients wait for it: where it shares its CPU, with the threads of the control plane
/// or with other processes, it is not to wait until one of those has had its slice. The least the kernel grants.
const SLICE: Duration = Duration::from_micros(100);

/// The running shards.
pub struct Shards<C> {
    senders: Vec<Sender<C>>,
}

impl<C: Send + 'static> Shards<C> {
    /// Starts one shard a CPU, and waits until each has its ring. `listeners` holds each shard's own. `service` makes the
    /// service on the shard's thread, from the shard's index among all and the way to its peers. `ended` is called when a
    /// shard has ended, with its result.
    ///
    /// # Errors
    /// A shard that cannot be made: which one, and why. The others are abandoned: the process is to end.
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
            let (wait, keepalive) = (plan.wait, plan.keepalive);
            let (started, is_started) = sync_channel(1);
            let made = move || {
                let net = Net::open(completions, keepalive)?;
                Shard::new(make(index, peers), net, listeners, mailbox, wait)
            };
            let body = move || match made() {
                Ok(mut shard) => {
                    // Where it may not ask, or the kernel does not know of it, it has the slices of all others.
                    let _ = sys::ask_for_slices_of(SLICE);
                    let _ = started.send(Ok(()));
                    let result = shard.run();
                    // Its last records are handed over before anyone is told that it has ended.
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
                // The executor never came to run the shard, and says why.
                Err(_) => thread.join().map_or_else(|error| error.to_string(), |()| "it ended at once".to_owned()),
            };
            return Err(io::Error::other(format!("the shard for CPU {cpu} did not start: {failed}")));
        }
        Ok(shards)
    }

    /// Where commands go, one sender a shard.
    #[must_use]
    pub fn senders(&self) -> &[Sender<C>] {
        &self.senders
    }
}
