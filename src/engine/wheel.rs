//! Deadlines: one coarse timer wheel a shard, with one entry a slot.
//!
//! An entry is armed for the earliest moment at which its slot may have something to do. Activity that postpones this
//! moment does not touch the wheel: the entry fires, the slot finds nothing due, and names its next deadline. So a busy
//! connection costs the wheel nothing.

use super::time::Time;
use super::transport::Slot;
use crate::invariant::Invariant;

/// Nanoseconds that a bucket spans: 16 ms. An entry fires at most that late, and never early.
const TICK_NS: u64 = 16_000_000;
/// Buckets. Together they span a little over a minute; a later entry stays for another round.
const BUCKETS: usize = 4096;
/// Words of the bit set that has a bit for each bucket with entries.
const WORDS: usize = BUCKETS / 64;
const NONE: u32 = u32::MAX;
/// A tick that never comes.
const NEVER: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    next: u32,
    previous: u32,
    tick: u64,
}

const UNARMED: Link = Link { next: NONE, previous: NONE, tick: NEVER };

/// Deadlines by slot.
#[derive(Debug)]
pub struct Wheel {
    heads: Box<[u32]>,
    occupied: Box<[u64]>,
    links: Vec<Link>,
    /// All ticks before this one have expired.
    tick: u64,
    /// The tick of the first bucket with an entry; [`NEVER`] if all are empty. Cached, because every sleep asks for it.
    first: u64,
}

impl Wheel {
    /// A wheel that starts now.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            heads: vec![NONE; BUCKETS].into(),
            occupied: vec![0; WORDS].into(),
            links: Vec::new(),
            tick: now.as_nanos() / TICK_NS,
            first: NEVER,
        }
    }

    /// Makes sure that the slot's entry fires at `at` or earlier.
    pub fn arm(&mut self, slot: Slot, at: Time) {
        // Rounded up: an entry must not fire before its moment.
        let tick = at.as_nanos().div_ceil(TICK_NS).max(self.tick);
        if self.link(slot).tick <= tick {
            return;
        }
        self.disarm(slot);
        self.insert(slot.0, tick);
    }

    /// Removes the slot's entry.
    pub fn disarm(&mut self, slot: Slot) {
        let link = self.link(slot);
        if link.tick == NEVER {
            return;
        }
        self.unlink(slot.0, link);
        if self.first != NEVER && !self.is_occupied(bucket_of(self.first)) {
            self.first = self.find_first();
        }
    }

    /// Removes an entry, but does not update `first`.
    fn unlink(&mut self, index: u32, link: Link) {
        let bucket = bucket_of(link.tick);
        if link.previous == NONE {
            self.set_head(bucket, link.next);
        } else if let Some(previous) = self.links.get_mut(link.previous as usize) {
            previous.next = link.next;
        }
        if let Some(next) = self.links.get_mut(link.next as usize) {
            next.previous = link.previous;
        }
        self.set_link(index, UNARMED);
    }

    /// Fires every entry that is due, each once and unarmed.
    pub fn expire(&mut self, now: Time, mut fire: impl FnMut(Slot)) {
        let due = now.as_nanos() / TICK_NS;
        if due < self.first {
            self.tick = self.tick.max(due.saturating_add(1));
            return;
        }
        // After a long sleep one round finds them all.
        let rounds = due.saturating_add(1).saturating_sub(self.tick).min(BUCKETS as u64);
        let first = due.saturating_add(1).saturating_sub(rounds);
        for tick in first..=due {
            let bucket = bucket_of(tick);
            let mut index = self.heads.get(bucket).copied().expected_or(NONE);
            while let Some(link) = self.links.get(index as usize).copied() {
                if link.tick <= due {
                    self.unlink(index, link);
                    fire(Slot(index));
                }
                index = link.next;
            }
        }
        self.tick = self.tick.max(due.saturating_add(1));
        self.first = self.find_first();
    }

    /// The moment at which the next bucket with an entry is due: no later than the next entry.
    #[inline]
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        (self.first != NEVER).then(|| Time::from_nanos(self.first.saturating_mul(TICK_NS)))
    }

    fn find_first(&self) -> u64 {
        let start = bucket_of(self.tick);
        // The first word is read twice: from `start` on, and at the end up to `start`.
        for step in 0..=WORDS {
            let at = (start / 64).wrapping_add(step) % WORDS;
            let mut word = self.occupied.get(at).copied().expected_or(0);
            let before_start = (1_u64 << (start % 64)).wrapping_sub(1);
            if step == 0 {
                word &= !before_start;
            } else if step == WORDS {
                word &= before_start;
            }
            if word != 0 {
                let bucket = at.wrapping_mul(64).wrapping_add(word.trailing_zeros() as usize);
                return self.due(bucket);
            }
        }
        NEVER
    }

    /// The tick at which a bucket is due next.
    fn due(&self, bucket: usize) -> u64 {
        let ahead = bucket.wrapping_sub(bucket_of(self.tick)) % BUCKETS;
        self.tick.saturating_add(ahead as u64)
    }

    fn is_occupied(&self, bucket: usize) -> bool {
        self.heads.get(bucket).is_some_and(|head| *head != NONE)
    }

    fn link(&self, slot: Slot) -> Link {
        self.links.get(slot.0 as usize).copied().unwrap_or(UNARMED)
    }

    fn set_link(&mut self, index: u32, link: Link) {
        if index as usize >= self.links.len() {
            self.links.resize(usize::saturating_add(index as usize, 1), UNARMED);
        }
        if let Some(place) = self.links.get_mut(index as usize) {
            *place = link;
        }
    }

    fn insert(&mut self, index: u32, tick: u64) {
        let bucket = bucket_of(tick);
        let head = self.heads.get(bucket).copied().expected_or(NONE);
        self.set_link(index, Link { next: head, previous: NONE, tick });
        if let Some(next) = self.links.get_mut(head as usize) {
            next.previous = index;
        }
        self.set_head(bucket, index);
        self.first = self.first.min(self.due(bucket));
    }

    fn set_head(&mut self, bucket: usize, index: u32) {
        if let Some(head) = self.heads.get_mut(bucket) {
            *head = index;
        }
        if let Some(word) = self.occupied.get_mut(bucket / 64) {
            let bit = 1_u64 << (bucket % 64);
            *word = if index == NONE { *word & !bit } else { *word | bit };
        }
    }
}

