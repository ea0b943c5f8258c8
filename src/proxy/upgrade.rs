//! Stage 3: the upstream's response. Only a verified 101 opens the tunnel, and nothing is forwarded before it.
//!
//! The client has had no byte yet. So an endpoint that closes, breaks, is silent, or says that it cannot answer is given up
//! for another one, if `failover` allows it.

use std::net::SocketAddr;

use super::context::Context;
use super::end::upstream_tls_refusal;
use super::failover;
use super::gather::Gather;
use super::handoff::{Asked, Declined, Dialled, Switched, ToUpstream};
use crate::engine::{Fault, Next, Received, Socket, Time, Transport};
use crate::invariant::Invariant;
use crate::proto::body::Body;
use crate::proto::head;
use crate::proto::head_check::{HeadCheck, HeadKind};
use crate::proto::outward::Outward;
use crate::proto::refusal::Refusal;
use crate::proto::response::{self, Agreed, BodyLength, Response};
use crate::routing::balance::health::FailureCause;
use crate::routing::route::Endpoint;

#[derive(Debug)]
pub(super) struct Upgrade {
    client: Socket,
    upstream: Socket,
    onward: ToUpstream,
    /// The index of the endpoint that was asked.
    endpoint: usize,
    /// The address that accepted.
    address: SocketAddr,
    /// When the request was sent.
    begun: Time,
    /// When the endpoint is given up for another one.
    answer_deadline: Time,
    head: Gather,
    check: HeadCheck,
}

/// Bytes of an answer that is not HTTP/1.1 that a record keeps.
const MAX_SHOWN_BYTES: usize = 64;

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    Switched(Box<Switched>),
    /// Another response.
    Declined(Box<Declined>),
    Refused(Refusal),
    /// The answer is no head: its first bytes, escaped.
    Malformed(Box<str>),
    /// The endpoint failed, as this refusal says, and another one is tried.
    Again(Box<ToUpstream>, Refusal),
    /// The client is gone.
    Left,
}

/// The verdict on one head.
enum Verdict {
    Switched(Agreed, Vec<u8>),
    /// The status, the head of the client's answer, and the length of its body.
    Declined(u16, Vec<u8>, BodyLength),
    Interim,
}

