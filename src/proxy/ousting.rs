//! The ends of many connections, spread over a window. Who waits for its end keeps its turn, whatever else happens to its
//! route meanwhile: changes that follow each other do not put it off.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::command::Cause;
use crate::engine::{Slot, Time};

/// How often at most some of them end.
const TICK: Duration = Duration::from_millis(10);

/// Connections of one route that are to end.
#[derive(Debug, Default)]
pub(super) struct Ousting {
    /// In the order of their turns.
    waiting: VecDeque<Waiting>,
    /// How many have ended since nobody waited.
    ended: u64,
}

/// A connection that is to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) place: Slot,
    /// Who is gone by itself meanwhile may have left its place to another.
    pub(super) number: u64,
    /// Why it ends whatever becomes of its route; `None` for the objection that there is when its turn comes.
    pub(super) cause: Option<Cause>,
    due: Time,
}

impl Ousting {
    /// These are to end from `now` on, the last of them almost a window later; of those that wait already, who is not among
    /// them only if nothing depends on its route.
    pub(super) fn spread(&mut self, meant: &[(Slot, u64)], cause: Option<Cause>, now: Time, window: Duration) {
        let numbers: HashSet<u64> = match self.waiting.is_empty() {
            true => HashSet::new(),
            false => meant.iter().map(|(_, number)| *number).collect(),
        };
        self.waiting.retain(|waiting| waiting.cause.is_some() || numbers.contains(&waiting.number));
        for waiting in self.waiting.iter_mut().filter(|waiting| numbers.contains(&waiting.number)) {
            waiting.cause = waiting.cause.or(cause);
        }
        let known: HashSet<u64> = self.waiting.iter().map(|waiting| waiting.number).collect();
        let others = || meant.iter().filter(|(_, number)| !known.contains(number));
        let count = u32::try_from(others().count()).unwrap_or(u32::MAX);
        for (turn, (place, number)) in (0..count).zip(others()) {
            let wait = window.saturating_mul(turn).checked_div(count).unwrap_or_default();
            self.waiting.push_back(Waiting { place: *place, number: *number, cause, due: now.after(wait) });
        }
        self.waiting.make_contiguous().sort_by_key(|waiting| waiting.due);
        self.forget();
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many still wait for their end, and how many there were.
    pub(super) fn progress(&self) -> (u64, u64) {
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        (waiting, waiting.saturating_add(self.ended))
    }

    /// The next whose turn it is by now.
    pub(super) fn next(&mut self, now: Time) -> Option<Waiting> {
        self.waiting.front().filter(|next| next.due <= now)?;
        let next = self.waiting.pop_front()?;
        self.ended = self.ended.saturating_add(1);
        self.forget();
        Some(next)
    }

    /// When to ask for the next; `None` when there is none any more.
    pub(super) fn wake_at(&self, now: Time) -> Option<Time> {
        self.waiting.front().map(|next| next.due.max(now.after(TICK)))
    }

    /// Once nobody waits, nothing is known of it.
    fn forget(&mut self) {
        if self.waiting.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Ousting;
    use crate::command::Cause;
    use crate::engine::{Slot, Time};

    const SECOND: Duration = Duration::from_secs(1);

    fn meant(numbers: std::ops::Range<u32>) -> Vec<(Slot, u64)> {
        numbers.map(|number| (Slot(number), u64::from(number))).collect()
    }

    fn ended_by(ousting: &mut Ousting, millis: u64) -> Vec<(u64, Option<Cause>)> {
        let now = Time::from_millis(millis);
        std::iter::from_fn(|| ousting.next(now)).map(|waiting| (waiting.number, waiting.cause)).collect()
    }

    #[test]
    fn the_ends_are_spread_evenly_over_the_window() {
        let mut ousting = Ousting::default();
        ousting.spread(&meant(0..1000), Some(Cause::Closed), Time::from_millis(0), SECOND * 5);
        assert_eq!(ended_by(&mut ousting, 0), [(0, Some(Cause::Closed))]);
        assert_eq!(ended_by(&mut ousting, 999).len(), 199);
        assert_eq!(ended_by(&mut ousting, 999).len(), 0);
        assert_eq!(
            (ousting.progress(), ousting.wake_at(Time::from_millis(999))),
            ((800, 1000), Some(Time::from_millis(1009)))
        );
        assert_eq!(ended_by(&mut ousting, 4995).len(), 800);
        assert_eq!((ousting.progress(), ousting.wake_at(Time::from_millis(4995))), ((0, 0), None));
    }

    #[test]
    fn without_a_window_all_end_at_once() {
        let mut ousting = Ousting::default();
        ousting.spread(&meant(0..7), None, Time::from_millis(3), Duration::ZERO);
        assert_eq!(ended_by(&mut ousting, 3).len(), 7);
    }

    #[test]
    fn nobody_is_asked_for_before_its_turn() {
        let mut ousting = Ousting::default();
        ousting.spread(&meant(0..2), None, Time::from_millis(0), SECOND);
        assert_eq!(ended_by(&mut ousting, 0).len(), 1);
        assert_eq!(ousting.wake_at(Time::from_millis(0)), Some(Time::from_millis(500)));
    }

    #[test]
    fn who_waits_keeps_its_turn_and_who_need_not_end_any_more_does_not() {
        let mut ousting = Ousting::default();
        ousting.spread(&meant(0..4), None, Time::from_millis(0), SECOND);
        assert_eq!(ended_by(&mut ousting, 0), [(0, None)]);
        // 1 need not, 2 and 3 still are to, 4 and 5 are too.
        ousting.spread(&meant(2..6), None, Time::from_millis(400), SECOND);
        assert_eq!(ousting.progress(), (4, 5));
        assert_eq!(ended_by(&mut ousting, 500), [(4, None), (2, None)]);
        assert_eq!(ended_by(&mut ousting, 900), [(3, None), (5, None)]);
    }

    #[test]
    fn who_is_to_end_in_any_case_does() {
        let mut ousting = Ousting::default();
        ousting.spread(&meant(0..4), Some(Cause::Shutdown), Time::from_millis(0), SECOND);
        ousting.spread(&meant(2..3), None, Time::from_millis(100), SECOND);
        ousting.spread(&[], None, Time::from_millis(200), SECOND);
        ousting.spread(&meant(0..4), Some(Cause::Closed), Time::from_millis(300), SECOND);
        let shutdown = |number| (number, Some(Cause::Shutdown));
        assert_eq!(ended_by(&mut ousting, 750), [shutdown(0), shutdown(1), shutdown(2), shutdown(3)]);
    }
}
