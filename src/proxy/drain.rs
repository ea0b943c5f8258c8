//! The ends of many connections of a route, spread over a window. Who waits for its end keeps its turn.

use std::collections::{BTreeMap, VecDeque};
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

/// Connections of one route that are to end. It is kept until the window is over, though all have ended here before: other
/// shards may hold more of the same, and how many there were in all does not fall meanwhile.
#[derive(Debug)]
pub(super) struct Ousting {
    /// With when it is their turn, in that order.
    waiting: VecDeque<(Time, Ousted)>,
    /// How many have ended.
    ended: u64,
    /// When the window is over.
    over_at: Time,
}

impl Ousting {
    /// The same after something has changed: those of `anew` are to end, and of those before only whom somebody asked to end
    /// whatever changes. Who has been waiting keeps the turn it had: changes that follow each other do not put it off. The
    /// others end from `now` on, spread over a window. `None` if nobody is to end, and
    /// no window is running.
    pub(super) fn amended(before: Option<Self>, anew: &[Ousted], now: Time, window: Duration) -> Option<Self> {
        let mut this = before.unwrap_or(Self { waiting: VecDeque::new(), ended: 0, over_at: now });
        let mut others: BTreeMap<u64, Ousted> = anew.iter().map(|ousted| (ousted.number, *ousted)).collect();
        this.waiting.retain_mut(|(_, waiting)| match (others.remove(&waiting.number), waiting.cause) {
            (_, Cause::Closed | Cause::Shutdown) => true,
            (Some(again), _) => {
                waiting.cause = again.cause;
                true
            }
            (None, _) => false,
        });
        let count = u32::try_from(others.len()).unwrap_or(u32::MAX);
        for (turn, ousted) in (0..count).zip(others.into_values()) {
            let wait = window.saturating_mul(turn).checked_div(count).unwrap_or_default();
            this.waiting.push_back((now.after(wait), ousted));
        }
        if count > 0 {
            this.over_at = this.over_at.max(now.after(window));
        }
        this.waiting.make_contiguous().sort_by_key(|(due, _)| *due);
        (!this.waiting.is_empty() || this.over_at > now).then_some(this)
    }

    /// How many still wait for their end, and how many there were.
    pub(super) fn progress(&self) -> (u64, u64) {
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        (waiting, waiting.saturating_add(self.ended))
    }

    /// The next whose turn it is by now.
    pub(super) fn next(&mut self, now: Time) -> Option<Ousted> {
        self.waiting.front().filter(|(due, _)| *due <= now)?;
        self.ended = self.ended.saturating_add(1);
        self.waiting.pop_front().map(|(_, ousted)| ousted)
    }

