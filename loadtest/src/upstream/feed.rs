//! `feed`: pushes messages to each connection at a fixed rate, numbered and stamped with the moment they were due.
//!
//! The loop is open: a connection that does not take its messages delays no other. If more than the bound already waits
//! on a connection, its next message is not sent: the number is used up, so that the receiver sees the gap, and the
//! message is counted as dropped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ringway::engine::{Slot, Time, Transport};
use ringway::proto::scan::FrameLimits;

use super::role::{Cx, Peers, Role};
use crate::composer::Composer;
use crate::message::{Format, Stamp};
use crate::plan::FRAMES;
use crate::schedule::{Due, Rate, Schedule, Share};
use crate::sizes::Sizes;

/// The smallest bound, in bytes, on waiting data above which messages are dropped.
const MIN_WAITING_BYTES: usize = 1024 * 1024;
/// The most messages sent before sockets and commands are checked again, even if the feed is behind its schedule.
const MESSAGES_A_TURN: usize = 1024;

/// Options that all shards of a feed share.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Messages a second on each connection.
    pub rate: Rate,
    /// Payload sizes of the messages.
    pub sizes: Sizes,
    /// The format of messages.
    pub format: Format,
    /// The seed for the drawn sizes.
    pub seed: u64,
    /// The counter that numbers the connections, over all shards.
    pub numbers: Arc<AtomicU32>,
}

/// The feed role of one shard.
#[derive(Debug)]
pub struct Feed {
    plan: Plan,
    composer: Composer,
    random: fastrand::Rng,
    max_waiting_bytes: usize,
    /// The next message of every connection.
    queue: BTreeSet<(Time, Slot)>,
}

/// The feed's state of one connection.
#[derive(Debug)]
pub struct State {
    number: u32,
    slot: Slot,
    schedule: Schedule,
    /// The moment under which the queue lists this connection.
    next: Time,
}

impl Feed {
    /// Creates the feed of one shard.
    #[must_use]
    pub fn new(plan: Plan, shard: usize) -> Self {
        Self {
            composer: Composer::new(plan.format.clone()),
            random: fastrand::Rng::with_seed(plan.seed.wrapping_add(shard as u64)),
            max_waiting_bytes: MIN_WAITING_BYTES.max(plan.sizes.max().saturating_mul(2)),
            queue: BTreeSet::new(),
            plan,
        }
    }

    fn send<T: Transport>(&mut self, due: Due, slot: Slot, peers: &mut impl Peers<State>, cx: &mut Cx<'_, T>) {
        let Some((wire, state)) = peers.open(slot) else { return };
        let totals = &cx.kit.totals;
        // Draw even if the message is dropped, so that the same seed gives the same messages.
        let len = self.plan.sizes.draw(&mut self.random);
        if wire.waiting() > self.max_waiting_bytes {
            totals.dropped.add(1);
            return;
        }
        let stamp = Stamp { from: state.number, number: due.number, at: due.at };
        totals.sent_messages.add(1);
        totals.sent_bytes.add(len as u64);
        if wire.send(cx.net, self.composer.compose(&stamp, len, None)).is_err() {
            // The connection is broken; its next step finds the cause.
            cx.net.wake(slot);
        }
    }
}

/// The delay from a connection's opening to its first message: a fraction of a period, chosen so that any number of
/// consecutive connections are spread evenly over it (Fibonacci hashing). Without it, connections that opened together
/// would be served together.
fn phase(number: u32, rate: Rate) -> Duration {
    let part = u128::from(number.wrapping_mul(0x9E37_79B9));
    let nanos = rate.moment(1).as_nanos().saturating_mul(part) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl Role for Feed {
    type State = State;

    fn frames(&self) -> FrameLimits {
        FRAMES
    }

    fn opened<T: Transport>(&mut self, slot: Slot, _cx: &mut Cx<'_, T>) -> State {
        let number = self.plan.numbers.fetch_add(1, Ordering::Relaxed);
        let start = Time::of_the_clock().after(phase(number, self.plan.rate));
        let schedule = Schedule::new(self.plan.rate, Share { index: 0, of: 1 }, start, Time::MAX);
        self.queue.insert((start, slot));
        State { number, slot, schedule, next: start }
    }

    fn ended<T: Transport>(&mut self, state: State, _cx: &mut Cx<'_, T>) {
        self.queue.remove(&(state.next, state.slot));
    }

    fn next_due(&self) -> Option<Time> {
        self.queue.first().map(|(at, _)| *at)
    }

    fn due<T: Transport>(&mut self, now: Time, peers: &mut impl Peers<State>, cx: &mut Cx<'_, T>) {
        for _ in 0..MESSAGES_A_TURN {
            let Some(&(at, slot)) = self.queue.first().filter(|(at, _)| *at <= now) else { return };
            self.queue.remove(&(at, slot));
            // A connection that is about to leave gets no more messages.
            let Some((_, state)) = peers.open(slot) else { continue };
            let due = state.schedule.take(now);
            if let Some(next) = state.schedule.next() {
                state.next = next;
                self.queue.insert((next, slot));
            }
            if let Some(due) = due {
                self.send(due, slot, peers, cx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Rate, phase};

    #[test]
    fn the_first_messages_of_connections_in_a_row_are_spread_over_a_period() {
        let rate = Rate::per_second(1.0).unwrap();
        let mut phases: Vec<u128> = (1000..1100).map(|number| phase(number, rate).as_millis()).collect();
        phases.sort_unstable();
        assert!(phases.last().is_some_and(|last| (950..1000).contains(last)), "{phases:?}");
        assert!(phases.windows(2).all(|pair| pair[1] - pair[0] <= 20), "{phases:?}");
        assert_eq!(phase(0, rate).as_nanos(), 0);
    }
}
