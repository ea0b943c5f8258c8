//! Passes on an upstream's response that is not a 101: a 401 stays a 401.
//!
//! The body is passed on as it comes, and nothing more is received from the upstream while the client does not take it. One
//! that does not become whole, within the bounds on its bytes and its time, ends as one that is cut off (RFC 9112 section 8):
//! a client never takes a part for the whole.

use super::context::Context;
use super::handoff::Declined;
use crate::engine::outbox::Outbox;
use crate::engine::{Fault, Next, Received, Socket, Time, Transport};
use crate::invariant::Invariant;
use crate::proto::body::Body;

/// The most bytes of a body that are passed on: an answer to a handshake is no download.
const MAX_BODY_BYTES: u64 = 1024 * 1024;
/// The most receives in one step.
const RECEIVES: usize = 4;

#[derive(Debug)]
pub(super) struct Decline {
    client: Socket,
    upstream: Socket,
    body: Body,
    /// The head, and what of the body came with it.
    unsent: Vec<u8>,
    outbox: Outbox,
    /// The reason why nothing more of the body is passed on.
    cut: Option<&'static str>,
    deadline: Time,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Stay(Next),
    /// The client was sent the whole answer.
    Passed,
    /// The client was sent a part of the answer, for this reason.
    Cut(&'static str),
    /// The client is gone, or did not take the answer in time.
    Gone,
}

impl Decline {
    pub(super) fn new<T: Transport>(client: Socket, upstream: Socket, declined: Declined, cx: &Context<'_, T>) -> Self {
        let Declined { head, body, early, .. } = declined;
        let deadline = cx.net.now().after(cx.policy().timeouts.handshake);
        let mut decline = Self { client, upstream, body, unsent: head, outbox: Outbox::default(), cut: None, deadline };
        decline.take(&early);
        decline
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn upstream(&self) -> Socket {
        self.upstream
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        for _ in 0..RECEIVES {
            let unsent = std::mem::take(&mut self.unsent);
            let sent = self.outbox.send(self.client, cx.net, &unsent);
            let sent = sent.and_then(|()| self.outbox.flush(self.client, cx.net, cx.pool, &mut 0));
            let is_late = cx.net.now() >= self.deadline;
            match sent {
                Ok(true) => {}
                Ok(false) if !is_late => return Outcome::Stay(Next::Wait(Some(self.deadline))),
                Ok(false) | Err(_) => {
                    self.outbox.discard(cx.pool);
                    return Outcome::Gone;
                }
            }
            if self.body.is_whole() {
                return Outcome::Passed;
            }
            if let Some(reason) = self.cut {
                return Outcome::Cut(reason);
            }
            if is_late {
                return Outcome::Cut("it took longer than the handshake timeout");
            }
            if cx.net.hung_up(self.client) {
                return Outcome::Gone;
            }
            match cx.net.recv(self.upstream, cx.scratch) {
                Received::Bytes(n) => self.take(cx.scratch.get(..n).expected_or_default()),
                Received::Blocked => return Outcome::Stay(Next::Wait(Some(self.deadline))),
                Received::End => {
                    if !self.body.end(&mut self.unsent) {
                        self.cut = Some("the upstream ended before its end");
                    }
                }
                // TLS shows that the body was cut off, or is not the upstream's.
                Received::Failed(Fault::Tls(_)) => self.cut = Some("the upstream's TLS ended before its end"),
                Received::Failed(_) => self.cut = Some("the upstream's connection broke before its end"),
            }
        }
        Outcome::Stay(Next::Again)
    }

    fn take(&mut self, bytes: &[u8]) {
        let is_right = self.body.take(bytes, &mut self.unsent).is_ok();
        if !is_right {
            self.cut = Some("the upstream's chunks are malformed");
        } else if self.body.passed() > MAX_BODY_BYTES {
            self.cut = Some("it is longer than 1 MiB");
        }
    }
}
