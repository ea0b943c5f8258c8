//! Stage 3: the upstream's answer. Only a verified 101 opens the tunnel; nothing was forwarded before it.

use std::sync::Arc;

use super::context::Context;
use super::upstream_tls::refusal_of;
use crate::engine::{Fault, Next, Received, Socket, Time, Transport};
use crate::proto::accept::Accept;
use crate::proto::frame::Reserved;
use crate::proto::head;
use crate::proto::refusal::Refusal;
use crate::proto::response::{Expected, Response};
use crate::routing::route::Route;

/// What an upstream was asked, as far as it matters for its answer.
#[derive(Debug)]
pub(super) struct Asked {
    /// Answers the client's key.
    pub(super) accept: Accept,
    /// What the client sent behind its head.
    pub(super) early: Vec<u8>,
    /// What the upstream must answer.
    pub(super) expected: Expected,
    /// Until when the handshake must be done.
    pub(super) deadline: Time,
    pub(super) route: Arc<Route>,
}

impl Asked {
    /// Takes it out of a stage that has done with it.
    pub(super) fn take(&mut self) -> Self {
        Self {
            accept: self.accept,
            early: std::mem::take(&mut self.early),
            expected: std::mem::take(&mut self.expected),
            deadline: self.deadline,
            route: Arc::clone(&self.route),
        }
    }
}

#[derive(Debug)]
pub(super) struct Upgrade {
    client: Socket,
    upstream: Socket,
    asked: Asked,
    /// The head so far, when it did not come in one piece.
    head: Vec<u8>,
}

/// The upstream agreed.
#[derive(Debug)]
pub(super) struct Switched {
    pub(super) reserved: Reserved,
    /// The client's 101.
    pub(super) answer: Vec<u8>,
    /// What the client sent behind its handshake.
    pub(super) client_early: Vec<u8>,
    /// What the upstream sent behind its own.
    pub(super) upstream_early: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    Switched(Box<Switched>),
    /// Another answer: its head, and what came of its body.
    Declined(Vec<u8>, Vec<u8>),
    Refused(Refusal),
    /// The client is gone.
    Left,
}

/// What the head at hand is.
enum Verdict {
    Switched(Reserved, Vec<u8>),
    Declined,
    Interim,
}

impl Upgrade {
    pub(super) fn new(client: Socket, upstream: Socket, asked: Asked) -> Self {
        Self { client, upstream, asked, head: Vec::new() }
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
        let seen = self.head.len();
        for (to, from) in cx.scratch.iter_mut().zip(&self.head) {
            *to = *from;
        }
        let received = match cx.net.recv(self.upstream, cx.scratch.get_mut(seen..).unwrap_or_default()) {
            Received::Bytes(n) => n,
            Received::Blocked => return Outcome::Stay(Next::Wait(Some(self.asked.deadline))),
            // In TLS 1.3 a server judges our certificate after our handshake is done, so its alert comes here.
            Received::Failed(Fault::Tls(fault)) => return Outcome::Refused(refusal_of(fault)),
            Received::End | Received::Failed(_) => return Outcome::Refused(Refusal::UPSTREAM_CLOSED),
        };
        let mut bytes = cx.scratch.get(..seen.saturating_add(received)).unwrap_or_default();
        let mut searched = seen;
        loop {
            let end = match head::find_end(bytes, searched, &cx.config.settings.head) {
                Err(_) => return Outcome::Refused(Refusal::UPSTREAM_HEAD_TOO_LARGE),
                Ok(None) => {
                    self.head = bytes.to_vec();
                    return Outcome::Stay(Next::Again);
                }
                Ok(Some(end)) => end,
            };
            let (head, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            match self.judge(head, cx) {
                Err(refusal) => return Outcome::Refused(refusal),
                Ok(Verdict::Switched(reserved, answer)) => {
                    let client_early = std::mem::take(&mut self.asked.early);
                    let upstream_early = rest.to_vec();
                    return Outcome::Switched(Box::new(Switched { reserved, answer, client_early, upstream_early }));
                }
                Ok(Verdict::Declined) => return Outcome::Declined(head.to_vec(), rest.to_vec()),
                // 100 and 103 announce another head. The deadline bounds how long they may go on.
                Ok(Verdict::Interim) => {
                    bytes = rest;
                    searched = 0;
                }
            }
        }
    }

    fn judge<T: Transport>(&self, head: &[u8], cx: &Context<'_, T>) -> Result<Verdict, Refusal> {
        let response = Response::parse(head, &cx.config.settings.head)?;
        if response.is_interim() {
            return Ok(Verdict::Interim);
        }
        if response.status != 101 {
            return Ok(Verdict::Declined);
        }
        let agreed = response.verify(&self.asked.expected)?;
        let mut answer = Vec::with_capacity(256);
        response.write_switching(&self.asked.accept, &self.asked.route.answer_lines, &mut answer);
        Ok(Verdict::Switched(agreed.reserved, answer))
    }
}
