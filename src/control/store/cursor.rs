//! Where a page of a list begins, as a word that says nothing to who gets it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::Problems;
use crate::api::problem::Code;

/// Longer ones are not ours.
const MAX_BYTES: usize = 1024;

/// A list, so that one's cursor is not taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Projects,
    Apis,
    Revisions,
    Audit,
}

impl List {
    const fn tag(self) -> &'static str {
        match self {
            Self::Projects => "p",
            Self::Apis => "a",
            Self::Revisions => "r",
            Self::Audit => "t",
        }
    }
}

/// The word for the last item of a page, of which `after` is what the list is sorted by.
pub(crate) fn write(list: List, after: impl Serialize) -> String {
    // Numbers and texts always have a form in JSON.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&(list.tag(), after)).unwrap_or_default())
}

/// What stands in one.
///
/// # Errors
/// It is none of this list's.
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

/// Of one row more than a page holds, if the list goes on, the page; and the cursor to go on with.
pub(crate) fn page<T>(mut rows: Vec<T>, limit: u16, next: impl FnOnce(&T) -> String) -> crate::api::Page<T> {
    let goes_on = rows.len() > usize::from(limit);
    rows.truncate(usize::from(limit));
    let next = rows.last().filter(|_| goes_on).map(next);
    crate::api::Page { items: rows, next }
}

#[cfg(test)]
mod tests {
    use super::{List, page, read, write};

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
        let next = |number: &u32| number.to_string();
        let of = |rows: Vec<u32>| {
            let page = page(rows, 2, next);
            (page.items, page.next)
        };
        assert_eq!(of(vec![]), (vec![], None));
        assert_eq!(of(vec![1, 2]), (vec![1, 2], None));
        assert_eq!(of(vec![1, 2, 3]), (vec![1, 2], Some("2".to_owned())));
    }
}
