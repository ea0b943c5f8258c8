//! One side's end: what is still received from it and sent to it, and when its socket is closed.

use std::time::Duration;

use super::GRACE;
use crate::engine::{Fault, Received, Time, TlsFault, Transport};
use crate::proxy::context::Context;
use crate::proxy::end::{End, Side};
use crate::proxy::inspection::{Inspector, pump_inspected};
use crate::proxy::leg::Leg;
use crate::proxy::plan::{CloseFrame, Plan, SidePlan, Termination};
use crate::proxy::pump::{Manner, Pumped, pump};

/// The end of a TLS connection without close_notify.
const TRUNCATED: Fault = Fault::Tls(TlsFault::Truncated);
/// The most receives in one step from a side whose bytes are discarded.
const DROPS: usize = 4;
/// The most pumps of what a broken connection still holds in its receive buffer: several MiB.
const LAST_PUMPS: usize = 32;
/// The time between two looks whether a side has acknowledged all bytes that a reset would destroy. No event tells.
const RESET_TICK: Duration = Duration::from_millis(20);

/// The progress of one side's end.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) leg: Leg,
    /// Inspects what this side still sends, if the tunnel was inspected.
    inspector: Option<Inspector>,
    plan: SidePlan,
    input: InputMode,
    /// `true` if the bytes that were forwarded from this side end between two frames.
    at_boundary: bool,
    /// `true` if our sending to this side has ended.
    shut: bool,
    /// `true` if the connection of this side has ended or is broken.
    over: bool,
    /// `true` if the socket of this side is closed.
    closed: bool,
    /// `true` if the deadline has passed.
    forced: bool,
    /// The time when the answer of a side that broke a rule is not awaited any more; `None` before its termination.
    given_up_at: Option<Time>,
    /// The time of the next look whether this side may be reset.
    reset_at: Option<Time>,
}

/// The use of bytes that a side still sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InputMode {
    /// Forwarded.
    Forwarded,
    /// Forwarded to the end of the frame that has begun.
    FinishingFrame,
    /// Dropped, but scanned up to the close frame.
    Scanned,
    /// Dropped.
    Dropped,
}

