//! Bytes that a peer has not taken yet. Empty, and without memory, as long as the peer keeps up.

use super::fault::Fault;
use super::pool::Pool;
use super::transport::{Sent, Socket, Transport};

/// What is left of a receive is copied up to this size, and its buffer freed for others; more keeps the buffer itself.
const MAX_COPIED_BYTES: usize = 16 * 1024;

/// What one socket is still to be sent. Nothing bounds it but its owner, who stops feeding it.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: Option<Box<Waiting>>,
}

/// `bytes[sent..end]` are still to be sent.
#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    sent: usize,
    end: usize,
}

impl Outbox {
    /// Whether nothing is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    /// Bytes of memory that are in use.
    #[must_use]
    pub fn held(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.end)
    }

    /// Sends what is waiting, here and in the transport: `true` once nothing is. Bytes taken are added to `progress`.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn flush<T: Transport>(
        &mut self,
        socket: Socket,
        net: &mut T,
        pool: &mut Pool,
        progress: &mut usize,
    ) -> Result<bool, Fault> {
        let Some(waiting) = &mut self.waiting else { return net.flush(socket, progress) };
        while let Some(rest) = waiting.bytes.get(waiting.sent..waiting.end).filter(|rest| !rest.is_empty()) {
            match net.send(socket, rest) {
                Sent::Bytes(n) => {
                    waiting.sent = waiting.sent.saturating_add(n);
                    *progress = progress.saturating_add(n);
                }
                Sent::Blocked => {
                    // Some of what the transport holds may have gone.
                    net.flush(socket, progress)?;
                    return Ok(false);
                }
                Sent::Failed(fault) => return Err(fault),
            }
        }
        self.discard(pool);
        net.flush(socket, progress)
    }

    /// Sends `bytes` behind what is waiting, and keeps a copy of what the peer does not take.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send<T: Transport>(&mut self, socket: Socket, net: &mut T, bytes: &[u8]) -> Result<(), Fault> {
        if let Some(waiting) = &mut self.waiting {
            waiting.append(bytes);
            return Ok(());
        }
        let taken = send_now(socket, net, bytes)?;
        if let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            self.keep(rest.to_vec(), 0, rest.len());
        }
        Ok(())
    }

    /// Sends the first `end` bytes of the scratch behind what is waiting. If the peer does not take them all, the
    /// buffer stays here and the scratch is another.
    ///
    /// # Errors
    /// The connection is broken.
    #[inline]
    pub fn send_scratch<T: Transport>(
        &mut self,
        socket: Socket,
        net: &mut T,
        scratch: &mut Vec<u8>,
        end: usize,
        pool: &mut Pool,
    ) -> Result<(), Fault> {
        let bytes = scratch.get(..end).unwrap_or_default();
        if let Some(waiting) = &mut self.waiting {
            waiting.append(bytes);
            return Ok(());
        }
        let taken = send_now(socket, net, bytes)?;
        match bytes.get(taken..).unwrap_or_default() {
            [] => {}
            rest if rest.len() <= MAX_COPIED_BYTES => self.keep(rest.to_vec(), 0, rest.len()),
            _ => self.keep(std::mem::replace(scratch, pool.take()), taken, end),
        }
        Ok(())
    }

    /// Forgets what is waiting.
    pub fn discard(&mut self, pool: &mut Pool) {
        if let Some(waiting) = self.waiting.take() {
            pool.give(waiting.bytes);
        }
    }

    fn keep(&mut self, bytes: Vec<u8>, sent: usize, end: usize) {
        self.waiting = Some(Box::new(Waiting { bytes, sent, end }));
    }
}

#[inline]
fn send_now<T: Transport>(socket: Socket, net: &mut T, bytes: &[u8]) -> Result<usize, Fault> {
    if bytes.is_empty() {
        return Ok(0);
    }
    match net.send(socket, bytes) {
        Sent::Bytes(n) => Ok(n),
        Sent::Blocked => Ok(0),
        Sent::Failed(fault) => Err(fault),
    }
}

impl Waiting {
    fn append(&mut self, more: &[u8]) {
        // What was sent makes room once it is half of all: each byte is moved once at most, on average.
        if self.sent >= self.end / 2 {
            self.bytes.copy_within(self.sent..self.end, 0);
            self.end = self.end.saturating_sub(self.sent);
            self.sent = 0;
        }
        self.bytes.truncate(self.end);
        self.bytes.extend_from_slice(more);
        self.end = self.bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::Waiting;

    #[test]
    fn what_was_sent_makes_room_and_nothing_is_lost_or_moved() {
        let mut waiting = Waiting { bytes: Vec::new(), sent: 0, end: 0 };
        let (mut sent, mut appended) = (Vec::new(), Vec::new());
        for round in 0..2000_usize {
            let more: Vec<u8> = (0..round % 97).map(|i| u8::try_from((round + i) % 251).unwrap()).collect();
            appended.extend_from_slice(&more);
            waiting.append(&more);
            // The peer takes a little less than comes, then a little more.
            let take = ((round * 7) % 101).min(waiting.end - waiting.sent);
            sent.extend_from_slice(&waiting.bytes[waiting.sent..waiting.sent + take]);
            waiting.sent += take;
            assert!(waiting.end <= 2 * (waiting.end - waiting.sent) + 2 * 101, "{} held", waiting.end);
        }
        sent.extend_from_slice(&waiting.bytes[waiting.sent..waiting.end]);
        assert_eq!(sent, appended);
    }
}
