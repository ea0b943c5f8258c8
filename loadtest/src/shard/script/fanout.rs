//! `fanout`: what some publish, all others hear.
//!
//! Connections below a number subscribe, the others publish. A subscriber checks each delivery against its publisher's
//! numbers: a number that was skipped is missing until it comes (out of order) or the run ends (lost), one that came
//! before is a duplicate. How much was published is the one thing that shards share, so that each knows what its
//! subscribers are owed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringway::engine::{Fault, Slot, Time, Transport};

use super::{Cx, Opened, Run, Script};
use crate::message::{Checker, Stamp};
use crate::plan::Speech;
use crate::schedule::{Due, Rate, Schedule, Share};
use crate::shard::client::Client;
use crate::shard::crew::{Crew, Kit};
use crate::shard::wire::Wire;

/// Numbers that a subscriber may miss of one publisher and still be heard of. Beyond that the oldest count as lost.
const MAX_GAPS: usize = 1024;

/// The scenario.
#[derive(Debug)]
pub struct Fanout {
    /// Connections with a lower number subscribe.
    subscribers: u32,
    publishers: u32,
    rate: Option<Rate>,
    schedule: Option<Schedule>,
    /// Publishers of this shard, in turn.
    line: Vec<Slot>,
    /// Messages that were published, of all shards.
    published: Arc<AtomicU64>,
    /// Subscribers of this shard, and what they have heard.
    alive: u64,
    heard: u64,
}

/// What is kept of a connection.
#[derive(Debug)]
pub enum State {
    /// A subscriber.
    Subscriber(Subscriber),
    /// A publisher: its next message's number.
    Publisher(u64),
}

/// What a subscriber has heard.
#[derive(Debug, Default)]
pub struct Subscriber {
    checker: Checker,
    /// By publisher. There are few.
    from: Vec<Heard>,
    /// Messages, each counted once.
    heard: u64,
}

#[derive(Debug)]
struct Heard {
    publisher: u32,
    next: u64,
    /// Numbers below `next` that have not come.
    missing: Vec<u64>,
}

/// What a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    InOrder,
    OutOfOrder,
    Again,
}

impl Heard {
    fn place(&mut self, number: u64) -> Place {
        if number < self.next {
            let Some(at) = self.missing.iter().position(|missing| *missing == number) else { return Place::Again };
            self.missing.swap_remove(at);
            return Place::OutOfOrder;
        }
        let room = MAX_GAPS.saturating_sub(self.missing.len());
        self.missing.extend((self.next..number).take(room));
        self.next = number.saturating_add(1);
        Place::InOrder
    }
}

impl Fanout {
    /// So many subscribers, and so many publishers that publish at a rate over all of them. Without publishers the
    /// messages are the server's own, and only what is missing between two of them counts as lost.
    #[must_use]
    pub fn new(subscribers: u32, publishers: u32, rate: Option<Rate>, published: Arc<AtomicU64>) -> Self {
        Self { subscribers, publishers, rate, schedule: None, line: Vec::new(), published, alive: 0, heard: 0 }
    }

    fn publish<T: Transport>(&mut self, due: &Due, crew: &mut Crew<State>, net: &mut T) {
        let turn = usize::try_from(due.number).unwrap_or(0).checked_rem(self.line.len());
        let slot = turn.and_then(|turn| self.line.get(turn)).copied();
        let (client, kit) = slot.map_or((None, None), |slot| {
            let (client, kit) = crew.with_kit(slot);
            (client, Some(kit))
        });
        let Some(kit) = kit else { return crew.kit.recorder.unsent(due.at, NO_PUBLISHER) };
        let Some((number, wire, State::Publisher(next))) = client.and_then(Client::open) else {
            return kit.recorder.unsent(due.at, NO_PUBLISHER);
        };
        let Kit { plan, composer, recorder, random, .. } = kit;
        if wire.waiting() > plan.max_waiting_bytes {
            return recorder.unsent(due.at, "not published: too many waiting on the connection");
        }
        let len = plan.sizes.draw(random);
        let stamp = Stamp { from: number, number: *next, at: due.at };
        *next += 1;
        self.published.fetch_add(1, Ordering::Relaxed);
        recorder.sent(due.at, len);
        let place = plan.place(number);
        let message = match place.speech {
            Speech::WebSocket => composer.compose(&stamp, len, wire.key(net)),
            Speech::Post => composer.post(&stamp, len, &place.target.authority, &place.path),
        };
        if let (Err(_), Some(slot)) = (wire.send(net, message), slot) {
            // It is broken, and its next step finds out how.
            net.wake(slot);
        }
    }

    fn owed(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }
}

/// Why a message could not be published whose publisher is gone.
const NO_PUBLISHER: &str = "not published: the publisher is gone";

impl Script for Fanout {
    type State = State;

    fn opened<T: Transport>(&mut self, number: u32, _: Time, _: &mut Wire, _: &mut Cx<'_, T>) -> Opened<State> {
        if number >= self.subscribers {
            return Opened::Stay(State::Publisher(0));
        }
        self.alive += 1;
        Opened::Stay(State::Subscriber(Subscriber::default()))
    }

