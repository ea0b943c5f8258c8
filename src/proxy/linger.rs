//! The last stage of a client that was sent everything: our sending ends, and what the client still sends is read and
//! dropped for a while. A socket that is closed with bytes unread resets the connection, which destroys the answer on
//! its way.

use super::context::Context;
use crate::engine::{Next, Received, Socket, Time, Transport};

/// The most bytes that are dropped.
const MAX_DROPPED_BYTES: usize = 1024 * 1024;
/// The most receives in one step.
const RECEIVES: usize = 4;

#[derive(Debug)]
pub(super) struct Linger {
    client: Socket,
    shut: bool,
    dropped: usize,
    deadline: Time,
}

impl Linger {
    pub(super) fn new(client: Socket, deadline: Time) -> Self {
        Self { client, shut: false, dropped: 0, deadline }
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    /// Returns `Next::Done` once the socket may be closed.
    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Next {
        if !self.shut {
            cx.net.shutdown(self.client);
            self.shut = true;
        }
        if cx.net.now() >= self.deadline {
            return Next::Done;
        }
        for _ in 0..RECEIVES {
            match cx.net.recv(self.client, cx.scratch) {
                Received::Bytes(n) => self.dropped = self.dropped.saturating_add(n),
                Received::Blocked => return Next::Wait(Some(self.deadline)),
                Received::End | Received::Failed(_) => return Next::Done,
            }
            if self.dropped > MAX_DROPPED_BYTES {
                return Next::Done;
            }
        }
        Next::Again
    }
}
