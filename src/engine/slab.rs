//! A table of connections whose memory grows in pages: no entry ever moves, and growing never copies the table.

use super::transport::Slot;
use crate::invariant::Invariant;

/// Entries in a page. The table allocates a page when it first needs it, and keeps it.
const PAGE: usize = 64;
const PAGE_U32: u32 = 64;

/// Values by slot. A slot is reused as soon as its value is removed.
#[derive(Debug)]
pub struct Slab<T> {
    pages: Vec<Box<[Option<T>]>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    /// The number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if the table holds no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Inserts a value.
    ///
    /// # Errors
    /// The value itself: the table already holds 2^32.
    pub fn insert(&mut self, value: T) -> Result<Slot, T> {
        if self.free.is_empty() && !self.add_page() {
            return Err(value);
        }
        let Some(index) = self.free.pop() else { return Err(value) };
        let Some(place) = self.place(Slot(index)) else { return Err(value) };
        *place = Some(value);
        self.len = self.len.saturating_add(1);
        Ok(Slot(index))
    }

    /// The value in a slot.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.place(slot)?.as_mut()
    }

    /// Removes the value and frees the slot.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let value = self.place(slot)?.take()?;
        self.free.push(slot.0);
        debug_assert!(self.len > 0, "the value that was there was counted");
        self.len = self.len.saturating_sub(1);
        Some(value)
    }

    /// The values from a slot on, with their slots.
    pub fn iter_from(&self, Slot(first): Slot) -> impl Iterator<Item = (Slot, &T)> {
        let first_page = first as usize / PAGE;
        let begin = u32::try_from(first_page.saturating_mul(PAGE)).expected_or(u32::MAX);
        let places = self.pages.iter().skip(first_page).flat_map(|page| page.iter());
        let values = (begin..).zip(places).filter_map(|(index, place)| Some((Slot(index), place.as_ref()?)));
        values.skip_while(move |(slot, _)| slot.0 < first)
    }

    /// The slots that hold a value.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        let places = self.pages.iter().flat_map(|page| page.iter());
        (0..).zip(places).filter(|(_, place)| place.is_some()).map(|(index, _)| Slot(index))
    }

    fn place(&mut self, Slot(index): Slot) -> Option<&mut Option<T>> {
        let index = index as usize;
        self.pages.get_mut(index / PAGE)?.get_mut(index % PAGE)
    }

    fn add_page(&mut self) -> bool {
        let first = self.pages.len().saturating_mul(PAGE);
        let Ok(first) = u32::try_from(first) else { return false };
        let Some(end) = first.checked_add(PAGE_U32) else { return false };
        self.pages.push(std::iter::repeat_with(|| None).take(PAGE).collect());
        // The lowest slot is used first, so that the front of a table that shrank is in use.
        self.free.extend((first..end).rev());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn a_slot_is_reused_and_its_neighbours_stay() {
        let mut slab = Slab::default();
        let slots: Vec<_> = (0..200).map(|i| slab.insert(i).unwrap()).collect();
        assert_eq!(slab.remove(slots[70]), Some(70));
        assert_eq!(slab.remove(slots[70]), None);
        assert_eq!(slab.insert(1000), Ok(slots[70]));
        assert_eq!(slab.get_mut(slots[69]), Some(&mut 69));
        assert_eq!((slab.len(), slab.slots().count()), (200, 200));
    }
}
