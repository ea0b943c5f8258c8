//! Stage 3: the upstream's response. Only a verified 101 opens the tunnel, and nothing is forwarded before it.

use super::context::Context;
use super::end::upstream_tls_refusal;
use super::gather::Gather;
use super::handoff::{Asked, Declined, Switched};
use crate::engine::{Fault, Next, Received, Socket, Transport};
use crate::invariant::Invariant;
use crate::proto::body::Body;
use crate::proto::head;
use crate::proto::head_check::{HeadCheck, HeadKind};
use crate::proto::outward::Outward;
use crate::proto::refusal::Refusal;
use crate::proto::response::{self, Agreed, BodyLength, Response};

#[derive(Debug)]
pub(super) struct Upgrade {
    client: Socket,
    upstream: Socket,
    asked: Asked,
    /// The fingerprint of the endpoint.
    fingerprint: u64,
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
    pub(super) fn new(client: Socket, upstream: Socket, asked: Asked, fingerprint: u64) -> Self {
        let check = HeadCheck::new(HeadKind::Response);
        Self { client, upstream, asked, fingerprint, head: Gather::default(), check }
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
        if cx.net.now() >= self.asked.deadline {
            return Outcome::Refused(Refusal::UPSTREAM_TIMEOUT);
        }
        let received = match cx.net.recv(self.upstream, cx.scratch) {
            Received::Bytes(n) => cx.scratch.get(..n).expected_or_default(),
            Received::Blocked => return Outcome::Stay(Next::Wait(Some(self.asked.deadline))),
            // A TLS 1.3 server judges our certificate after our handshake is complete, so its alert arrives here.
            Received::Failed(Fault::Tls(fault)) => return Outcome::Refused(upstream_tls_refusal(fault)),
            Received::End | Received::Failed(_) => return Outcome::Refused(Refusal::UPSTREAM_CLOSED),
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
                    return refused(response::refusal_for(error), bytes);
                }
                self.head.keep_after(done, received);
                return Outcome::Stay(Next::Again);
            };
            let (head, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            match self.judge(head, cx) {
                Err(refusal) => return refused(refusal, bytes),
                Ok(Verdict::Switched(agreed, answer)) => {
                    let Agreed { reserved, is_accept_missing } = agreed;
                    let client_early = std::mem::take(&mut self.asked.early);
                    let upstream_early = rest.to_vec();
                    let switched = Switched { reserved, is_accept_missing, answer, client_early, upstream_early };
                    return Outcome::Switched(Box::new(switched));
                }
                Ok(Verdict::Declined(status, head, length)) => {
                    let (body, early) = (Body::new(length), rest.to_vec());
                    return Outcome::Declined(Box::new(Declined { status, head, body, early }));
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
        let agreed = response.verify(&self.asked.expected)?;
        response.write_switching(self.asked.accept.as_ref(), &outward, &self.asked.route.answer_lines, &mut answer);
        Ok(Verdict::Switched(agreed, answer))
    }

    /// The client's URL and the upstream's.
    fn outward(&self) -> Outward<'_> {
        let Asked { route, client_path, host, .. } = &self.asked;
        let target = route.endpoints.iter().find(|endpoint| endpoint.fingerprint() == self.fingerprint);
        let target = target.map(|endpoint| &endpoint.target);
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