impl Ending {
    pub(super) fn new(leg: Leg, inspector: Option<Inspector>, plan: Plan) -> Self {
        let (side, end, plan) = (leg.side, plan.end, plan.side(leg.side));
        let at_boundary = is_at_boundary(&leg, inspector.as_ref());
        let has_ended = end == End::Ended(side);
        let input = if leg.close_received().is_some() || plan.is_culprit || has_ended || plan.is_dead {
            InputMode::Dropped
        } else if plan.is_forwarded {
            InputMode::Forwarded
        } else if at_boundary {
            InputMode::Scanned
        } else {
            InputMode::FinishingFrame
        };
        Self {
            leg,
            inspector,
            plan,
            input,
            at_boundary,
            shut: false,
            over: has_ended || plan.is_dead,
            closed: false,
            forced: false,
            given_up_at: None,
            reset_at: None,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn is_forced(&self) -> bool {
        self.forced
    }

    /// The time at which this side must be looked at again, before the deadline of the whole end.
    pub(super) fn look_at(&self) -> Option<Time> {
        if self.closed { None } else { [self.given_up_at, self.reset_at].into_iter().flatten().min() }
    }

    /// Receives from this side, and forwards what its input mode forwards. Returns `true` if more may be at hand.
    pub(super) fn listen<T: Transport>(&mut self, other: &mut Self, cx: &mut Context<'_, T>) -> bool {
        if self.over {
            return false;
        }
        if (other.closed || other.plan.is_dead) && !self.is_silent() {
            // Nothing can be forwarded any more.
            self.at_boundary = false;
            self.input = InputMode::Scanned;
        }
        if self.input == InputMode::Dropped {
            return self.drop_input(cx);
        }
        let before = self.input;
        let pumped = self.pump_into(other, cx);
        self.take(pumped, other, cx);
        // Until a receive is blocked, bytes may be at hand of which no event will tell again.
        let finished = before == InputMode::FinishingFrame && self.input == InputMode::Scanned;
        (pumped != Pumped::Blocked || finished) && !self.over
    }

    fn pump_into<T: Transport>(&mut self, other: &mut Self, cx: &mut Context<'_, T>) -> Pumped {
        let manner = match self.input {
            InputMode::Forwarded if other.plan.termination == Termination::Relayed => Manner::Forward,
            InputMode::Forwarded => Manner::ForwardButClose,
            InputMode::FinishingFrame => Manner::FinishFrame,
            InputMode::Scanned | InputMode::Dropped => Manner::Drop,
        };
        let pumped = match &mut self.inspector {
            Some(inspector) if manner != Manner::Drop => {
                pump_inspected(&mut self.leg, &mut other.leg, manner, inspector, cx)
            }
            _ => pump(&mut self.leg, &mut other.leg, manner, cx),
        };
        if manner != Manner::Drop {
            self.at_boundary = is_at_boundary(&self.leg, self.inspector.as_ref());
        }
        pumped
    }

    fn take<T: Transport>(&mut self, pumped: Pumped, other: &mut Self, cx: &mut Context<'_, T>) {
        match pumped {
            Pumped::Blocked | Pumped::More => {
                if self.input == InputMode::FinishingFrame && self.at_boundary {
                    self.input = InputMode::Scanned;
                }
            }
            Pumped::Closed => self.input = InputMode::Dropped,
            Pumped::Ended => {
                self.input = InputMode::Dropped;
                self.over = true;
                other.bereave(End::Ended(self.leg.side), cx);
            }
            Pumped::Violated(violation) => {
                self.input = InputMode::Dropped;
                self.plan.is_culprit = true;
                let plan = Plan::for_end(End::Violated(self.leg.side, violation), None);
                self.say(plan.side(self.leg.side).termination);
                other.say(plan.side(other.leg.side).termination);
            }
            Pumped::Broken(side, TRUNCATED) if side == self.leg.side => {
                // This side may still receive. If it has sent its close frame, nothing was cut off.
                if self.leg.close_received().is_none() {
                    other.bereave(End::Broken(side, TRUNCATED), cx);
                }
                self.input = InputMode::Dropped;
                self.over = true;
            }
            Pumped::Broken(side, fault) if side == self.leg.side => self.break_off(fault, other, cx),
            Pumped::Broken(_, fault) => other.break_off(fault, self, cx),
        }
    }

    /// Notes that the connection of this side is broken. What it still holds goes to the other side: a server that
    /// refuses a long message sends a close frame and closes with bytes unread, which resets the connection.
    fn break_off<T: Transport>(&mut self, fault: Fault, other: &mut Self, cx: &mut Context<'_, T>) {
        for _ in 0..LAST_PUMPS {
            if self.over || self.input != InputMode::Forwarded || self.pump_into(other, cx) != Pumped::More {
                break;
            }
        }
        self.mark_dead();
        if self.leg.close_received().is_none() {
            other.bereave(End::Broken(self.leg.side, fault), cx);
        }
    }

    /// Notes that the other side is lost and sent no close frame. A side that has sent its own gets it back.
    fn bereave<T: Transport>(&mut self, end: End, cx: &Context<'_, T>) {
        let termination = match self.leg.close_received() {
            Some(code) => Termination::Close(CloseFrame { code, reason: "" }),
            None => Plan::for_end(end, cx.policy().abnormal_close_code).side(self.leg.side).termination,
        };
        self.say(termination);
    }

    /// Sets the termination of this side, unless it has one already.
    fn say(&mut self, termination: Termination) {
        if self.plan.termination == Termination::Relayed {
            self.plan.termination = termination;
        }
    }

    /// The connection of this side is broken.
    fn mark_dead(&mut self) {
        self.plan.is_dead = true;
        self.over = true;
        self.input = InputMode::Dropped;
    }

    /// Receives and drops, so that the peer can finish sending and its end is seen. Returns `true` if more may be at
    /// hand.
    fn drop_input<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> bool {
        for _ in 0..DROPS {
            match cx.net.recv(self.leg.socket, cx.scratch) {
                Received::Bytes(_) => {}
                Received::Blocked => return false,
                // Many peers end without close_notify. After a close frame there is nothing to cut off.
                Received::End | Received::Failed(TRUNCATED) => {
                    self.over = true;
                    return false;
                }
                Received::Failed(_) => {
                    self.mark_dead();
                    return false;
                }
            }
        }
        true
    }

    /// `true` if nothing of this side will be forwarded any more.
    fn is_silent(&self) -> bool {
        matches!(self.input, InputMode::Scanned | InputMode::Dropped)
    }

    /// Sends this side its close frame once nothing more is forwarded to it, and if a frame may stand there. Returns
    /// `true` if the connection turned out to be broken.
    pub(super) fn send_close<T: Transport>(&mut self, other: &mut Self, cx: &mut Context<'_, T>) -> bool {
        let can_be_sent = !self.plan.is_dead && !self.shut && self.leg.close_sent().is_none();
        if !can_be_sent || !other.is_silent() || !other.at_boundary {
            return false;
        }
        let Termination::Close(frame) = self.plan.termination else { return false };
        match self.leg.send_close(frame, cx) {
            Ok(()) => false,
            Err(fault) => {
                self.break_off(fault, other, cx);
                true
            }
        }
    }

    /// Ends our sending once everything is sent, and closes the socket once the peer has ended too. Returns `true` if the
    /// connection turned out to be broken.
    pub(super) fn finish<T: Transport>(&mut self, other: &mut Self, cx: &mut Context<'_, T>) -> bool {
        if self.closed {
            return false;
        }
        if self.plan.is_dead {
            self.close(cx);
            return false;
        }
        match self.leg.flush(cx) {
            Ok(flushed) => self.finish_sending(flushed && other.is_silent(), cx),
            Err(fault) => {
                self.break_off(fault, other, cx);
                self.close(cx);
                return true;
            }
        }
        false
    }

    fn finish_sending<T: Transport>(&mut self, is_all_sent: bool, cx: &mut Context<'_, T>) {
        if is_all_sent && self.plan.termination == Termination::Reset && !self.forced {
            return self.reset(cx);
        }
        let now = cx.net.now();
        if is_all_sent && self.plan.is_culprit && self.given_up_at.is_none() {
            self.given_up_at = Some(now.after(GRACE));
        }
        let is_given_up = self.given_up_at.is_some_and(|at| now >= at);
        // A close frame is answered before the connection ends; an end without one is passed on as it came. A server that
        // fails a connection ends it at once, a client waits for the server's end (RFC 6455 section 7.1.1).
        let is_failed = self.plan.is_culprit && self.leg.side == Side::Client;
        let is_answered = self.leg.close_received().is_some() || self.over || self.forced;
        if !self.shut && is_all_sent && (is_answered || is_failed || is_given_up || self.leg.close_sent().is_none()) {
            cx.net.shutdown(self.leg.socket);
            self.shut = true;
        }
        // A TLS session may still hold its close_notify.
        let is_told = self.forced || is_given_up || !cx.net.holds(self.leg.socket);
        if self.shut && (self.over || is_given_up) && is_told {
            self.close(cx);
        }
    }

    /// Resets the connection as soon as no byte is on its way that the reset would destroy.
    fn reset<T: Transport>(&mut self, cx: &mut Context<'_, T>) {
        if cx.net.unacknowledged(self.leg.socket) > 0 {
            self.reset_at = Some(cx.net.now().after(RESET_TICK));
            return;
        }
        self.closed = true;
        self.over = true;
        self.release(cx);
        cx.net.abort(self.leg.socket);
    }

    /// The deadline has passed: a frame that was cut off stays so, and nothing is awaited any more. A side that has no
    /// termination yet gets this one.
    pub(super) fn force(&mut self, termination: Termination) {
        self.forced = true;
        if matches!(self.input, InputMode::Forwarded | InputMode::FinishingFrame) {
            self.at_boundary = is_at_boundary(&self.leg, self.inspector.as_ref());
        }
        self.input = InputMode::Dropped;
        self.reset_at = None;
        self.say(termination);
    }

    pub(super) fn close<T: Transport>(&mut self, cx: &mut Context<'_, T>) {
        if !self.closed {
            self.closed = true;
            self.over = true;
            self.release(cx);
            cx.net.close(self.leg.socket);
        }
    }

    /// Gives back the memory that waits for bytes which nobody will be sent.
    fn release<T: Transport>(&mut self, cx: &mut Context<'_, T>) {
        self.leg.outbox.discard(cx.pool);
        if let Some(inspector) = &mut self.inspector {
            inspector.discard(cx.inspection);
        }
    }
}

/// True if the bytes that were forwarded from a side end between two frames.
fn is_at_boundary(leg: &Leg, inspector: Option<&Inspector>) -> bool {
    inspector.map_or(leg.scanner.at_boundary(), |inspector| inspector.is_at_boundary(&leg.scanner))
}
