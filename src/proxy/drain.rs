//! Drains the tunnels of a route: closes many of them over a window, so that their clients do not all reconnect at
//! once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::command::Cause;
use crate::engine::{Slot, Time};
use crate::invariant::Invariant;

/// The shortest time between two rounds of closing.
const TICK: Duration = Duration::from_millis(10);

/// A connection that must close. The id tells it from a later connection in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draining {
    pub(super) slot: Slot,
    pub(super) id: u64,
    pub(super) cause: Cause,
}

/// The connections of one route that must close, each at its time. The queue lives until the window is over, even if
/// all its connections have closed: other shards may still be closing theirs, and the total of all shards must not fall
/// meanwhile.
#[derive(Debug)]
pub(super) struct DrainQueue {
    /// Each connection with the time at which it closes, in order of time.
    waiting: VecDeque<(Time, Draining)>,
    /// Connections that were closed.
    closed: u64,
    /// The end of the window.
    over_at: Time,
}

impl DrainQueue {
    /// Updates the queue after a change. Connections in `to_close` are closed. A queued connection stays only if it is
    /// listed again, or if an operator or a shutdown asked for it; it keeps its time, so repeated changes cannot
    /// postpone it. New ones are spread over `window`. Returns `None` if nothing is left to close and no window is
    /// open.
    pub(super) fn updated(before: Option<Self>, to_close: &[Draining], now: Time, window: Duration) -> Option<Self> {
        let mut queue = before.unwrap_or(Self { waiting: VecDeque::new(), closed: 0, over_at: now });
        let mut new: BTreeMap<u64, Draining> = to_close.iter().map(|draining| (draining.id, *draining)).collect();
        queue.waiting.retain_mut(|(_, waiting)| match (new.remove(&waiting.id), waiting.cause) {
            (_, Cause::Closed | Cause::Shutdown) => true,
            (Some(again), _) => {
                waiting.cause = again.cause;
                true
            }
            (None, _) => false,
        });
        let count = u32::try_from(new.len()).expected_or(u32::MAX);
        for (turn, draining) in (0..count).zip(new.into_values()) {
            let wait = window.saturating_mul(turn).checked_div(count).expected_or_default();
            queue.waiting.push_back((now.after(wait), draining));
        }
        if count > 0 {
            queue.over_at = queue.over_at.max(now.after(window));
        }
        queue.waiting.make_contiguous().sort_by_key(|(due, _)| *due);
        (!queue.waiting.is_empty() || queue.over_at > now).then_some(queue)
    }

    /// `(remaining, total)` of the window.
    pub(super) fn progress(&self) -> (u64, u64) {
        let remaining = u64::try_from(self.waiting.len()).expected_or(u64::MAX);
        (remaining, remaining.saturating_add(self.closed))
    }

    /// Takes the next connection that is due.
    pub(super) fn next_due(&mut self, now: Time) -> Option<Draining> {
        self.waiting.front().filter(|(due, _)| *due <= now)?;
        self.closed = self.closed.saturating_add(1);
        self.waiting.pop_front().map(|(_, draining)| draining)
    }

    /// The time of the next round; `None` once nothing is left and the window is over.
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

    use super::{DrainQueue, Draining};
    use crate::command::Cause;
    use crate::engine::{Slot, Time};

    const START: Time = Time::from_nanos(0);
    const WINDOW: Duration = Duration::from_secs(10);

    fn draining(id: u32, cause: Cause) -> Draining {
        Draining { slot: Slot(id), id: u64::from(id), cause }
    }

    fn all(ids: std::ops::Range<u32>, cause: Cause) -> Vec<Draining> {
        ids.map(|id| draining(id, cause)).collect()
    }

    fn begun(count: u32, window: Duration) -> DrainQueue {
        DrainQueue::updated(None, &all(0..count, Cause::Stopped), START, window).unwrap()
    }

    fn closed_by(queue: &mut DrainQueue, millis: u64) -> Vec<Draining> {
        std::iter::from_fn(|| queue.next_due(Time::from_millis(millis))).collect()
    }

