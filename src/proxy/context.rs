//! What a step works with: the network, and the memory that all connections of a shard use in turn.

use super::settings::Settings;
use crate::engine::Transport;
use crate::engine::pool::Pool;

/// Bytes one receive can bring: a 64 KiB message with its header fits, so that it needs no second one.
pub(super) const SCRATCH_BYTES: usize = 64 * 1024 + 256;

/// Borrowed for one step.
pub(super) struct Context<'a, T> {
    pub(super) net: &'a mut T,
    /// Received bytes, scanned and sent from here. Nothing in it survives the step.
    pub(super) scratch: &'a mut [u8],
    pub(super) pool: &'a mut Pool,
    pub(super) settings: &'a Settings,
}

impl<T: Transport> Context<'_, T> {
    /// A fresh masking key: the upstream must not be able to foresee it (RFC 6455 section 5.3).
    pub(super) fn mask(&mut self) -> [u8; 4] {
        let mut key = [0; 4];
        self.net.random(&mut key);
        key
    }

    /// A ping's payload that nobody else's ping has.
    pub(super) fn nonce(&mut self) -> [u8; 8] {
        let mut nonce = [0; 8];
        self.net.random(&mut nonce);
        nonce
    }
}
