//! Buffers for what a peer did not take at once. Reused in last-out, first-in order: the warmest memory first.

/// Bytes a buffer starts with: what one receive can bring, and a control frame or two behind it.
pub const BUFFER_BYTES: usize = 64 * 1024 + 1024;

/// How many buffers a shard keeps when nobody needs them (4 MiB).
const MAX_FREE: usize = 64;

/// A shard's free buffers.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Vec<u8>>,
}

impl Pool {
    /// An empty buffer.
    pub fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
    }

    /// Gives a buffer back. One that grew out of shape is freed.
    pub fn give(&mut self, mut buffer: Vec<u8>) {
        if self.free.len() < MAX_FREE && buffer.capacity() <= BUFFER_BYTES.saturating_mul(2) {
            buffer.clear();
            self.free.push(buffer);
        }
    }
}