    /// When to ask for the next; `None` when there is none any more, and the window is over.
    pub(super) fn wake_at(&self, now: Time) -> Option<Time> {
        match self.waiting.front() {
            Some((due, _)) => Some(now.after(TICK).max(*due).min(self.over_at)),
            None => Some(self.over_at).filter(|at| *at > now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ousted, Ousting};
    use crate::command::Cause;
    use crate::engine::{Slot, Time};

    const START: Time = Time::from_nanos(0);
    const WINDOW: Duration = Duration::from_secs(10);

    fn ousted(number: u32, cause: Cause) -> Ousted {
        Ousted { place: Slot(number), number: u64::from(number), cause }
    }

    fn of(numbers: std::ops::Range<u32>, cause: Cause) -> Vec<Ousted> {
        numbers.map(|number| ousted(number, cause)).collect()
    }

    fn begun(count: u32, window: Duration) -> Ousting {
        Ousting::amended(None, &of(0..count, Cause::Stopped), START, window).unwrap()
    }

    fn ended_by(ousting: &mut Ousting, millis: u64) -> Vec<Ousted> {
        std::iter::from_fn(|| ousting.next(Time::from_millis(millis))).collect()
    }

    #[test]
    fn the_ends_are_spread_evenly_over_the_window() {
        let mut ousting = begun(1000, Duration::from_secs(5));
        assert_eq!(ended_by(&mut ousting, 0), [ousted(0, Cause::Stopped)]);
        assert_eq!(ended_by(&mut ousting, 999).len(), 199);
        assert_eq!(ended_by(&mut ousting, 999).len(), 0);
        assert_eq!(ousting.progress(), (800, 1000));
        assert_eq!(ousting.wake_at(Time::from_millis(999)), Some(Time::from_millis(1009)));
        assert_eq!(ended_by(&mut ousting, 4995).len(), 800);
        assert_eq!(ousting.progress(), (0, 1000));
    }

    #[test]
    fn how_many_there_were_is_known_until_the_window_is_over() {
        let mut ousting = begun(1, WINDOW);
        assert_eq!(ended_by(&mut ousting, 0).len(), 1);
        assert_eq!((ousting.progress(), ousting.wake_at(START)), ((0, 1), Some(Time::from_millis(10_000))));
        let mut more =
            Ousting::amended(Some(ousting), &of(1..2, Cause::Closed), Time::from_millis(4000), WINDOW).unwrap();
        assert_eq!(ended_by(&mut more, 4000).len(), 1);
        assert_eq!((more.progress(), more.wake_at(START)), ((0, 2), Some(Time::from_millis(14_000))));
        assert_eq!(more.wake_at(Time::from_millis(14_000)), None);
        assert!(Ousting::amended(Some(more), &[], Time::from_millis(14_000), WINDOW).is_none());
    }

    #[test]
    fn without_a_window_all_end_at_once() {
        assert_eq!(ended_by(&mut begun(7, Duration::ZERO), 0).len(), 7);
        assert!(Ousting::amended(None, &[], START, WINDOW).is_none());
    }

    #[test]
    fn nobody_is_asked_for_before_its_turn() {
        let mut ousting = begun(2, WINDOW);
        assert_eq!(ended_by(&mut ousting, 0).len(), 1);
        assert_eq!(ousting.wake_at(START), Some(Time::from_millis(5000)));
    }

    #[test]
    fn who_need_not_end_any_more_stays_and_the_others_keep_their_turn() {
        let mut ousting = begun(100, WINDOW);
        assert_eq!(ended_by(&mut ousting, 5000).len(), 51);
        let still: Vec<_> = (51..100).step_by(2).map(|number| ousted(number, Cause::Redeployed)).collect();
        let mut amended = Ousting::amended(Some(ousting), &still, Time::from_millis(5000), WINDOW).unwrap();
        assert_eq!(amended.progress(), (25, 76));
        let ended = [5000, 7500, 10_000].map(|millis| ended_by(&mut amended, millis));
        assert_eq!(ended.each_ref().map(Vec::len), [0, 13, 12]);
        assert!(ended.iter().flatten().all(|ousted| ousted.cause == Cause::Redeployed));
    }

    #[test]
    fn others_get_turns_of_their_own() {
        let ousting = begun(4, WINDOW);
        let more = of(2..6, Cause::Undeployed);
        let mut amended = Ousting::amended(Some(ousting), &more, Time::from_millis(4000), WINDOW).unwrap();
        assert_eq!(amended.progress(), (4, 4));
        let ended = [4000, 5000, 7500, 9000].map(|millis| ended_by(&mut amended, millis));
        assert_eq!(
            ended.map(|ousted| ousted.iter().map(|ousted| ousted.number).collect::<Vec<_>>()),
            [vec![4], vec![2], vec![3], vec![5]]
        );
    }

    #[test]
    fn whom_somebody_asked_to_end_does_whatever_changes() {
        for cause in [Cause::Closed, Cause::Shutdown] {
            let asked = Ousting::amended(None, &of(1..2, cause), START, WINDOW);
            let stopped = Ousting::amended(asked, &of(1..3, Cause::Stopped), START, WINDOW);
            let mut amended = Ousting::amended(stopped, &[], START, WINDOW).unwrap();
            assert_eq!(ended_by(&mut amended, 10_000), [ousted(1, cause)]);
        }
        let called_off = Ousting::amended(Some(begun(3, WINDOW)), &[], START, WINDOW).unwrap();
        assert_eq!(called_off.progress(), (0, 0));
    }
}