    #[inline]
    fn payload<T: Transport>(&mut self, state: &mut State, piece: &[u8], cx: &mut Cx<'_, T>) {
        if let State::Subscriber(subscriber) = state {
            subscriber.checker.push(piece, cx.kit.composer.format());
        }
    }

    fn message<T: Transport>(&mut self, state: &mut State, _: &mut Wire, cx: &mut Cx<'_, T>) -> Result<(), Fault> {
        // What a publisher hears is the server's affair.
        let State::Subscriber(subscriber) = state else { return Ok(()) };
        let len = subscriber.checker.len();
        let Some(stamp) = subscriber.checker.finish(cx.kit.composer.format()) else {
            cx.kit.recorder.mismatched();
            return Ok(());
        };
        let known = subscriber.from.iter().position(|heard| heard.publisher == stamp.from);
        let known = known.unwrap_or_else(|| {
            subscriber.from.push(Heard { publisher: stamp.from, next: 0, missing: Vec::new() });
            subscriber.from.len() - 1
        });
        let Some(heard) = subscriber.from.get_mut(known) else { return Ok(()) };
        match heard.place(stamp.number) {
            Place::Again => {
                cx.kit.recorder.duplicate();
                return Ok(());
            }
            Place::OutOfOrder => cx.kit.recorder.out_of_order(),
            Place::InOrder => {}
        }
        subscriber.heard += 1;
        self.heard += 1;
        cx.kit.recorder.received(stamp.at, cx.net.clock(), len);
        Ok(())
    }

    fn ended<T: Transport>(&mut self, state: State, cx: &mut Cx<'_, T>) {
        let State::Subscriber(subscriber) = state else { return };
        self.alive -= 1;
        self.heard -= subscriber.heard;
        let missing = if self.publishers > 0 {
            self.owed().saturating_sub(subscriber.heard)
        } else {
            subscriber.from.iter().map(|heard| heard.missing.len() as u64).sum()
        };
        cx.kit.recorder.missing(missing);
    }

    fn run<T: Transport>(&mut self, run: &Run, crew: &mut Crew<State>, _net: &mut T) {
        self.line = crew.open_where(|state| matches!(state, State::Publisher(_)));
        let share = crew.share();
        // Publishers stand behind the subscribers, so each shard's part of them is counted from where those end.
        let shift = (share.index + share.of - u64::from(self.subscribers) % share.of) % share.of;
        let mine = Share { index: shift, of: share.of }.part_of(u64::from(self.publishers));
        let Some(rate) = self.rate.and_then(|rate| rate.part(mine, u64::from(self.publishers))) else { return };
        // Shards begin one after the other, so that they do not publish at the same moments.
        let start = run.start.after(rate.moment(1) / u32::try_from(share.of).unwrap_or(1) * crew.index());
        self.schedule = Some(Schedule::new(rate, Share { index: 0, of: 1 }, start, run.window.until));
    }

    fn next_due(&self) -> Option<Time> {
        self.schedule.as_ref()?.next()
    }

    fn due<T: Transport>(&mut self, now: Time, crew: &mut Crew<State>, net: &mut T) {
        while let Some(due) = self.schedule.as_mut().and_then(|schedule| schedule.take(now)) {
            crew.kit.recorder.due(due.at, now);
            self.publish(&due, crew, net);
        }
    }

    fn cut(&mut self, at: Time) {
        if let Some(schedule) = &mut self.schedule {
            schedule.cut(at);
        }
    }

    fn is_drained(&self) -> bool {
        self.publishers == 0 || self.heard >= self.owed().saturating_mul(self.alive)
    }
}

#[cfg(test)]
mod tests {
    use super::{Heard, Place};

    fn places(numbers: &[u64]) -> (Vec<Place>, usize) {
        let mut heard = Heard { publisher: 1, next: 0, missing: Vec::new() };
        (numbers.iter().map(|number| heard.place(*number)).collect(), heard.missing.len())
    }

    #[test]
    fn each_delivery_has_its_place() {
        use Place::{Again, InOrder, OutOfOrder};
        assert_eq!(places(&[0, 1, 2]), (vec![InOrder; 3], 0));
        assert_eq!(places(&[0, 2, 1, 3]), (vec![InOrder, InOrder, OutOfOrder, InOrder], 0));
        assert_eq!(places(&[0, 3, 3, 0]), (vec![InOrder, InOrder, Again, Again], 2));
        assert_eq!(places(&[0, 2, 1, 1]), (vec![InOrder, InOrder, OutOfOrder, Again], 0));
    }

    #[test]
    fn what_is_kept_of_gaps_is_bounded() {
        let (places, missing) = places(&[u64::MAX, 5]);
        assert_eq!((places[0], missing), (Place::InOrder, super::MAX_GAPS - 1));
        assert_eq!(places[1], Place::OutOfOrder);
    }
}
