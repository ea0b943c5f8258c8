//! The times of a name: when it is looked up again, and when a failure is logged. Time comes in as an argument.

use std::time::{Duration, Instant};

/// The bounds of an answer's TTL.
const TTL_MIN: Duration = Duration::from_secs(1);
const TTL_MAX: Duration = Duration::from_secs(300);
/// The first retry after a failure, and the longest; the time doubles from one to the next.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// The first reminder of a failure in the log, and the longest pause between two; the pause doubles.
const REMINDER_MIN: Duration = Duration::from_secs(30);
const REMINDER_MAX: Duration = Duration::from_secs(24 * 3600);

/// The times of one name. The results of look-ups go in by [`answered`](Self::answered) and [`failed`](Self::failed), which
/// also say what must be logged; [`rest`](Self::rest) says how long to wait.
#[derive(Debug)]
pub(super) struct RefreshSchedule {
    answered_at: Option<Instant>,
    /// The first of the answers, without a good one since, that the name is gone.
    gone_since: Option<Instant>,
    trouble: Option<Trouble>,
    /// The next look-up; `None` until a file changes.
    due: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Trouble {
    since: Instant,
    retry: Duration,
    remind_at: Instant,
    reminder: Duration,
}

impl RefreshSchedule {
    pub(super) fn new(now: Instant) -> Self {
        Self { answered_at: None, gone_since: None, trouble: None, due: Some(now) }
    }

    /// Notes an answer, which is valid for `ttl`, or until a file changes. `jitter` is from 0 to 255: the next look-up comes up to
    /// a tenth earlier, so that many proxies do not ask at once. Returns how long look-ups had failed, if they had.
    pub(super) fn answered(&mut self, now: Instant, ttl: Option<Duration>, jitter: u8) -> Option<Duration> {
        (self.answered_at, self.gone_since) = (Some(now), None);
        self.due = ttl.and_then(|ttl| {
            let ttl = ttl.min(TTL_MAX);
            let early = ttl.saturating_mul(jitter.into()).checked_div(2560).unwrap_or_default();
            now.checked_add(ttl.saturating_sub(early).max(TTL_MIN))
        });
        self.trouble.take().map(|trouble| now.saturating_duration_since(trouble.since))
    }

    /// Notes a failure. Returns `true` if the failure must be logged.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        let mut trouble =
            self.trouble.unwrap_or(Trouble { since: now, retry: RETRY_MIN, remind_at: now, reminder: REMINDER_MIN });
        let must_log = now >= trouble.remind_at;
        if must_log {
            trouble.remind_at = now.checked_add(trouble.reminder).unwrap_or(now);
            trouble.reminder = trouble.reminder.saturating_mul(2).min(REMINDER_MAX);
        }
        self.due = now.checked_add(trouble.retry);
        trouble.retry = trouble.retry.saturating_mul(2).min(RETRY_MAX);
        self.trouble = Some(trouble);
        must_log
    }

    /// Notes an answer that the name is gone. Returns the time since the first such answer.
    pub(super) fn gone(&mut self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.gone_since.get_or_insert(now))
    }

    /// Forgets the last good answer: it is not in use any more.
    pub(super) fn forget_answer(&mut self) {
        self.answered_at = None;
    }

    /// Returns `true` if the last look-up failed.
    pub(super) fn is_troubled(&self) -> bool {
        self.trouble.is_some()
    }

    /// The age of the answer in use.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.answered_at.map(|at| now.saturating_duration_since(at))
    }

    /// The time until the next look-up; `None` until a file changes.
    pub(super) fn rest(&self, now: Instant) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::RefreshSchedule;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_answer_is_asked_for_again_when_its_ttl_runs_out_within_bounds() {
        let now = Instant::now();
        let mut schedule = RefreshSchedule::new(now);
        assert_eq!(schedule.rest(now), Some(Duration::ZERO));
        for (ttl, jitter, rest) in [
            (60, 0, 60_000),
            (0, 0, 1000),
            (1, 255, 1000),
            (10, 128, 9500),
            (100_000, 0, 300_000),
            (100_000, 255, 270_117),
        ] {
            assert_eq!(schedule.answered(now, Some(SECOND * ttl), jitter), None);
            assert_eq!(schedule.rest(now).unwrap().as_millis(), rest, "{ttl} {jitter}");
        }
        schedule.answered(now, None, 9);
        assert_eq!(schedule.rest(now + SECOND * 1000), None);
    }

    #[test]
    fn b7_a_name_is_gone_since_the_first_answer_that_says_so_and_no_longer_after_a_good_one() {
        let now = Instant::now();
        let mut schedule = RefreshSchedule::new(now);
        schedule.answered(now, Some(SECOND), 0);
        assert_eq!(schedule.gone(now + SECOND), Duration::ZERO);
        // Silence in between is no word.
        schedule.failed(now + SECOND * 5);
        assert_eq!(schedule.gone(now + SECOND * 11), SECOND * 10);
        schedule.answered(now + SECOND * 12, Some(SECOND), 0);
        assert_eq!(schedule.gone(now + SECOND * 20), Duration::ZERO);
    }

    #[test]
    fn failures_are_retried_ever_more_slowly_and_logged_ever_more_rarely() {
        let start = Instant::now();
        let mut schedule = RefreshSchedule::new(start);
        schedule.answered(start, Some(SECOND * 60), 0);
        let mut now = start + SECOND * 60;
        let (mut rests, mut logged) = (Vec::new(), Vec::new());
        while now < start + SECOND * 1000 {
            if schedule.failed(now) {
                logged.push(schedule.age(now).unwrap().as_secs());
            }
            let rest = schedule.rest(now).unwrap();
            rests.push(rest.as_secs());
            now += rest;
        }
        assert_eq!(rests[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert!(rests[6..].iter().all(|rest| *rest == 30));
        assert_eq!(logged, [60, 91, 151, 271, 511, 991]);
        assert_eq!(schedule.answered(now, Some(SECOND), 0), Some(now - start - SECOND * 60));
        assert_eq!(schedule.answered(now, Some(SECOND), 0), None);
        assert!(!schedule.is_troubled());
        assert!(schedule.failed(now), "the next trouble is news again");
        assert!(schedule.is_troubled());
        assert_eq!(schedule.rest(now), Some(SECOND));
    }
}
