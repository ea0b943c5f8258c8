//! The data plane as the process sees it: listeners, shards, and the files of their certificates.
//!
//! Every command that serves starts it here, in three phases: [`DataPlane`] is checked and touches nothing, [`BoundDataPlane`]
//! listens and accepts nobody, [`RunningDataPlane`] serves. Each phase consumes the one before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::capacity::Capacity;
use super::events::Events;
use super::running::{RunningShards, Start, StopStep, tell_all};
use super::{NodeError, Shutdown};
use crate::command::Command;
use crate::command::config::ShardConfig;
use crate::control::certificates;
use crate::control::violations::Violations;
use crate::engine::listener::{self, Inlet};
use crate::engine::mailbox::Sender;
use crate::engine::socket_options::SocketOptions;
use crate::proto::refusal;
use crate::proto::via::ChainKey;
use crate::proxy::journal::Kept;
use crate::routing::consumers::KeyTable;
use crate::routing::settings::Settings;
use crate::routing::snapshot::Snapshot;
use crate::tls::client::ClientTls;
use crate::tls::server::{Served, ServerTls};

/// A data plane that is checked. Nothing is bound, and dropping it changes nothing.
pub(super) struct DataPlane {
    pub(super) listeners: Vec<Listener>,
    pub(super) capacity: Capacity,
    /// The options of clients' sockets.
    pub(super) client_sockets: SocketOptions,
    /// The options of upstreams' sockets.
    pub(super) upstream_sockets: SocketOptions,
    /// Connections of one client address at one time.
    pub(super) max_per_address: Option<u64>,
    /// Completions that a shard's ring has room for; the engine's own number if `None`.
    pub(super) ring_completions: Option<u32>,
    /// The records that connections leave: all, if the log shows them.
    pub(super) records: Kept,
    /// Keeps samples of messages that break a contract.
    pub(super) violations: Arc<Violations>,
}

/// An address to listen on.
pub(super) struct Listener {
    /// Port 0 for any free one.
    pub(super) address: SocketAddr,
    /// The name in the log; the bound address if `None`.
    pub(super) name: Option<String>,
    /// The TLS options and the certificates that were read; `None` for plain text.
    pub(super) tls: Option<(ServerTls, Served)>,
}

/// The configuration that the shards serve until the control plane changes it.
pub(super) struct InitialConfig {
    pub(super) settings: Arc<Settings>,
    pub(super) snapshot: Arc<Snapshot>,
    /// The keys of consumers; `None` if they are not known.
    pub(super) keys: Option<Arc<KeyTable>>,
    /// The TLS of upstream connections, by [`trust`](crate::routing::route::UpstreamTls::trust).
    pub(super) upstream_tls: Vec<ClientTls>,
}

/// A data plane that listens. Clients can connect, and wait in the kernel's queue until the shards start. Dropping it closes
/// the listeners.
pub(super) struct BoundDataPlane {
    plan: DataPlane,
    addresses: Vec<SocketAddr>,
    /// By shard: its listeners, in the order of `addresses`.
    inlets: Vec<Vec<Inlet>>,
}

/// A data plane that serves. Its shards have threads of their own, which dropping it does not end: [`serve`](Self::serve)
/// does.
pub(super) struct RunningDataPlane {
    shards: RunningShards,
    capacity: Capacity,
}

impl DataPlane {
    /// Binds every address, with one socket a shard.
    ///
    /// # Errors
    /// An address cannot be listened on: what was bound before it is closed again.
    pub(super) fn bind(self) -> Result<BoundDataPlane, NodeError> {
        let shards = self.capacity.cpus.len();
        let mut addresses = Vec::with_capacity(self.listeners.len());
        let mut inlets: Vec<Vec<Inlet>> = std::iter::repeat_with(Vec::new).take(shards).collect();
        for Listener { address, tls, .. } in &self.listeners {
            // The answer to a client when no file descriptor is left.
            let refusal = if tls.is_some() { &crate::tls::NO_ROOM } else { refusal::no_descriptors() };
            let (bound, sockets) = listener::bind(*address, shards, self.client_sockets)
                .map_err(|error| NodeError::Failed(format!("cannot listen on {address}: {error}")))?;
            addresses.push(bound);
            for (shard, fd) in inlets.iter_mut().zip(sockets) {
                shard.push(Inlet { fd, refusal });
            }
        }
        Ok(BoundDataPlane { plan: self, addresses, inlets })
    }
}

