//! The last stage: what waits is still sent, then our sending ends, and what the peer still sends is read and dropped. To
//! close with bytes unread would reset the connection and destroy the close frame, or the refusal, on its way.

use ringway::engine::pool::Pool;
use ringway::engine::{Next, Received, Time, Transport};

use crate::shard::wire::Wire;

/// Bytes that are dropped at most: a message that was on its way.
const MAX_DROPPED_BYTES: usize = 64 * 1024 * 1024;
/// Receives in one step.
const RECEIVES: usize = 4;

#[derive(Debug)]
pub(super) struct Leaving {
    wire: Wire,
    /// Our sending has ended.
    shut: bool,
    /// The peer's sending has ended.
    ended: bool,
    dropped: usize,
    deadline: Time,
}

impl Leaving {
    /// `deadline` is when the connection is closed at the latest.
    pub(super) fn new(wire: Wire, deadline: Time) -> Self {
        Self { wire, shut: false, ended: false, dropped: 0, deadline }
    }

    /// `Next::Done` once the socket is closed.
    pub(super) fn step<T: Transport>(&mut self, scratch: &mut [u8], net: &mut T, pool: &mut Pool) -> Next {
        let next = self.linger(scratch, net, pool);
        if next == Next::Done {
            self.wire.close(net, pool);
        }
        next
    }

    fn linger<T: Transport>(&mut self, scratch: &mut [u8], net: &mut T, pool: &mut Pool) -> Next {
        if net.now() >= self.deadline {
            return Next::Done;
        }
        if !self.shut {
            match self.wire.flush(net, pool) {
                Ok(true) => {
                    net.shutdown(self.wire.socket);
                    self.shut = true;
                }
                Ok(false) => {}
                Err(_) => return Next::Done,
            }
        }
        for _ in 0..RECEIVES {
            match net.recv(self.wire.socket, scratch) {
                _ if self.ended && self.shut => return Next::Done,
                Received::Bytes(n) => self.dropped = self.dropped.saturating_add(n),
                Received::Blocked => return Next::Wait(Some(self.deadline)),
                // It may go on reading what it has not taken yet.
                Received::End if !self.shut => {
                    self.ended = true;
                    return Next::Wait(Some(self.deadline));
                }
                Received::End | Received::Failed(_) => return Next::Done,
            }
            if self.dropped > MAX_DROPPED_BYTES {
                return Next::Done;
            }
        }
        Next::Again
    }
}
