//! The invalid credentials that each address has sent, counted in windows of a minute: who guesses is slowed down.
//!
//! Only a request whose credential is not valid is counted or refused by a count, so nobody locks out the holder of a valid key.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use super::network::network_of;
use crate::engine::Time;

/// The time after which all counts begin anew. The answer says it as well
/// ([`CREDENTIALS_RETRY_AFTER_SECS`](crate::proto::refusal::CREDENTIALS_RETRY_AFTER_SECS)).
const WINDOW: Duration = Duration::from_secs(60);
/// The most addresses that are counted in a window: some 1 MiB. Further ones are not counted in it.
const MAX_ADDRESSES: usize = 16 * 1024;

/// The counts, shared by all shards: the connections of an address are spread over them. The lock is held for one look-up.
#[derive(Debug, Default)]
pub(super) struct InvalidCredentials(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    begun: Time,
    counts: HashMap<IpAddr, u32>,
}

impl InvalidCredentials {
    /// Counts an invalid credential of an address. Returns `true` if it is one more than `max` in this window.
    pub(super) fn is_one_too_many(&self, address: IpAddr, max: u32, now: Time) -> bool {
        // Nothing panics while the lock is held, so it is never poisoned.
        let Ok(mut window) = self.0.lock() else { return false };
        if now.since(window.begun) >= WINDOW {
            *window = Window { begun: now, counts: HashMap::new() };
        }
        let network = network_of(address);
        if window.counts.len() >= MAX_ADDRESSES && !window.counts.contains_key(&network) {
            return false;
        }
        let count = window.counts.entry(network).or_default();
        *count = count.saturating_add(1);
        *count > max
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{InvalidCredentials, MAX_ADDRESSES, Time};

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    #[test]
    fn an_address_has_so_many_a_minute() {
        let counts = InvalidCredentials::default();
        let fails = |address: &str, seconds| counts.is_one_too_many(address.parse().unwrap(), 2, at(seconds));
        assert_eq!([100, 120, 140, 159].map(|seconds| fails("192.0.2.1", seconds)), [false, false, true, true]);
        assert!(!fails("192.0.2.2", 159), "another address has its own count");
        assert_eq!([160, 161, 162].map(|seconds| fails("192.0.2.1", seconds)), [false, false, true]);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let counts = InvalidCredentials::default();
        let fails = |address: &str| counts.is_one_too_many(address.parse().unwrap(), 1, at(100));
        assert_eq!(["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"].map(fails), [false, true, false]);
        assert_eq!(["192.0.2.1", "::ffff:192.0.2.1"].map(fails), [false, true]);
    }

    #[test]
    fn the_memory_is_bounded_and_a_new_window_has_room_again() {
        let counts = InvalidCredentials::default();
        let address = |number: usize| IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).unwrap()));
        for number in 0..MAX_ADDRESSES {
            assert!(!counts.is_one_too_many(address(number), 1, at(100)));
        }
        assert!(!counts.is_one_too_many(address(MAX_ADDRESSES), 0, at(100)), "there is no room for it");
        assert!(counts.is_one_too_many(address(7), 1, at(100)), "known ones are counted on");
        assert!(counts.is_one_too_many(address(MAX_ADDRESSES), 0, at(160)));
    }
}
