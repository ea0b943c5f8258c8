//! `hold`: idle connections, each pinged at an interval.

use std::time::Duration;

use ringway::engine::{Fault, Time, Transport};
use ringway::proxy::terminated::Wire;

use super::{Opened, Run, Script};
use crate::schedule::{Rate, Schedule};
use crate::shard::client::Client;
use crate::shard::clients::Clients;
use crate::shard::state::Cx;

/// The scenario.
#[derive(Debug)]
pub struct Hold {
    /// Over all shards.
    connections: u64,
    /// Pings over all connections and shards.
    rate: Rate,
    schedule: Option<Schedule>,
    /// Pings without an answer.
    awaited: usize,
}

/// The state of one connection: the newest ping without an answer.
#[derive(Debug, Default)]
pub struct State {
    number: u64,
    asked: Option<Time>,
}

impl Hold {
    /// A scenario of `connections` over all shards, each pinged at the interval `every`.
    #[must_use]
    pub fn new(connections: u64, every: Duration) -> Self {
        Self { connections, rate: Rate::over(connections, every), schedule: None, awaited: 0 }
    }

    fn ping<T: Transport>(&mut self, at: Time, state: &mut State, wire: &mut Wire, cx: &mut Cx<'_, T>) {
        if let Some(earlier) = state.asked.take() {
            // A peer may answer the newest ping only (RFC 6455 section 5.5.3), but not none for a whole interval.
            cx.shard.recorder.lost(earlier, 1);
            self.awaited -= 1;
        }
        state.number += 1;
        if wire.send_ping(cx.net, &state.number.to_be_bytes()).is_ok() {
            state.asked = Some(at);
            self.awaited += 1;
            cx.shard.recorder.sent(at, 8);
        }
    }
}

impl Script for Hold {
    type State = State;

    fn opened<T: Transport>(&mut self, _: u32, _: Time, _: &mut Wire, _: &mut Cx<'_, T>) -> Opened<State> {
        Opened::Stay(State::default())
    }

    fn payload<T: Transport>(&mut self, _: &mut State, _: &[u8], _: &mut Cx<'_, T>) {}

    fn message<T: Transport>(&mut self, _: &mut State, _: &mut Wire, _: &mut Cx<'_, T>) -> Result<(), Fault> {
        Ok(())
    }

    fn pong<T: Transport>(&mut self, state: &mut State, payload: &[u8], cx: &mut Cx<'_, T>) {
        if payload == state.number.to_be_bytes()
            && let Some(at) = state.asked.take()
        {
            self.awaited -= 1;
            cx.shard.recorder.received(at, Time::of_the_clock(), payload.len());
        }
    }

    fn ended<T: Transport>(&mut self, state: State, cx: &mut Cx<'_, T>) {
        if let Some(at) = state.asked {
            self.awaited -= 1;
            cx.shard.recorder.lost(at, 1);
        }
    }

    fn run<T: Transport>(&mut self, run: &Run, clients: &mut Clients<State>, _net: &mut T) {
        let schedule = Schedule::new(self.rate, clients.share(), run.start, run.window.until);
        self.schedule = Some(schedule.around(self.connections));
    }

    fn next_due(&self) -> Option<Time> {
        self.schedule.as_ref()?.next()
    }

    fn due<T: Transport>(&mut self, now: Time, clients: &mut Clients<State>, net: &mut T) {
        while let Some(due) = self.schedule.as_mut().and_then(|schedule| schedule.take(now)) {
            clients.shard.recorder.due(due.at, now);
            let Some(slot) = clients.next_in_line() else { continue };
            let (client, shard) = clients.with_shard(slot);
            // A connection that is gone was counted when it ended.
            if let Some((_, wire, state)) = client.and_then(Client::open) {
                self.ping(due.at, state, wire, &mut Cx { net, shard });
            }
        }
    }

    fn cut(&mut self, at: Time) {
        if let Some(schedule) = &mut self.schedule {
            schedule.cut(at);
        }
    }

    fn is_drained(&self) -> bool {
        self.awaited == 0
    }
}
