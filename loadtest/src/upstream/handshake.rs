//! Stage 1: the client's request is gathered, judged, and answered.

use ringway::engine::{Next, Received, Socket, Time, Transport};
use ringway::proto::accept;
use ringway::proto::head::{self, HeadLimits};
use ringway::proto::refusal::Refusal;
use ringway::proto::request::Request;
use ringway::proto::response;

/// What a request's head may take up.
const HEAD: HeadLimits = HeadLimits { max_bytes: 32 * 1024, max_lines: head::MAX_LINES };

#[derive(Debug)]
pub(super) struct Handshake {
    /// The head so far, when it did not come in one piece.
    head: Vec<u8>,
    deadline: Time,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    Accepted {
        /// The 101.
        answer: Vec<u8>,
        /// What came behind the head.
        early: Vec<u8>,
    },
    Refused(Refusal),
    /// The client is gone.
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
        // No more than a head may have: the rest can wait in the kernel.
        let n = match net.recv(socket, scratch.get_mut(seen..HEAD.max_bytes).unwrap_or_default()) {
            Received::Bytes(n) => n,
            Received::Blocked => return Outcome::Stay(Next::Wait(Some(self.deadline))),
            Received::End | Received::Failed(_) => return Outcome::Left,
        };
        let bytes = scratch.get(..seen.saturating_add(n)).unwrap_or_default();
        if !head::may_become_request(bytes) {
            return Outcome::Refused(Refusal::HEAD_MALFORMED);
        }
        match head::find_end(bytes, seen, &HEAD) {
            Err(error) => Outcome::Refused(error.into()),
            Ok(None) => {
                self.head = bytes.to_vec();
                Outcome::Stay(Next::Again)
            }
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

/// Any path will do: it is the proxy before us that is tested. Of the subprotocols the first is taken.
fn answer(head: &[u8]) -> Result<Vec<u8>, Refusal> {
    let request = Request::parse(head, &HEAD)?;
    let mut answer = Vec::with_capacity(256);
    response::write_switching(&accept::accept_for(request.key), request.protocols.first().copied(), b"", &mut answer);
    Ok(answer)
}
