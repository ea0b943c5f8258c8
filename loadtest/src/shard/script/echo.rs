//! `echo`: each message comes back. In an open loop messages go out when they are due, whether or not earlier ones were
//! answered; in a closed loop each connection keeps a fixed number of messages unanswered.

use std::collections::VecDeque;

use ringway::engine::{Fault, Slot, Time, Transport};

use ringway::proto::frame::Opcode;
use ringway::proxy::terminated::Wire;

use super::{Opened, Run, Script};
use crate::message::{Checker, Stamp, Wrong};
use crate::plan::Upstream;
use crate::record::Recorder;
use crate::schedule::{Rate, Schedule};
use crate::shard::client::Client;
use crate::shard::clients::Clients;
use crate::shard::state::{Cx, ShardState};

/// Answers that one connection may wait for in an open loop.
const MAX_AWAITED: usize = 65_536;

/// The recorded reason if the connection of a due message is gone.
const NO_CONNECTION: &str = "not sent: the connection is gone";

/// The pace of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loop {
    /// Open loop: messages a second, over all connections and shards.
    Open(Rate),
    /// Closed loop: unanswered messages on each connection.
    Closed(u32),
}

/// The scenario.
#[derive(Debug)]
pub struct Echo {
    /// Over all shards.
    connections: u64,
    pace: Loop,
    schedule: Option<Schedule>,
    /// The time at which a closed loop starts.
    begin: Option<Time>,
    until: Time,
    /// Answers that all connections wait for.
    awaited: usize,
}

/// The state of one connection.
#[derive(Debug)]
pub struct State {
    number: u32,
    /// The number of the next message.
    next: u64,
    /// The number of the first awaited one.
    first: u64,
    awaited: VecDeque<Awaited>,
    /// Number of awaited messages without an answer.
    unanswered: usize,
    /// The highest number that was answered, and one.
    highest: u64,
    checker: Checker,
}

#[derive(Clone, Copy, Debug)]
struct Awaited {
    at: Time,
    len: u32,
    answered: bool,
}

impl Echo {
    /// The scenario before messages begin.
    #[must_use]
    pub fn new(connections: u64, pace: Loop) -> Self {
        Self { connections, pace, schedule: None, begin: None, until: Time::default(), awaited: 0 }
    }

    fn send<T: Transport>(
        &mut self,
        at: Time,
        state: &mut State,
        wire: &mut Wire,
        cx: &mut Cx<'_, T>,
    ) -> Result<(), Fault> {
        let ShardState { plan, composer, recorder, random, .. } = &mut *cx.shard;
        if wire.waiting() > plan.max_waiting_bytes || state.unanswered >= MAX_AWAITED {
            recorder.unsent(at, "not sent: too many waiting on the connection");
            return Ok(());
        }
        // A reply that so many later ones have overtaken will not come, and must not stop the rest from being sent.
        if state.awaited.len() >= MAX_AWAITED
            && let Some(oldest) = state.awaited.front_mut()
        {
            oldest.answered = true;
            recorder.lost(oldest.at, 1);
            self.awaited -= 1;
            state.unanswered -= 1;
            state.forget_answered();
        }
        let len = plan.sizes.draw(random);
        let stamp = Stamp { from: state.number, number: state.next, at };
        let key = wire.key(cx.net);
        state.next += 1;
        state.awaited.push_back(Awaited { at, len: u32::try_from(len).unwrap_or(u32::MAX), answered: false });
        self.awaited += 1;
        state.unanswered += 1;
        recorder.sent(at, len);
        wire.send(cx.net, composer.compose(&stamp, len, key))
    }

    fn send_on<T: Transport>(&mut self, slot: Slot, at: Time, clients: &mut Clients<State>, net: &mut T) {
        let (client, shard) = clients.with_shard(slot);
        let Some((_, wire, state)) = client.and_then(Client::open) else {
            return shard.recorder.unsent(at, NO_CONNECTION);
        };
        if self.send(at, state, wire, &mut Cx { net, shard }).is_err() {
            // The connection is broken: its next step records the fault.
            net.wake(slot);
        }
    }

    fn answered<T: Transport>(&mut self, stamp: &Stamp, len: usize, state: &mut State, cx: &mut Cx<'_, T>) -> Arrived {
        let recorder = &mut cx.shard.recorder;
        let place = stamp.number.checked_sub(state.first).and_then(|index| usize::try_from(index).ok());
        match place.map(|index| state.awaited.get_mut(index)) {
            None => return repeated(recorder),
            Some(Some(awaited)) if awaited.answered => return repeated(recorder),
            Some(Some(awaited)) if awaited.at == stamp.at && awaited.len as usize == len => awaited.answered = true,
            Some(_) => return changed(recorder),
        }
        if stamp.number < state.highest {
            recorder.out_of_order();
        }
        state.highest = state.highest.max(stamp.number + 1);
        recorder.received(stamp.at, Time::of_the_clock(), len);
        self.awaited -= 1;
        state.unanswered -= 1;
        state.forget_answered();
        Arrived::Answer
    }

