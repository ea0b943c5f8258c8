//! `ringway serve`: a node with environments from a file and APIs from its store, which the admin API manages.
//!
//! A node starts in three phases. Each is a type, and the next one consumes it:
//!
//! | phase | holds | the step into it fails if | dropping it |
//! |---|---|---|---|
//! | [`Prepared`] | the checked configuration, certificates, the log, the locked state directory, the open store | the configuration, a certificate, the host or the state directory cannot be used | closes the store, unlocks the directory |
//! | [`Bound`] | besides, every listening socket; nobody is accepted yet | an address is taken | closes the sockets, then as above |
//! | [`Running`] | the shards, the control plane | what is deployed cannot be served, or there is no thread | leaves the threads to the end of the process; [`Running::wait`] and [`Running::shut_down`] end them |

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;

use tokio::sync::mpsc;
use tracing::warn;

use super::addresses::{self, AddressFile};
use super::capacity::Capacity;
use super::control_plane::{Attachment, ControlPlane, RunningControlPlane};
use super::data_plane::{BoundDataPlane, DataPlane, Listener, RunningDataPlane};
use super::events::{Events, Signals};
use super::log::{self, Log, LogGuard};
use super::reload::{self, ReloadRequest};
use super::state::{self, NodeState};
use super::{NodeError, Shutdown, announce};
use crate::config::file::{Configuration, File, Opened};
use crate::control::manage::Origin;
use crate::control::{certificates, resolver};
use crate::engine::preflight;
use crate::proxy::journal::Kept;

/// A relayed connection has two sockets.
const DESCRIPTORS_EACH: u64 = 2;
/// Descriptors of the admin listeners and their connections, of the store, and of what is written now and then.
const DESCRIPTORS_BESIDE: u64 = 700;

/// The options of a node.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file; without one there are the environments development and production on this host.
    pub config: Option<PathBuf>,
    /// The state directory; the node makes it if it is not there.
    pub state: PathBuf,
    /// Files of APIs that are applied at the start and on SIGHUP.
    pub apply: Option<PathBuf>,
    /// Completions that a shard's ring has room for; the engine's own number if `None`.
    pub ring_completions: Option<u32>,
}

/// A node that has read and checked everything, and has taken its state directory.
pub struct Prepared {
    // Fields are dropped in this order.
    data_plane: DataPlane,
    origin: Origin,
    state: NodeState,
    common: Common,
}

/// A node that listens.
pub struct Bound {
    // Fields are dropped in this order.
    data_plane: BoundDataPlane,
    admin: Vec<TcpListener>,
    origin: Origin,
    state: NodeState,
    common: Common,
}

/// A node that serves.
pub struct Running {
    data_plane: RunningDataPlane,
    control_plane: RunningControlPlane,
    address_file: AddressFile,
    admin: SocketAddr,
    announcement: String,
    state: NodeState,
    log: LogGuard,
}

/// The parts that the first two phases share.
struct Common {
    options: Options,
    configuration: Configuration,
    opened: Opened,
    /// The CPUs that the process may run on.
    allowed_cpus: Vec<usize>,
    log: Log,
}

impl Prepared {
    /// Reads and checks the configuration and every file that it names, sets up the log, checks the host, and takes the state
    /// directory.
    ///
    /// # Errors
    /// One of these cannot be used: what, where, and what to do.
    pub fn new(options: Options) -> Result<Self, NodeError> {
        let file = File::read(options.config.as_deref())?;
        let configuration = file.configuration()?;
        // Before any thread is kept off the CPUs of the shards.
        let allowed_cpus = preflight::allowed_cpus().map_err(|missing| NodeError::Failed(missing.to_string()))?;
        let opened = file.open_here(&configuration, &allowed_cpus)?;
        let log = log::install(&configuration.log)?;
        warn_of(&configuration, &opened);
        let capacity = Capacity::of_host(
            configuration.cpus.as_ref(),
            configuration.limits.max_connections,
            DESCRIPTORS_EACH,
            DESCRIPTORS_BESIDE.saturating_add(resolver::MAX_DESCRIPTORS),
            |why| NodeError::Configuration(format!("cpus {why}")),
        )?;
        let named = configuration.token_file.as_deref().map(state::named_token).transpose();
        let named = named.map_err(|why| file.fault(&["admin", "token_file"], why))?;
        let (state, origin) = NodeState::open(&options.state, named)?;
        let data_plane = DataPlane {
            listeners: listeners(&configuration, &opened),
            capacity,
            client_sockets: configuration.limits.client_sockets(),
            upstream_sockets: configuration.limits.upstream_sockets(),
            max_per_address: configuration.limits.max_connections_per_address,
            ring_completions: options.ring_completions,
            // A reload may have the log show them.
            records: Kept::All,
            violations: Arc::clone(&state.violations),
        };
        Ok(Self { data_plane, origin, state, common: Common { options, configuration, opened, allowed_cpus, log } })
    }

