//! The phases of a run, in order: probe, open, start the messages, measure, drain, close, report.

use std::collections::BTreeMap;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, SystemTime};

use ringway::engine::Time;

use super::progress::Progress;
use super::totals::Totals;
use super::verdict;
use super::{Fleet, Happens, Job, Outcome};
use crate::failure::Failure;
use crate::proc;
use crate::record::{Event, Window};
use crate::report::model::{Scenario, TargetUse};
use crate::schedule::Rate;
use crate::shard::client::Purpose;
use crate::shard::clients::Opening;
use crate::shard::load::Command;
use crate::shard::script;

/// The time from the command to the first message: every shard must have received the command by then.
const HEAD_START: Duration = Duration::from_millis(20);
/// The longest time that all connections together may take to close.
const CLOSING: Duration = Duration::from_secs(5);
/// The time to wait until the target's memory is stable.
const REST: Duration = Duration::from_millis(1500);

/// A run in progress.
pub struct Run<'a> {
    job: &'a Job,
    fleet: Fleet,
    happens: Happens,
    totals: Totals,
    progress: Progress,
    interrupted: bool,
    /// Shards whose connections are open, or failed, since the last request to open some.
    settled: usize,
    ended: usize,
    target: Option<TargetUse>,
    /// CPU time of the target's threads at the window's start.
    target_cpu: Option<BTreeMap<u32, Duration>>,
    /// The reason why the target's process could not be read to the end.
    target_lost: Option<String>,
    own_cpu: Option<Duration>,
    /// Connections that were open at the first read of the target's memory.
    opened_at_half: u64,
    /// The time of the CPU reading at the window's start.
    usage_since: Time,
}

/// An event that a phase may wait for.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Settled,
    Drained,
    Probed(Result<(), String>),
    Ended,
    Interrupted,
    TimeOver,
    Updated,
}

impl<'a> Run<'a> {
    pub(super) fn new(job: &'a Job, fleet: Fleet, happens: Happens) -> Self {
        Self {
            job,
            fleet,
            happens,
            totals: Totals::new(),
            progress: Progress::new(job),
            interrupted: false,
            settled: 0,
            ended: 0,
            target: job.pid.map(|pid| TargetUse { pid, ..TargetUse::default() }),
            target_cpu: None,
            target_lost: None,
            own_cpu: None,
            opened_at_half: 0,
            usage_since: Time::default(),
        }
    }

    /// Runs all phases.
    ///
    /// # Errors
    /// Fails if the target cannot be reached, or if a shard breaks.
    pub fn to_its_end(mut self) -> Result<Outcome, Failure> {
        let memory = self.target_memory();
        if let Some(lost) = self.target_lost.take() {
            return Err(Failure::Configuration(format!("--pid: {lost}")));
        }
        if let Some(target) = &mut self.target {
            target.memory_before_bytes = memory;
            target.memory_half_bytes = memory;
        }
        self.progress.say("connecting");
        self.probe()?;
        self.open_the_rest()?;
        let mut window = Window { from: Time::of_the_clock(), until: Time::of_the_clock() };
        let mut started = SystemTime::now();
        if !self.interrupted {
            (window, started) = self.measure()?;
            self.drain()?;
        }
        self.close()?;
        self.progress.finish();
        Ok(self.outcome(window, started))
    }

    /// Opens one connection, to check that there is a target.
    fn probe(&mut self) -> Result<(), Failure> {
        self.open(0, 1, None, Purpose::Probe);
        loop {
            match self.next(None)? {
                Step::Probed(Ok(())) => return Ok(()),
                Step::Probed(Err(why)) => {
                    return Err(Failure::Failed(format!("{}: {why}", self.job.plan.place.target)));
                }
                Step::Interrupted => {
                    return Err(Failure::Failed("interrupted before anything was measured".to_owned()));
                }
                _ => {}
            }
        }
    }

