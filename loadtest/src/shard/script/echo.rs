//! `echo`: each message comes back. In an open loop messages go out when they are due, whatever became of the ones
//! before; in a closed loop each connection keeps so many on their way.

use std::collections::VecDeque;

use ringway::engine::{Fault, Slot, Time, Transport};

use ringway::proto::frame::Opcode;
use ringway::proxy::terminated::Wire;

use super::{Opened, Run, Script};
use crate::message::{Checker, Stamp};
use crate::schedule::{Rate, Schedule};
use crate::shard::client::Client;
use crate::shard::crew::Crew;
use crate::shard::kit::{Cx, Kit};

/// Answers that one connection may wait for in an open loop.
const MAX_AWAITED: usize = 65_536;

/// Why a message could not be sent whose connection is gone.
const NO_CONNECTION: &str = "not sent: the connection is gone";

/// When messages go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loop {
    /// So many a second, over all connections and shards.
    Open(Rate),
    /// So many on their way on each connection.
    Closed(u32),
}

/// The scenario.
#[derive(Debug)]
pub struct Echo {
    /// Over all shards.
    connections: u64,
    pace: Loop,
    schedule: Option<Schedule>,
    /// When a closed loop begins.
    begin: Option<Time>,
    until: Time,
    /// Answers that all connections wait for.
    awaited: usize,
}

/// What is kept of a connection.
#[derive(Debug)]
pub struct State {
    number: u32,
    /// The number of the next message.
    next: u64,
    /// The number of the first awaited one.
    first: u64,
    awaited: VecDeque<Awaited>,
    /// How many of them have no answer.
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
        let Kit { plan, composer, recorder, random, .. } = &mut *cx.kit;
        if wire.waiting() > plan.max_waiting_bytes || state.unanswered >= MAX_AWAITED {
            recorder.unsent(at, "not sent: too many waiting on the connection");
            return Ok(());
        }
        // A reply that so many others have overtaken will not come: it is not to keep the rest from being sent.
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

    fn send_on<T: Transport>(&mut self, slot: Slot, at: Time, crew: &mut Crew<State>, net: &mut T) {
        let (client, kit) = crew.with_kit(slot);
        let Some((_, wire, state)) = client.and_then(Client::open) else {
            return kit.recorder.unsent(at, NO_CONNECTION);
        };
        if self.send(at, state, wire, &mut Cx { net, kit }).is_err() {
            // It is broken, and its next step finds out how.
            net.wake(slot);
        }
    }

    fn answered<T: Transport>(&mut self, stamp: &Stamp, len: usize, state: &mut State, cx: &mut Cx<'_, T>) {
        let recorder = &mut cx.kit.recorder;
        if stamp.number < state.first {
            return recorder.duplicate();
        }
        let place = usize::try_from(stamp.number - state.first).ok().and_then(|index| state.awaited.get_mut(index));
        match place {
            Some(awaited) if awaited.answered => return recorder.duplicate(),
            Some(awaited) if awaited.at == stamp.at && awaited.len as usize == len => awaited.answered = true,
            _ => return recorder.mismatched(),
        }
        if stamp.number < state.highest {
            recorder.out_of_order();
        }
        state.highest = state.highest.max(stamp.number + 1);
        recorder.received(stamp.at, Time::of_the_clock(), len);
        self.awaited -= 1;
        state.unanswered -= 1;
        state.forget_answered();
    }
}

impl State {
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
        state.checker.push(piece, cx.kit.composer.format());
    }

    #[inline]
    fn message<T: Transport>(&mut self, state: &mut State, wire: &mut Wire, cx: &mut Cx<'_, T>) -> Result<(), Fault> {
        let len = state.checker.len();
        match state.checker.finish(cx.kit.composer.format()) {
            Some(stamp) if stamp.from == state.number => self.answered(&stamp, len, state, cx),
            _ => cx.kit.recorder.mismatched(),
        }
        if let Loop::Closed(_) = self.pace {
            let now = Time::of_the_clock();
            if now < self.until {
                cx.kit.recorder.due(now, now);
                return self.send(now, state, wire, cx);
            }
        }
        Ok(())
    }

    fn ended<T: Transport>(&mut self, state: State, cx: &mut Cx<'_, T>) {
        for awaited in state.awaited.iter().filter(|awaited| !awaited.answered) {
            cx.kit.recorder.lost(awaited.at, 1);
            self.awaited -= 1;
        }
    }

    fn run<T: Transport>(&mut self, run: &Run, crew: &mut Crew<State>, _net: &mut T) {
        self.until = run.window.until;
        match self.pace {
            Loop::Open(rate) => {
                let schedule = Schedule::new(rate, crew.share(), run.start, run.window.until);
                self.schedule = Some(schedule.around(self.connections));
            }
            Loop::Closed(_) => self.begin = Some(run.start),
        }
    }

    fn next_due(&self) -> Option<Time> {
        self.begin.or_else(|| self.schedule.as_ref()?.next())
    }

    fn due<T: Transport>(&mut self, now: Time, crew: &mut Crew<State>, net: &mut T) {
        while let Some(due) = self.schedule.as_mut().and_then(|schedule| schedule.take(now)) {
            crew.kit.recorder.due(due.at, now);
            match crew.next_in_line() {
                Some(slot) => self.send_on(slot, due.at, crew, net),
                None => crew.kit.recorder.unsent(due.at, NO_CONNECTION),
            }
        }
        if let (Loop::Closed(each), Some(_)) = (self.pace, self.begin.take_if(|at| *at <= now)) {
            for place in 0..crew.order.len() {
                for _ in 0..each {
                    let now = Time::of_the_clock();
                    crew.kit.recorder.due(now, now);
                    if let Some(slot) = crew.order.get(place).copied() {
                        self.send_on(slot, now, crew, net);
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
