//! Stage 5: the end of a tunnel, by its [`Plan`]. Each side gets the other's last words as far as the plan lets them
//! through, then a close frame where one may stand, then the end of our sending; then its own end is awaited. A
//! deadline bounds it all: behind it, what can still be said is said at once, and after a last grace both are closed.

use std::time::Duration;

use super::context::Context;
use super::leg::Leg;
use super::end::{End, SideRecord};
use super::plan::{Farewell, Part, Plan};
use super::pump::{Manner, Pumped, pump};
use super::relay::Relay;
use crate::engine::{Fault, Next, Received, Time, TlsFault, Transport};
use crate::proto::close;

/// How long a side may take to end its connection after the deadline.
const GRACE: Duration = Duration::from_secs(1);
/// What a side is told that would have been told by the other, had that come to it in time.
const OVERDUE: Farewell = Farewell { code: close::GOING_AWAY, reason: "the other side did not close in time" };
/// An end of which TLS was not told.
const TRUNCATED: Fault = Fault::Tls(TlsFault::Truncated);
/// Receives in one step from a side whose words no longer count.
const DROPS: usize = 4;

#[derive(Debug)]
pub(super) struct Closing {
    why: End,
    client: Ending,
    upstream: Ending,
    patient: bool,
    deadline: Time,
    forced: bool,
    /// What both sides had not acknowledged at the last deadline.
    queued: u32,
}

/// How far one side's end has come.
#[derive(Debug)]
struct Ending {
    leg: Leg,
    part: Part,
    /// What becomes of what it says.
    voice: Voice,
    /// Whether what was forwarded of it ends between two frames.
    clean: bool,
    /// Our sending to it has ended.
    shut: bool,
    /// Its connection has ended, or broke.
    over: bool,
    /// Its socket is closed.
    closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    /// Forwarded.
    Heard,
    /// Forwarded to the end of the frame that has begun.
    Finishing,
    /// Dropped, but followed up to its close frame.
    Followed,
    /// Dropped.
    Ignored,
}

impl Closing {
    pub(super) fn new(relay: Relay, plan: Plan, now: Time, patience: Duration) -> Self {
        Self {
            why: plan.why,
            client: Ending::new(relay.client, plan.client, plan.why),
            upstream: Ending::new(relay.upstream, plan.upstream, plan.why),
            patient: plan.patient,
            deadline: now.after(patience),
            forced: false,
            queued: u32::MAX,
        }
    }

    pub(super) fn why(&self) -> End {
        self.why
    }

    pub(super) fn records(&self) -> (SideRecord, SideRecord) {
        (self.client.leg.to_record(), self.upstream.leg.to_record())
    }

