//! Due times at a fixed rate, spread over shards; computed, never measured.
//!
//! A schedule does not know what happened to the things it scheduled. This is intended: a stalled target does not delay
//! the due time of any message, so the wait shows in every message that was due meanwhile (no coordinated omission).

use std::time::Duration;

use ringway::engine::Time;

/// One shard's share of a whole: the `index`-th of `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The shard's index, from 0.
    pub index: u64,
    /// The number of shards, at least 1.
    pub of: u64,
}

impl Share {
    /// The number of things, out of `count`, that belong to this shard if thing `k` belongs to shard `k % of`.
    #[must_use]
    pub fn part_of(self, count: u64) -> u64 {
        let (each, rest) = (count / self.of, count % self.of);
        each + u64::from(self.index < rest)
    }
}

/// A rate in thousandths of a thing per second: an integer, so that the millionth due time is as exact as the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(u64);

impl Rate {
    /// Creates a rate from things per second. `None` unless it is at least a thousandth and at most a billion.
    #[must_use]
    pub fn per_second(rate: f64) -> Option<Self> {
        if !(0.001..=1e9).contains(&rate) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
        Some(Self((rate * 1000.0).round() as u64))
    }

    /// The rate at which `count` things are spread evenly over `time`; the highest rate if `time` is zero.
    #[must_use]
    pub fn over(count: u64, time: Duration) -> Self {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = u128::from(count) * 1_000_000 / u128::from(millis);
        Self(u64::try_from(rate).unwrap_or(u64::MAX).clamp(1, 1_000_000_000_000))
    }

