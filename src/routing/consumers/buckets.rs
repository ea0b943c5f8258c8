//! A map whose copies share what they have in common: a change copies one bucket and the list of buckets.
//!
//! All buckets exist from the start. With 100,000 entries a bucket has 24, so that a look-up is a search among these and a
//! change is a copy of them; an empty map takes 32 KiB.

use std::sync::Arc;

/// The number of buckets, as a power of two.
const BUCKETS_LOG2: u32 = 12;

/// Odd, with its bits spread well (2^64 divided by the golden ratio): products of neighbours lie far apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// An entry that says where it stands. Several entries may stand at one place.
pub(super) trait Placed: Clone {
    /// The entry's place in the order of its bucket.
    fn order(&self) -> u64;
}

#[derive(Clone, Debug)]
pub(super) struct Buckets<T> {
    buckets: Arc<[Arc<Vec<T>>]>,
    len: usize,
}

impl<T> Default for Buckets<T> {
    fn default() -> Self {
        let empty = Arc::new(Vec::new());
        Self { buckets: std::iter::repeat_n(empty, 1 << BUCKETS_LOG2).collect(), len: 0 }
    }
}

impl<T: Placed> Buckets<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.buckets.iter().flat_map(|bucket| bucket.iter())
    }

    /// The entry at a place that is the one looked for.
    pub(super) fn find(&self, order: u64, is_it: impl Fn(&T) -> bool) -> Option<&T> {
        let bucket = self.buckets.get(bucket_of(order))?;
        bucket.get(position(bucket, order, is_it)?)
    }

    /// Adds an entry; `is_same` tells the entry that it replaces.
    pub(super) fn insert(&mut self, entry: T, is_same: impl Fn(&T) -> bool) {
        let order = entry.order();
        let Some(bucket) = Arc::make_mut(&mut self.buckets).get_mut(bucket_of(order)) else { return };
        let bucket = Arc::make_mut(bucket);
        let known = position(bucket, order, is_same);
        if let Some(replaced) = known.and_then(|place| bucket.get_mut(place)) {
            *replaced = entry;
            return;
        }
        let place = bucket.partition_point(|other| other.order() < order);
        #[expect(clippy::disallowed_methods, reason = "a partition point is at most the length")]
        bucket.insert(place, entry);
        self.len = self.len.saturating_add(1);
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, order: u64, is_it: impl Fn(&T) -> bool) -> Option<T> {
        // Nothing is copied for an entry that is not there.
        let place = position(self.buckets.get(bucket_of(order))?, order, is_it)?;
        let bucket = Arc::make_mut(Arc::make_mut(&mut self.buckets).get_mut(bucket_of(order))?);
        #[expect(clippy::disallowed_methods, reason = "the place was found in this bucket")]
        let removed = bucket.remove(place);
        self.len = self.len.saturating_sub(1);
        Some(removed)
    }
}

fn bucket_of(order: u64) -> usize {
    let place = order.wrapping_mul(SPREAD) >> u64::BITS.saturating_sub(BUCKETS_LOG2);
    usize::try_from(place).unwrap_or_default()
}

fn position<T: Placed>(bucket: &[T], order: u64, is_it: impl Fn(&T) -> bool) -> Option<usize> {
    let first = bucket.partition_point(|entry| entry.order() < order);
    let candidates = bucket.get(first..)?.iter().take_while(|entry| entry.order() == order);
    candidates.enumerate().find(|(_, entry)| is_it(entry)).map(|(nth, _)| first.saturating_add(nth))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::{Buckets, Placed};

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Entry {
        id: u16,
        value: u8,
    }

    impl Placed for Entry {
        /// Seven entries share each place.
        fn order(&self) -> u64 {
            u64::from(self.id / 7)
        }
    }

    fn find(of: &Buckets<Entry>, id: u16) -> Option<u8> {
        of.find(Entry { id, value: 0 }.order(), |entry| entry.id == id).map(|entry| entry.value)
    }

    #[test]
    fn a_copy_shares_all_buckets_but_the_changed_one() {
        let mut one = Buckets::default();
        for id in 0..20_000 {
            one.insert(Entry { id, value: 0 }, |entry: &Entry| entry.id == id);
        }
        let before = one.clone();
        one.insert(Entry { id: 5, value: 9 }, |entry| entry.id == 5);
        let shared = one.buckets.iter().zip(&*before.buckets).filter(|(new, old)| Arc::ptr_eq(new, old)).count();
        assert_eq!(shared, one.buckets.len() - 1);
        assert_eq!((find(&before, 5), find(&one, 5)), (Some(0), Some(9)));
        let longest = one.buckets.iter().map(|bucket| bucket.len()).max();
        assert!(longest < Some(40), "the entries are spread: {longest:?}");
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(steps in prop::collection::vec((0_u16..60, prop::option::of(any::<u8>())), 0..200)) {
            let (mut tested, mut model) = (Buckets::default(), BTreeMap::new());
            for (id, value) in steps {
                match value {
                    Some(value) => {
                        tested.insert(Entry { id, value }, |entry: &Entry| entry.id == id);
                        model.insert(id, value);
                    }
                    None => {
                        let removed = tested.remove(Entry { id, value: 0 }.order(), |entry| entry.id == id);
                        prop_assert_eq!(removed.map(|entry| entry.value), model.remove(&id));
                    }
                }
                prop_assert_eq!(tested.len(), model.len());
            }
            for id in 0..60 {
                prop_assert_eq!(find(&tested, id), model.get(&id).copied());
            }
            let mut all: Vec<_> = tested.iter().map(|entry| (entry.id, entry.value)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, model.into_iter().collect::<Vec<_>>());
        }
    }
}
