//! The buffers that a shard receives into. One is in use at a time: the scratch. If the peer does not take what was
//! received, the connection keeps the buffer itself, and the shard takes another: back-pressure copies nothing. The
//! buffer that was given back last is used first, while it is still in the CPU's cache.

/// The most bytes of one receive: a message of 128 KiB fits with its header. Twice as much would make messages of 1 MiB
/// a little cheaper; half as much would make them a tenth dearer. A connection whose peer does not read holds as much
/// memory (docs/decisions/0002).
pub const BUFFER_BYTES: usize = 128 * 1024 + 256;

/// Unused buffers that a shard keeps: 4 MiB.
const MAX_FREE: usize = 32;

/// A shard's free buffers, all of them [`BUFFER_BYTES`] long.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Vec<u8>>,
}

impl Pool {
    /// Takes a buffer. Its earlier contents are still in it.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_else(|| vec![0; BUFFER_BYTES])
    }

    /// Gives a buffer back. A buffer of another length is freed.
    pub fn give(&mut self, buffer: Vec<u8>) {
        if self.free.len() < MAX_FREE && buffer.len() == BUFFER_BYTES {
            self.free.push(buffer);
        }
    }
}
