//! Stage 4: the open tunnel. Bytes go both ways as they come; silent sides are asked whether they live.

use std::time::Duration;

use super::context::Context;
use super::leg::Leg;
use super::end::{End, Side};
use super::pump::{Manner, Pumped, pump};
use crate::engine::{Next, Time, Transport};
use crate::routing::policy::Timeouts;

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
        let Timeouts { idle, ping_interval, pong, .. } = cx.policy().timeouts;
        let now = cx.net.now();
        let idle_at = idle.map(|idle| self.client.last_forwarded.max(self.upstream.last_forwarded).after(idle));
        if idle_at.is_some_and(|at| now >= at) {
            return Err(End::Idle);
        }
        let Some(interval) = ping_interval else { return Ok(idle_at) };
        let lively_until = self.client.last_heard().min(self.upstream.last_heard()).after(interval);
        let look_at = if now < lively_until && self.client.is_unasked(cx) && self.upstream.is_unasked(cx) {
            lively_until
        } else {
            self.keep_alive(interval, pong, cx)?
        };
        Ok(Some(idle_at.map_or(look_at, |at| at.min(look_at))))
    }

    /// Asks who is silent, and says when to look again.
    #[inline(never)]
    fn keep_alive<T: Transport>(
        &mut self,
        interval: Duration,
        patience: Duration,
        cx: &mut Context<'_, T>,
    ) -> Result<Time, End> {
        let (client, upstream) = (&mut self.client, &mut self.upstream);
        let (client_is_read, upstream_is_read) = (upstream.has_all(cx), client.has_all(cx));
        let of_client = client.keep_alive(interval, patience, upstream.scanner.at_boundary(), client_is_read, cx)?;
        let of_upstream =
            upstream.keep_alive(interval, patience, client.scanner.at_boundary(), upstream_is_read, cx)?;
        Ok(of_client.min(of_upstream))
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
