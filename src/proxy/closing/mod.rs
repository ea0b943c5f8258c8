//! Stage 5: the end of a tunnel, by its [`Plan`].
//!
//! Each side ([`Ending`]) gets the last bytes of the other as far as the plan forwards them, then its termination; then its
//! own end is awaited. A deadline bounds all of it. After the deadline, the close frames that can still be sent are sent
//! at once, and after a last grace both sockets are closed.

mod side;

use std::time::Duration;

use self::side::Ending;
use super::context::Context;
use super::end::{End, SideRecord};
use super::inspection::Inspectors;
use super::leg::Legs;
use super::plan::{CloseFrame, Plan, Termination};
use crate::engine::{Next, Time, Transport};
use crate::proto::close;

/// The time that a side has to end its connection after the deadline, and a side that broke a rule after its close frame.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// The close frame for a side whose own one did not arrive from the other side in time.
const OVERDUE: CloseFrame = CloseFrame { code: close::GOING_AWAY, reason: "the other side did not close in time" };

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

impl Closing {
    /// Begins the end. What is still forwarded passes through these inspectors.
    pub(super) fn new(legs: Legs, inspectors: Option<Inspectors>, plan: Plan, now: Time, timeout: Duration) -> Self {
        let (from_client, from_upstream) = match inspectors {
            Some(Inspectors { from_client, from_upstream }) => (Some(from_client), Some(from_upstream)),
            None => (None, None),
        };
        Self {
            end: plan.end,
            client: Ending::new(legs.client, from_client, plan),
            upstream: Ending::new(legs.upstream, from_upstream, plan),
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
            if self.client.is_forced() {
                self.client.close(cx);
                self.upstream.close(cx);
                return Next::Done;
            }
            self.force(now);
        }
        let before = (self.client.leg.last_heard(), self.upstream.leg.last_heard());
        let (client, upstream) = (&mut self.client, &mut self.upstream);
        let heard = [client.listen(upstream, cx), upstream.listen(client, cx)];
        let sent = [client.send_close(upstream, cx), upstream.send_close(client, cx)];
        let finished = [client.finish(upstream, cx), upstream.finish(client, cx)];
        let moved = before != (client.leg.last_heard(), upstream.leg.last_heard());
        if moved && self.extends_deadline && !self.client.is_forced() {
            self.deadline = now.after(cx.policy().timeouts.close);
        }
        if self.client.is_closed() && self.upstream.is_closed() {
            Next::Done
        } else if [heard, sent, finished].as_flattened().contains(&true) {
            Next::Again
        } else {
            Next::Wait(
                [Some(self.deadline), self.client.look_at(), self.upstream.look_at()].into_iter().flatten().min(),
            )
        }
    }

    /// Extends the deadline if a side still acknowledges bytes, though too slowly for there to be room to send more.
    fn is_still_taken<T: Transport>(&mut self, cx: &Context<'_, T>) -> bool {
        if !self.extends_deadline || self.client.is_forced() {
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

    /// The deadline has passed. A side that waits for the other's close frame gets one of ours, unless a side was lost
    /// without a close frame: then the other is not given one either.
    fn force(&mut self, now: Time) {
        self.deadline = now.after(GRACE);
        let termination = if self.end.is_abnormal() { Termination::Relayed } else { Termination::Close(OVERDUE) };
        self.client.force(termination);
        self.upstream.force(termination);
    }
}
