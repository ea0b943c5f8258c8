//! The thread that runs the phases: starts the shards, opens connections, lets messages flow, measures, drains, closes,
//! and makes the report.
//!
//! In: a [`Job`]. Out: a [`Run`], with the report in it. Time is the engine's clock here too, so that a window means the same
//! to every shard and to the reading of `/proc`.

mod phases;
mod progress;
mod totals;
mod verdict;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ringway::engine::host::Shards;
use ringway::engine::keepalive::KeepAlive;
use ringway::engine::listener::Inlet;
use ringway::engine::plan::{Plan as HostPlan, Wait};
use ringway::engine::{Service, Time, listener, preflight};
use ringway::node::signals;

pub use phases::Run;

use crate::composer::Composer;
use crate::failure::Failure;
use crate::plan::Plan;
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

/// Everything a run needs besides its scenario.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which scenario it is.
    pub scenario: Scenario,
    /// What is timed, in words.
    pub timed: &'static str,
    /// What all shards have in common.
    pub plan: Arc<Plan>,
    /// Connections to open before messages begin.
    pub connections: u64,
    /// How long opening them may take; as fast as they come to stand if `None`.
    pub ramp: Option<Duration>,
    /// How long messages flow before they count.
    pub warmup: Duration,
    /// How long they count.
    pub duration: Duration,
    /// How long answers are waited for behind that.
    pub grace: Duration,
    /// Messages or connections a second, if that is asked for.
    pub rate: Option<Rate>,
    /// The CPUs to run on.
    pub cpus: Vec<usize>,
    /// Whether shards poll without sleeping.
    pub polls: bool,
    /// Where to play the upstream too.
    pub upstream: Option<SocketAddr>,
    /// The target's process.
    pub pid: Option<u32>,
    /// Whether to say how it goes.
    pub progress: bool,
    /// What was asked for, in words.
    pub settings: Vec<Setting>,
    /// What the run is to fail for.
    pub thresholds: Vec<Threshold>,
}

/// What a run gave.
#[derive(Debug)]
pub struct Outcome {
    /// The report.
    pub report: Report,
    /// The measured window's start on the calendar.
    pub started: std::time::SystemTime,
    /// Latency, second by second.
    pub intervals: Vec<Interval>,
}

/// The shards, as something that takes commands.
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
/// There is nothing to report: the host will not do, or the target cannot be reached.
pub fn conduct<P, F>(job: &Job, script: F) -> Result<Outcome, Failure>
where
    P: Script + 'static,
    P::State: 'static,
    F: Fn() -> P + Clone + Send + 'static,
{
    let (events, happens) = channel();
    let signalled = events.clone();
    signals::watch(move |before| {
        // Who asks twice does not want the report.
        if before > 0 || signalled.send(Event::Signal).is_err() {
            std::process::exit(130);
        }
        true
    })?;
    let fleet = start(job, script, &events)?;
    Run::new(job, fleet, happens).to_its_end()
}

/// What the host lets a run have.
#[derive(Clone, Debug)]
pub struct Room {
    /// The CPUs to run on.
    pub cpus: Vec<usize>,
    /// The most connections of each shard.
    pub max_connections: usize,
}

/// Checks that the host will do, for so many connections on these CPUs; on all if none are named.
///
/// # Errors
/// What is missing, and how to mend it.
pub fn room_for(cpus: Option<&[usize]>, connections: u64, both_ends: bool) -> Result<Room, Failure> {
    let host = preflight::check().map_err(|missing| Failure::Failed(missing.to_string()))?;
    let cpus = host.choose_cpus(cpus).map_err(Failure::Configuration)?;
    preflight::check_limits(&host, cpus.len()).map_err(|missing| Failure::Failed(missing.to_string()))?;
    let fit = host.max_connections(if both_ends { 2 } else { 1 }, cpus.len());
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
        keepalive: KeepAlive::default(),
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
            let (_, listeners) = listener::bind(address, of, KeepAlive::default())
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
        // Who would hear it has gone, and the process with it.
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
            // A shard that is gone has said so.
            let _ = sender.send(wrap(command));
        }
    };
    Fleet { tell: Box::new(tell), count }
}

/// What happens, in order.
pub(crate) type Happens = Receiver<Event>;
