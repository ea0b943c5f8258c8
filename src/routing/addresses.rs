//! Where an endpoint is: its addresses, put there by the control plane and read by shards when they dial.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

/// The addresses of an endpoint, which may change while it is in use. Who dials takes an answer ([`load`](Self::load)),
/// keeps it for the length of the dial, and says which address took the connection ([`answered`](Self::answered)). Who
/// resolves its name gives another ([`replace`](Self::replace)). Neither waits for the other.
#[derive(Debug)]
pub struct Place(ArcSwap<Answer>);

/// The addresses at one moment, in the order in which they are tried; none while a name has not been resolved. One that
/// answered goes before the others the next time: an address that is dead costs time once, and not every connection.
#[derive(Debug)]
pub struct Answer {
    addresses: Box<[SocketAddr]>,
    /// Which of them, or [`NONE`].
    answered_last: AtomicUsize,
}

/// No address has answered yet.
const NONE: usize = usize::MAX;

impl Place {
    /// An endpoint that is written as an address.
    #[must_use]
    pub fn fixed(address: SocketAddr) -> Self {
        Self(ArcSwap::from_pointee(Answer::new(Box::new([address]), NONE)))
    }

    /// An endpoint whose name has not been resolved.
    #[must_use]
    pub fn unresolved() -> Self {
        Self(ArcSwap::from_pointee(Answer::new(Box::default(), NONE)))
    }

    /// The addresses as they are now.
    #[must_use]
    pub fn load(&self) -> Arc<Answer> {
        self.0.load_full()
    }

    /// There are others from now on. The one that answered last stays the first to be tried, if it is still among them.
    pub fn replace(&self, addresses: impl Into<Box<[SocketAddr]>>) {
        let addresses = addresses.into();
        let before = self.0.load();
        let last = before.last().and_then(|last| addresses.iter().position(|address| *address == last));
        self.0.store(Arc::new(Answer::new(addresses, last.unwrap_or(NONE))));
    }

    /// A dial has come through. It may have begun with addresses that are others now.
    pub fn answered(&self, address: SocketAddr) {
        let answer = self.0.load();
        // Written only when it changes: shards read it with every dial.
        if answer.last() != Some(address)
            && let Some(index) = answer.addresses.iter().position(|given| *given == address)
        {
            answer.answered_last.store(index, Ordering::Relaxed);
        }
    }
}

impl Default for Answer {
    /// No address.
    fn default() -> Self {
        Self::new(Box::default(), NONE)
    }
}

impl Answer {
    fn new(addresses: Box<[SocketAddr]>, last: usize) -> Self {
        Self { addresses, answered_last: AtomicUsize::new(last) }
    }

    /// The addresses as they were given.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Which of them is tried first; the others follow in their order. It may be another at the next call: a dial asks
    /// once.
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

    use super::Place;

    fn addresses(text: &str) -> Vec<SocketAddr> {
        text.split(' ').map(|last| format!("10.0.0.{last}:80").parse().unwrap()).collect()
    }

    fn first(place: &Place) -> Option<SocketAddr> {
        let answer = place.load();
        answer.addresses().get(answer.first()).copied()
    }

    #[test]
    fn an_endpoint_without_addresses_has_no_first_one() {
        let place = Place::unresolved();
        assert_eq!((place.load().addresses(), first(&place)), ([].as_slice(), None));
        place.answered(addresses("1")[0]);
        assert_eq!(first(&place), None);
        assert_eq!(first(&Place::fixed(addresses("1")[0])), Some(addresses("1")[0]));
    }

    #[test]
    fn the_address_that_answered_last_goes_first_and_the_order_stays() {
        let given = addresses("1 2 3");
        let place = Place::unresolved();
        place.replace(given.clone());
        assert_eq!(first(&place), Some(given[0]));
        for address in [given[2], given[1], given[1], given[0]] {
            place.answered(address);
            assert_eq!(first(&place), Some(address));
            assert_eq!(place.load().addresses(), given);
        }
    }

    #[test]
    fn it_stays_the_first_as_long_as_it_is_among_the_addresses() {
        let place = Place::unresolved();
        place.replace(addresses("1 2 3"));
        place.answered(addresses("3")[0]);
        for (next, expected) in [("3 2", "3"), ("4 5 3", "3"), ("4 5", "4"), ("5 3 4", "5")] {
            place.replace(addresses(next));
            assert_eq!(first(&place), Some(addresses(expected)[0]), "{next}");
        }
    }

    #[test]
    fn an_address_that_never_answered_is_not_kept_in_front() {
        let place = Place::unresolved();
        place.replace(addresses("1 2"));
        place.replace(addresses("2 1"));
        assert_eq!(first(&place), Some(addresses("2")[0]));
    }

    #[test]
    fn a_dial_keeps_the_addresses_that_it_began_with() {
        let place = Place::unresolved();
        place.replace(addresses("1 2"));
        let dial = place.load();
        place.replace(addresses("3 4"));
        assert_eq!(dial.addresses(), addresses("1 2"));
        // It came through to one that is no answer any more.
        place.answered(addresses("2")[0]);
        assert_eq!(first(&place), Some(addresses("3")[0]));
    }
}
