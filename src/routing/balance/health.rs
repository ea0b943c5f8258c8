//! The health of one endpoint, as the handshakes of clients found it.
//!
//! In: the outcome of each try, with the shard's time. Out: the state, read by shards that choose an endpoint and by the
//! control plane that shows it. One object serves all shards, in atomics, because a shard would otherwise pay for each
//! failure again that another shard has met already. A handshake with an endpoint that works costs two relaxed loads.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// The first pause after a failure; each further failed try doubles it.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Changes of state of all endpoints since the process started. Whoever watches endpoints looks at them again once this
/// has changed.
pub static STATE_CHANGES: AtomicU64 = AtomicU64::new(0);

/// The state word of an endpoint that no handshake has tried.
const UNTRIED: u64 = 0;
/// The state word of an endpoint whose last answer was good.
const WORKS: u64 = 1;
/// Bits of the state word that hold the time of the next try, in milliseconds; above them is the number of failed tries.
const TIME_BITS: u32 = 56;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// The health of one endpoint of a route.
#[derive(Debug)]
pub struct EndpointHealth {
    name: Box<str>,
    fingerprint: u64,
    /// [`UNTRIED`], [`WORKS`], or the number of failed tries and the time of the next one.
    state: AtomicU64,
    failed_since_ms: AtomicU64,
    last_cause: AtomicU8,
    failures: [AtomicU64; FailureCause::ALL.len()],
}

/// The state of an endpoint at one moment. Times are milliseconds of the shards' clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// No handshake has tried the endpoint yet.
    Untried,
    /// The endpoint's last answer was good.
    Works,
    /// The endpoint failed, and no handshake has succeeded since.
    Failed {
        /// The latest failure.
        cause: FailureCause,
        /// The time of the first failure.
        since_ms: u64,
        /// The time from which one connection may try the endpoint before others.
        next_try_ms: u64,
    },
}

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident $word:literal;)*) => {
        /// The way in which a try failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FailureCause {$(
            $(#[doc = $doc])+
            $name,
        )*}

        impl FailureCause {
            /// All causes, in the order of the documentation's table.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// A stable word for logs, metrics and the admin API.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

causes! {
    /// The target's name has no address.
    Unresolved "unresolved";
    /// Nothing listens at the target's addresses.
    Refused "refused";
    /// The network has no way to the target.
    Unreachable "unreachable";
    /// No address accepted the connection in time.
    ConnectTimeout "connect-timeout";
    /// The TLS handshake failed.
    Tls "tls";
    /// The endpoint closed or reset the connection before its answer was complete.
    Closed "closed";
    /// The endpoint's answer was no HTTP response.
    Malformed "malformed";
    /// The endpoint accepted the connection and did not answer in time.
    Silent "silent";
    /// The endpoint answered 502.
    Status502 "status-502";
    /// The endpoint answered 503.
    Status503 "status-503";
    /// The endpoint answered 504.
    Status504 "status-504";
    /// This host had no local port left towards the endpoint: counted, and no fault of the endpoint.
    NoLocalPort "no-local-port";
}

impl FailureCause {
    /// The cause that an answer with this status is; `None` if the endpoint works.
    ///
    /// 502, 503 and 504 say that whatever would have to answer cannot (RFC 9110 section 15.6). 429 is about the client
    /// (RFC 6585 section 4), whom another endpoint must not serve in its place. 500 is the application's own answer.
    #[must_use]
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            502 => Some(Self::Status502),
            503 => Some(Self::Status503),
            504 => Some(Self::Status504),
            _ => None,
        }
    }

    /// `true` if the failure says that the endpoint does not work.
    fn is_the_endpoints(self) -> bool {
        self != Self::NoLocalPort
    }

    fn index(self) -> usize {
        self as usize
    }
}