    fn open_the_rest(&mut self) -> Result<(), Failure> {
        let all = self.job.connections;
        let rate = self.job.ramp.map(|ramp| Rate::over(all, ramp));
        // The shard's event that the probe has settled follows.
        self.until_settled()?;
        let half = all / 2;
        if self.job.scenario == Scenario::Hold && self.target.is_some() && half > 1 {
            self.open(1, half, rate, Purpose::Load);
            self.until_settled()?;
            self.rest(REST)?;
            let memory = self.target_memory();
            if let Some(target) = &mut self.target {
                target.memory_half_bytes = memory;
            }
            self.opened_at_half = self.totals.counts.opened;
            self.open(half, all, rate, Purpose::Load);
        } else if all > 1 {
            self.open(1, all, rate, Purpose::Load);
        } else {
            return Ok(());
        }
        self.until_settled()
    }

    fn open(&mut self, first: u64, last: u64, rate: Option<Rate>, purpose: Purpose) {
        self.settled = 0;
        let opening = Opening { first, last, rate, start: Time::of_the_clock(), purpose };
        self.fleet.tell(Command::Open(opening));
    }

    fn until_settled(&mut self) -> Result<(), Failure> {
        while self.settled < self.fleet.count && !self.interrupted {
            self.next(None)?;
        }
        Ok(())
    }

    fn rest(&mut self, time: Duration) -> Result<(), Failure> {
        let until = Time::of_the_clock().after(time);
        while !self.interrupted && self.next(Some(until))? != Step::TimeOver {}
        Ok(())
    }

    /// Starts the messages; opens and closes the window.
    fn measure(&mut self) -> Result<(Window, SystemTime), Failure> {
        let start = Time::of_the_clock().after(HEAD_START);
        let from = start.after(self.job.warmup);
        let mut window = Window { from, until: from.after(self.job.duration) };
        self.fleet.tell(Command::Run(script::Run { start, window }));
        self.totals.measure(window);
        self.progress.say(if self.job.warmup.is_zero() { "measuring" } else { "warming up" });
        self.wait_until(window.from, &mut window)?;
        let started = SystemTime::now();
        self.progress.measure(window);
        self.usage_since = Time::of_the_clock();
        self.own_cpu = proc::own_cpu().ok();
        self.target_cpu = self.target_threads();
        self.wait_until(window.until, &mut window)?;
        self.read_usage(&window);
        Ok((window, started))
    }

    /// Waits for a moment. A signal, or the loss of every connection, cuts the window short.
    fn wait_until(&mut self, moment: Time, window: &mut Window) -> Result<(), Failure> {
        loop {
            let deserted = self.job.scenario != Scenario::Storm && self.totals.everyone_is_gone();
            if !self.interrupted && !deserted {
                match self.next(Some(moment.min(window.until)))? {
                    Step::TimeOver => return Ok(()),
                    Step::Interrupted => {}
                    _ => continue,
                }
            }
            // Every shard must receive this end before it comes, or the shards would count different messages.
            let end = Time::of_the_clock().after(HEAD_START).min(window.until);
            window.until = end.max(window.from);
            self.totals.measure(*window);
            self.fleet.tell(Command::Cut(end));
            while self.next(Some(end))? != Step::TimeOver {}
            return Ok(());
        }
    }

    /// Reads CPU times. This thread may be scheduled late, so the usage is measured between two readings of its own
    /// clock and then scaled to the window's length.
    fn read_usage(&mut self, window: &Window) {
        let elapsed = Time::of_the_clock().since(self.usage_since).as_secs_f64();
        let length = window.until.since(window.from).as_secs_f64();
        let scale = if elapsed > 0.0 { length / elapsed } else { 0.0 };
        let own = proc::own_cpu().ok().zip(self.own_cpu).map_or(Duration::ZERO, |(now, then)| now.saturating_sub(then));
        self.totals.own_cpu_seconds = own.as_secs_f64() * scale;
        let (now, memory) = (self.target_threads(), self.target_memory());
        let Some((now, then)) = now.zip(self.target_cpu.take()) else { return };
        if then.keys().any(|thread| !now.contains_key(thread)) {
            let why = "some of its threads ended during the run, so their CPU time is unknown";
            self.target_lost.get_or_insert(why.to_owned());
        }
        let used = |(thread, used): (&u32, &Duration)| {
            used.saturating_sub(then.get(thread).copied().unwrap_or_default()).as_secs_f64() * scale
        };
        if let Some(target) = &mut self.target {
            target.cpu_seconds = now.iter().map(used).sum();
            target.utilization = if length > 0.0 { target.cpu_seconds / length } else { 0.0 };
            let busiest = now.iter().map(used).fold(0.0, f64::max);
            target.busiest_thread = if length > 0.0 { busiest / length } else { 0.0 };
            target.memory_end_bytes = memory;
        }
    }

