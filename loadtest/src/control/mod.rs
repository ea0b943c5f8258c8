//! The thread that runs the phases: starts the shards, opens connections, starts the messages, measures, drains,
//! closes, and builds the report.
//!
//! In: a [`Job`]. Out: a [`Run`], with the report in it. This thread uses the engine's clock too, so that a window
//! means the same to every shard and to the reads of `/proc`.

mod notes;
mod phases;
mod progress;
mod totals;
mod verdict;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ringway::engine::host::Shards;
use ringway::engine::listener::Inlet;
use ringway::engine::plan::{Plan as HostPlan, Wait};
use ringway::engine::socket_options::SocketOptions;
use ringway::engine::{Service, Time, listener, preflight};
use ringway::node::signals;

pub use phases::Run;

use crate::composer::Composer;
use crate::failure::Failure;
use crate::plan::{self, Plan};
use crate::record::{Event, Recorder};
use crate::report::hlog::Interval;
use crate::report::model::{Report, Scenario, Setting};
use crate::report::threshold::Threshold;
use crate::schedule::{Rate, Share};
use crate::shard::clients::Clients;
use crate::shard::load::{Command, Load};
use crate::shard::pair::{Either, Pair};
use crate::shard::script::Script;
use crate::shard::state::ShardState;
use crate::tls::Tls;
use crate::upstream::mirror::Mirror;
use crate::upstream::service::{self, Upstream};
use crate::upstream::totals::Totals;

/// Everything that a run needs except its script.
#[derive(Clone, Debug)]
pub struct Job {
    /// The scenario.
    pub scenario: Scenario,
    /// The measured quantity, in words.
    pub timed: &'static str,
    /// Options that all shards share.
    pub plan: Arc<Plan>,
    /// Connections to open before messages begin.
    pub connections: u64,
    /// The time over which connections are opened; `None` opens them as fast as the target accepts.
    pub ramp: Option<Duration>,
    /// The time for which messages are sent before they count.
    pub warmup: Duration,
    /// The length of the measured window.
    pub duration: Duration,
    /// The time to wait for answers after the window.
    pub grace: Duration,
    /// Messages or connections per second, if a rate is set.
    pub rate: Option<Rate>,
    /// The CPUs to run on.
    pub cpus: Vec<usize>,
    /// `true` if shards poll without sleeping.
    pub polls: bool,
    /// The address on which to run the upstream too.
    pub upstream: Option<SocketAddr>,
    /// The target's process.
    pub pid: Option<u32>,
    /// `true` to show progress.
    pub progress: bool,
    /// The run's options, in words, for the report.
    pub settings: Vec<Setting>,
    /// Thresholds that make the run fail.
    pub thresholds: Vec<Threshold>,
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The report.
    pub report: Report,
    /// The wall-clock time of the measured window's start.
    pub started: std::time::SystemTime,
    /// Latency of each second.
    pub intervals: Vec<Interval>,
}

/// All shards of the run, as one receiver of commands.
pub(crate) struct Fleet {
    tell: Box<dyn Fn(Command)>,
    count: usize,
}

impl Fleet {
    fn tell(&self, command: Command) {
        (self.tell)(command);
    }
}

/// Runs a scenario to its end.
///
/// # Errors
/// Fails if there is nothing to report: the host lacks something that a run needs, or the target cannot be reached.
pub fn conduct<P, F>(job: &Job, script: F) -> Result<Outcome, Failure>
where
    P: Script + 'static,
    P::State: 'static,
    F: Fn() -> P + Clone + Send + 'static,
{
    let (events, happens) = channel();
    let signalled = events.clone();
    signals::watch(move |before| {
        // A user who interrupts twice does not want the report.
        if before > 0 || signalled.send(Event::Signal).is_err() {
            std::process::exit(130);
        }
        true
    })?;
    let fleet = start(job, script, &events)?;
    Run::new(job, fleet, happens).to_its_end()
}

/// CPUs and connections that the host allows a run.
#[derive(Clone, Debug)]
pub struct Room {
    /// The CPUs to run on.
    pub cpus: Vec<usize>,
    /// The most connections on each shard.
    pub max_connections: usize,
}

