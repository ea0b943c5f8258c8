//! Stage 5: the end of a tunnel, by its [`Plan`].
//!
//! Each side gets the last bytes of the other as far as the plan forwards them, then a close frame where one may stand,
//! then the end of our sending; then its own end is awaited. A deadline bounds all of it. After the deadline, the close
//! frames that can still be sent are sent at once, and after a last grace both sockets are closed.

use std::time::Duration;

use super::context::Context;
use super::end::{End, SideRecord};
use super::leg::{Leg, Legs};
use super::plan::{CloseFrame, Plan, SidePlan};
use super::pump::{Manner, Pumped, pump};
use crate::engine::{Fault, Next, Received, Time, TlsFault, Transport};
use crate::proto::close;

/// The time that a side has to end its connection after the deadline.
const GRACE: Duration = Duration::from_secs(1);
/// The close frame for a side whose own one did not arrive from the other side in time.
const OVERDUE: CloseFrame = CloseFrame { code: close::GOING_AWAY, reason: "the other side did not close in time" };
/// The end of a TLS connection without close_notify.
const TRUNCATED: Fault = Fault::Tls(TlsFault::Truncated);
/// The most receives in one step from a side whose bytes are discarded.
const DROPS: usize = 4;

#[derive(Debug)]
pub(super) struct Closing {
    end: End,
    client: Ending,
    upstream: Ending,
    extends_deadline: bool,
    deadline: Time,
    /// The bytes that both sides had not acknowledged at the last deadline.
    queued: u32,
}

/// The progress of one side's end.
#[derive(Debug)]
struct Ending {
    leg: Leg,
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

impl Closing {
    pub(super) fn new(legs: Legs, plan: Plan, now: Time, timeout: Duration) -> Self {
        Self {
            end: plan.end,
            client: Ending::new(legs.client, plan),
            upstream: Ending::new(legs.upstream, plan),
            extends_deadline: plan.extends_deadline,
            deadline: now.after(timeout),
            queued: u32::MAX,
        }
    }

    pub(super) fn end(&self) -> End {
        self.end
    }

    pub(super) fn records(&self) -> (SideRecord, SideRecord) {
        (self.client.leg.to_record(), self.upstream.leg.to_record())
    }

    /// Returns `Next::Done` once both sockets are closed.
    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Next {
        let now = cx.net.now();
        if now >= self.deadline && !self.is_still_taken(cx) {
            if self.is_forced() {
                self.client.close(cx);
                self.upstream.close(cx);
                return Next::Done;
            }
            self.force(now);
        }
        let before = (self.client.leg.last_heard(), self.upstream.leg.last_heard());
        let up = self.client.listen(&mut self.upstream, cx);
        let down = self.upstream.listen(&mut self.client, cx);
        self.client.send_close(&self.upstream, cx);
        self.upstream.send_close(&self.client, cx);
        self.client.finish(&self.upstream, cx);
        self.upstream.finish(&self.client, cx);
        let moved = before != (self.client.leg.last_heard(), self.upstream.leg.last_heard());
        if moved && self.extends_deadline && !self.is_forced() {
            self.deadline = now.after(cx.policy().timeouts.close);
        }
        if self.client.closed && self.upstream.closed {
            Next::Done
        } else if up || down {
            Next::Again
        } else {
            Next::Wait(Some(self.deadline))
        }
    }

    /// Extends the deadline if a side still acknowledges bytes, though too slowly for there to be room to send more.
    fn is_still_taken<T: Transport>(&mut self, cx: &Context<'_, T>) -> bool {
        if !self.extends_deadline || self.is_forced() {
            return false;
        }
        let queued = self.client.leg.send_queue(cx).saturating_add(self.upstream.leg.send_queue(cx));
        let taken = queued > 0 && queued < self.queued;
        self.queued = queued;
        if taken {
            self.deadline = cx.net.now().after(cx.policy().timeouts.close);
        }
        taken
    }

    /// The process shuts down: bytes that still flow do not extend the deadline any more.
    pub(super) fn hurry(&mut self) {
        self.extends_deadline = false;
    }

    fn is_forced(&self) -> bool {
        self.client.forced
    }

    fn force(&mut self, now: Time) {
        self.deadline = now.after(GRACE);
        self.client.force();
        self.upstream.force();
    }
}

impl Ending {
    fn new(leg: Leg, plan: Plan) -> Self {
        let (side, end, plan) = (leg.side, plan.end, plan.side(leg.side));
        let at_boundary = leg.scanner.at_boundary();
        let broke_rules = matches!(end, End::Violated(culprit, _) if culprit == side);
        let has_ended = end == End::Ended(side);
        let input = if leg.close_received().is_some() || broke_rules || has_ended || plan.is_dead {
            InputMode::Dropped
        } else if plan.is_forwarded {
            InputMode::Forwarded
        } else if at_boundary {
            InputMode::Scanned
        } else {
            InputMode::FinishingFrame
        };
        let over = has_ended || plan.is_dead;
        Self { leg, plan, input, at_boundary, shut: false, over, closed: false, forced: false }
    }

