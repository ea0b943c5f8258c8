//! What names may bring about in the log. One server that fails may be the trouble of thousands of names: each line is
//! logged so often in a while, and what is left out is counted.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

/// How long a line is counted, and how long a name keeps quiet of what its answers may bring about again and again.
const PAUSE: Duration = Duration::from_secs(10);
/// So many names may have the same line logged meanwhile.
const LINES_IN_PAUSE: u32 = 20;

/// A line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Unresolved,
    Stale,
    Again,
    Changed,
    Refused,
    TooMany,
}

const LINES: [Line; 6] = [Line::Unresolved, Line::Stale, Line::Again, Line::Changed, Line::Refused, Line::TooMany];

impl Line {
    /// How it begins.
    fn text(self) -> &'static str {
        match self {
            Self::Unresolved => "the target's name is not resolved",
            Self::Stale => "the target's name is not resolved any more",
            Self::Again => "the target's name is resolved again",
            Self::Changed => "the target's addresses have changed",
            Self::Refused => "addresses that are not used",
            Self::TooMany => "the target's name has more addresses than are used",
        }
    }
}

/// Counts what all names together log.
#[derive(Debug, Default)]
pub(super) struct LogLimit(Mutex<[Said; LINES.len()]>);

/// How often a line was logged.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    /// When it was first logged since the last pause.
    since: Option<Instant>,
    times: u32,
    left_out: u32,
}

impl LogLimit {
    /// Whether a name may have this line logged. If not, that is counted.
    pub(super) fn may_say(&self, line: Line, now: Instant) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(said) = all.get_mut(line as usize) else { return true };
        // What was left out is told before the line may be logged again.
        if said.left_out == 0 && said.is_over(now) {
            *said = Said { since: Some(now), ..Said::default() };
        }
        let may = said.times < LINES_IN_PAUSE;
        let count = if may { &mut said.times } else { &mut said.left_out };
        *count = count.saturating_add(1);
        may
    }

    /// Tells what was left out, once the pause is over.
    pub(super) fn tell_left_out(&self, now: Instant) {
        for (line, left_out) in self.left_out(now) {
            let line = line.text();
            warn!(line, left_out, "a line on names was logged as often as it may be, and then was not");
        }
    }

    fn left_out(&self, now: Instant) -> Vec<(Line, u32)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = LINES.into_iter().zip(all.iter_mut()).filter(|(_, said)| said.left_out > 0 && said.is_over(now));
        over.map(|(line, said)| (line, std::mem::take(said).left_out)).collect()
    }
}

impl Said {
    fn is_over(&self, now: Instant) -> bool {
        self.since.is_none_or(|since| now.saturating_duration_since(since) >= PAUSE)
    }
}

/// Keeps one name from having a line logged too often.
#[derive(Debug, Default)]
pub(super) struct Pause(Option<Instant>);

impl Pause {
    /// Whether the line may be logged; then the next pause begins.
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
    fn a_line_is_logged_so_often_in_a_pause_and_what_is_left_out_is_told() {
        let (limit, start) = (LogLimit::default(), Instant::now());
        let say = |line, now| limit.may_say(line, now);
        for turn in 0..3 {
            let now = start + PAUSE * turn;
            let said = (0..LINES_IN_PAUSE + 5).filter(|_| say(Line::Stale, now)).count();
            assert_eq!(said, LINES_IN_PAUSE as usize, "{turn}");
            assert!(say(Line::Again, now), "each line for itself");
            assert_eq!(limit.left_out(now + PAUSE - Duration::from_millis(1)), []);
            assert!(!say(Line::Stale, now + PAUSE), "not before it is told");
            assert_eq!(limit.left_out(now + PAUSE), [(Line::Stale, 6)]);
            assert_eq!(limit.left_out(now + PAUSE), []);
        }
    }

    #[test]
    fn one_name_never_waits_for_the_next_pause() {
        let (limit, start) = (LogLimit::default(), Instant::now());
        for at in 0..100 {
            assert!(limit.may_say(Line::Unresolved, start + PAUSE / 10 * at), "{at}");
        }
    }

    #[test]
    fn each_line_has_a_count_of_its_own() {
        assert!(LINES.iter().enumerate().all(|(at, line)| *line as usize == at));
    }
}
