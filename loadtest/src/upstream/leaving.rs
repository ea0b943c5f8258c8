//! The last stage: what waits is still sent, then our sending ends, and what the peer still sends is read and dropped. To
//! close with bytes unread would reset the connection and destroy the close frame, or the refusal, on its way. A peer that
//! has sent its own close frame has nothing more to say (RFC 6455 section 7.1.1: the server closes first).

use ringway::engine::{Next, Time, Transport};
use ringway::proto::scan::FrameLimits;
use ringway::proto::terminated::Event;
use ringway::proxy::terminated::{Arrival, Wire};

use super::role::Cx;

/// Bytes that are dropped at most: a message that was on its way.
const MAX_DROPPED_BYTES: usize = 64 * 1024 * 1024;
/// Receives in one step.
const RECEIVES: usize = 4;

#[derive(Debug)]
pub(super) struct Leaving {
    wire: Wire,
    peer: Peer,
    /// Our sending has ended.
    shut: bool,
    dropped: usize,
    deadline: Time,
}

/// What is still to come from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Frames: a close is waited for.
    Speaks,
    /// Bytes that nobody understands: their end is waited for.
    Babbles,
    /// It has sent its close frame.
    Closed,
    /// It has finished sending.
    Ended,
}

impl Leaving {
    /// `deadline` is when the connection is closed at the latest.
    pub(super) fn new(wire: Wire, peer: Peer, deadline: Time) -> Self {
        Self { wire, peer, shut: false, dropped: 0, deadline }
    }

    /// `Next::Done` once the socket is closed.
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
                // It may go on reading what it has not taken yet.
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
        // What is left over of it is never looked at again.
        self.wire.websocket.keep(&[]);
    }
}
