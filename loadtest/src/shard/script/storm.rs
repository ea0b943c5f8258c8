//! `storm`: connections that are opened and, once their 101 has come, closed; over a number of others that are held.

use ringway::engine::{Fault, Time, Transport};
use ringway::proxy::terminated::Wire;

use super::{Opened, Run, Script};
use crate::record::Recorder;
use crate::schedule::{Due, Rate, Schedule};
use crate::shard::clients::Clients;
use crate::shard::state::Cx;

/// The pace of new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Connections a second, over all shards.
    Rate(Rate),
    /// Connections at a time, on each shard: the next starts when one is gone.
    AtATime(u32),
}

/// The scenario.
#[derive(Debug)]
pub struct Storm {
    pace: Pace,
    /// Connections with a lower number are held.
    held: u32,
    schedule: Option<Schedule>,
    begin: Time,
    until: Time,
    next: u64,
    /// Connections of the storm that are not gone yet.
    out: u32,
    running: bool,
    over: bool,
}

impl Storm {
    /// A storm over `held` connections that stay open.
    #[must_use]
    pub fn new(pace: Pace, held: u32) -> Self {
        Self {
            pace,
            held,
            schedule: None,
            begin: Time::MAX,
            until: Time::MAX,
            next: 0,
            out: 0,
            running: false,
            over: false,
        }
    }

    /// A number that neither a held connection nor the first of the run has.
    fn number(&mut self) -> u64 {
        let first = u64::from(self.held.max(1));
        let number = first + self.next % (u64::from(u32::MAX) - first);
        self.next += 1;
        number
    }
}

impl Script for Storm {
    /// Held connections have no state.
    type State = ();

    fn opened<T: Transport>(&mut self, number: u32, due: Time, _wire: &mut Wire, cx: &mut Cx<'_, T>) -> Opened<()> {
        if number < self.held {
            return Opened::Stay(());
        }
        cx.shard.recorder.received(due, Time::of_the_clock(), 0);
        Opened::Leave
    }

    fn payload<T: Transport>(&mut self, (): &mut (), _: &[u8], _: &mut Cx<'_, T>) {}

    fn message<T: Transport>(&mut self, (): &mut (), _: &mut Wire, _: &mut Cx<'_, T>) -> Result<(), Fault> {
        Ok(())
    }

    fn ended<T: Transport>(&mut self, (): (), _: &mut Cx<'_, T>) {}

    fn gone(&mut self, number: u32) {
        if self.running && number >= self.held.max(1) {
            self.out = self.out.saturating_sub(1);
        }
    }

    fn run<T: Transport>(&mut self, run: &Run, clients: &mut Clients<()>, _net: &mut T) {
        self.begin = run.start;
        self.until = run.window.until;
        self.running = true;
        if let Pace::Rate(rate) = self.pace {
            self.schedule = Some(Schedule::new(rate, clients.share(), run.start, run.window.until));
        }
    }

    fn next_due(&self) -> Option<Time> {
        match (self.pace, &self.schedule) {
            (Pace::Rate(_), Some(schedule)) => schedule.next(),
            (Pace::AtATime(most), _) if self.running && !self.over && self.out < most => Some(self.begin),
            _ => None,
        }
    }

    /// Nothing: [`wants_connection`](Self::wants_connection) starts the connections.
    fn due<T: Transport>(&mut self, now: Time, _crew: &mut Clients<()>, _net: &mut T) {
        self.over = now >= self.until;
    }

    fn wants_connection(&mut self, now: Time, recorder: &mut Recorder) -> Option<Due> {
        let at = match (self.pace, &mut self.schedule) {
            (Pace::Rate(_), Some(schedule)) => schedule.take(now)?.at,
            (Pace::AtATime(most), _) if self.out < most && self.begin <= now && now < self.until => now,
            _ => return None,
        };
        self.out += 1;
        recorder.due(at, now);
        recorder.sent(at, 0);
        Some(Due { number: self.number(), at })
    }

    /// Has no effect on a rate: a connection that is due then fails.
    fn pause(&mut self, until: Time) {
        self.begin = self.begin.max(until);
    }

    fn cut(&mut self, at: Time) {
        self.until = self.until.min(at);
        if let Some(schedule) = &mut self.schedule {
            schedule.cut(at);
        }
    }

    fn is_drained(&self) -> bool {
        self.out == 0
    }
}
