//! The room that is left on a page, so that no contract makes an endless one.

use super::MAX_PAGE_BYTES;

/// The bytes that the markup of an item takes, roughly.
const OF_ITEM: usize = 120;

/// The bytes of text that a page may still have.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_PAGE_BYTES)
    }
}

impl Room {
    /// Takes the room of an item with these texts; false if the page is full, and then it stays so.
    pub(super) fn take<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) -> bool {
        let bytes = texts.into_iter().map(str::len).fold(OF_ITEM, usize::saturating_add);
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }

    /// True once an item found no room.
    pub(super) fn is_full(&self) -> bool {
        self.0 == 0
    }
}