impl BoundDataPlane {
    /// The bound addresses of the listeners, in their order.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Starts a shard a CPU, and the watcher of certificates if a listener speaks TLS: each message of `reread` makes it read
    /// the files at once. Without such a listener `reread` is dropped, so that its sender can say so.
    ///
    /// # Errors
    /// The host has no thread, ring or descriptor for it. Shards that did start end with the process.
    pub(super) fn start(
        self,
        events: Events,
        initial: InitialConfig,
        reread: Receiver<()>,
    ) -> Result<RunningDataPlane, NodeError> {
        let Self { plan, addresses, inlets } = self;
        let InitialConfig { settings, snapshot, keys, upstream_tls } = initial;
        let tls_of = |listener: &Listener| listener.tls.as_ref().map(|(_, served)| certificates::for_shards(served));
        let tls: Vec<_> = plan.listeners.iter().map(tls_of).collect();
        let chain = chain_key()?;
        let start = Start {
            capacity: &plan.capacity,
            max_per_address: plan.max_per_address,
            sockets: plan.upstream_sockets,
            ring_completions: plan.ring_completions,
            records: plan.records,
            violations: &plan.violations,
        };
        let shards = RunningShards::start(&start, inlets, events, move || {
            let upstream_tls = upstream_tls.iter().map(ClientTls::for_shard).collect();
            ShardConfig { settings, snapshot, keys, tls, upstream_tls, chain }
        })?;
        watch_certificates(plan.listeners, &addresses, reread, shards.senders())?;
        Ok(RunningDataPlane { shards, capacity: plan.capacity })
    }
}

impl RunningDataPlane {
    /// The shards' senders for commands, in order.
    pub(super) fn senders(&self) -> Vec<Sender<Command>> {
        self.shards.senders()
    }

    pub(super) fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Asks [`serve`](Self::serve) to drain and return, as SIGTERM does.
    pub(super) fn request_stop(&self) {
        self.shards.request_stop();
    }

    /// Serves until a signal or [`request_stop`](Self::request_stop), and drains. `begin` is called at the begin of each step,
    /// before the shards are told, and says how long the step may take.
    ///
    /// # Errors
    /// A shard failed.
    pub(super) fn serve(self, begin: impl FnMut(StopStep) -> Duration) -> Result<Shutdown, NodeError> {
        self.shards.serve(begin)
    }
}

/// A key that no other process has.
fn chain_key() -> Result<ChainKey, NodeError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| NodeError::Failed(format!("the host has no random bytes: {error}")))?;
    Ok(ChainKey::new(random))
}

fn watch_certificates(
    listeners: Vec<Listener>,
    addresses: &[SocketAddr],
    reread: Receiver<()>,
    shards: Vec<Sender<Command>>,
) -> Result<(), NodeError> {
    let numbered = listeners.into_iter().zip(addresses).zip(0_u16..);
    let watched: Vec<_> = numbered
        .filter_map(|((listener, address), place)| {
            let (tls, served) = listener.tls?;
            let name = listener.name.unwrap_or_else(|| address.to_string());
            Some(certificates::Listener { place, name, tls, served })
        })
        .collect();
    if !watched.is_empty() {
        certificates::watch(watched, reread, move |place, tls| {
            tell_all(&shards, || Command::Certificates(place, tls.clone()))
        })?;
    }
    Ok(())
}
