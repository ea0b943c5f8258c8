//! Stage 4: the open tunnel. Bytes go both ways as they come; silent sides are asked whether they live.

use super::context::Context;
use super::leg::{Leg, Pulse};
use super::plan::Side;
use super::pump::{Manner, Pumped, pump};
use super::record::End;
use crate::engine::{Next, Time, Transport};

/// Pumps of what a broken connection still holds: a receive buffer of several MiB.
const LAST_PUMPS: usize = 32;

#[derive(Debug)]
pub(super) struct Relay {
    pub(super) client: Leg,
    pub(super) upstream: Leg,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    /// It is to end, for this reason.
    Ending(End),
}

impl Relay {
    pub(super) fn new(client: Leg, upstream: Leg) -> Self {
        Self { client, upstream }
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        let up = pump(&mut self.client, &mut self.upstream, Manner::Forward, cx);
        if let Some(end) = end_of(up, Side::Client) {
            return Outcome::Ending(self.last_words(end, cx));
        }
        let down = pump(&mut self.upstream, &mut self.client, Manner::Forward, cx);
        if let Some(end) = end_of(down, Side::Upstream) {
            return Outcome::Ending(self.last_words(end, cx));
        }
        if up == Pumped::More || down == Pumped::More {
            return Outcome::Stay(Next::Again);
        }
        match self.next_deadline(cx) {
            Ok(deadline) => Outcome::Stay(Next::Wait(deadline)),
            Err(end) => Outcome::Ending(end),
        }
    }

    /// A connection that breaks when it is written to may still hold what its side said before: a server that refuses
    /// a long message says why, and closes with bytes unread, which resets the connection.
    fn last_words<T: Transport>(&mut self, end: End, cx: &mut Context<'_, T>) -> End {
        let (side, from, to) = match end {
            End::Broken(Side::Client, _) => (Side::Client, &mut self.client, &mut self.upstream),
            End::Broken(Side::Upstream, _) => (Side::Upstream, &mut self.upstream, &mut self.client),
            _ => return end,
        };
        for _ in 0..LAST_PUMPS {
            match pump(from, to, Manner::Forward, cx) {
                Pumped::More => {}
                Pumped::Closed => return End::Closed(side),
                _ => return end,
            }
        }
        end
    }

    /// Does what silence asks for, and says when to look again.
    fn next_deadline<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Result<Option<Time>, End> {
        let timeouts = cx.policy().timeouts;
        let idle_at = timeouts.idle.map(|idle| {
            let last = self.client.last_forwarded.max(self.upstream.last_forwarded);
            last.after(idle)
        });
        if idle_at.is_some_and(|at| cx.net.now() >= at) {
            return Err(End::Idle);
        }
        let (client, upstream) = (&mut self.client, &mut self.upstream);
        let (client_is_read, upstream_is_read) = (upstream.has_all(cx), client.has_all(cx));
        let pulses = [
            (Side::Client, client.keep_alive(&timeouts, upstream.scanner.at_boundary(), client_is_read, cx)),
            (Side::Upstream, upstream.keep_alive(&timeouts, client.scanner.at_boundary(), upstream_is_read, cx)),
        ];
        let mut next = idle_at;
        for (side, pulse) in pulses {
            match pulse {
                None => {}
                Some(Pulse::CheckAt(at)) => next = Some(next.map_or(at, |next| next.min(at))),
                Some(Pulse::Silent) => return Err(End::Silent(side)),
                Some(Pulse::Broken(fault)) => return Err(End::Broken(side, fault)),
            }
        }
        Ok(next)
    }
}

/// What a pump's result means for the tunnel; `None` if it goes on.
fn end_of(pumped: Pumped, from: Side) -> Option<End> {
    match pumped {
        Pumped::Blocked | Pumped::More => None,
        Pumped::Closed => Some(End::Closed(from)),
        Pumped::Ended => Some(End::Ended(from)),
        Pumped::Violated(violation) => Some(End::Violated(from, violation)),
        Pumped::Broken(side, fault) => Some(End::Broken(side, fault)),
    }
}
