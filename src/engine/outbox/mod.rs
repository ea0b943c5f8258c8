//! Bytes that a peer has not taken yet, in order. Empty, and without memory, as long as the peer keeps up.
//!
//! In: bytes to copy, the shard's scratch buffer, or memory that many connections share. Out: one system call for as
//! many of them as it takes. The queue never copies shared memory.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use super::fault::Fault;
use super::pool::Pool;
use super::transport::{Sent, Socket, Transport};
use crate::invariant::Invariant;

/// The rest of a receive is copied up to this size, and its buffer is free for others; of a larger rest the outbox
/// keeps the buffer itself.
const MAX_COPIED_BYTES: usize = 16 * 1024;

/// Segments sent with one call. The kernel takes more, and its copy of the list grows with each.
const MAX_SLICES: usize = 32;

/// Memory that each segment after the first takes up beside its bytes.
const SEGMENT_BYTES: usize = size_of::<Segment>();

/// The bytes that one socket must still be sent, as a queue of segments.
///
/// Shared segments are bounded by [`push_shared`](Self::push_shared). Owned ones are bounded by the caller, who reads
/// nothing more from the source while the peer does not take what it was sent.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: Option<Box<Waiting>>,
}

/// A segment that was not queued: the peer already has too much to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// `first[sent..]` and all of `later` must still be sent. `first[sent..]` is not empty.
#[derive(Debug)]
struct Waiting {
    first: Segment,
    sent: usize,
    later: VecDeque<Segment>,
    /// Memory of `later`.
    later_held: usize,
}

#[derive(Debug)]
enum Segment {
    /// `bytes[..end]`. The buffer is the shard's own where `bytes` is longer.
    Owned { bytes: Vec<u8>, end: usize },
    /// Memory that other connections may be sent as well.
    Shared(Arc<[u8]>),
}

impl Outbox {
    /// True if nothing is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    /// Bytes of memory in use: what is waiting, the part of the first segment that is sent already, and each further
    /// segment's place in the queue. Shared memory counts in every outbox that holds it.
    #[must_use]
    pub fn held(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.first.len().saturating_add(waiting.later_held))
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
        loop {
            match waiting.send(socket, net) {
                Sent::Bytes(n) => {
                    *progress = progress.saturating_add(n);
                    if waiting.take(n, pool) {
                        break;
                    }
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

    /// Sends `bytes` after what is waiting, and keeps a copy of what the peer does not take.
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
            self.keep(Segment::copy_of(rest), 0);
        }
        Ok(())
    }

    /// Sends the first `end` bytes of the scratch after what is waiting. If the peer does not take them all, the outbox
    /// keeps the buffer and puts another in its place.
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
        let bytes = scratch.get(..end).expected_or_default();
        if let Some(waiting) = &mut self.waiting {
            waiting.append(bytes);
            return Ok(());
        }
        let taken = send_now(socket, net, bytes)?;
        match bytes.get(taken..).expected_or_default() {
            [] => {}
            rest if rest.len() <= MAX_COPIED_BYTES => self.keep(Segment::copy_of(rest), 0),
            _ => self.keep(Segment::Owned { bytes: std::mem::replace(scratch, pool.take()), end }, taken),
        }
        Ok(())
    }

    /// Queues memory that other outboxes may hold, too, after what is waiting. Nothing is sent before the next
    /// [`flush`](Self::flush), which sends many segments with one call.
    ///
    /// # Errors
    /// With this segment the outbox would [hold](Self::held) more than `max_held` bytes. Nothing was queued: `max_held`
    /// must leave room for the longest segment.
    pub fn push_shared(&mut self, bytes: &Arc<[u8]>, max_held: usize) -> Result<(), Full> {
        if bytes.is_empty() {
            return Ok(());
        }
        let place = if self.is_empty() { 0 } else { SEGMENT_BYTES };
        if self.held().saturating_add(place).saturating_add(bytes.len()) > max_held {
            return Err(Full);
        }
        let segment = Segment::Shared(Arc::clone(bytes));
        match &mut self.waiting {
            Some(waiting) => waiting.push(segment),
            None => self.keep(segment, 0),
        }
        Ok(())
    }