    /// Receives from this side, and forwards what its input mode forwards. Returns `true` if more may be at hand.
    fn listen<T: Transport>(&mut self, other: &mut Self, cx: &mut Context<'_, T>) -> bool {
        if self.over {
            return false;
        }
        if (other.closed || other.plan.is_dead) && !self.is_silent() {
            // Nothing can be forwarded any more.
            self.at_boundary = false;
            self.input = InputMode::Scanned;
        }
        let manner = match self.input {
            InputMode::Dropped => return self.drop_input(cx),
            InputMode::Forwarded if other.plan.close.is_some() => Manner::ForwardButClose,
            InputMode::Forwarded => Manner::Forward,
            InputMode::FinishingFrame => Manner::FinishFrame,
            InputMode::Scanned => Manner::Drop,
        };
        let forwards = matches!(self.input, InputMode::Forwarded | InputMode::FinishingFrame);
        let pumped = pump(&mut self.leg, &mut other.leg, manner, cx);
        if forwards {
            self.at_boundary = self.leg.scanner.at_boundary();
        }
        self.take(pumped, other);
        // Until a receive is blocked, bytes may be at hand of which no event will tell again.
        let finished = manner == Manner::FinishFrame && self.input == InputMode::Scanned;
        (pumped != Pumped::Blocked || finished) && !self.over
    }

    fn take(&mut self, pumped: Pumped, other: &mut Self) {
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
                other.answer_own_close();
            }
            Pumped::Violated(violation) => {
                self.input = InputMode::Dropped;
                let plan = Plan::for_end(End::Violated(self.leg.side, violation));
                self.close_by(&plan);
                other.close_by(&plan);
            }
            Pumped::Broken(side, fault) if side == self.leg.side && fault == TRUNCATED => {
                // This side may still receive. If it has sent its close frame, nothing was cut off.
                if self.leg.close_received().is_none() {
                    other.close_by(&Plan::for_end(End::Broken(side, fault)));
                }
                self.input = InputMode::Dropped;
                self.over = true;
            }
            Pumped::Broken(side, fault) => {
                let plan = Plan::for_end(End::Broken(side, fault));
                let (broken, left) = if side == self.leg.side { (self, other) } else { (other, self) };
                broken.mark_dead();
                left.close_by(&plan);
            }
        }
    }

    /// Adds the close frame of a plan, unless this side has one already.
    fn close_by(&mut self, plan: &Plan) {
        self.plan.close = self.plan.close.or(plan.side(self.leg.side).close);
    }

    /// The other side ended without an answer to this side's close frame: this side gets its own code back.
    fn answer_own_close(&mut self) {
        if let (Some(code), None) = (self.leg.close_received(), self.plan.close) {
            let code = if close::may_be_sent(code) { code } else { close::NORMAL };
            self.plan.close = Some(CloseFrame { code, reason: "" });
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

    /// Sends this side its close frame once nothing more is forwarded to it, and if a frame may stand there.
    fn send_close<T: Transport>(&mut self, other: &Self, cx: &mut Context<'_, T>) {
        let can_be_sent = !self.plan.is_dead && !self.shut && self.leg.close_sent().is_none();
        if !can_be_sent || !other.is_silent() || !other.at_boundary {
            return;
        }
        if let Some(frame) = self.plan.close
            && self.leg.send_close(frame, cx).is_err()
        {
            self.mark_dead();
        }
    }

    /// Ends our sending once everything is sent, and closes the socket once the peer has ended too.
    fn finish<T: Transport>(&mut self, other: &Self, cx: &mut Context<'_, T>) {
        if self.closed {
            return;
        }
        let flushed = self.leg.flush(cx).unwrap_or_else(|_| {
            self.mark_dead();
            false
        });
        if self.plan.is_dead {
            self.close(cx);
            return;
        }
        let answered = self.leg.close_received().is_some() || self.over || self.forced;
        let is_all_sent = flushed && other.is_silent();
        // A close frame is answered before the connection ends; an end without one is passed on as it came.
        if !self.shut && is_all_sent && (answered || self.leg.close_sent().is_none()) {
            cx.net.shutdown(self.leg.socket);
            self.shut = true;
        }
        // A TLS session may still hold its close_notify.
        if self.shut && self.over && (self.forced || !cx.net.holds(self.leg.socket)) {
            self.close(cx);
        }
    }

    /// The deadline has passed: a frame that was cut off stays so, and nothing is awaited any more.
    fn force(&mut self) {
        self.forced = true;
        if matches!(self.input, InputMode::Forwarded | InputMode::FinishingFrame) {
            self.at_boundary = self.leg.scanner.at_boundary();
        }
        self.input = InputMode::Dropped;
        self.plan.close = self.plan.close.or(Some(OVERDUE));
    }

    fn close<T: Transport>(&mut self, cx: &mut Context<'_, T>) {
        if !self.closed {
            self.closed = true;
            self.over = true;
            self.leg.outbox.discard(cx.pool);
            cx.net.close(self.leg.socket);
        }
    }
}