    #[test]
    fn closes_are_spread_evenly_over_the_window() {
        let mut queue = begun(1000, Duration::from_secs(5));
        assert_eq!(closed_by(&mut queue, 0), [draining(0, Cause::Stopped)]);
        assert_eq!(closed_by(&mut queue, 999).len(), 199);
        assert_eq!(closed_by(&mut queue, 999).len(), 0);
        assert_eq!(queue.progress(), (800, 1000));
        assert_eq!(queue.wake_at(Time::from_millis(999)), Some(Time::from_millis(1009)));
        assert_eq!(closed_by(&mut queue, 4995).len(), 800);
        assert_eq!(queue.progress(), (0, 1000));
    }

    #[test]
    fn the_total_is_kept_until_the_window_is_over() {
        let mut queue = begun(1, WINDOW);
        assert_eq!(closed_by(&mut queue, 0).len(), 1);
        assert_eq!((queue.progress(), queue.wake_at(START)), ((0, 1), Some(Time::from_millis(10_000))));
        let mut more =
            DrainQueue::updated(Some(queue), &all(1..2, Cause::Closed), Time::from_millis(4000), WINDOW).unwrap();
        assert_eq!(closed_by(&mut more, 4000).len(), 1);
        assert_eq!((more.progress(), more.wake_at(START)), ((0, 2), Some(Time::from_millis(14_000))));
        assert_eq!(more.wake_at(Time::from_millis(14_000)), None);
        assert!(DrainQueue::updated(Some(more), &[], Time::from_millis(14_000), WINDOW).is_none());
    }

    #[test]
    fn without_a_window_all_close_at_once() {
        assert_eq!(closed_by(&mut begun(7, Duration::ZERO), 0).len(), 7);
        assert!(DrainQueue::updated(None, &[], START, WINDOW).is_none());
    }

    #[test]
    fn the_queue_is_not_woken_before_a_connection_is_due() {
        let mut queue = begun(2, WINDOW);
        assert_eq!(closed_by(&mut queue, 0).len(), 1);
        assert_eq!(queue.wake_at(START), Some(Time::from_millis(5000)));
    }

    #[test]
    fn a_connection_that_is_not_listed_again_stays_open_and_the_others_keep_their_time() {
        let mut queue = begun(100, WINDOW);
        assert_eq!(closed_by(&mut queue, 5000).len(), 51);
        let still: Vec<_> = (51..100).step_by(2).map(|id| draining(id, Cause::Redeployed)).collect();
        let mut updated = DrainQueue::updated(Some(queue), &still, Time::from_millis(5000), WINDOW).unwrap();
        assert_eq!(updated.progress(), (25, 76));
        let closed = [5000, 7500, 10_000].map(|millis| closed_by(&mut updated, millis));
        assert_eq!(closed.each_ref().map(Vec::len), [0, 13, 12]);
        assert!(closed.iter().flatten().all(|draining| draining.cause == Cause::Redeployed));
    }

    #[test]
    fn new_connections_are_spread_over_a_window_of_their_own() {
        let queue = begun(4, WINDOW);
        let more = all(2..6, Cause::Undeployed);
        let mut updated = DrainQueue::updated(Some(queue), &more, Time::from_millis(4000), WINDOW).unwrap();
        assert_eq!(updated.progress(), (4, 4));
        let closed = [4000, 5000, 7500, 9000].map(|millis| closed_by(&mut updated, millis));
        assert_eq!(
            closed.map(|closed| closed.iter().map(|draining| draining.id).collect::<Vec<_>>()),
            [vec![4], vec![2], vec![3], vec![5]]
        );
    }

    #[test]
    fn a_connection_that_an_operator_or_a_shutdown_closes_is_not_called_off_by_a_change() {
        for cause in [Cause::Closed, Cause::Shutdown] {
            let asked = DrainQueue::updated(None, &all(1..2, cause), START, WINDOW);
            let stopped = DrainQueue::updated(asked, &all(1..3, Cause::Stopped), START, WINDOW);
            let mut updated = DrainQueue::updated(stopped, &[], START, WINDOW).unwrap();
            assert_eq!(closed_by(&mut updated, 10_000), [draining(1, cause)]);
        }
        let called_off = DrainQueue::updated(Some(begun(3, WINDOW)), &[], START, WINDOW).unwrap();
        assert_eq!(called_off.progress(), (0, 0));
    }
}
