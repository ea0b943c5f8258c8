//! The last stage: sends the waiting bytes, then shuts down the write side, and reads and drops the bytes that the peer
//! still sends. Closing with unread bytes would reset the connection and destroy the close frame, or the refusal, on
//! its way. A peer that has sent its own close frame sends nothing more (RFC 6455 section 7.1.1: the server closes
//! first).

use ringway::engine::{Next, Time, Transport};
use ringway::proto::scan::FrameLimits;
use ringway::proto::terminated::Event;
use ringway::proxy::terminated::{Arrival, Wire};

use super::role::Cx;

/// The most bytes that are dropped: enough for a message that was on its way.
const MAX_DROPPED_BYTES: usize = 64 * 1024 * 1024;
/// The most receives in one step.
const RECEIVES: usize = 4;

#[derive(Debug)]
pub(super) struct Leaving {
    wire: Wire,
    peer: Peer,
    /// The write side is shut down.
    shut: bool,
    dropped: usize,
    deadline: Time,
}

/// Bytes that the peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Frames; the stage waits for a close frame.
    Speaks,
    /// Bytes that are not parsed; the stage waits for their end.
    Babbles,
    /// The peer has sent its close frame.
    Closed,
    /// The peer has finished sending.
    Ended,
}

impl Leaving {
    /// Creates the stage. The connection is closed at `deadline` at the latest.
    pub(super) fn new(wire: Wire, peer: Peer, deadline: Time) -> Self {
        Self { wire, peer, shut: false, dropped: 0, deadline }
    }

    /// Returns `Next::Done` once the socket is closed.
    pub(super) fn step<T: Transport>(&mut self, scratch: &mut [u8], cx: &mut Cx<'_, T>) -> Next {
        let next = self.linger(scratch, cx);
        if next == Next::Done {
            self.wire.close(cx.net, &mut cx.kit.pool);
        }
        next
    }

    fn linger<T: Transport>(&mut self, scratch: &mut [u8], cx: &mut Cx<'_, T>) -> Next {
        if cx.net.now() >= self.deadline {
            return Next::Done;
        }
        if !self.shut {
            match self.wire.flush(cx.net, &mut cx.kit.pool) {
                Ok(true) => {
                    cx.net.shutdown(self.wire.socket);
                    self.shut = true;
                }
                Ok(false) => {}
                Err(_) => return Next::Done,
            }
        }
        for _ in 0..RECEIVES {
            if self.peer == Peer::Ended {
                // The peer may still be reading bytes that wait.
                return if self.shut { Next::Done } else { Next::Wait(Some(self.deadline)) };
            }
            match self.wire.receive(cx.net, scratch) {
                Arrival::Bytes { end, .. } => self.drop_bytes(end, scratch, &cx.kit.frames),
                Arrival::Blocked if self.shut && self.peer == Peer::Closed => return Next::Done,
                Arrival::Blocked => return Next::Wait(Some(self.deadline)),
                Arrival::End => self.peer = Peer::Ended,
                Arrival::Failed(_) => return Next::Done,
            }
            if self.dropped > MAX_DROPPED_BYTES {
                return Next::Done;
            }
        }
        Next::Again
    }

    fn drop_bytes(&mut self, end: usize, scratch: &mut [u8], frames: &FrameLimits) {
        self.dropped = self.dropped.saturating_add(end);
        let (bytes, mut at) = (scratch.get_mut(..end).unwrap_or_default(), 0);
        while self.peer == Peer::Speaks {
            match self.wire.websocket.next(bytes, &mut at, frames) {
                Event::Close { .. } => self.peer = Peer::Closed,
                Event::Violation(_) => self.peer = Peer::Babbles,
                Event::NeedMore => return,
                _ => {}
            }
        }
        // The remaining bytes are never read.
        self.wire.websocket.keep(&[]);
    }
}
