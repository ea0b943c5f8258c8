//! Bytes that a peer has not taken yet. Empty, and without memory, as long as the peer keeps up.

use crate::engine::pool::Pool;
use crate::engine::{Fault, Sent, Socket, Transport};

#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    /// Sends what is waiting: `true` once nothing is. Bytes taken are added to `progress`.
    pub(super) fn flush<T: Transport>(
        &mut self,
        socket: Socket,
        net: &mut T,
        pool: &mut Pool,
        progress: &mut usize,
    ) -> Result<bool, Fault> {
        let Some(waiting) = &mut self.waiting else { return Ok(true) };
        while let Some(rest) = waiting.bytes.get(waiting.sent..).filter(|rest| !rest.is_empty()) {
            match net.send(socket, rest) {
                Sent::Bytes(n) => {
                    waiting.sent = waiting.sent.saturating_add(n);
                    *progress = progress.saturating_add(n);
                }
                Sent::Blocked => return Ok(false),
                Sent::Failed(fault) => return Err(fault),
            }
        }
        if let Some(done) = self.waiting.take() {
            pool.give(done.bytes);
        }
        Ok(true)
    }

    /// Sends `bytes` behind what is waiting, and keeps what the peer does not take.
    #[inline]
    pub(super) fn send<T: Transport>(
        &mut self,
        socket: Socket,
        net: &mut T,
        pool: &mut Pool,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Some(waiting) = &mut self.waiting {
            waiting.bytes.extend_from_slice(bytes);
            return Ok(());
        }
        let taken = match net.send(socket, bytes) {
            Sent::Bytes(n) => n,
            Sent::Blocked => 0,
            Sent::Failed(fault) => return Err(fault),
        };
        if let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let mut buffer = pool.take();
            buffer.extend_from_slice(rest);
            self.waiting = Some(Box::new(Waiting { bytes: buffer, sent: 0 }));
        }
        Ok(())
    }

    /// Forgets what is waiting.
    pub(super) fn discard(&mut self, pool: &mut Pool) {
        if let Some(waiting) = self.waiting.take() {
            pool.give(waiting.bytes);
        }
    }
}
