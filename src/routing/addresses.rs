//! The addresses of an endpoint: those that the control plane resolved, read by a shard when it dials.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

/// An endpoint's current [`AddressList`], replaced while shards use it.
///
/// A shard takes the list with [`load`](Self::load), keeps it for one dial, and reports the address that accepted with
/// [`answered`](Self::answered). The resolver gives a new list with [`replace`](Self::replace). Neither waits for the
/// other.
#[derive(Debug)]
pub struct AddressCell(ArcSwap<AddressList>);

/// The addresses of an endpoint at one moment, in the order of dialling; empty while its name is unresolved. The
/// address that accepted the last connection is dialled first, so that a dead one costs time once and not for every
/// connection.
#[derive(Debug)]
pub struct AddressList {
    addresses: Box<[SocketAddr]>,
    /// The index of the address that accepted last, or [`NONE`].
    answered_last: AtomicUsize,
}

/// No address has accepted a connection yet.
const NONE: usize = usize::MAX;

impl AddressCell {
    /// A cell that holds one address for good: the operator wrote an address, not a name.
    #[must_use]
    pub fn fixed(address: SocketAddr) -> Self {
        Self(ArcSwap::from_pointee(AddressList::new(Box::new([address]), NONE)))
    }

    /// An empty cell, for a name that has not been resolved yet.
    #[must_use]
    pub fn unresolved() -> Self {
        Self(ArcSwap::from_pointee(AddressList::new(Box::default(), NONE)))
    }

    /// The current list.
    #[must_use]
    pub fn load(&self) -> Arc<AddressList> {
        self.0.load_full()
    }

    /// The number of current addresses. Cheaper than [`load`](Self::load) where the addresses themselves do not matter.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load().addresses.len()
    }

    /// Replaces the list. The address that accepted last stays the first to be dialled if the new list has it.
    pub fn replace(&self, addresses: impl Into<Box<[SocketAddr]>>) {
        let addresses = addresses.into();
        let before = self.0.load();
        let last = before.last().and_then(|last| addresses.iter().position(|address| *address == last));
        self.0.store(Arc::new(AddressList::new(addresses, last.unwrap_or(NONE))));
    }

    /// Notes that `address` accepted a connection. An address that the current list does not have is ignored: the dial
    /// may have begun with an earlier list.
    pub fn answered(&self, address: SocketAddr) {
        let list = self.0.load();
        // Every dial of every shard reads the index: written only when it changes.
        if list.last() != Some(address)
            && let Some(index) = list.addresses.iter().position(|given| *given == address)
        {
            list.answered_last.store(index, Ordering::Relaxed);
        }
    }
}

impl AddressCell {
    /// Notes that `address` accepted a connection and then did not serve it: the next dial begins with the address after
    /// it.
    pub fn passed_over(&self, address: SocketAddr) {
        let list = self.0.load();
        let next = list.first().saturating_add(1);
        if list.addresses.len() > 1 && list.addresses.get(list.first()) == Some(&address) {
            list.answered_last.store(next.checked_rem(list.addresses.len()).unwrap_or_default(), Ordering::Relaxed);
        }
    }
}

impl Default for AddressList {
    /// An empty list.
    fn default() -> Self {
        Self::new(Box::default(), NONE)
    }
}

impl AddressList {
    fn new(addresses: Box<[SocketAddr]>, last: usize) -> Self {
        Self { addresses, answered_last: AtomicUsize::new(last) }
    }

    /// The addresses in the order in which they were given.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The index of the address to dial first; the others follow in their order. Another shard may change it between
    /// two calls, so a dial calls this once.
    #[must_use]
    pub fn first(&self) -> usize {
        let last = self.answered_last.load(Ordering::Relaxed);
        if last < self.addresses.len() { last } else { 0 }
    }

    fn last(&self) -> Option<SocketAddr> {
        self.addresses.get(self.answered_last.load(Ordering::Relaxed)).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::AddressCell;

    fn addresses(text: &str) -> Vec<SocketAddr> {
        text.split(' ').map(|last| format!("10.0.0.{last}:80").parse().unwrap()).collect()
    }

    fn first(cell: &AddressCell) -> Option<SocketAddr> {
        let list = cell.load();
        list.addresses().get(list.first()).copied()
    }

    #[test]
    fn an_endpoint_without_addresses_has_no_first_one() {
        let cell = AddressCell::unresolved();
        assert_eq!((cell.load().addresses(), first(&cell)), ([].as_slice(), None));
        cell.answered(addresses("1")[0]);
        assert_eq!(first(&cell), None);
        assert_eq!(first(&AddressCell::fixed(addresses("1")[0])), Some(addresses("1")[0]));
    }

    #[test]
    fn the_address_that_answered_last_goes_first_and_the_order_stays() {
        let given = addresses("1 2 3");
        let cell = AddressCell::unresolved();
        cell.replace(given.clone());
        assert_eq!(first(&cell), Some(given[0]));
        for address in [given[2], given[1], given[1], given[0]] {
            cell.answered(address);
            assert_eq!(first(&cell), Some(address));
            assert_eq!(cell.load().addresses(), given);
        }
    }

    #[test]
    fn the_address_that_answered_last_stays_first_as_long_as_the_list_has_it() {
        let cell = AddressCell::unresolved();
        cell.replace(addresses("1 2 3"));
        cell.answered(addresses("3")[0]);
        for (next, expected) in [("3 2", "3"), ("4 5 3", "3"), ("4 5", "4"), ("5 3 4", "5")] {
            cell.replace(addresses(next));
            assert_eq!(first(&cell), Some(addresses(expected)[0]), "{next}");
        }
    }

    #[test]
    fn b1_an_address_that_accepts_and_does_not_serve_is_passed_over_by_the_next_dial() {
        let given = addresses("1 2 3");
        let cell = AddressCell::unresolved();
        cell.replace(given.clone());
        for (served, next) in [(0, 1), (1, 2), (2, 0)] {
            cell.answered(given[served]);
            cell.passed_over(given[served]);
            assert_eq!(first(&cell), Some(given[next]));
        }
        cell.passed_over(given[2]);
        assert_eq!(first(&cell), Some(given[0]), "another dial has moved on already");
        let only = AddressCell::fixed(given[0]);
        only.passed_over(given[0]);
        assert_eq!(first(&only), Some(given[0]));
    }

    #[test]
    fn an_address_that_never_answered_is_not_kept_in_front() {
        let cell = AddressCell::unresolved();
        cell.replace(addresses("1 2"));
        cell.replace(addresses("2 1"));
        assert_eq!(first(&cell), Some(addresses("2")[0]));
    }

    #[test]
    fn a_dial_keeps_the_addresses_that_it_began_with() {
        let cell = AddressCell::unresolved();
        cell.replace(addresses("1 2"));
        let dial = cell.load();
        cell.replace(addresses("3 4"));
        assert_eq!(dial.addresses(), addresses("1 2"));
        // The dial reached an address that the list has lost meanwhile.
        cell.answered(addresses("2")[0]);
        assert_eq!(first(&cell), Some(addresses("3")[0]));
    }
}
