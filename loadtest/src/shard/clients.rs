//! A shard's client connections: which are opened and when, and which one sends next.

use ringway::engine::slab::Slab;
use ringway::engine::{Slot, Time};

use super::client::{Client, Purpose};
use super::state::ShardState;
use crate::record::Event;
use crate::schedule::{Rate, Share};

/// Connections that a shard may be opening at once, when no rate says otherwise.
const MAX_OPENING: usize = 256;

/// Connections to open: this shard's part of `first..last`.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The first number.
    pub first: u64,
    /// The number after the last.
    pub last: u64,
    /// Connections a second, over all shards; `None` opens each as soon as an earlier one is open.
    pub rate: Option<Rate>,
    /// The time at which the first is due.
    pub start: Time,
    /// The purpose of these connections.
    pub purpose: Purpose,
}

/// One shard's connections.
#[derive(Debug)]
pub struct Clients<S> {
    /// The shared state.
    pub shard: ShardState,
    pub(super) share: Share,
    pub(super) connections: Slab<Client<S>>,
    /// Slots of open connections in the order in which they send.
    pub(super) order: Vec<Slot>,
    /// The index in `order` that sends next.
    turn: usize,
    pub(super) opening: Option<Opening>,
    pub(super) next: u64,
    /// Connections between dial and 101.
    pub(super) in_flight: usize,
    /// `true` once the requested connections were reported as settled.
    settled: bool,
}

impl<S> Clients<S> {
    /// A clients without connections.
    #[must_use]
    pub fn new(shard: ShardState, share: Share) -> Self {
        Self {
            shard,
            share,
            connections: Slab::default(),
            order: Vec::new(),
            turn: 0,
            opening: None,
            next: 0,
            in_flight: 0,
            settled: true,
        }
    }

    /// This shard's share.
    #[must_use]
    pub fn share(&self) -> Share {
        self.share
    }

    /// Number of connections, in any stage.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// `true` if there are no connections.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// A connection.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Client<S>> {
        self.connections.get_mut(slot)
    }

    /// A connection and the shared state.
    pub fn with_shard(&mut self, slot: Slot) -> (Option<&mut Client<S>>, &mut ShardState) {
        (self.connections.get_mut(slot), &mut self.shard)
    }

    /// Begins to open connections.
    pub fn open(&mut self, opening: Opening) {
        // The first number from `first` on that is this shard's.
        let behind = (self.share.index + self.share.of - opening.first % self.share.of) % self.share.of;
        self.next = opening.first + behind;
        self.opening = Some(opening);
        self.settled = false;
    }

    /// Stops opening.
    pub fn stop_opening(&mut self) {
        self.opening = None;
    }

    /// The time at which the next connection is due.
    #[must_use]
    pub fn next_dial(&self) -> Option<Time> {
        let opening = self.opening.as_ref().filter(|opening| self.next < opening.last)?;
        match opening.rate {
            Some(rate) => Some(opening.start.after(rate.moment(self.next - opening.first))),
            None => (self.in_flight < MAX_OPENING).then_some(opening.start),
        }
    }

    /// The place of this shard among all, for arithmetic with times.
    #[must_use]
    pub fn index(&self) -> u32 {
        u32::try_from(self.share.index).unwrap_or(0)
    }

    /// The open connections of one kind, in order.
    #[must_use]
    pub fn open_where(&mut self, is_meant: impl Fn(&S) -> bool) -> Vec<Slot> {
        let slots: Vec<Slot> = self.connections.slots().collect();
        let mut is_meant = |slot: &Slot| {
            self.connections.get_mut(*slot).and_then(Client::open).is_some_and(|(_, _, state)| is_meant(state))
        };
        slots.into_iter().filter(|slot| is_meant(slot)).collect()
    }

    /// The next open connection in turn.
    pub fn next_in_line(&mut self) -> Option<Slot> {
        let place = self.turn.checked_rem(self.order.len())?;
        self.turn = place + 1;
        self.order.get(place).copied()
    }

    /// Shuffles the open connections into the order in which they send, so that neighbours in time are no
    /// neighbours in the target's tables.
    pub fn line_up(&mut self) {
        let slots: Vec<Slot> = self.connections.slots().collect();
        self.order = slots
            .into_iter()
            .filter(|slot| self.connections.get_mut(*slot).is_some_and(|client| client.is_open()))
            .collect();
        self.shard.random.shuffle(&mut self.order);
        self.turn = 0;
    }

    /// Reports, once, that nothing is being opened any more.
    pub(super) fn settle(&mut self) {
        let done = self.opening.as_ref().is_none_or(|opening| self.next >= opening.last);
        if !self.settled && done && self.in_flight == 0 {
            self.settled = true;
            self.shard.recorder.tell(Event::Settled);
        }
    }
}