/// Checks that the host can run this many connections on these CPUs; on all CPUs if none are given. With an upstream of its own,
/// the generator has both ends of each connection.
///
/// # Errors
/// Fails with the missing resource, and how to provide it.
pub fn room_for(cpus: Option<&[usize]>, connections: u64, upstream: plan::Upstream) -> Result<Room, Failure> {
    let host = preflight::check().map_err(|missing| Failure::Failed(missing.to_string()))?;
    let cpus = host.choose_cpus(cpus).map_err(|why| Failure::Configuration(format!("--cpus {why}")))?;
    preflight::check_limits(&host, cpus.len()).map_err(|missing| Failure::Failed(missing.to_string()))?;
    let fit = host.max_connections(if upstream == plan::Upstream::Own { 2 } else { 1 }, cpus.len());
    if connections > fit {
        return Err(Failure::Configuration(format!(
            "{connections} connections are more than the {fit} that the limit on file descriptors ({}) allows; raise it \
             with `ulimit -n`, or run several generators",
            host.max_descriptors
        )));
    }
    let max_connections = usize::try_from(fit).unwrap_or(usize::MAX).div_ceil(cpus.len().max(1));
    Ok(Room { cpus, max_connections })
}

fn start<P, F>(job: &Job, script: F, events: &Sender<Event>) -> Result<Fleet, Failure>
where
    P: Script + 'static,
    P::State: 'static,
    F: Fn() -> P + Clone + Send + 'static,
{
    let host_plan = HostPlan {
        cpus: job.cpus.clone(),
        ring_completions: None,
        wait: if job.polls { Wait::Poll } else { Wait::Sleep },
        sockets: SocketOptions::default(),
    };
    let of = job.cpus.len();
    let (plan, told) = (Arc::clone(&job.plan), events.clone());
    let load = move |index| {
        let seed = plan.seed.wrapping_add(index as u64);
        let state = ShardState {
            composer: Composer::new(plan.format.clone()),
            recorder: Recorder::new(index, told.clone(), Time::of_the_clock()),
            pool: ringway::engine::pool::Pool::default(),
            tls: plan.tls.as_ref().map(Tls::for_shard),
            random: fastrand::Rng::with_seed(seed),
            closing: false,
            plan: Arc::clone(&plan),
        };
        let share = Share { index: index as u64, of: of as u64 };
        Load::new(Clients::new(state, share), script())
    };
    match job.upstream {
        None => {
            let listeners = (0..of).map(|_| Vec::new()).collect();
            let shards = start_shards(&host_plan, listeners, load, events)?;
            Ok(fleet(of, shards, |command| command))
        }
        Some(address) => {
            let (_, listeners) = listener::bind(address, of, SocketOptions::default())
                .map_err(|error| Failure::Failed(format!("cannot listen on {address}: {error}")))?;
            let listeners = listeners.into_iter().map(|fd| vec![Inlet { fd, refusal: b"" }]).collect();
            let format = job.plan.format.clone();
            let both = move |index| {
                Pair::new(load(index), Upstream::new(Mirror::new(format.clone()), Arc::new(Totals::default())))
            };
            let shards = start_shards(&host_plan, listeners, both, events)?;
            Ok(fleet(of, shards, Either::<_, service::Command>::First))
        }
    }
}

fn start_shards<S, F>(
    plan: &HostPlan,
    listeners: Vec<Vec<Inlet>>,
    service: F,
    events: &Sender<Event>,
) -> Result<Shards<S::Command>, Failure>
where
    S: Service,
    F: FnOnce(usize) -> S + Clone + Send + 'static,
{
    let events = events.clone();
    let ended = move |result| {
        // The send fails only if the receiving thread has ended, and then the process ends too.
        let _ = events.send(Event::Ended(result));
    };
    Ok(Shards::start(plan, listeners, |shard, _| service(shard), ended)?)
}

fn fleet<C, F>(count: usize, shards: Shards<C>, wrap: F) -> Fleet
where
    C: Send + 'static,
    F: Fn(Command) -> C + 'static,
{
    let tell = move |command: Command| {
        for sender in shards.senders() {
            // The send fails only if the shard has ended, and its end event reports that.
            let _ = sender.send(wrap(command));
        }
    };
    Fleet { tell: Box::new(tell), count }
}

/// Events, in order.
pub(crate) type Happens = Receiver<Event>;
