//! A shard's client connections: which are to be opened and when, and whose turn it is to send.

use ringway::engine::slab::Slab;
use ringway::engine::{Slot, Time};

use super::client::Client;
use super::kit::Kit;
use crate::record::Event;
use crate::schedule::{Rate, Share};

/// Connections that a shard may be opening at once, when no rate says otherwise.
const MAX_OPENING: usize = 256;

/// Connections that are to be opened: those of `first..last` that are this shard's.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The first number.
    pub first: u64,
    /// The number behind the last.
    pub last: u64,
    /// How fast, over all shards; as fast as they come to stand if `None`.
    pub rate: Option<Rate>,
    /// When the first is due.
    pub start: Time,
    /// Whether it is the first connection of all, which someone waits for.
    pub probe: bool,
}

/// One shard's connections.
#[derive(Debug)]
pub struct Crew<S> {
    /// What they share.
    pub kit: Kit,
    pub(super) share: Share,
    pub(super) connections: Slab<Client<S>>,
    /// Slots of connections in the order in which messages go round.
    pub(super) order: Vec<Slot>,
    /// The place in `order` whose turn is next.
    turn: usize,
    pub(super) opening: Option<Opening>,
    pub(super) next: u64,
    /// Connections between dial and 101.
    pub(super) in_flight: usize,
    /// Whether the connections that were asked for were reported as settled.
    settled: bool,
}

impl<S> Crew<S> {
    /// A crew without connections.
    #[must_use]
    pub fn new(kit: Kit, share: Share) -> Self {
        Self {
            kit,
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

    /// How many connections there are, in whatever stage.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// A connection.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Client<S>> {
        self.connections.get_mut(slot)
    }

    /// A connection and what it shares.
    pub fn with_kit(&mut self, slot: Slot) -> (Option<&mut Client<S>>, &mut Kit) {
        (self.connections.get_mut(slot), &mut self.kit)
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

    /// When the next connection is due.
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

    /// Whose turn it is: one after the other.
    pub fn next_in_line(&mut self) -> Option<Slot> {
        let place = self.turn.checked_rem(self.order.len())?;
        self.turn = place + 1;
        self.order.get(place).copied()
    }

    /// Puts the open connections into the order in which messages go round: by chance, so that neighbours in time are no
    /// neighbours in the target's tables.
    pub fn line_up(&mut self) {
        let slots: Vec<Slot> = self.connections.slots().collect();
        self.order = slots
            .into_iter()
            .filter(|slot| self.connections.get_mut(*slot).is_some_and(|client| client.is_open()))
            .collect();
        self.kit.random.shuffle(&mut self.order);
        self.turn = 0;
    }

    /// Says once that nothing is being opened any more.
    pub(super) fn settle(&mut self) {
        let done = self.opening.as_ref().is_none_or(|opening| self.next >= opening.last);
        if !self.settled && done && self.in_flight == 0 {
            self.settled = true;
            self.kit.recorder.tell(Event::Settled);
        }
    }
}
