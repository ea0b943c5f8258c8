//! The context of one step: the network, and the memory that all connections of a shard use in turn.

use super::admission::Admission;
use super::holders::Holders;
use super::inspection::Inspection;
use super::routes::{RouteSlot, Routes};
use crate::command::config::ShardConfig;
use crate::engine::Transport;
use crate::engine::pool::Pool;
use crate::routing::policy::Policy;

/// Borrowed for one step.
pub(super) struct Context<'a, T> {
    pub(super) net: &'a mut T,
    /// The buffer in which bytes are received and scanned, and from which they are sent. Nothing in it survives the
    /// step.
    pub(super) scratch: &'a mut Vec<u8>,
    /// The buffer for the frames that a terminated WebSocket sends, and for those of an inspected tunnel. Empty between steps.
    pub(super) answer: &'a mut Vec<u8>,
    pub(super) pool: &'a mut Pool,
    /// What the shard's inspected tunnels share.
    pub(super) inspection: &'a mut Inspection,
    pub(super) config: &'a ShardConfig,
    pub(super) admission: &'a Admission,
    pub(super) routes: &'a mut Routes,
    /// The connections that were admitted with a key.
    pub(super) holders: &'a mut Holders,
    /// The connection's route, or [`RouteSlot::NONE`].
    pub(super) route: RouteSlot,
    /// The index of the listener that accepted the connection.
    pub(super) listener: u16,
    /// Tells whether new clients should come here.
    pub(super) readiness: Readiness,
}

/// The answer to whether a balancer should send new clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// The shard takes new clients.
    Ready,
    /// The process is about to end: it still takes clients, but not for long.
    Ending,
}

impl<T: Transport> Context<'_, T> {
    /// The policy of the connection's route.
    #[inline]
    pub(super) fn policy(&self) -> &Policy {
        self.routes.get(self.route).policy()
    }

    /// A fresh masking key, which the upstream cannot predict (RFC 6455 section 5.3).
    pub(super) fn mask(&mut self) -> [u8; 4] {
        let mut key = [0; 4];
        self.net.random(&mut key);
        key
    }

    /// A payload for our own pings that no other ping has.
    pub(super) fn nonce(&mut self) -> [u8; 8] {
        let mut nonce = [0; 8];
        self.net.random(&mut nonce);
        nonce
    }
}
