//! Failed logins: counted, logged at a limited rate, and limited by the client's address.
//!
//! An address that has shown [`MAX_FAILURES`] wrong tokens within [`WINDOW`] is refused with 429 until the window ends,
//! and no signature is checked for it. The limit never concerns a valid token: that is looked up first.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::control::repeat_limit::RepeatLimit;

/// Wrong tokens that an address may show in one window.
pub const MAX_FAILURES: u32 = 10;
/// The length of a window, from the first wrong token on.
pub const WINDOW: Duration = Duration::from_secs(60);
/// The most addresses that are remembered. Beyond them the one whose window began first is forgotten.
const MAX_ADDRESSES: usize = 4096;
/// The time between two warnings about one address.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// The reason of a failed login, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There was no token where one is looked for.
    Missing,
    /// The token is none of this node's, or was revoked.
    Wrong,
    /// The token has expired.
    Expired,
}

impl Failure {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Wrong => "wrong",
            Self::Expired => "expired",
        }
    }
}

/// The failed logins of all listeners. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct FailedLogins(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    requests: AtomicU64,
    limited: AtomicU64,
    by_address: Mutex<ByAddress>,
}

#[derive(Debug)]
struct ByAddress {
    windows: HashMap<IpAddr, Window>,
    warnings: RepeatLimit<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    failures: u32,
}

impl Default for Counted {
    fn default() -> Self {
        let by_address = ByAddress { windows: HashMap::new(), warnings: RepeatLimit::new(WARN_EVERY) };
        Self { requests: AtomicU64::new(0), limited: AtomicU64::new(0), by_address: Mutex::new(by_address) }
    }
}

impl FailedLogins {
    /// Requests with a wrong token or none since the start, limited ones included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Requests since the start that were refused because of earlier failures from their address.
    #[must_use]
    pub fn limited(&self) -> u64 {
        self.0.limited.load(Ordering::Relaxed)
    }

    /// Counts a failed login. Returns the time for which the address is refused, if it has shown too many wrong tokens. A
    /// request without a token guesses nothing and adds nothing to that.
    pub fn count(&self, failure: Failure, from: Option<IpAddr>, now: Instant) -> Option<Duration> {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        let client = from?;
        let mut by_address = self.lock();
        if let Some(requests) = by_address.warnings.count(&client, now) {
            let reason = failure.as_str();
            warn!(%client, requests, reason, "a client of the admin listener has shown a wrong token, or none");
        }
        if failure == Failure::Missing {
            return None;
        }
        let wait = by_address.add(network(client), now)?;
        self.0.limited.fetch_add(1, Ordering::Relaxed);
        Some(wait)
    }

    fn lock(&self) -> MutexGuard<'_, ByAddress> {
        self.0.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ByAddress {
    fn add(&mut self, network: IpAddr, now: Instant) -> Option<Duration> {
        let age = |window: &Window| now.saturating_duration_since(window.began);
        if let Some(window) = self.windows.get_mut(&network).filter(|window| age(window) < WINDOW) {
            if window.failures >= MAX_FAILURES {
                return Some(WINDOW.saturating_sub(age(window)));
            }
            window.failures = window.failures.saturating_add(1);
            return None;
        }
        if self.windows.len() >= MAX_ADDRESSES && !self.windows.contains_key(&network) {
            self.windows.retain(|_, window| age(window) < WINDOW);
            let oldest = self.windows.iter().min_by_key(|(_, window)| window.began).map(|(network, _)| *network);
            if self.windows.len() >= MAX_ADDRESSES
                && let Some(oldest) = oldest
            {
                self.windows.remove(&oldest);
            }
        }
        self.windows.insert(network, Window { began: now, failures: 1 });
        None
    }
}

/// The addresses that count as one client: of IPv6 a /64, which is what one host may have.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::{Duration, Instant};

    use super::{FailedLogins, Failure, MAX_ADDRESSES, MAX_FAILURES, WINDOW};

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_is_refused_after_its_failures_until_the_window_ends() {
        let (failed, start) = (FailedLogins::default(), Instant::now());
        let (one, other) = (address("192.0.2.7"), address("192.0.2.8"));
        for _ in 0..MAX_FAILURES {
            assert_eq!(failed.count(Failure::Wrong, one, start), None);
        }
        assert_eq!(failed.count(Failure::Wrong, one, start + WINDOW / 4), Some(WINDOW / 4 * 3));
        assert_eq!(failed.count(Failure::Missing, one, start), None, "it guesses nothing");
        assert_eq!(failed.count(Failure::Wrong, other, start), None);
        assert_eq!(failed.count(Failure::Wrong, None, start), None);
        assert_eq!(failed.count(Failure::Expired, one, start + WINDOW), None, "another window");
        let all = u64::from(MAX_FAILURES) + 5;
        assert_eq!((failed.requests(), failed.limited()), (all, 1));
    }

    #[test]
    fn addresses_of_one_host_count_as_one() {
        let (failed, now) = (FailedLogins::default(), Instant::now());
        for host in 0..MAX_FAILURES {
            assert_eq!(failed.count(Failure::Wrong, address(&format!("2001:db8::{host:x}")), now), None);
        }
        assert!(failed.count(Failure::Wrong, address("2001:db8::ffff:1"), now).is_some());
        assert_eq!(failed.count(Failure::Wrong, address("2001:db8:0:1::1"), now), None, "another /64");
        for _ in 0..MAX_FAILURES {
            failed.count(Failure::Wrong, address("192.0.2.1"), now);
        }
        assert!(failed.count(Failure::Wrong, address("::ffff:192.0.2.1"), now).is_some(), "one address, two forms");
    }

    #[test]
    fn many_addresses_take_bounded_memory_and_the_newest_stay() {
        let (failed, start) = (FailedLogins::default(), Instant::now());
        let of = |number: u32| Some(IpAddr::V4(Ipv4Addr::from_bits(number)));
        let most = u32::try_from(MAX_ADDRESSES).unwrap();
        for number in 0..most * 2 {
            failed.count(Failure::Wrong, of(number), start + Duration::from_nanos(u64::from(number)));
        }
        assert_eq!(failed.lock().windows.len(), MAX_ADDRESSES);
        assert_eq!(
            failed.lock().windows.values().map(|window| window.began).min(),
            Some(start + Duration::from_nanos(u64::from(most)))
        );
    }
}
