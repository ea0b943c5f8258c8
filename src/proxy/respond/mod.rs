//! Answers a plain HTTP request for a path that Ringway serves itself: one request a connection, with a body of at most
//! [`MAX_BODY_BYTES`](crate::proto::plain::MAX_BODY_BYTES).
//!
//! In: a request that `handshake` found to be for such a path. Out: the whole answer, or the refusal of a body that does
//! not arrive. A service here answers at once from what the shard knows; it must never wait for another thread.

mod health;

use super::context::Context;
use super::handoff::PlainAsked;
use crate::engine::{Next, Received, Sent, Socket, Transport};
use crate::invariant::Invariant;
use crate::proto::plain_body::PlainBody;
use crate::proto::refusal::Refusal;
use crate::routing::plain::PlainService;

/// The interim answer to a client that waits for one before it sends its body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[derive(Debug)]
pub(super) struct Respond {
    client: Socket,
    asked: PlainAsked,
    body: PlainBody,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    /// The status, and the whole answer.
    Answer(u16, Vec<u8>),
    Refused(Refusal),
    /// The client is gone.
    Left,
}

impl Respond {
    pub(super) fn new(client: Socket, asked: PlainAsked) -> Self {
        let body = PlainBody::new(asked.request.body);
        Self { client, asked, body }
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        // The connection ends with the answer: what comes after the body is not looked at.
        if let Err(refusal) = self.body.take(&std::mem::take(&mut self.asked.early)) {
            return Outcome::Refused(refusal);
        }
        if !self.body.is_whole() && std::mem::take(&mut self.asked.request.awaits_continue) {
            match cx.net.send(self.client, CONTINUE) {
                Sent::Bytes(n) if n == CONTINUE.len() => {}
                // A client that has no room for a line on a new connection reads nothing.
                Sent::Bytes(_) | Sent::Blocked | Sent::Failed(_) => return Outcome::Left,
            }
        }
        while !self.body.is_whole() {
            if cx.net.now() >= self.asked.deadline {
                return Outcome::Refused(Refusal::HANDSHAKE_TIMEOUT);
            }
            let room = self.body.room().min(cx.scratch.len());
            let taken = match cx.net.recv(self.client, cx.scratch.get_mut(..room).expected_or_default()) {
                Received::Bytes(n) => self.body.take(cx.scratch.get(..n).expected_or_default()),
                Received::Blocked => return Outcome::Stay(Next::Wait(Some(self.asked.deadline))),
                Received::End | Received::Failed(_) => return Outcome::Left,
            };
            if let Err(refusal) = taken {
                return Outcome::Refused(refusal);
            }
        }
        let (status, answer) = match self.asked.service {
            PlainService::Health => health::answer(self.asked.request.method, cx.readiness),
        };
        Outcome::Answer(status, answer)
    }
}