    fn drain(&mut self) -> Result<(), Failure> {
        self.progress.say("waiting for the last answers");
        let until = Time::of_the_clock().after(self.job.grace);
        // A shard may wait for messages that another publishes: the second round starts once all have sent their last.
        let rounds = if self.fleet.count > 1 { 2 } else { 1 };
        for _ in 0..rounds {
            self.fleet.tell(Command::Drain);
            let mut drained = 0;
            while drained < self.fleet.count {
                match self.next(Some(until))? {
                    Step::Drained => drained += 1,
                    Step::TimeOver => return Ok(()),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.totals.note_open();
        self.fleet.tell(Command::Close);
        self.progress.say("closing");
        let until = Time::of_the_clock().after(CLOSING);
        while self.ended < self.fleet.count {
            if self.next(Some(until))? == Step::TimeOver {
                break;
            }
        }
        Ok(())
    }

    /// Returns the next step, or that the time is over. Adds updates to the totals on the way.
    fn next(&mut self, until: Option<Time>) -> Result<Step, Failure> {
        loop {
            let now = Time::of_the_clock();
            let wait = until.map_or(Duration::from_secs(3600), |until| until.since(now));
            if wait.is_zero() {
                return Ok(Step::TimeOver);
            }
            match self.happens.recv_timeout(wait) {
                Ok(Event::Update(update)) => {
                    self.totals.take(&update);
                    self.progress.show(&self.totals, update.until);
                    return Ok(Step::Updated);
                }
                Ok(Event::Settled) => {
                    self.settled += 1;
                    return Ok(Step::Settled);
                }
                Ok(Event::Drained) => return Ok(Step::Drained),
                Ok(Event::Probed(result)) => return Ok(Step::Probed(result)),
                Ok(Event::Signal) => {
                    self.interrupted = true;
                    self.progress.say("interrupted");
                    return Ok(Step::Interrupted);
                }
                Ok(Event::Ended(Ok(()))) => {
                    self.ended += 1;
                    return Ok(Step::Ended);
                }
                Ok(Event::Ended(Err(error))) => return Err(Failure::Failed(format!("a shard failed: {error}"))),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::Failed("the shards ended without a word".to_owned()));
                }
            }
        }
    }

    fn target_threads(&mut self) -> Option<BTreeMap<u32, Duration>> {
        let pid = self.target.as_ref()?.pid;
        self.read_target(proc::family(pid).and_then(|pids| proc::threads(&pids)))
    }

    fn target_memory(&mut self) -> u64 {
        let Some(pid) = self.target.as_ref().map(|target| target.pid) else { return 0 };
        self.read_target(proc::family(pid).and_then(|pids| proc::anonymous_bytes(&pids))).unwrap_or(0)
    }

    /// Unwraps a reading of the target's process. A failed reading is noted for the report and does not end the run.
    fn read_target<V>(&mut self, value: std::io::Result<V>) -> Option<V> {
        match value {
            Ok(value) => Some(value),
            Err(error) => {
                self.target_lost.get_or_insert(error.to_string());
                None
            }
        }
    }

    fn outcome(mut self, window: Window, started: SystemTime) -> Outcome {
        // An incomplete figure is not reported.
        let lost = self.target_lost.take();
        if lost.is_some() || window.until == window.from {
            self.target = None;
        }
        if let Some(target) = &mut self.target {
            let held = self.totals.counts.opened.saturating_sub(self.opened_at_half);
            if self.job.scenario == Scenario::Hold && held > 0 {
                let grown = target.memory_end_bytes.saturating_sub(target.memory_half_bytes);
                #[expect(clippy::cast_precision_loss, reason = "no memory has 2^52 bytes")]
                let each = grown as f64 / held as f64;
                target.memory_bytes_each = Some(each);
            }
        }
        let seen = verdict::Seen { totals: self.totals, target: self.target, target_lost: lost, window, started };
        verdict::report(self.job, seen, self.interrupted)
    }
}
