//! Gathers a head that may come in many pieces.
//!
//! A head that comes whole stays in the shard's scratch and is never copied. Of a head that comes in pieces, each byte
//! is copied once, and searched once: a client that sends one byte at a time costs no more than linear work.

use crate::invariant::Invariant;

/// The bytes of earlier steps.
#[derive(Debug, Default)]
pub(super) struct Gather {
    kept: Vec<u8>,
    /// The number of kept bytes that have been searched without success.
    searched: usize,
}

impl Gather {
    /// Starts with bytes that an earlier stage received and that have not been searched.
    pub(super) fn with_early(early: Vec<u8>) -> Self {
        Self { kept: early, searched: 0 }
    }

    /// `true` if bytes are at hand that have not been searched: search them before you receive more.
    pub(super) fn has_unsearched(&self) -> bool {
        self.searched < self.kept.len()
    }

    /// The number of bytes that earlier steps kept.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The number of bytes at the start of [`bytes`](Self::bytes) that need not be searched again.
    pub(super) fn searched(&self) -> usize {
        self.searched
    }

    /// Adds the bytes that this step received, if there are earlier ones to add them to.
    pub(super) fn add(&mut self, received: &[u8]) {
        if !self.kept.is_empty() {
            self.kept.extend_from_slice(received);
        }
    }

    /// All bytes so far. `received` are those of this step, which [`add`](Self::add) was given before.
    pub(super) fn bytes<'a>(&'a self, received: &'a [u8]) -> &'a [u8] {
        if self.kept.is_empty() { received } else { &self.kept }
    }

    /// Keeps all bytes so far for the next step: they were searched without success.
    pub(super) fn keep(&mut self, received: &[u8]) {
        if self.kept.is_empty() {
            self.kept.extend_from_slice(received);
        }
        self.searched = self.kept.len();
    }

    /// Like [`keep`](Self::keep), but drops the first `done` bytes: a head that the caller is done with.
    pub(super) fn keep_after(&mut self, done: usize, received: &[u8]) {
        if done == 0 {
            return self.keep(received);
        }
        self.kept = self.bytes(received).get(done..).expected_or_default().to_vec();
        self.searched = self.kept.len();
    }
}

/// Copies a few kept bytes to the front of the scratch, and returns how many. For what must stand there together with
/// the bytes that are received next: at most a part of a header or a control frame, so that the copies are bounded.
#[inline]
pub(super) fn restore(kept: &[u8], scratch: &mut [u8]) -> usize {
    for (to, from) in scratch.iter_mut().zip(kept) {
        *to = *from;
    }
    kept.len()
}

#[cfg(test)]
mod tests {
    use super::Gather;

    const HEAD_BYTES: usize = 32 * 1024;

    #[test]
    fn a_head_of_32_kib_that_comes_one_byte_at_a_time_costs_linear_work() {
        let mut gather = Gather::default();
        let (mut searched, mut moved) = (0, 0);
        for n in 1..=HEAD_BYTES {
            let (before, capacity) = (gather.len(), gather.kept.capacity());
            gather.add(b"x");
            let bytes = gather.bytes(b"x");
            assert_eq!(bytes.len(), n);
            searched += bytes.len() - gather.searched();
            gather.keep(b"x");
            // Growing copies what was kept; adding copies the new byte.
            moved += 1 + if gather.kept.capacity() == capacity { 0 } else { before };
        }
        assert_eq!(searched, HEAD_BYTES, "each byte is searched once");
        assert!(moved <= 3 * HEAD_BYTES, "{moved} bytes were copied");
    }

    #[test]
    fn a_head_that_arrives_at_once_is_not_copied() {
        let received = b"GET / HTTP/1.1\r\n\r\n";
        let mut gather = Gather::default();
        gather.add(received);
        assert_eq!(gather.bytes(received).as_ptr(), received.as_ptr());
        assert_eq!(gather.kept.capacity(), 0);
    }

    #[test]
    fn early_bytes_are_searched_before_more_are_received() {
        let mut gather = Gather::with_early(b"GET".to_vec());
        assert!(gather.has_unsearched() && gather.searched() == 0);
        gather.keep(b"");
        assert!(!gather.has_unsearched() && gather.searched() == 3);
        gather.add(b" /");
        assert_eq!((gather.bytes(b" /"), gather.searched()), (&b"GET /"[..], 3));
    }

    #[test]
    fn a_head_that_is_done_with_is_dropped_and_the_rest_stays() {
        let mut gather = Gather::default();
        gather.keep(b"one");
        gather.add(b"two");
        gather.keep_after(3, b"two");
        assert_eq!((gather.bytes(b""), gather.searched()), (&b"two"[..], 3));
    }
}
