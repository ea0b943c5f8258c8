//! A limit on log lines about endpoints: one host that is gone may be the endpoint of thousands of APIs.

use std::time::{Duration, Instant};

/// The time over which lines are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// Lines in that time.
const MAX_LINES: u32 = 20;

/// Counts the lines of one window.
#[derive(Debug, Default)]
pub(super) struct LineLimit {
    since: Option<Instant>,
    lines: u32,
    suppressed: u32,
}

impl LineLimit {
    /// Returns `true` if a line may be logged now; else counts it as suppressed.
    pub(super) fn may_log(&mut self) -> bool {
        let may = self.lines < MAX_LINES;
        let count = if may { &mut self.lines } else { &mut self.suppressed };
        *count = count.saturating_add(1);
        may
    }

    /// Begins the next window if this one is over. Returns the number of lines that were suppressed in it.
    pub(super) fn next_window(&mut self, now: Instant) -> u32 {
        if self.since.is_some_and(|since| now.saturating_duration_since(since) < WINDOW) {
            return 0;
        }
        let suppressed = self.suppressed;
        *self = Self { since: Some(now), ..Self::default() };
        suppressed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{LineLimit, MAX_LINES, WINDOW};

    #[test]
    fn lines_beyond_the_limit_are_suppressed_and_counted_once_the_window_is_over() {
        let (mut limit, start) = (LineLimit::default(), Instant::now());
        assert_eq!(limit.next_window(start), 0);
        assert_eq!((0..MAX_LINES + 7).filter(|_| limit.may_log()).count(), MAX_LINES as usize);
        assert_eq!(limit.next_window(start + WINDOW / 2), 0);
        assert!(!limit.may_log());
        assert_eq!(limit.next_window(start + WINDOW), 8);
        assert!(limit.may_log());
    }
}
