//! The limits of the whole process: the number of connections, in all and from one address, and of invalid credentials.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::invalid_credentials::InvalidCredentials;
use super::network::network_of;
use crate::proto::refusal::Refusal;

/// The counts of connections, shared by all shards. Changed when a connection is accepted and when it ends, never for a
/// message.
#[derive(Debug)]
pub struct Admission {
    max_connections: u64,
    connections: AtomicU64,
    per_address: Option<PerAddress>,
    invalid_credentials: InvalidCredentials,
}

/// The counts by address. The connections of an address are spread over all shards, so exact counts need one table. Off
/// by default; the lock is held for one look-up.
#[derive(Debug)]
struct PerAddress {
    max: u64,
    counts: Mutex<HashMap<IpAddr, u64>>,
}

/// The counts that a connection is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// None: the connection is being refused.
    Not,
    /// Counted globally only: the client's address is not known yet, or is over its limit.
    Alone,
    /// Counted globally, and to its address.
    WithAddress,
}

impl Admission {
    /// Starts with no connection. `None` sets no limit for one address.
    #[must_use]
    pub fn new(max_connections: u64, max_per_address: Option<u64>) -> Self {
        let per_address = max_per_address.map(|max| PerAddress { max, counts: Mutex::default() });
        Self {
            max_connections,
            connections: AtomicU64::new(0),
            per_address,
            invalid_credentials: InvalidCredentials::default(),
        }
    }

    /// The number of connections now.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// The number of addresses that have connections now; 0 if addresses are not counted.
    #[must_use]
    pub fn addresses(&self) -> usize {
        let counts = self.per_address.as_ref().and_then(|per_address| per_address.counts.lock().ok());
        counts.map_or(0, |counts| counts.len())
    }

    /// Adds a connection.
    ///
    /// # Errors
    /// The refusal to answer with; nothing was counted.
    pub fn enter(&self) -> Result<(), Refusal> {
        if self.connections.fetch_add(1, Ordering::Relaxed) >= self.max_connections {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::TOO_MANY_CONNECTIONS);
        }
        Ok(())
    }

    /// Removes a connection that was added.
    pub fn leave(&self) {
        let before = self.connections.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a connection that leaves was counted in");
    }

    /// Adds an admitted connection to its address's count. Call at most once per connection.
    ///
    /// # Errors
    /// The refusal to answer with; nothing was counted to the address.
    pub fn enter_address(&self, peer: IpAddr) -> Result<(), Refusal> {
        let admitted = self.per_address.as_ref().is_none_or(|per_address| per_address.enter(peer));
        if admitted { Ok(()) } else { Err(Refusal::TOO_MANY_FROM_ADDRESS) }
    }

    /// The invalid credentials of each address.
    pub(super) fn invalid_credentials(&self) -> &InvalidCredentials {
        &self.invalid_credentials
    }

    /// Removes a connection from its address's count. Call only after [`enter_address`](Self::enter_address).
    pub fn leave_address(&self, peer: IpAddr) {
        if let Some(per_address) = &self.per_address {
            per_address.leave(peer);
        }
    }
}

impl PerAddress {
    fn enter(&self, peer: IpAddr) -> bool {
        // Nothing panics while the lock is held, so it is never poisoned.
        let Ok(mut counts) = self.counts.lock() else { return true };
        let count = counts.entry(network_of(peer)).or_default();
        let admitted = *count < self.max;
        *count = count.saturating_add(u64::from(admitted));
        admitted
    }

    fn leave(&self, peer: IpAddr) {
        let Ok(mut counts) = self.counts.lock() else { return };
        let key = network_of(peer);
        if let Some(count) = counts.get_mut(&key) {
            debug_assert!(*count > 0, "an address without connections has no count");
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Refusal};

    #[test]
    fn a_connection_over_the_limit_is_refused_until_another_leaves() {
        let admission = Admission::new(2, None);
        assert!(admission.enter().is_ok() && admission.enter().is_ok());
        assert_eq!(admission.enter(), Err(Refusal::TOO_MANY_CONNECTIONS));
        admission.leave();
        assert!(admission.enter().is_ok());
        assert_eq!(admission.connections(), 2);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let admission = Admission::new(100, Some(1));
        let enter = |address: &str| admission.enter_address(address.parse().unwrap());
        assert!(enter("2001:db8::1").is_ok());
        assert_eq!(enter("2001:db8::2"), Err(Refusal::TOO_MANY_FROM_ADDRESS));
        assert!(enter("2001:db8:0:1::1").is_ok());
        assert!(enter("::ffff:10.0.0.1").is_ok());
        assert_eq!(enter("10.0.0.1"), Err(Refusal::TOO_MANY_FROM_ADDRESS));
        assert_eq!(admission.addresses(), 3);
        admission.leave_address("10.0.0.1".parse().unwrap());
        assert_eq!(admission.addresses(), 2);
        assert!(enter("10.0.0.1").is_ok());
        assert_eq!(admission.connections(), 0, "addresses are counted apart from connections");
    }
}
