//! The bytes of a shard's connections that wait in the kernel, estimated from a few of them: to ask for all would hold up
//! a shard with many.

use super::Proxy;
use crate::command::view::KernelBytes;
use crate::engine::{Slot, Socket, Transport};
use crate::invariant::Invariant;

/// Connections that one sample looks at. Each open one costs four system calls.
const SAMPLE: usize = 128;

impl Proxy {
    /// Looks at the next connections of the table, and takes them for the average of all.
    pub(super) fn kernel_bytes<T: Transport>(&mut self, net: &T) -> KernelBytes {
        let mut sum = KernelBytes::default();
        let mut looked_at = 0_usize;
        let mut next = 0;
        let from = self.sampled_to;
        let later = self.connections.iter_from(Slot(from));
        // The table is short, or its end comes first: the sample goes on at its begin.
        let earlier = self.connections.iter_from(Slot(0)).take_while(|(slot, _)| slot.0 < from);
        for (slot, connection) in later.chain(earlier).take(SAMPLE) {
            looked_at = looked_at.saturating_add(1);
            next = slot.0.saturating_add(1);
            let [client, upstream] = connection.tunnel_sockets();
            add(&mut sum.client, client, net);
            add(&mut sum.upstream, upstream, net);
        }
        self.sampled_to = next;
        let all = u64::try_from(self.connections.len()).expected_or(u64::MAX);
        let looked_at = u64::try_from(looked_at).expected_or(u64::MAX);
        let scale = |bytes: u64| bytes.saturating_mul(all).checked_div(looked_at).unwrap_or(0);
        KernelBytes { client: sum.client.map(scale), upstream: sum.upstream.map(scale) }
    }
}

fn add<T: Transport>([unacknowledged, unread]: &mut [u64; 2], socket: Option<Socket>, net: &T) {
    let Some(socket) = socket else { return };
    let count = |bytes: usize| u64::try_from(bytes).expected_or(u64::MAX);
    *unacknowledged = unacknowledged.saturating_add(count(net.unacknowledged(socket)));
    *unread = unread.saturating_add(count(net.unread(socket)));
}
