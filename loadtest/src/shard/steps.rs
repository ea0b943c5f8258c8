//! Dials, steps and dismisses the clients of a shard.

use ringway::engine::{Next, Slot, Time, Transport};
use ringway::tls::SecureTransport;

use super::client::{Client, Purpose};
use super::clients::Clients;
use super::life;
use super::script::Script;
use super::state::Cx;
use crate::record::{Event, Trouble};
use crate::schedule::Due;

impl<S> Clients<S> {
    /// Opens the connections that are due.
    pub fn dial_what_is_due<T, P>(&mut self, script: &mut P, net: &mut T)
    where
        T: SecureTransport,
        P: Script<State = S>,
    {
        let now = Time::of_the_clock();
        while let Some(at) = self.next_dial().filter(|at| *at <= now) {
            // Without a rate a connection is due when it is begun.
            let rated = self.opening.as_ref().is_some_and(|opening| opening.rate.is_some());
            let purpose = self.opening.as_ref().map(|opening| opening.purpose).unwrap_or_default();
            let due = Due { number: self.next, at: if rated { at } else { now } };
            self.next += self.share.of;
            self.dial(due, purpose, script, net);
        }
        self.settle();
    }

    /// Opens one connection; `false` if that failed at once.
    pub fn dial<T, P>(&mut self, due: Due, purpose: Purpose, script: &mut P, net: &mut T) -> bool
    where
        T: SecureTransport,
        P: Script<State = S>,
    {
        // No scenario has numbers beyond these.
        let number = u32::try_from(due.number).unwrap_or(u32::MAX);
        let begun = self.begin(number, due.at, purpose, net);
        if let Err(why) = begun {
            self.shard.recorder.failed(why);
            if purpose == Purpose::Probe {
                self.shard.recorder.tell(Event::Probed(Err(format!("cannot connect: {}", why.reason()))));
            }
            script.gone(number);
        }
        begun.is_ok()
    }

    fn begin<T: SecureTransport>(
        &mut self,
        number: u32,
        due: Time,
        purpose: Purpose,
        net: &mut T,
    ) -> Result<(), Trouble> {
        const TOO_MANY: Trouble = Trouble::Connect("too-many-open");
        if self.connections.len() >= self.shard.plan.max_connections {
            return Err(TOO_MANY);
        }
        let slot = self.connections.insert(Client::vacant()).map_err(|_| TOO_MANY)?;
        match life::dial(number, due, slot, purpose, &mut self.shard, net) {
            Ok(client) => {
                if let Some(place) = self.connections.get_mut(slot) {
                    *place = client;
                }
                self.in_flight += 1;
                // The first step sets the deadline.
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
        let next = client.step(script, scratch, &mut Cx { net, shard: &mut self.shard });
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
            let next = client.dismiss(script, &mut Cx { net, shard: &mut self.shard });
            self.after_step(slot, was_opening, next, script);
            // The next step sets its deadline.
            net.wake(slot);
        }
    }
}
