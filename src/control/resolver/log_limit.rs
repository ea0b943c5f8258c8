//! A rate limit on log messages about names. One server that fails may affect thousands of names: each message is logged a
//! limited number of times in a while, and the suppressed ones are counted.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

/// The time over which a message is counted, and the pause of one name between messages that its answers may repeat.
const PAUSE: Duration = Duration::from_secs(10);
/// Names that may log the same message in that time.
const LINES_IN_PAUSE: u32 = 20;

/// A log message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Unresolved,
    Stale,
    Again,
    Changed,
    Refused,
    TooMany,
    Gone,
}

const LINES: [Line; 7] =
    [Line::Unresolved, Line::Stale, Line::Again, Line::Changed, Line::Refused, Line::TooMany, Line::Gone];

impl Line {
    /// The beginning of the message.
    fn text(self) -> &'static str {
        match self {
            Self::Unresolved => "the target's name is not resolved",
            Self::Stale => "the target's name is not resolved any more",
            Self::Again => "the target's name is resolved again",
            Self::Changed => "the target's addresses have changed",
            Self::Refused => "addresses that are not used",
            Self::TooMany => "the target's name has more addresses than are used",
            Self::Gone => "the target's name is gone",
        }
    }
}

/// Counts the messages of all names together.
#[derive(Debug, Default)]
pub(super) struct LogLimit(Mutex<[Said; LINES.len()]>);

/// The count of one message.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    /// The first time since the last pause.
    since: Option<Instant>,
    times: u32,
    suppressed: u32,
}

impl LogLimit {
    /// Returns `true` if a name may log this message now; else counts it as suppressed.
    pub(super) fn may_log(&self, line: Line, now: Instant) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(said) = all.get_mut(line as usize) else { return true };
        // The number of suppressed messages is logged before the message may be logged again.
        if said.suppressed == 0 && said.is_over(now) {
            *said = Said { since: Some(now), ..Said::default() };
        }
        let may = said.times < LINES_IN_PAUSE;
        let count = if may { &mut said.times } else { &mut said.suppressed };
        *count = count.saturating_add(1);
        may
    }

    /// Logs how many messages were suppressed, once their pause is over.
    pub(super) fn report_suppressed(&self, now: Instant) {
        for (line, suppressed) in self.suppressed(now) {
            let line = line.text();
            warn!(line, suppressed, "log message rate-limited; further occurrences were suppressed");
        }
    }

    fn suppressed(&self, now: Instant) -> Vec<(Line, u32)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = LINES.into_iter().zip(all.iter_mut()).filter(|(_, said)| said.suppressed > 0 && said.is_over(now));
        over.map(|(line, said)| (line, std::mem::take(said).suppressed)).collect()
    }
}

impl Said {
    fn is_over(&self, now: Instant) -> bool {
        self.since.is_none_or(|since| now.saturating_duration_since(since) >= PAUSE)
    }
}

/// Keeps one name from logging a message too often.
#[derive(Debug, Default)]
pub(super) struct Pause(Option<Instant>);

impl Pause {
    /// Returns `true` if the message may be logged, and begins the next pause.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        let is_over = self.0.is_none_or(|said| now.saturating_duration_since(said) >= PAUSE);
        if is_over {
            self.0 = Some(now);
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LINES, LINES_IN_PAUSE, Line, LogLimit, PAUSE};

    #[test]
    fn a_message_is_logged_a_limited_number_of_times_and_suppressed_ones_are_counted() {
        let (limit, start) = (LogLimit::default(), Instant::now());
        let say = |line, now| limit.may_log(line, now);
        for turn in 0..3 {
            let now = start + PAUSE * turn;
            let said = (0..LINES_IN_PAUSE + 5).filter(|_| say(Line::Stale, now)).count();
            assert_eq!(said, LINES_IN_PAUSE as usize, "{turn}");
            assert!(say(Line::Again, now), "each line for itself");
            assert_eq!(limit.suppressed(now + PAUSE - Duration::from_millis(1)), []);
            assert!(!say(Line::Stale, now + PAUSE), "not before it is told");
            assert_eq!(limit.suppressed(now + PAUSE), [(Line::Stale, 6)]);
            assert_eq!(limit.suppressed(now + PAUSE), []);
        }
    }

    #[test]
    fn one_name_never_waits_for_the_next_pause() {
        let (limit, start) = (LogLimit::default(), Instant::now());
        for at in 0..100 {
            assert!(limit.may_log(Line::Unresolved, start + PAUSE / 10 * at), "{at}");
        }
    }

    #[test]
    fn each_line_has_a_count_of_its_own() {
        assert!(LINES.iter().enumerate().all(|(at, line)| *line as usize == at));
    }
}
