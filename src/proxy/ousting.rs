//! The ends of many connections of a route, spread over a window.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::command::Cause;
use crate::engine::{Slot, Time};

/// How often at most some of them end.
const TICK: Duration = Duration::from_millis(10);

/// A connection that is to end: where it is, and its number, for who is gone by itself meanwhile may have left its place to
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ousted {
    pub(super) place: Slot,
    pub(super) number: u64,
    pub(super) cause: Cause,
}

/// Connections of one route that are to end.
#[derive(Debug)]
pub(super) struct Ousting {
    waiting: VecDeque<Ousted>,
    total: u64,
    begun: Time,
    window: Duration,
}

impl Ousting {
    /// `waiting` are to end from `now` on, the last of them a window later.
    pub(super) fn new(waiting: VecDeque<Ousted>, now: Time, window: Duration) -> Self {
        let total = count(&waiting);
        Self { waiting, total, begun: now, window }
    }

    /// The same after the route has changed: those of `anew` are to end, and of those before only whom somebody asked to
    /// close. Who has been waiting keeps the turn it had, unless others come to it: then the window begins again. `None` if
    /// nobody is left.
    pub(super) fn amended(before: Option<Self>, anew: Vec<Ousted>, now: Time, window: Duration) -> Option<Self> {
        let Some(before) = before else {
            return (!anew.is_empty()).then(|| Self::new(anew.into(), now, window));
        };
        let mut wanted: HashMap<u64, Ousted> = anew.into_iter().map(|ousted| (ousted.number, ousted)).collect();
        let ended = before.total.saturating_sub(count(&before.waiting));
        let mut kept = VecDeque::with_capacity(before.waiting.len());
        for ousted in before.waiting {
            match wanted.remove(&ousted.number) {
                Some(again) => kept.push_back(again),
                None if ousted.cause == Cause::Closed => kept.push_back(ousted),
                None => {}
            }
        }
        if wanted.is_empty() {
            let total = ended.saturating_add(count(&kept));
            return (!kept.is_empty()).then_some(Self {
                waiting: kept,
                total,
                begun: before.begun,
                window: before.window,
            });
        }
        kept.extend(wanted.into_values());
        Some(Self::new(kept, now, window))
    }

    /// How many still wait for their end, and how many there were.
    pub(super) fn progress(&self) -> (u64, u64) {
        (count(&self.waiting), self.total)
    }

    /// The next whose turn it is by now.
    pub(super) fn next(&mut self, now: Time) -> Option<Ousted> {
        let ended = self.total.saturating_sub(count(&self.waiting));
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

fn count(waiting: &VecDeque<Ousted>) -> u64 {
    u64::try_from(waiting.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ousted, Ousting};
    use crate::command::Cause;
    use crate::engine::{Slot, Time};

    const START: Time = Time::from_nanos(0);

    fn ousted(number: u32, cause: Cause) -> Ousted {
        Ousted { place: Slot(number), number: u64::from(number), cause }
    }

    fn of(count: u32, window: Duration) -> Ousting {
        Ousting::new((0..count).map(|number| ousted(number, Cause::Stopped)).collect(), START, window)
    }

    fn after(millis: u64) -> Time {
        START.after(Duration::from_millis(millis))
    }

    fn ended_by(ousting: &mut Ousting, millis: u64) -> usize {
        std::iter::from_fn(|| ousting.next(after(millis))).count()
    }

    #[test]
    fn the_ends_are_spread_evenly_over_the_window() {
        let mut ousting = of(1000, Duration::from_secs(5));
        assert_eq!(ended_by(&mut ousting, 0), 1);
        assert_eq!(ended_by(&mut ousting, 1000), 200);
        assert_eq!(ended_by(&mut ousting, 1000), 0);
        assert_eq!(ousting.progress(), (799, 1000));
        assert_eq!(ended_by(&mut ousting, 4999), 799);
        assert_eq!((ousting.progress(), ousting.wake_at(START)), ((0, 1000), None));
    }

    #[test]
    fn without_a_window_all_end_at_once() {
        assert_eq!(ended_by(&mut of(7, Duration::ZERO), 0), 7);
        assert_eq!(ended_by(&mut of(0, Duration::from_secs(1)), 0), 0);
    }

    #[test]
    fn who_need_not_end_any_more_stays_and_the_others_keep_their_turn() {
        let window = Duration::from_secs(10);
        let mut ousting = of(100, window);
        assert_eq!(ended_by(&mut ousting, 5000), 51);
        let still = (51..100).step_by(2).map(|number| ousted(number, Cause::Redeployed)).collect();
        let mut amended = Ousting::amended(Some(ousting), still, after(5000), window).unwrap();
        assert_eq!(amended.progress(), (25, 76));
        assert_eq!([5000, 7500, 10_000].map(|millis| ended_by(&mut amended, millis)), [0, 7, 18]);
    }

    #[test]
    fn the_window_begins_again_only_for_others() {
        let window = Duration::from_secs(10);
        let waiting = vec![ousted(1, Cause::Stopped), ousted(2, Cause::Stopped)];
        let ousting = Ousting::new(waiting.clone().into(), START, window);
        let same = Ousting::amended(Some(ousting), waiting.clone(), after(9000), window).unwrap();
        assert_eq!(same.begun, START);
        let more = vec![waiting[0], waiting[1], ousted(3, Cause::Stopped)];
        let amended = Ousting::amended(Some(same), more, after(9000), window).unwrap();
        assert_eq!((amended.begun, amended.progress()), (after(9000), (3, 3)));
    }

    #[test]
    fn whom_somebody_asked_to_close_is_closed_whatever_changes() {
        let window = Duration::from_secs(1);
        let asked = Ousting::new([ousted(1, Cause::Closed), ousted(2, Cause::Stopped)].into(), START, window);
        let amended = Ousting::amended(Some(asked), Vec::new(), START, window).unwrap();
        assert_eq!(amended.waiting, [ousted(1, Cause::Closed)]);
        assert!(Ousting::amended(Some(of(3, window)), Vec::new(), START, window).is_none());
        assert!(Ousting::amended(None, Vec::new(), START, window).is_none());
    }
}