    /// `Next::Done` when both sockets are closed.
    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Next {
        let now = cx.net.now();
        if now >= self.deadline && !self.is_still_taken(cx) {
            if self.forced {
                self.client.close(cx);
                self.upstream.close(cx);
                return Next::Done;
            }
            self.force(now);
        }
        let before = (self.client.leg.last_heard(), self.upstream.leg.last_heard());
        let up = self.client.listen(&mut self.upstream, cx);
        let down = self.upstream.listen(&mut self.client, cx);
        self.client.tell(&self.upstream, cx);
        self.upstream.tell(&self.client, cx);
        self.client.finish(&self.upstream, self.forced, cx);
        self.upstream.finish(&self.client, self.forced, cx);
        let moved = before != (self.client.leg.last_heard(), self.upstream.leg.last_heard());
        if moved && self.patient && !self.forced {
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

    /// Whether a side still takes what is meant for it, though too slowly for there to be room to send: then the
    /// deadline is put off.
    fn is_still_taken<T: Transport>(&mut self, cx: &Context<'_, T>) -> bool {
        if !self.patient || self.forced {
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

    /// The process ends: bytes that still flow do not put the deadline off any more.
    pub(super) fn hurry(&mut self) {
        self.patient = false;
    }

    fn force(&mut self, now: Time) {
        self.forced = true;
        self.deadline = now.after(GRACE);
        self.client.force();
        self.upstream.force();
    }
}

impl Ending {
    fn new(leg: Leg, part: Part, why: End) -> Self {
        let at_boundary = leg.scanner.at_boundary();
        let broke_rules = matches!(why, End::Violated(side, _) if side == leg.side);
        let has_ended = matches!(why, End::Ended(side) if side == leg.side);
        let voice = if leg.close_received.is_some() || broke_rules || has_ended || part.dead {
            Voice::Ignored
        } else if part.heard {
            Voice::Heard
        } else if at_boundary {
            Voice::Followed
        } else {
            Voice::Finishing
        };
        Self { leg, part, voice, clean: at_boundary, shut: false, over: has_ended || part.dead, closed: false }
    }

    /// Takes what this side says, and forwards it as far as its voice counts: `true` if there may be more at once.
    fn listen<T: Transport>(&mut self, other: &mut Self, cx: &mut Context<'_, T>) -> bool {
        if self.over {
            return false;
        }
        if (other.closed || other.part.dead) && !self.is_silent() {
            // There is nobody left to hear it.
            self.clean = false;
            self.voice = Voice::Followed;
        }
        let manner = match self.voice {
            Voice::Ignored => return self.drop_input(cx),
            Voice::Heard if other.part.farewell.is_some() => Manner::ForwardButClose,
            Voice::Heard => Manner::Forward,
            Voice::Finishing => Manner::FinishFrame,
            Voice::Followed => Manner::Drop,
        };
        let heard = matches!(self.voice, Voice::Heard | Voice::Finishing);
        let pumped = pump(&mut self.leg, &mut other.leg, manner, cx);
        if heard {
            self.clean = self.leg.scanner.at_boundary();
        }
        self.take(pumped, other);
        // As long as a receive was not blocked there may be more at hand that nothing will tell of again.
        let finished = manner == Manner::FinishFrame && self.voice == Voice::Followed;
        (pumped != Pumped::Blocked || finished) && !self.over
    }

    fn take(&mut self, pumped: Pumped, other: &mut Self) {
        match pumped {
            Pumped::Blocked | Pumped::More => {
                if self.voice == Voice::Finishing && self.clean {
                    self.voice = Voice::Followed;
                }
            }
            Pumped::Closed => self.voice = Voice::Ignored,
            Pumped::Ended => {
                self.voice = Voice::Ignored;
                self.over = true;
                other.answer_own_close();
            }
            Pumped::Violated(violation) => {
                self.voice = Voice::Ignored;
                let plan = Plan::for_end(End::Violated(self.leg.side, violation));
                self.part.farewell = self.part.farewell.or(plan.part(self.leg.side).farewell);
                other.part.farewell = other.part.farewell.or(plan.part(other.leg.side).farewell);
            }
            Pumped::Broken(side, fault) if side == self.leg.side && fault == TRUNCATED => {
                // It may still hear what is meant for it; and when it has closed, how its connection ends hurts nobody.
                let plan = Plan::for_end(End::Broken(side, fault));
                if self.leg.close_received.is_none() {
                    other.part.farewell = other.part.farewell.or(plan.part(other.leg.side).farewell);
                }
                self.voice = Voice::Ignored;
                self.over = true;
            }
            Pumped::Broken(side, fault) => {
                let plan = Plan::for_end(End::Broken(side, fault));
                let (broken, left) = if side == self.leg.side { (self, other) } else { (other, self) };
                broken.bury();
                left.part.farewell = left.part.farewell.or(plan.part(left.leg.side).farewell);
            }
        }
    }

    /// It has closed, and the side that should have answered has ended without: it gets its own code back.
    fn answer_own_close(&mut self) {
        if let (Some(code), None) = (self.leg.close_received, self.part.farewell) {
            let code = if close::may_be_sent(code) { code } else { close::NORMAL };
            self.part.farewell = Some(Farewell { code, reason: "" });
        }
    }

    /// Its connection is past all use.
    fn bury(&mut self) {
        self.part.dead = true;
        self.over = true;
        self.voice = Voice::Ignored;
    }

    /// Reads and drops, to see the end and to let the peer get rid of what it has to say.
    fn drop_input<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> bool {
        for _ in 0..DROPS {
            match cx.net.recv(self.leg.socket, cx.scratch) {
                Received::Bytes(_) => {}
                Received::Blocked => return false,
                // Many a peer ends without close_notify. Behind its close frame there was nothing to cut off.
                Received::End | Received::Failed(TRUNCATED) => {
                    self.over = true;
                    return false;
                }
                Received::Failed(_) => {
                    self.bury();
                    return false;
                }
            }
        }
        true
    }

    /// Whether nothing of this side will be forwarded any more.
    fn is_silent(&self) -> bool {
        matches!(self.voice, Voice::Followed | Voice::Ignored)
    }

    /// Sends this side its close frame, once the other has nothing more to say to it and a frame may stand there.
    fn tell<T: Transport>(&mut self, other: &Self, cx: &mut Context<'_, T>) {
        if self.part.dead || self.shut || self.leg.close_sent.is_some() || !other.is_silent() || !other.clean {
            return;
        }
        if let Some(farewell) = self.part.farewell
            && self.leg.send_farewell(farewell, cx).is_err()
        {
            self.bury();
        }
    }

    /// Ends our sending when all is said, and closes the socket when the peer has ended too.
    fn finish<T: Transport>(&mut self, other: &Self, forced: bool, cx: &mut Context<'_, T>) {
        if self.closed {
            return;
        }
        let flushed = self.leg.flush(cx).unwrap_or_else(|_| {
            self.bury();
            false
        });
        if self.part.dead {
            self.close(cx);
            return;
        }
        let answered = self.leg.close_received.is_some() || self.over || forced;
        let said_all = flushed && other.is_silent();
        // A close frame is answered before the connection ends; an end without one is passed on as it came.
        if !self.shut && said_all && (answered || self.leg.close_sent.is_none()) {
            cx.net.shutdown(self.leg.socket);
            self.shut = true;
        }
        // TLS may still have to say that we have finished.
        if self.shut && self.over && (forced || !cx.net.holds(self.leg.socket)) {
            self.close(cx);
        }
    }

    /// The deadline has passed: what was begun stays cut off, and nobody is waited for.
    fn force(&mut self) {
        if matches!(self.voice, Voice::Heard | Voice::Finishing) {
            self.clean = self.leg.scanner.at_boundary();
        }
        self.voice = Voice::Ignored;
        self.part.farewell = self.part.farewell.or(Some(OVERDUE));
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
