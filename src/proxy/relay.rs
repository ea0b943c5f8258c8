//! Stage 4: the open tunnel. Forwards bytes in both directions as they come, and checks whether silent sides are alive.

use std::time::Duration;

use super::context::Context;
use super::end::{End, Side};
use super::leg::{Leg, Legs};
use super::pump::{Manner, Pumped, pump};
use crate::engine::{Next, Time, Transport};
use crate::routing::policy::Timeouts;

/// The most pumps of what a broken connection still holds in its receive buffer: several MiB.
const LAST_PUMPS: usize = 32;

#[derive(Debug)]
pub(super) struct Relay {
    pub(super) client: Leg,
    pub(super) upstream: Leg,
}

/// The way in which bytes pass from one side to the other.
pub(super) trait Passing {
    /// Forwards what a side sends.
    fn pump<T: Transport>(&mut self, from: &mut Leg, to: &mut Leg, cx: &mut Context<'_, T>) -> Pumped;
}

/// Bytes pass as they come.
struct AsTheyCome;

impl Passing for AsTheyCome {
    #[inline]
    fn pump<T: Transport>(&mut self, from: &mut Leg, to: &mut Leg, cx: &mut Context<'_, T>) -> Pumped {
        pump(from, to, Manner::Forward, cx)
    }
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    /// The tunnel must end, for this reason.
    Ending(End),
}

impl Relay {
    pub(super) fn new(client: Leg, upstream: Leg) -> Self {
        Self { client, upstream }
    }

    /// Both sides, for the stage that ends the tunnel.
    pub(super) fn into_legs(self) -> Legs {
        Legs { client: self.client, upstream: self.upstream }
    }

    #[inline]
    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        self.step_through(&mut AsTheyCome, cx)
    }

    /// A step in which bytes pass this way.
    pub(super) fn step_through<T: Transport>(&mut self, way: &mut impl Passing, cx: &mut Context<'_, T>) -> Outcome {
        let up = way.pump(&mut self.client, &mut self.upstream, cx);
        if let Some(end) = end_of(up, Side::Client) {
            return Outcome::Ending(self.drain_broken(end, way, cx));
        }
        let down = way.pump(&mut self.upstream, &mut self.client, cx);
        if let Some(end) = end_of(down, Side::Upstream) {
            return Outcome::Ending(self.drain_broken(end, way, cx));
        }
        if up == Pumped::More || down == Pumped::More {
            return Outcome::Stay(Next::Again);
        }
        match self.next_deadline(cx) {
            Ok(deadline) => Outcome::Stay(Next::Wait(deadline)),
            Err(end) => Outcome::Ending(end),
        }
    }

    /// Forwards what a broken connection still holds. A server that refuses a long message sends a close frame and
    /// closes with bytes unread, which resets the connection: its close frame is still there when a send to it fails.
    fn drain_broken<T: Transport>(&mut self, end: End, way: &mut impl Passing, cx: &mut Context<'_, T>) -> End {
        let (side, from, to) = match end {
            End::Broken(Side::Client, _) => (Side::Client, &mut self.client, &mut self.upstream),
            End::Broken(Side::Upstream, _) => (Side::Upstream, &mut self.upstream, &mut self.client),
            _ => return end,
        };
        for _ in 0..LAST_PUMPS {
            match way.pump(from, to, cx) {
                Pumped::More => {}
                Pumped::Closed => return End::Closed(side),
                _ => return end,
            }
        }
        end
    }

    /// Enforces the idle timeout, sends pings where they are due, and returns when to look again.
    ///
    /// Inlined into each of its callers: a call costs every message 30 instructions.
    #[inline(always)]
    fn next_deadline<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Result<Option<Time>, End> {
        let Timeouts { idle, ping_interval, upstream_ping_interval, pong, .. } = cx.policy().timeouts;
        let now = cx.net.now();
        let idle_at = idle.map(|idle| self.client.last_forwarded.max(self.upstream.last_forwarded).after(idle));
        if idle_at.is_some_and(|at| now >= at) {
            return Err(End::Idle);
        }
        let client_at = check(&mut self.client, &self.upstream, ping_interval, pong, cx)?;
        let upstream_at = check(&mut self.upstream, &self.client, upstream_ping_interval, pong, cx)?;
        Ok(earlier(earlier(idle_at, client_at), upstream_at))
    }
}

/// The earlier of two moments, if there is one. An iterator over them costs some 50 instructions a message.
#[inline]
fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (only, None) | (None, only) => only,
    }
}

/// Checks a side if it is silent and pings are on, and returns when to look again.
#[inline]
fn check<T: Transport>(
    side: &mut Leg,
    other: &Leg,
    interval: Option<Duration>,
    pong_timeout: Duration,
    cx: &mut Context<'_, T>,
) -> Result<Option<Time>, End> {
    let Some(interval) = interval else { return Ok(None) };
    match side.is_lively_until(interval, cx) {
        Some(until) => Ok(Some(until)),
        None => keep_alive(side, other, interval, pong_timeout, cx).map(Some),
    }
}

/// Checks a side that is silent, and returns when to look again.
#[inline(never)]
fn keep_alive<T: Transport>(
    side: &mut Leg,
    other: &Leg,
    interval: Duration,
    pong_timeout: Duration,
    cx: &mut Context<'_, T>,
) -> Result<Time, End> {
    // A side is read only while the other takes what it sends.
    if other.has_all(cx) {
        side.keep_alive(&other.scanner, interval, pong_timeout, cx)
    } else {
        Ok(side.excuse_silence(interval, cx.net.now()))
    }
}

/// The end that the result of a pump asks for; `None` if the tunnel goes on.
fn end_of(pumped: Pumped, from: Side) -> Option<End> {
    match pumped {
        Pumped::Blocked | Pumped::More => None,
        Pumped::Closed => Some(End::Closed(from)),
        Pumped::Ended => Some(End::Ended(from)),
        Pumped::Violated(violation) => Some(End::Violated(from, violation)),
        Pumped::Broken(side, fault) => Some(End::Broken(side, fault)),
    }
}
