//! The buffers that a shard receives into. One is in use at a time, the scratch; a connection whose peer does not take
//! what was received keeps the very buffer, and the shard goes on with another. So back-pressure copies nothing. Reused in
//! last-out, first-in order: the warmest memory first.

/// Bytes one receive can bring: a 128 KiB message with its header fits. Twice that is a little cheaper for messages of 1 MiB,
/// half of it a tenth dearer; a peer that does not read makes a connection hold as much (docs/decisions/0002).
pub const BUFFER_BYTES: usize = 128 * 1024 + 256;

/// How many buffers a shard keeps when nobody needs them (4 MiB).
const MAX_FREE: usize = 32;

/// A shard's free buffers, all of them [`BUFFER_BYTES`] long.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Vec<u8>>,
}

impl Pool {
    /// A buffer, with whatever was in it before.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_else(|| vec![0; BUFFER_BYTES])
    }

    /// Gives a buffer back. One of another length is freed.
    pub fn give(&mut self, buffer: Vec<u8>) {
        if self.free.len() < MAX_FREE && buffer.len() == BUFFER_BYTES {
            self.free.push(buffer);
        }
    }
}
