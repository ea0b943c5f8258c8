//! Stage 3: the upstream's response. Only a verified 101 opens the tunnel, and nothing is forwarded before it.

use super::context::Context;
use super::end::upstream_tls_refusal;
use super::gather::Gather;
use super::handoff::{Asked, Switched};
use crate::engine::{Fault, Next, Received, Socket, Transport};
use crate::invariant::Invariant;
use crate::proto::frame::Reserved;
use crate::proto::head;
use crate::proto::refusal::Refusal;
use crate::proto::response::Response;

#[derive(Debug)]
pub(super) struct Upgrade {
    client: Socket,
    upstream: Socket,
    asked: Asked,
    head: Gather,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    Switched(Box<Switched>),
    /// Another response: its head, and the part of its body that came with it.
    Declined(Vec<u8>, Vec<u8>),
    Refused(Refusal),
    /// The client is gone.
    Left,
}

/// The verdict on one head.
enum Verdict {
    Switched(Reserved, Vec<u8>),
    Declined,
    Interim,
}

impl Upgrade {
    pub(super) fn new(client: Socket, upstream: Socket, asked: Asked) -> Self {
        Self { client, upstream, asked, head: Gather::default() }
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
        let room = cx.scratch.len().saturating_sub(self.head.len());
        let received = match cx.net.recv(self.upstream, cx.scratch.get_mut(..room).expected_or_default()) {
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
            let end = match head::find_end(bytes, searched, &cx.config.settings.head) {
                Err(_) => return Outcome::Refused(Refusal::UPSTREAM_HEAD_TOO_LARGE),
                Ok(None) => {
                    self.head.keep_after(done, received);
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
                // 100 and 103 are followed by another head. The deadline bounds how long they may go on.
                Ok(Verdict::Interim) => {
                    done = done.saturating_add(end);
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