impl EndpointHealth {
    /// An endpoint that no handshake has tried. `name` is shown to operators and must not hold a secret.
    #[must_use]
    pub fn new(name: &str, fingerprint: u64) -> Self {
        Self {
            name: name.into(),
            fingerprint,
            state: AtomicU64::new(UNTRIED),
            failed_since_ms: AtomicU64::new(0),
            last_cause: AtomicU8::new(0),
            failures: Default::default(),
        }
    }

    /// The endpoint's target, as the operator wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// See [`Endpoint::fingerprint`](crate::routing::route::Endpoint::fingerprint).
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// `false` if the endpoint failed and no handshake has succeeded since.
    #[inline]
    #[must_use]
    pub fn works(&self) -> bool {
        self.state.load(Ordering::Relaxed) <= WORKS
    }

    /// The endpoint gave a good answer.
    #[inline]
    pub fn succeeded(&self) {
        // Every handshake of every shard reads the word: written only when it changes.
        if self.state.load(Ordering::Relaxed) != WORKS && self.state.swap(WORKS, Ordering::Relaxed) > WORKS {
            STATE_CHANGES.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A try failed. Failures that come before the pause is over belong to the outage that began it, and do not make it
    /// longer.
    pub fn failed(&self, cause: FailureCause, now_ms: u64) {
        if let Some(count) = self.failures.get(cause.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if !cause.is_the_endpoints() {
            STATE_CHANGES.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.last_cause.store(u8::try_from(cause.index()).unwrap_or_default(), Ordering::Relaxed);
        let updated = |word| match word {
            UNTRIED | WORKS => Some(self.failed_word(1, now_ms)),
            word if now_ms >= next_try(word) => Some(self.failed_word(failed_tries(word).saturating_add(1), now_ms)),
            _ => None,
        };
        if let Ok(UNTRIED | WORKS) = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, updated) {
            self.failed_since_ms.store(now_ms, Ordering::Relaxed);
            STATE_CHANGES.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns `true` to exactly one caller once the pause is over: that connection tries the endpoint. The next pause
    /// begins at once, so that a connection that is abandoned delays the next try and does not prevent it.
    pub(super) fn claim_try(&self, now_ms: u64) -> bool {
        let word = self.state.load(Ordering::Relaxed);
        if word <= WORKS || now_ms < next_try(word) {
            return false;
        }
        let next = self.failed_word(failed_tries(word).saturating_add(1), now_ms);
        self.state.compare_exchange(word, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The state now.
    #[must_use]
    pub fn state(&self) -> EndpointState {
        match self.state.load(Ordering::Relaxed) {
            UNTRIED => EndpointState::Untried,
            WORKS => EndpointState::Works,
            word => {
                let last = usize::from(self.last_cause.load(Ordering::Relaxed));
                EndpointState::Failed {
                    cause: FailureCause::ALL.get(last).copied().unwrap_or(FailureCause::Closed),
                    since_ms: self.failed_since_ms.load(Ordering::Relaxed),
                    next_try_ms: next_try(word),
                }
            }
        }
    }

    /// The number of failed tries for each cause, since the route has this endpoint.
    pub fn failures(&self) -> impl Iterator<Item = (FailureCause, u64)> {
        FailureCause::ALL.iter().zip(&self.failures).map(|(cause, count)| (*cause, count.load(Ordering::Relaxed)))
    }

    fn failed_word(&self, failed_tries: u8, now_ms: u64) -> u64 {
        let pause = u64::try_from(pause(failed_tries).as_millis()).unwrap_or(u64::MAX);
        // Up to a quarter earlier, so that many endpoints, or many proxies, are not tried at the same moment.
        let early = pause.saturating_mul(jitter(now_ms ^ self.fingerprint)).checked_div(1024).unwrap_or_default();
        let at = now_ms.saturating_add(pause).saturating_sub(early) & TIME_MASK;
        (u64::from(failed_tries.max(1)) << TIME_BITS) | at
    }
}

fn failed_tries(word: u64) -> u8 {
    u8::try_from(word >> TIME_BITS).unwrap_or(u8::MAX)
}

fn next_try(word: u64) -> u64 {
    word & TIME_MASK
}

/// The pause after this many failed tries, without its random part.
fn pause(failed_tries: u8) -> Duration {
    let doublings = u32::from(failed_tries.saturating_sub(1)).min(16);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

/// A number from 0 to 255 that looks random (the finisher of splitmix64).
fn jitter(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed >> 56
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{EndpointHealth, EndpointState, FailureCause, LONGEST_PAUSE};

    const REFUSED: FailureCause = FailureCause::Refused;

    fn next_try(health: &EndpointHealth) -> u64 {
        match health.state() {
            EndpointState::Failed { next_try_ms, .. } => next_try_ms,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn b2_each_failed_try_doubles_the_pause_within_bounds() {
        let health = EndpointHealth::new("ws://a", 7);
        let mut now = 1_000_000;
        health.failed(REFUSED, now);
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            let pause = next_try(&health) - now;
            assert!((seconds * 750..=seconds * 1000).contains(&pause), "{pause} ms, not {seconds} s");
            assert!(!health.claim_try(now + pause - 1));
            now += pause;
            assert!(health.claim_try(now), "after {pause} ms");
            health.failed(REFUSED, now + 5);
        }
    }

    #[test]
    fn b2_one_connection_tries_an_endpoint_whose_pause_is_over() {
        let health = EndpointHealth::new("ws://a", 7);
        health.failed(REFUSED, 0);
        let claimed = (0..100).filter(|_| health.claim_try(1000)).count();
        assert_eq!(claimed, 1);
        // That connection was abandoned: another one tries after the next pause.
        let later = 1000 + u64::try_from(LONGEST_PAUSE.as_millis()).unwrap();
        assert!(health.claim_try(later) && !health.claim_try(later));
    }

    #[test]
    fn failures_of_one_outage_do_not_make_the_pause_longer() {
        let health = EndpointHealth::new("ws://a", 7);
        (0..50).for_each(|at| health.failed(REFUSED, at));
        assert!(next_try(&health) <= 1000);
        assert_eq!(health.failures().find(|(cause, _)| *cause == REFUSED), Some((REFUSED, 50)));
    }

    #[test]
    fn a_good_answer_ends_the_outage_and_the_next_one_begins_with_the_first_pause() {
        let health = EndpointHealth::new("ws://a", 7);
        assert_eq!(health.state(), EndpointState::Untried);
        health.failed(REFUSED, 0);
        assert!(!health.works());
        assert!(health.claim_try(1000));
        health.succeeded();
        assert_eq!(health.state(), EndpointState::Works);
        health.failed(FailureCause::Silent, 5000);
        let EndpointState::Failed { cause, since_ms, next_try_ms } = health.state() else { panic!() };
        assert_eq!((cause, since_ms), (FailureCause::Silent, 5000));
        assert!(next_try_ms <= 6000);
    }

    #[test]
    fn b5_a_missing_local_port_is_counted_and_is_no_fault_of_the_endpoint() {
        let health = EndpointHealth::new("ws://a", 7);
        health.failed(FailureCause::NoLocalPort, 0);
        assert!(health.works());
        assert_eq!(health.failures().map(|(_, count)| count).sum::<u64>(), 1);
    }

    #[test]
    fn only_answers_of_who_cannot_answer_are_failures() {
        for status in 100..600 {
            assert_eq!(FailureCause::of_status(status).is_some(), [502, 503, 504].contains(&status), "{status}");
        }
    }

    #[test]
    fn a_pause_is_never_longer_than_the_longest() {
        for failed_tries in 0..=u8::MAX {
            assert!(super::pause(failed_tries) <= LONGEST_PAUSE);
            assert!(super::pause(failed_tries) >= Duration::from_secs(1));
        }
    }
}
