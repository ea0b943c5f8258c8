//! Messages that one connection received, by publisher: the next number, and the missing ones.

use crate::message::Stamp;

/// Numbers that may be missing of one publisher and still be told apart from duplicates when they come.
const MAX_GAPS: usize = 1024;

/// Messages that one connection received.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// Publishers, few enough for a list.
    from: Vec<Heard>,
    /// Messages, each counted once.
    count: u64,
}

#[derive(Debug)]
struct Heard {
    publisher: u32,
    next: u64,
    /// Numbers below `next` that have not come.
    missing: Vec<u64>,
}

/// The place of a delivery among its publisher's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The next number, or a later one.
    InOrder,
    /// A number that was missing.
    OutOfOrder,
    /// A number that came before.
    Again,
}

impl Hearing {
    /// Number of received messages, each counted once.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Count of numbers that are missing between received ones.
    pub(super) fn missing(&self) -> u64 {
        self.from.iter().map(|heard| heard.missing.len() as u64).sum()
    }

    /// Notes a delivery.
    pub(super) fn hear(&mut self, stamp: &Stamp) -> Place {
        let known = self.from.iter_mut().position(|heard| heard.publisher == stamp.from);
        let place = match known.and_then(|at| self.from.get_mut(at)) {
            Some(heard) => heard.place(stamp.number),
            None => {
                let mut heard = Heard { publisher: stamp.from, next: 0, missing: Vec::new() };
                let place = heard.place(stamp.number);
                self.from.push(heard);
                place
            }
        };
        self.count += u64::from(place != Place::Again);
        place
    }
}

impl Heard {
    fn place(&mut self, number: u64) -> Place {
        if number < self.next {
            let Some(at) = self.missing.iter().position(|missing| *missing == number) else { return Place::Again };
            self.missing.swap_remove(at);
            return Place::OutOfOrder;
        }
        let room = MAX_GAPS.saturating_sub(self.missing.len());
        self.missing.extend((self.next..number).take(room));
        self.next = number.saturating_add(1);
        Place::InOrder
    }
}

#[cfg(test)]
mod tests {
    use super::{Hearing, MAX_GAPS, Place};
    use crate::message::Stamp;
    use ringway::engine::Time;

    fn places(numbers: &[u64]) -> (Vec<Place>, u64, u64) {
        let mut hearing = Hearing::default();
        let stamp = |number| Stamp { from: 1, number, at: Time::default() };
        let places = numbers.iter().map(|number| hearing.hear(&stamp(*number))).collect();
        (places, hearing.count(), hearing.missing())
    }

    #[test]
    fn each_delivery_has_its_place() {
        use Place::{Again, InOrder, OutOfOrder};
        assert_eq!(places(&[0, 1, 2]), (vec![InOrder; 3], 3, 0));
        assert_eq!(places(&[0, 2, 1, 3]), (vec![InOrder, InOrder, OutOfOrder, InOrder], 4, 0));
        assert_eq!(places(&[0, 3, 3, 0]), (vec![InOrder, InOrder, Again, Again], 2, 2));
        assert_eq!(places(&[0, 2, 1, 1]), (vec![InOrder, InOrder, OutOfOrder, Again], 3, 0));
        assert_eq!(places(&[2]), (vec![InOrder], 1, 2));
    }

    #[test]
    fn publishers_do_not_disturb_each_other() {
        let mut hearing = Hearing::default();
        for (from, number) in [(1, 0), (2, 0), (2, 1), (1, 1)] {
            assert_eq!(hearing.hear(&Stamp { from, number, at: Time::default() }), Place::InOrder);
        }
        assert_eq!((hearing.count(), hearing.missing()), (4, 0));
    }

    #[test]
    fn what_is_kept_of_gaps_is_bounded() {
        let (places, _, missing) = places(&[u64::MAX, 5]);
        assert_eq!((places[0], places[1], missing), (Place::InOrder, Place::OutOfOrder, MAX_GAPS as u64 - 1));
    }
}