    /// Binds the admin API's listeners and the data plane's.
    ///
    /// # Errors
    /// An address cannot be listened on.
    pub fn bind(self) -> Result<Bound, NodeError> {
        let Self { data_plane, origin, state, common } = self;
        let addresses = [Some(common.configuration.admin), common.configuration.metrics];
        let admin = addresses.into_iter().flatten().map(bind).collect::<Result<_, _>>()?;
        Ok(Bound { data_plane: data_plane.bind()?, admin, origin, state, common })
    }
}

impl Bound {
    /// Starts the control plane, which makes the first snapshot, then the shards with it, then the admin API.
    ///
    /// # Errors
    /// A deployment cannot be served, the declared files cannot be applied, or the host has no thread, ring or descriptor left.
    /// Threads that were started end with the process.
    pub fn start(self, signals: Signals) -> Result<Running, NodeError> {
        let Self { data_plane, admin: sockets, origin, state, common } = self;
        let Common { options, configuration, opened, allowed_cpus, log } = common;
        let bound = data_plane.addresses().to_vec();
        let control_plane =
            ControlPlane::start(&configuration, &opened, origin, &state, options.apply.as_deref(), &bound)?;
        let (reload_sender, reload_receiver) = mpsc::channel(reload::QUEUE);
        let hangup = reload_sender.clone();
        let events = Events::watch(signals, move || {
            // One that is full holds a reload that has yet to begin.
            let _ = hangup.try_send(ReloadRequest::Reload);
        })?;
        let (certificates, reread) = channel();
        let data_plane = data_plane.start(events, control_plane.initial(), reread)?;
        let admin = sockets.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
        let announcement = format!(
            "{}{}",
            addresses::announcement(&options.state, &configuration, &bound, &admin),
            announce::bounds(data_plane.capacity(), &configuration.limits, &configuration.policies)
        );
        let admin = admin.first().copied().unwrap_or(configuration.admin);
        let tls = configuration.admin_tls.clone().zip(opened.admin);
        let shown_name = tls.as_ref().map(|(_, served)| addresses::name_of(served, admin));
        let control_plane = control_plane.attach(Attachment {
            sockets,
            tls,
            shards: data_plane.senders(),
            state: &state,
            file: options.config.as_deref(),
            configuration,
            allowed_cpus,
            bound,
            level: log.level,
            certificates,
            reload_sender,
            reload_receiver,
        })?;
        let address_file = AddressFile::write(state.path(), admin, shown_name.as_deref());
        Ok(Running { data_plane, control_plane, address_file, admin, announcement, state, log: log.guard })
    }
}

impl Running {
    /// The address of the admin API.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The node's addresses and limits, for people.
    #[must_use]
    pub fn announcement(&self) -> &str {
        &self.announcement
    }

    /// Serves until a signal ends it, and drains. Then it ends the control plane, unlocks the state directory and writes the
    /// last lines of the log, in this order. After a second signal or a failure of a shard it does not wait for the control
    /// plane: the process should exit.
    ///
    /// # Errors
    /// A shard failed.
    pub fn wait(self) -> Result<Shutdown, NodeError> {
        let Self { data_plane, control_plane, address_file, state, log, .. } = self;
        let shutdown = data_plane.serve(|step| control_plane.begin(step))?;
        drop(address_file);
        if shutdown == Shutdown::Drained {
            control_plane.stop();
        }
        drop(state);
        drop(log);
        Ok(shutdown)
    }

    /// Drains and ends the node without a signal; as [`wait`](Self::wait) beyond that.
    ///
    /// # Errors
    /// A shard failed.
    pub fn shut_down(self) -> Result<Shutdown, NodeError> {
        self.data_plane.request_stop();
        self.wait()
    }
}

fn listeners(configuration: &Configuration, opened: &Opened) -> Vec<Listener> {
    let with_served = configuration.listeners.iter().zip(&opened.served);
    with_served
        .map(|(listener, served)| Listener {
            address: listener.listen,
            name: Some(listener.name()),
            tls: listener.tls.clone().zip(served.clone()),
        })
        .collect()
}

fn bind(address: SocketAddr) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).map_err(|error| NodeError::Failed(format!("cannot listen on {address}: {error}")))
}

/// Logs what an operator should know of a configuration before it is served.
fn warn_of(configuration: &Configuration, opened: &Opened) {
    certificates::warn_at_start(opened.served.iter().chain([&opened.admin]).flatten());
    if !configuration.admin.ip().is_loopback() && configuration.admin_tls.is_none() {
        warn!(
            listen = %configuration.admin,
            "the admin API can be reached from other hosts and speaks plain HTTP: anyone on the path reads the token; \
             give it a certificate (admin.tls), or let it listen on 127.0.0.1"
        );
    }
    for (environment, tls) in configuration.environments.iter().zip(&opened.upstream_tls) {
        if tls.as_ref().is_ok_and(|tls| !tls.is_verified()) {
            warn!(
                environment = environment.name.as_str(),
                "insecure_skip_verify: the environment's upstreams are not verified, and anyone on the path reads everything"
            );
        }
    }
}
