//! The ends of many connections for one reason, spread over a window.

use std::collections::VecDeque;
use std::time::Duration;

use crate::command::Cause;
use crate::engine::{Slot, Time};

/// How often at most some of them end.
const TICK: Duration = Duration::from_millis(10);

/// Connections of one route that are to end.
#[derive(Debug)]
pub(super) struct Ousting {
    cause: Cause,
    /// Where they are, and their numbers: who is gone by itself meanwhile may have left its place to another.
    waiting: VecDeque<(Slot, u64)>,
    total: u64,
    begun: Time,
    window: Duration,
}

impl Ousting {
    /// `waiting` are to end from `now` on, the last of them a window later.
    pub(super) fn new(cause: Cause, waiting: VecDeque<(Slot, u64)>, now: Time, window: Duration) -> Self {
        let total = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
        Self { cause, waiting, total, begun: now, window }
    }

    pub(super) fn cause(&self) -> Cause {
        self.cause
    }

    /// How many still wait for their end, and how many there were.
    pub(super) fn progress(&self) -> (u64, u64) {
        (u64::try_from(self.waiting.len()).unwrap_or(u64::MAX), self.total)
    }

    /// The next whose turn it is by now.
    pub(super) fn next(&mut self, now: Time) -> Option<(Slot, u64)> {
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        let ended = self.total.saturating_sub(waiting);
        if ended >= self.due(now) { None } else { self.waiting.pop_front() }
    }

    /// When to ask for the next; `None` when there is none any more.
    pub(super) fn wake_at(&self, now: Time) -> Option<Time> {
        (!self.waiting.is_empty()).then(|| now.after(TICK.min(self.window)))
    }

    /// How many are to have ended by now: the first at once, all of them by the end of the window.
    fn due(&self, now: Time) -> u64 {
        let elapsed = now.since(self.begun);
        if elapsed >= self.window {
            return self.total;
        }
        let share = u128::from(self.total).saturating_mul(elapsed.as_nanos());
        let due = share.checked_div(self.window.as_nanos()).unwrap_or(u128::MAX);
        u64::try_from(due).unwrap_or(u64::MAX).saturating_add(1).min(self.total)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Ousting;
    use crate::command::Cause;
    use crate::engine::{Slot, Time};

    fn of(count: u32, window: Duration) -> Ousting {
        Ousting::new(
            Cause::Stopped,
            (0..count).map(|slot| (Slot(slot), u64::from(slot))).collect(),
            Time::from_nanos(0),
            window,
        )
    }

    fn ended_by(ousting: &mut Ousting, millis: u64) -> usize {
        let now = Time::from_nanos(0).after(Duration::from_millis(millis));
        std::iter::from_fn(|| ousting.next(now)).count()
    }

    #[test]
    fn the_ends_are_spread_evenly_over_the_window() {
        let mut ousting = of(1000, Duration::from_secs(5));
        assert_eq!(ended_by(&mut ousting, 0), 1);
        assert_eq!(ended_by(&mut ousting, 1000), 200);
        assert_eq!(ended_by(&mut ousting, 1000), 0);
        assert_eq!(ousting.progress(), (799, 1000));
        assert_eq!(ended_by(&mut ousting, 4999), 799);
        assert_eq!((ousting.progress(), ousting.wake_at(Time::from_nanos(0))), ((0, 1000), None));
    }

    #[test]
    fn without_a_window_all_end_at_once() {
        assert_eq!(ended_by(&mut of(7, Duration::ZERO), 0), 7);
        assert_eq!(ended_by(&mut of(0, Duration::from_secs(1)), 0), 0);
    }
}
