//! The budget of further tries: what a failing API may add to the load of its endpoints.
//!
//! A handshake's first try is free. Each further one is paid from the shard's share, a fifth of the handshakes that came to
//! the route there in the last ten seconds; or else from a reserve of ten a second, which all shards of the route share so
//! that a quiet API has tries too. The shares of all shards together are a fifth of all handshakes, so that the count of
//! handshakes needs no atomic.

use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds over which handshakes count, each with a bucket.
const BUCKETS: usize = 10;
const WINDOW_SECS: u64 = BUCKETS as u64;
/// One further try for so many handshakes.
const HANDSHAKES_A_TRY: u64 = 5;
/// Further tries in each second besides.
const RESERVE_A_SECOND: u64 = 10;
/// Bits of the reserve's word that count tries; above them is the second.
const COUNT_BITS: u32 = 8;

/// A shard's part of a route's budget.
#[derive(Debug, Default)]
pub struct RetryBudget {
    /// The second of the newest bucket.
    second: u64,
    /// Handshakes and further tries, by second modulo the window.
    buckets: [Bucket; BUCKETS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    handshakes: u32,
    tries: u32,
}

/// The part of a route's budget that all shards share: the second, and the tries that were taken in it.
#[derive(Debug, Default)]
pub struct RetryReserve(AtomicU64);

impl RetryBudget {
    /// Counts a handshake.
    #[inline]
    pub fn count_handshake(&mut self, now_ms: u64) {
        if let Some(bucket) = self.bucket(now_ms) {
            bucket.handshakes = bucket.handshakes.saturating_add(1);
        }
    }

    /// Takes one further try out of the budget. Returns `false` if there is none left.
    pub fn take(&mut self, reserve: &RetryReserve, now_ms: u64) -> bool {
        // Empties the buckets that have left the window.
        self.bucket(now_ms);
        let sum = |of: fn(&Bucket) -> u32| self.buckets.iter().map(|bucket| u64::from(of(bucket))).sum::<u64>();
        let (handshakes, tries) = (sum(|bucket| bucket.handshakes), sum(|bucket| bucket.tries));
        if tries.saturating_add(1).saturating_mul(HANDSHAKES_A_TRY) > handshakes {
            return reserve.take(now_ms);
        }
        if let Some(bucket) = self.bucket(now_ms) {
            bucket.tries = bucket.tries.saturating_add(1);
        }
        true
    }

    /// The bucket of this second. Those of seconds that have left the window are emptied.
    fn bucket(&mut self, now_ms: u64) -> Option<&mut Bucket> {
        let second = now_ms / 1000;
        let passed = second.saturating_sub(self.second).min(WINDOW_SECS);
        for ago in 0..passed {
            if let Some(bucket) = self.of(second.saturating_sub(ago)) {
                *bucket = Bucket::default();
            }
        }
        self.second = self.second.max(second);
        self.of(self.second)
    }

    fn of(&mut self, second: u64) -> Option<&mut Bucket> {
        self.buckets.get_mut(usize::try_from(second % WINDOW_SECS).ok()?)
    }
}

impl RetryReserve {
    fn take(&self, now_ms: u64) -> bool {
        let second = now_ms / 1000;
        let count = |word: u64| word & ((1 << COUNT_BITS) - 1);
        let updated = |word: u64| match (word >> COUNT_BITS).cmp(&second) {
            std::cmp::Ordering::Less => Some((second << COUNT_BITS) | 1),
            // A shard whose clock was read a moment earlier counts in the newest second.
            _ => (count(word) < RESERVE_A_SECOND).then(|| word.saturating_add(1)),
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, updated).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{RetryBudget, RetryReserve};

    fn taken(budget: &mut RetryBudget, reserve: &RetryReserve, now_ms: u64) -> usize {
        (0..10_000).take_while(|_| budget.take(reserve, now_ms)).count()
    }

    #[test]
    fn b1_an_api_without_handshakes_has_ten_further_tries_a_second() {
        let (mut budget, reserve) = (RetryBudget::default(), RetryReserve::default());
        for second in [0, 1, 2, 3, 900] {
            assert_eq!(taken(&mut budget, &reserve, second * 1000 + 999), 10, "{second}");
        }
    }

    #[test]
    fn b1_a_fifth_of_the_last_ten_seconds_handshakes_may_be_tried_again() {
        let (mut budget, reserve) = (RetryBudget::default(), RetryReserve::default());
        for second in 0..10 {
            (0..1000).for_each(|_| budget.count_handshake(second * 1000));
        }
        assert_eq!(taken(&mut budget, &reserve, 9_500), 2000 + 10);
        // They count against the window for as long as the handshakes do.
        assert_eq!(taken(&mut budget, &reserve, 10_500), 10);
        assert_eq!(taken(&mut budget, &reserve, 19_000), 10, "both have left the window");
        (0..500).for_each(|_| budget.count_handshake(19_500));
        assert_eq!(taken(&mut budget, &reserve, 20_000), 100 + 10);
    }

    #[test]
    fn shards_share_the_reserve_and_have_their_own_fifth() {
        let reserve = RetryReserve::default();
        let mut shards = [RetryBudget::default(), RetryBudget::default()];
        for shard in &mut shards {
            (0..50).for_each(|_| shard.count_handshake(5_000));
        }
        let all: usize = shards.iter_mut().map(|shard| taken(shard, &reserve, 5_001)).sum();
        assert_eq!(all, 10 + 10 + 10);
    }

    #[test]
    fn a_pause_longer_than_the_window_empties_it() {
        let (mut budget, reserve) = (RetryBudget::default(), RetryReserve::default());
        (0..100).for_each(|_| budget.count_handshake(1_000));
        assert_eq!(taken(&mut budget, &reserve, 1_000_000), 10);
    }
}