impl Upgrade {
    pub(super) fn new(dialled: Dialled, now: Time) -> Self {
        let Dialled { client, upstream, onward, endpoint, address, answer_deadline, .. } = dialled;
        let (head, check) = (Gather::default(), HeadCheck::new(HeadKind::Response));
        Self { client, upstream, onward, endpoint, address, begun: now, answer_deadline, head, check }
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn upstream(&self) -> Socket {
        self.upstream
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        if cx.net.hung_up(self.client) {
            return Outcome::Left;
        }
        if cx.net.now() >= self.onward.asked.deadline {
            self.note_failure(FailureCause::Silent, cx.net.now());
            return Outcome::Refused(Refusal::UPSTREAM_TIMEOUT);
        }
        let received = match cx.net.recv(self.upstream, cx.scratch) {
            Received::Bytes(n) => cx.scratch.get(..n).expected_or_default(),
            Received::Blocked => return self.after_blocked(cx),
            // A TLS 1.3 server judges our certificate after our handshake is complete, so its alert arrives here.
            Received::Failed(Fault::Tls(fault)) => {
                return self.failed(FailureCause::Tls, Outcome::Refused(upstream_tls_refusal(fault)), cx);
            }
            Received::End | Received::Failed(_) => {
                return self.failed(FailureCause::Closed, Outcome::Refused(Refusal::UPSTREAM_CLOSED), cx);
            }
        };
        self.head.add(received);
        let (mut done, mut searched) = (0_usize, self.head.searched());
        loop {
            let bytes = self.head.bytes(received).get(done..).expected_or_default();
            let limits = &cx.config.settings.head;
            let found = head::find_end(bytes, searched, limits);
            let Ok(Some(end)) = found else {
                // An answer that can never be right is refused now, not at the deadline.
                let within = bytes.get(..limits.max_bytes).unwrap_or(bytes);
                if let Err(error) = self.check.advance(within, limits).and(found) {
                    let outcome = refused(response::refusal_for(error), bytes);
                    return self.failed(FailureCause::Malformed, outcome, cx);
                }
                self.head.keep_after(done, received);
                return Outcome::Stay(Next::Again);
            };
            let (head, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            match self.judge(head, cx) {
                Err(Refusal::UPSTREAM_MALFORMED) => {
                    let outcome = refused(Refusal::UPSTREAM_MALFORMED, bytes);
                    return self.failed(FailureCause::Malformed, outcome, cx);
                }
                // An answer to this handshake, if a wrong one: it says nothing of others, and another endpoint runs the same
                // program.
                Err(refusal) => return refused(refusal, bytes),
                Ok(Verdict::Switched(agreed, answer)) => {
                    let Agreed { reserved, is_accept_missing } = agreed;
                    let upstream_early = rest.to_vec();
                    self.note_success();
                    let client_early = std::mem::take(&mut self.onward.asked.early);
                    let switched = Switched { reserved, is_accept_missing, answer, client_early, upstream_early };
                    return Outcome::Switched(Box::new(switched));
                }
                Ok(Verdict::Declined(status, head, length)) => {
                    let (body, early) = (Body::new(length), rest.to_vec());
                    return self.declined(Declined { status, head, body, early }, cx);
                }
                // 100 and 103 are followed by another head. The deadline bounds how long they may go on.
                Ok(Verdict::Interim) => {
                    done = done.saturating_add(end);
                    searched = 0;
                    self.check = HeadCheck::new(HeadKind::Response);
                }
            }
        }
    }

    /// Waits, or gives up an endpoint whose share of the time is over.
    fn after_blocked<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        let now = cx.net.now();
        if now >= self.answer_deadline {
            if failover::may_try_another(&self.onward, cx) {
                self.note_failure(FailureCause::Silent, now);
                return self.again(Refusal::UPSTREAM_TIMEOUT);
            }
            self.answer_deadline = self.onward.asked.deadline;
        }
        Outcome::Stay(Next::Wait(Some(self.answer_deadline)))
    }

    /// The endpoint failed before it gave an answer: another one is tried, or the client gets this outcome.
    fn failed<T: Transport>(&mut self, cause: FailureCause, outcome: Outcome, cx: &mut Context<'_, T>) -> Outcome {
        self.note_failure(cause, cx.net.now());
        if !failover::may_try_another(&self.onward, cx) {
            return outcome;
        }
        let refusal = if let Outcome::Refused(refusal) = outcome { refusal } else { Refusal::UPSTREAM_MALFORMED };
        self.again(refusal)
    }

    /// The endpoint gave an answer other than a 101.
    fn declined<T: Transport>(&mut self, declined: Declined, cx: &mut Context<'_, T>) -> Outcome {
        match FailureCause::of_status(declined.status) {
            None => self.note_success(),
            Some(cause) => {
                self.note_failure(cause, cx.net.now());
                if failover::may_give_up_answer(&self.onward, cx) {
                    return self.again(Refusal::UPSTREAM_UNREACHABLE);
                }
            }
        }
        Outcome::Declined(Box::new(declined))
    }

    fn again(&mut self, refusal: Refusal) -> Outcome {
        Outcome::Again(Box::new(self.onward.take()), refusal)
    }

    fn endpoint(&self) -> Option<&Endpoint> {
        self.onward.asked.route.endpoints.get(self.endpoint)
    }

    fn note_success(&self) {
        if let Some(endpoint) = self.endpoint() {
            endpoint.health.succeeded();
        }
    }

    fn note_failure(&self, cause: FailureCause, now: Time) {
        let Some(endpoint) = self.endpoint() else { return };
        if !failover::is_judged(&self.onward, cause, self.begun, now) {
            return;
        }
        endpoint.health.failed(cause, now.as_millis());
        endpoint.addresses.passed_over(self.address);
    }

    fn judge<T: Transport>(&self, head: &[u8], cx: &Context<'_, T>) -> Result<Verdict, Refusal> {
        let response = Response::parse(head, &cx.config.settings.head)?;
        if response.is_interim() {
            return Ok(Verdict::Interim);
        }
        let (outward, mut answer) = (self.outward(), Vec::with_capacity(256));
        if response.status != 101 {
            let length = response.body_length()?;
            response.write_declined(length, &outward, &mut answer);
            return Ok(Verdict::Declined(response.status, answer, length));
        }
        let agreed = response.verify(&self.onward.asked.expected)?;
        let asked = &self.onward.asked;
        let fallback = asked.fallback_protocol.map(str::as_bytes);
        let lines = &asked.route.answer_lines;
        response.write_switching(asked.accept.as_ref(), fallback, &outward, lines, &mut answer);
        Ok(Verdict::Switched(agreed, answer))
    }

    /// The client's URL and the upstream's.
    fn outward(&self) -> Outward<'_> {
        let Asked { client_path, host, .. } = &self.onward.asked;
        let target = self.endpoint().map(|endpoint| &endpoint.target);
        Outward {
            client_path: client_path.trim_end_matches('/'),
            target_path: target.map(|target| target.base_path.as_str()).expected_or_default(),
            authorities: [target.map(|target| target.authority.as_str()), host.as_deref()],
        }
    }
}

/// The refusal of an answer. Nobody but the record's reader can tell which protocol the upstream speaks.
fn refused(refusal: Refusal, answer: &[u8]) -> Outcome {
    if refusal != Refusal::UPSTREAM_MALFORMED {
        return Outcome::Refused(refusal);
    }
    let line = answer.split(|byte| *byte == b'\n').next().expected_or_default();
    let shown = line.get(..MAX_SHOWN_BYTES).unwrap_or(line);
    Outcome::Malformed(shown.escape_ascii().to_string().into())
}