    /// Judges a message that is not the right answer to anything.
    fn wrong<T: Transport>(&mut self, wrong: Wrong, len: usize, state: &mut State, cx: &mut Cx<'_, T>) -> Arrived {
        let ShardState { plan, composer, recorder, .. } = &mut *cx.shard;
        match (wrong, plan.upstream) {
            (Wrong::OtherForm(stamp), Upstream::Other) if stamp.from == state.number => {
                recorder.other_form();
                self.answered(&stamp, len, state, cx)
            }
            (Wrong::Other(seen), Upstream::Other) if !seen.is_some_and(|seen| state.may_have_sent(&seen)) => {
                recorder.unexpected(|| state.checker.sample(len, composer.format()));
                Arrived::Extra
            }
            _ => changed(recorder),
        }
    }
}

/// The part of a received message in a closed loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrived {
    /// The message answers one that was sent, rightly or not: the next one may go out.
    Answer,
    /// The message answers nothing that is still awaited, so as many messages are in flight as before.
    Extra,
}

fn repeated(recorder: &mut Recorder) -> Arrived {
    recorder.duplicate();
    Arrived::Extra
}

fn changed(recorder: &mut Recorder) -> Arrived {
    recorder.mismatched();
    Arrived::Answer
}

impl State {
    /// `true` if one of these fields is that of an awaited message, so that the message is a changed answer.
    fn may_have_sent(&self, seen: &Stamp) -> bool {
        seen.from == self.number || (self.first..self.next).contains(&seen.number)
    }

    fn forget_answered(&mut self) {
        while self.awaited.front().is_some_and(|awaited| awaited.answered) {
            self.awaited.pop_front();
            self.first += 1;
        }
    }
}

impl Script for Echo {
    type State = State;

    fn opened<T: Transport>(
        &mut self,
        number: u32,
        _due: Time,
        _wire: &mut Wire,
        _cx: &mut Cx<'_, T>,
    ) -> Opened<State> {
        Opened::Stay(State {
            number,
            next: 0,
            first: 0,
            awaited: VecDeque::new(),
            unanswered: 0,
            highest: 0,
            checker: Checker::default(),
        })
    }

    #[inline]
    fn frame(&mut self, state: &mut State, opcode: Opcode) {
        state.checker.begin(opcode);
    }

    #[inline]
    fn payload<T: Transport>(&mut self, state: &mut State, piece: &[u8], cx: &mut Cx<'_, T>) {
        state.checker.push(piece, cx.shard.composer.format());
    }

    #[inline]
    fn message<T: Transport>(&mut self, state: &mut State, wire: &mut Wire, cx: &mut Cx<'_, T>) -> Result<(), Fault> {
        let len = state.checker.len();
        let arrived = match state.checker.finish(cx.shard.composer.format()) {
            Ok(stamp) if stamp.from == state.number => self.answered(&stamp, len, state, cx),
            // A message of another connection.
            Ok(_) => changed(&mut cx.shard.recorder),
            Err(wrong) => self.wrong(wrong, len, state, cx),
        };
        if let (Loop::Closed(_), Arrived::Answer) = (self.pace, arrived) {
            let now = Time::of_the_clock();
            if now < self.until {
                cx.shard.recorder.due(now, now);
                return self.send(now, state, wire, cx);
            }
        }
        Ok(())
    }

    fn ended<T: Transport>(&mut self, state: State, cx: &mut Cx<'_, T>) {
        for awaited in state.awaited.iter().filter(|awaited| !awaited.answered) {
            cx.shard.recorder.lost(awaited.at, 1);
            self.awaited -= 1;
        }
    }

    fn run<T: Transport>(&mut self, run: &Run, clients: &mut Clients<State>, _net: &mut T) {
        self.until = run.window.until;
        match self.pace {
            Loop::Open(rate) => {
                let schedule = Schedule::new(rate, clients.share(), run.start, run.window.until);
                self.schedule = Some(schedule.around(self.connections));
            }
            Loop::Closed(_) => self.begin = Some(run.start),
        }
    }

    fn next_due(&self) -> Option<Time> {
        self.begin.or_else(|| self.schedule.as_ref()?.next())
    }

    fn due<T: Transport>(&mut self, now: Time, clients: &mut Clients<State>, net: &mut T) {
        while let Some(due) = self.schedule.as_mut().and_then(|schedule| schedule.take(now)) {
            clients.shard.recorder.due(due.at, now);
            match clients.next_in_line() {
                Some(slot) => self.send_on(slot, due.at, clients, net),
                None => clients.shard.recorder.unsent(due.at, NO_CONNECTION),
            }
        }
        if let (Loop::Closed(each), Some(_)) = (self.pace, self.begin.take_if(|at| *at <= now)) {
            for place in 0..clients.order.len() {
                for _ in 0..each {
                    let now = Time::of_the_clock();
                    clients.shard.recorder.due(now, now);
                    if let Some(slot) = clients.order.get(place).copied() {
                        self.send_on(slot, now, clients, net);
                    }
                }
            }
        }
    }

    fn cut(&mut self, at: Time) {
        self.until = self.until.min(at);
        if let Some(schedule) = &mut self.schedule {
            schedule.cut(at);
        }
    }

    fn is_drained(&self) -> bool {
        self.awaited == 0
    }
}