fn bucket_of(tick: u64) -> usize {
    usize::try_from(tick).expected_or_default() % BUCKETS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Slot, Time, Wheel};

    fn fired(wheel: &mut Wheel, now: u64) -> Vec<u32> {
        let mut out = Vec::new();
        wheel.expire(Time::from_millis(now), |slot| out.push(slot.0));
        out.sort_unstable();
        out
    }

    #[test]
    fn an_entry_fires_once_at_its_moment_and_never_before() {
        let mut wheel = Wheel::new(Time::from_millis(1000));
        wheel.arm(Slot(3), Time::from_millis(1500));
        assert!(fired(&mut wheel, 1499).is_empty());
        assert_eq!(fired(&mut wheel, 1520), vec![3]);
        assert!(fired(&mut wheel, 100_000).is_empty());
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn only_an_earlier_moment_moves_an_entry() {
        let mut wheel = Wheel::new(Time::from_millis(0));
        wheel.arm(Slot(0), Time::from_millis(5000));
        wheel.arm(Slot(0), Time::from_millis(9000));
        assert_eq!(wheel.next(), Some(Time::from_millis(5008)));
        wheel.arm(Slot(0), Time::from_millis(100));
        assert_eq!(wheel.next(), Some(Time::from_millis(112)));
        assert_eq!(fired(&mut wheel, 120), vec![0]);
        assert!(fired(&mut wheel, 20_000).is_empty());
    }

    #[test]
    fn the_wheel_agrees_with_a_sorted_map() {
        let mut wheel = Wheel::new(Time::from_millis(0));
        let mut map: BTreeMap<u32, u64> = BTreeMap::new();
        let (mut seed, mut now) = (7_u64, 0_u64);
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (what, slot, wait) = (seed >> 60, (seed >> 40) as u32 % 300, (seed >> 20) % 200_000);
            match what {
                0..10 => {
                    let at = (now + wait).div_ceil(16) * 16;
                    let entry = map.entry(slot).or_insert(u64::MAX);
                    *entry = at.min(*entry);
                    wheel.arm(Slot(slot), Time::from_millis(now + wait));
                }
                10..12 => {
                    map.remove(&slot);
                    wheel.disarm(Slot(slot));
                }
                _ => {
                    now += if what == 15 { wait * 2 } else { wait % 100 };
                    let due: Vec<u32> =
                        map.iter().filter(|(_, at)| **at / 16 <= now / 16).map(|(slot, _)| *slot).collect();
                    map.retain(|_, at| *at / 16 > now / 16);
                    assert_eq!(fired(&mut wheel, now), due);
                }
            }
            // What is a whole round away or more shares its bucket with what is due before.
            let ahead = |at: &u64| (at / 16).saturating_sub(wheel.tick) % super::BUCKETS as u64;
            let next = map.values().map(|at| (wheel.tick + ahead(at)) * 16).min();
            assert_eq!(wheel.next().map(Time::as_millis), next);
        }
    }
}
