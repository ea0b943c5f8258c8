//! A shard's client connections, and how they are opened: at a rate or as fast as they come to stand.

use std::sync::Arc;

use ringway::engine::pool::Pool;
use ringway::engine::slab::Slab;
use ringway::engine::{Next, Slot, Time, Transport};
use ringway::tls::SecureTransport;
use rustls::ClientConfig;

use super::client::{self, Client};
use super::script::{Cx, Script};
use crate::composer::Composer;
use crate::plan::Plan;
use crate::record::{Event, Recorder, Trouble};
use crate::schedule::{Due, Rate, Share};

/// Connections that a shard may be opening at once, when no rate says otherwise.
const MAX_OPENING: usize = 256;

/// What all connections of a shard share.
#[derive(Debug)]
pub struct Kit {
    /// The plan of the run.
    pub plan: Arc<Plan>,
    /// Makes messages.
    pub composer: Composer,
    /// Takes down what happens.
    pub recorder: Recorder,
    /// Buffers.
    pub pool: Pool,
    /// How TLS is spoken, with the sessions that this shard remembers.
    pub tls: Option<Arc<ClientConfig>>,
    /// For everything that is drawn.
    pub random: fastrand::Rng,
    /// Whether the run is over: connections end on purpose.
    pub closing: bool,
}

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
    share: Share,
    connections: Slab<Client<S>>,
    /// Slots of connections in the order in which messages go round.
    pub(super) order: Vec<Slot>,
    /// The place in `order` whose turn is next.
    turn: usize,
    opening: Option<Opening>,
    next: u64,
    /// Connections between dial and 101.
    in_flight: usize,
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

    /// Opens what is due.
    pub fn dial_what_is_due<T, P>(&mut self, script: &mut P, net: &mut T)
    where
        T: SecureTransport,
        P: Script<State = S>,
    {
        let now = Time::of_the_clock();
        while let Some(at) = self.next_dial().filter(|at| *at <= now) {
            // Without a rate a connection is due when it is begun.
            let rated = self.opening.as_ref().is_some_and(|opening| opening.rate.is_some());
            let probe = self.opening.as_ref().is_some_and(|opening| opening.probe);
            let due = Due { number: self.next, at: if rated { at } else { now } };
            self.next += self.share.of;
            self.dial(due, probe, script, net);
        }
        self.settle();
    }

    /// Opens one connection; `false` if that failed at once.
    pub fn dial<T, P>(&mut self, due: Due, probe: bool, script: &mut P, net: &mut T) -> bool
    where
        T: SecureTransport,
        P: Script<State = S>,
    {
        // No scenario has numbers beyond these.
        let number = u32::try_from(due.number).unwrap_or(u32::MAX);
        let begun = self.begin(number, due.at, probe, net);
        if let Err(why) = begun {
            self.kit.recorder.failed(why);
            if probe {
                self.kit.recorder.tell(Event::Probed(Err(format!("cannot connect: {}", why.reason()))));
            }
            script.gone(number);
        }
        begun.is_ok()
    }

    fn begin<T: SecureTransport>(&mut self, number: u32, due: Time, probe: bool, net: &mut T) -> Result<(), Trouble> {
        const TOO_MANY: Trouble = Trouble::Connect("too-many-open");
        if self.connections.len() >= self.kit.plan.max_connections {
            return Err(TOO_MANY);
        }
        let slot = self.connections.insert(Client::vacant()).map_err(|_| TOO_MANY)?;
        match client::dial(number, due, slot, probe, &mut self.kit, net) {
            Ok(client) => {
                if let Some(place) = self.connections.get_mut(slot) {
                    *place = client;
                }
                self.in_flight += 1;
                // The first step names the deadline.
                net.wake(slot);
                Ok(())
            }
            Err(fault) => {
                self.connections.remove(slot);
                Err(Trouble::connecting(fault))
            }
        }
    }

    /// Steps one connection, and removes it if it is gone.
    pub fn step<T, P>(&mut self, slot: Slot, script: &mut P, scratch: &mut [u8], net: &mut T) -> Next
    where
        T: SecureTransport,
        P: Script<State = S>,
    {
        let Some(client) = self.connections.get_mut(slot) else { return Next::Done };
        let was_opening = client.is_opening();
        let next = client.step(script, scratch, &mut Cx { net, kit: &mut self.kit });
        self.after_step(slot, was_opening, next, script);
        next
    }

    fn after_step<P: Script<State = S>>(&mut self, slot: Slot, was_opening: bool, next: Next, script: &mut P) {
        let is_opening = self.connections.get_mut(slot).is_some_and(|client| client.is_opening());
        if was_opening && (!is_opening || next == Next::Done) {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
        if next == Next::Done
            && let Some(client) = self.connections.remove(slot)
        {
            script.gone(client.number());
        }
        self.settle();
    }

    /// Ends every connection on purpose.
    pub fn dismiss<T, P>(&mut self, script: &mut P, net: &mut T)
    where
        T: Transport,
        P: Script<State = S>,
    {
        self.stop_opening();
        let slots: Vec<Slot> = self.connections.slots().collect();
        for slot in slots {
            let Some(client) = self.connections.get_mut(slot) else { continue };
            let was_opening = client.is_opening();
            let next = client.dismiss(script, &mut Cx { net, kit: &mut self.kit });
            self.after_step(slot, was_opening, next, script);
            // The next step names its deadline.
            net.wake(slot);
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
    fn settle(&mut self) {
        let done = self.opening.as_ref().is_none_or(|opening| self.next >= opening.last);
        if !self.settled && done && self.in_flight == 0 {
            self.settled = true;
            self.kit.recorder.tell(Event::Settled);
        }
    }
}