    /// Things per second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "no rate that anyone runs loses a digit")]
    pub fn as_per_second(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The fraction `count / of` of the rate; `None` if that is zero.
    #[must_use]
    pub fn part(self, count: u64, of: u64) -> Option<Self> {
        let rate = (u128::from(self.0) * u128::from(count)).checked_div(u128::from(of))?;
        u64::try_from(rate).ok().filter(|rate| *rate > 0).map(Self)
    }

    /// The delay from the start to the due time of the thing with this number.
    #[must_use]
    pub fn moment(self, number: u64) -> Duration {
        let nanos = u128::from(number) * 1_000_000_000_000 / u128::from(self.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// A thing that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The thing's number over all shards, from 0.
    pub number: u64,
    /// The due time.
    pub at: Time,
}

/// The due times of one shard.
#[derive(Clone, Debug)]
pub struct Schedule {
    rate: Rate,
    start: Time,
    end: Time,
    share: Share,
    /// The number of places over which the numbers rotate.
    places: u64,
    next: u64,
}

impl Schedule {
    /// Every `share.of`-th due time of `rate`, from `start` on, up to but excluding `end`.
    #[must_use]
    pub fn new(rate: Rate, share: Share, start: Time, end: Time) -> Self {
        Self { rate, start, end, share, places: share.of, next: share.index }
    }

    /// Rotates the numbers over `places` places, of which place `k` belongs to shard `k % share.of`. Each place gets
    /// equally many things, and a shard without a place gets none.
    #[must_use]
    pub fn around(self, places: u64) -> Self {
        Self { places: places.max(1), ..self }
    }

    /// The next due time; `None` when the schedule has ended.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        if self.share.index >= self.places {
            return None;
        }
        Some(self.start.after(self.rate.moment(self.next))).filter(|at| *at < self.end)
    }

    /// Takes the next thing, if it is due.
    pub fn take(&mut self, now: Time) -> Option<Due> {
        let at = self.next().filter(|at| *at <= now)?;
        let number = self.next;
        let round = number - number % self.places;
        let place = number - round + self.share.of;
        self.next = if place < self.places { round + place } else { round + self.places + self.share.index };
        Some(Due { number, at })
    }

    /// Ends the schedule earlier.
    pub fn cut(&mut self, end: Time) {
        self.end = self.end.min(end);
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, Rate, Schedule, Share, Time};
    use std::time::Duration;

    const ALONE: Share = Share { index: 0, of: 1 };

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn all(schedule: &mut Schedule, now: Time) -> Vec<Due> {
        std::iter::from_fn(|| schedule.take(now)).collect()
    }

    #[test]
    fn moments_are_evenly_spread_and_never_early() {
        let mut schedule = Schedule::new(Rate::per_second(4.0).unwrap(), ALONE, at(1000), at(3000));
        assert_eq!(schedule.take(at(999)), None);
        assert_eq!(schedule.take(at(1000)), Some(Due { number: 0, at: at(1000) }));
        assert_eq!(schedule.take(at(1249)), None);
        assert_eq!(schedule.next(), Some(at(1250)));
        let rest: Vec<u64> = all(&mut schedule, at(60_000)).iter().map(|due| due.at.as_millis()).collect();
        assert_eq!(rest, vec![1250, 1500, 1750, 2000, 2250, 2500, 2750]);
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn a_pause_of_the_caller_changes_no_moment() {
        let rate = Rate::per_second(1000.0).unwrap();
        let mut prompt = Schedule::new(rate, ALONE, at(0), at(5000));
        let mut paused = Schedule::new(rate, ALONE, at(0), at(5000));
        let mut seen = Vec::new();
        for now in 0..5000 {
            seen.extend(all(&mut prompt, at(now)));
        }
        let mut behind = all(&mut paused, at(1000));
        behind.extend(all(&mut paused, at(3500)));
        behind.extend(all(&mut paused, at(9000)));
        assert_eq!(seen, behind);
        assert_eq!(seen.len(), 5000);
    }

    #[test]
    fn shards_share_one_schedule_without_a_gap_or_an_overlap() {
        let rate = Rate::per_second(300.0).unwrap();
        let whole = all(&mut Schedule::new(rate, ALONE, at(0), at(2000)), at(2000));
        let mut parts: Vec<Due> = (0..3)
            .flat_map(|index| all(&mut Schedule::new(rate, Share { index, of: 3 }, at(0), at(2000)), at(2000)))
            .collect();
        parts.sort_by_key(|due| due.number);
        assert_eq!(parts, whole);
    }

    #[test]
    fn each_place_has_as_many_as_any_other_whatever_the_shards() {
        let rate = Rate::per_second(100.0).unwrap();
        let whole = all(&mut Schedule::new(rate, ALONE, at(0), at(2100)), at(2100));
        for (places, of) in [(1, 2), (3, 2), (7, 3), (10, 4), (2, 5), (6, 3)] {
            let schedule = |index| Schedule::new(rate, Share { index, of }, at(0), at(2100)).around(places);
            let mut parts = Vec::new();
            for index in 0..of {
                let part = all(&mut schedule(index), at(2100));
                assert!(part.iter().all(|due| due.number % places % of == index), "{index} of {of}, {places} places");
                parts.extend(part);
            }
            parts.sort_by_key(|due| due.number);
            assert_eq!(parts, whole, "{of} shards, {places} places");
        }
    }

    #[test]
    fn the_rate_holds_after_a_day() {
        let rate = Rate::per_second(33.333).unwrap();
        assert_eq!(rate.moment(33_333), Duration::from_secs(1000));
        assert_eq!(rate.moment(33_333 * 86), Duration::from_secs(86_000));
        assert_eq!(Rate::over(15_000, Duration::from_secs(10)).moment(15_000), Duration::from_secs(10));
        assert_eq!(Rate::per_second(0.0), None);
        assert_eq!(Rate::per_second(f64::NAN), None);
        assert_eq!(Rate::per_second(1e12), None);
    }

    #[test]
    fn a_cut_ends_what_is_still_to_come() {
        let mut schedule = Schedule::new(Rate::per_second(10.0).unwrap(), ALONE, at(0), at(10_000));
        schedule.cut(at(500));
        assert_eq!(all(&mut schedule, at(9000)).len(), 5);
    }

    #[test]
    fn parts_sum_up_to_the_whole() {
        for count in [0, 1, 2, 3, 100, 101] {
            let sum: u64 = (0..3).map(|index| Share { index, of: 3 }.part_of(count)).sum();
            assert_eq!(sum, count);
        }
    }
}
