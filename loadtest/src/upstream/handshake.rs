//! Stage 1: receives the client's request, checks it, and answers.

use ringway::engine::{Next, Received, Socket, Time, Transport};
use ringway::proto::accept;
use ringway::proto::head::{self, HeadLimits};
use ringway::proto::head_check::{HeadCheck, HeadKind};
use ringway::proto::refusal::Refusal;
use ringway::proto::request::Request;
use ringway::proto::response;

/// The limits on a request's head.
const HEAD: HeadLimits = HeadLimits { max_bytes: 32 * 1024, max_lines: head::MAX_LINES };

#[derive(Debug)]
pub(super) struct Handshake {
    /// The part of the head received until now, if it did not come in one piece.
    head: Vec<u8>,
    deadline: Time,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    Accepted {
        /// The 101 response.
        answer: Vec<u8>,
        /// The bytes that came after the head.
        early: Vec<u8>,
    },
    Refused(Refusal),
    /// The client has closed the connection.
    Left,
}

impl Handshake {
    pub(super) fn new(deadline: Time) -> Self {
        Self { head: Vec::new(), deadline }
    }

    pub(super) fn step<T: Transport>(&mut self, socket: Socket, scratch: &mut [u8], net: &mut T) -> Outcome {
        if net.now() >= self.deadline {
            return Outcome::Refused(Refusal::HANDSHAKE_TIMEOUT);
        }
        let seen = self.head.len();
        if let Some(start) = scratch.get_mut(..seen) {
            start.copy_from_slice(&self.head);
        }
        // Receive no more than a head may have: the rest can wait in the kernel.
        let n = match net.recv(socket, scratch.get_mut(seen..HEAD.max_bytes).unwrap_or_default()) {
            Received::Bytes(n) => n,
            Received::Blocked => return Outcome::Stay(Next::Wait(Some(self.deadline))),
            Received::End | Received::Failed(_) => return Outcome::Left,
        };
        let bytes = scratch.get(..seen.saturating_add(n)).unwrap_or_default();
        match head::find_end(bytes, seen, &HEAD) {
            Err(error) => Outcome::Refused(error.into()),
            Ok(None) => match HeadCheck::new(HeadKind::Request).advance(bytes, &HEAD) {
                Err(error) => Outcome::Refused(error.into()),
                Ok(()) => {
                    self.head = bytes.to_vec();
                    Outcome::Stay(Next::Again)
                }
            },
            Ok(Some(end)) => {
                let (head, early) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
                match answer(head) {
                    Ok(answer) => Outcome::Accepted { answer, early: early.to_vec() },
                    Err(refusal) => Outcome::Refused(refusal),
                }
            }
        }
    }
}

/// Builds the 101 response. Any path is accepted: the test's subject is the proxy in front. The first offered
/// subprotocol is selected.
fn answer(head: &[u8]) -> Result<Vec<u8>, Refusal> {
    let request = Request::parse(head, &HEAD)?;
    let accept = accept::accept_for(request.key.ok_or(Refusal::KEY_MISSING)?);
    let mut answer = Vec::with_capacity(256);
    response::write_switching(Some(&accept), request.protocols.first().copied(), b"", &mut answer);
    Ok(answer)
}
