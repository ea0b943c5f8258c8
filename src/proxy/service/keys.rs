//! Takes changes of keys, and ends the connections whose key or subscription has ended.

use super::Proxy;
use crate::command::{Cause, KeyChange};
use crate::engine::{Slot, Transport};

impl Proxy {
    /// Makes a table of keys active. Connections are ended at once, without the window of their route: whoever revokes a key
    /// wants nothing more of its holder to pass.
    pub(super) fn change_keys<T: Transport>(&mut self, net: &mut T, change: KeyChange) {
        let KeyChange { keys, number, revoked, done } = change;
        // A command that was sent a second time may arrive after a newer one.
        if number >= self.keys_number {
            self.config.keys = keys;
            self.keys_number = number;
        }
        for slot in self.holders.concerned(&revoked) {
            let consumer = self.connections.get_mut(slot).and_then(|connection| connection.consumer());
            if let Some(revocation) = consumer.and_then(|(consumer, _)| revoked.reason_to_end(consumer)) {
                self.end(net, slot, revocation.into());
            }
        }
        done.send(());
    }

    /// Ends the connections whose keys have expired.
    pub(super) fn end_expired<T: Transport>(&mut self, net: &mut T) {
        let now = net.now();
        while let Some(slot) = self.holders.next_expired(now) {
            self.end(net, slot, Cause::Expired);
        }
    }

    fn end<T: Transport>(&mut self, net: &mut T, slot: Slot, cause: Cause) {
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.drain(cause);
            net.wake(slot);
        }
    }
}
