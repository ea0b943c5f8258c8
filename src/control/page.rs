//! Pages of lists: the cursor at which a page begins, and the items that find room on it.
//!
//! A cursor is opaque to clients, and valid for the list that gave it only.

use std::io;
use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::page::MAX_ANSWER_BYTES;
use crate::api::problem::Code;
use crate::api::{Page, Problems};
use crate::invariant::Invariant;

/// Longer ones are not ours.
const MAX_BYTES: usize = 1024;
/// Bytes of a page besides its items, with a cursor.
const FRAME_BYTES: usize = 2 * MAX_BYTES;

/// A list, so that one's cursor is not taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Projects,
    Apis,
    Revisions,
    Audit,
    Connections,
    Snapshot,
    Violations,
    Plans,
    Applications,
    Keys,
    Identities,
}

impl List {
    const fn tag(self) -> &'static str {
        match self {
            Self::Projects => "p",
            Self::Apis => "a",
            Self::Revisions => "r",
            Self::Audit => "t",
            Self::Connections => "c",
            Self::Snapshot => "s",
            Self::Violations => "v",
            Self::Plans => "l",
            Self::Applications => "n",
            Self::Keys => "k",
            Self::Identities => "i",
        }
    }
}

/// The word for the last item of a page, of which `after` is what the list is sorted by.
pub(crate) fn write(list: List, after: impl Serialize) -> String {
    // Numbers and texts always have a form in JSON.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&(list.tag(), after)).unwrap_or_default())
}

/// Reads a cursor of a list.
///
/// # Errors
/// The cursor is not one of this list.
pub(crate) fn read<T: DeserializeOwned>(list: List, cursor: Option<&str>) -> Result<Option<T>, Problems> {
    let Some(cursor) = cursor else { return Ok(None) };
    let bytes = if cursor.len() <= MAX_BYTES { URL_SAFE_NO_PAD.decode(cursor).ok() } else { None };
    let read: Option<(String, T)> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match read {
        Some((tag, after)) if tag == list.tag() => Ok(Some(after)),
        _ => Err(Problems::new(
            Code::CURSOR_INVALID,
            "`cursor` must be the `next` of a page of this list; leave it out to begin at the start.",
        )),
    }
}

/// A page that is being filled from a list.
#[derive(Debug)]
pub(crate) struct Filling<T> {
    items: Vec<T>,
    limit: usize,
    room: usize,
    goes_on: bool,
}

impl<T: Serialize> Filling<T> {
    /// One with so many items at most, and with as many bytes as an answer may have; with its first item in any case.
    pub(crate) fn new(limit: u16) -> Self {
        Self::within(limit, MAX_ANSWER_BYTES.saturating_sub(FRAME_BYTES))
    }

    fn within(limit: u16, room: usize) -> Self {
        Self { items: Vec::new(), limit: usize::from(limit), room, goes_on: false }
    }

    /// The number of items to read from the list: one more than the page has shows that the list goes on.
    pub(crate) fn asks_for(&self) -> u64 {
        u64::try_from(self.limit).expected_or(u64::MAX).saturating_add(1)
    }

    /// Takes the list's next item, if there is a place for it: then more may come.
    pub(crate) fn take(&mut self, item: T) -> ControlFlow<()> {
        // With the comma behind it.
        let bytes = length(&item).saturating_add(1);
        let fits = self.items.is_empty() || bytes <= self.room;
        if self.items.len() >= self.limit || !fits {
            self.goes_on = true;
            return ControlFlow::Break(());
        }
        self.room = self.room.saturating_sub(bytes);
        self.items.push(item);
        ControlFlow::Continue(())
    }

    /// The page, with the cursor to go on with that `next` makes of its last item, if the list goes on.
    pub(crate) fn page(self, next: impl FnOnce(&T) -> String) -> Page<T> {
        let next = self.items.last().filter(|_| self.goes_on).map(next);
        Page { items: self.items, next }
    }
}

/// Bytes of a value as JSON.
fn length(value: &impl Serialize) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // What has no form in JSON is not answered either.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

#[cfg(test)]
mod tests {
    use super::{Filling, List, length, read, write};

    #[test]
    fn a_cursor_is_its_lists_own() {
        let cursor = write(List::Apis, ("default", 3));
        assert_eq!(read::<(String, u64)>(List::Apis, Some(&cursor)), Ok(Some(("default".to_owned(), 3))));
        assert_eq!(read::<u64>(List::Apis, None), Ok(None));
        let long = write(List::Apis, ("x".repeat(1000), 3));
        for (list, cursor) in [
            (List::Projects, cursor.as_str()),
            (List::Apis, ""),
            (List::Apis, "WyJhIl0"),
            (List::Apis, "!"),
            (List::Apis, &cursor[1..]),
            (List::Apis, &long),
        ] {
            let problems = read::<(String, u64)>(list, Some(cursor)).unwrap_err();
            assert_eq!(problems.code.word, "cursor-invalid", "{cursor}");
        }
    }

    #[test]
    fn a_page_that_is_the_last_says_so() {
        let of = |rows: &[u32], room| {
            let mut page = Filling::within(2, room);
            assert_eq!(page.asks_for(), 3);
            let taken = rows.iter().take_while(|row| page.take(**row).is_continue()).count();
            let page = page.page(ToString::to_string);
            assert_eq!(taken, page.items.len());
            (page.items, page.next)
        };
        assert_eq!(of(&[], 100), (vec![], None));
        assert_eq!(of(&[1, 2], 100), (vec![1, 2], None));
        assert_eq!(of(&[1, 2, 3], 100), (vec![1, 2], Some("2".to_owned())));
        assert_eq!(of(&[10, 20], 6), (vec![10, 20], None));
        assert_eq!(of(&[10, 20], 5), (vec![10], Some("10".to_owned())), "bytes end it as well");
        assert_eq!(of(&[10, 20], 1), (vec![10], Some("10".to_owned())), "and never before its first");
        assert_eq!(of(&[10], 1), (vec![10], None));
    }

    #[test]
    fn what_an_item_takes_is_what_it_takes_in_the_answer() {
        for text in ["", "a\n\"b\"", "Räume \u{1F600}"] {
            assert_eq!(length(&(text, 7)), serde_json::to_string(&(text, 7)).unwrap().len());
        }
    }
}