    /// Drops all bytes that are waiting.
    pub fn discard(&mut self, pool: &mut Pool) {
        if let Some(waiting) = self.waiting.take() {
            let Waiting { first, later, .. } = *waiting;
            std::iter::once(first).chain(later).for_each(|segment| segment.free(pool));
        }
    }

    fn keep(&mut self, first: Segment, sent: usize) {
        debug_assert!(sent < first.len(), "nothing of the first segment is waiting");
        self.waiting = Some(Box::new(Waiting { first, sent, later: VecDeque::new(), later_held: 0 }));
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
    /// Sends as much as one call takes.
    fn send<T: Transport>(&self, socket: Socket, net: &mut T) -> Sent {
        let first = self.first.bytes().get(self.sent..).expected_or_default();
        if self.later.is_empty() {
            return net.send(socket, first);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut used: usize = 0;
        let waiting = std::iter::once(first).chain(self.later.iter().map(Segment::bytes));
        for (slice, bytes) in slices.iter_mut().zip(waiting) {
            *slice = IoSlice::new(bytes);
            used = used.saturating_add(1);
        }
        net.send_vectored(socket, slices.get(..used).expected_or_default())
    }

    /// Notes that the peer took `n` bytes: `true` if that was all. Segments that are sent are freed, but for the last.
    fn take(&mut self, n: usize, pool: &mut Pool) -> bool {
        self.sent = self.sent.saturating_add(n);
        while self.sent >= self.first.len() {
            let Some(next) = self.later.pop_front() else { return true };
            debug_assert!(self.later_held >= next.cost(), "each segment after the first was counted");
            self.later_held = self.later_held.saturating_sub(next.cost());
            self.sent = self.sent.saturating_sub(self.first.len());
            std::mem::replace(&mut self.first, next).free(pool);
        }
        false
    }

    fn append(&mut self, more: &[u8]) {
        if more.is_empty() {
            return;
        }
        match self.later.back_mut() {
            None => {
                if let Segment::Owned { bytes, end } = &mut self.first {
                    make_room(bytes, &mut self.sent, end);
                    extend(bytes, end, more);
                    return;
                }
            }
            Some(Segment::Owned { bytes, end }) => {
                extend(bytes, end, more);
                self.later_held = self.later_held.saturating_add(more.len());
                return;
            }
            Some(Segment::Shared(_)) => {}
        }
        self.push(Segment::copy_of(more));
    }

    fn push(&mut self, segment: Segment) {
        self.later_held = self.later_held.saturating_add(segment.cost());
        self.later.push_back(segment);
    }
}

/// Moves `bytes[sent..end]` to the front once `sent` is half of `end`: on average no byte is moved more than once.
#[expect(clippy::disallowed_methods, reason = "`sent` and `end` are within `bytes`, and `sent` is not after `end`")]
fn make_room(bytes: &mut [u8], sent: &mut usize, end: &mut usize) {
    if *sent >= *end / 2 {
        bytes.copy_within(*sent..*end, 0);
        *end = end.saturating_sub(*sent);
        *sent = 0;
    }
}

fn extend(bytes: &mut Vec<u8>, end: &mut usize, more: &[u8]) {
    bytes.truncate(*end);
    bytes.extend_from_slice(more);
    *end = bytes.len();
}

impl Segment {
    fn copy_of(bytes: &[u8]) -> Self {
        Self::Owned { bytes: bytes.to_vec(), end: bytes.len() }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned { bytes, end } => bytes.get(..*end).expected_or_default(),
            Self::Shared(bytes) => bytes,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Owned { end, .. } => *end,
            Self::Shared(bytes) => bytes.len(),
        }
    }

    /// Memory that the segment takes up after the first.
    fn cost(&self) -> usize {
        self.len().saturating_add(SEGMENT_BYTES)
    }

    fn free(self, pool: &mut Pool) {
        if let Self::Owned { bytes, .. } = self {
            pool.give(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
