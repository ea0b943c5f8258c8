//! Long lists, a page at a time: which part is asked for.

use crate::api::PageRequest;
use crate::api::page::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::control::http::problem::{QUERY_INVALID, Refused};

/// Bytes of the longest cursor that is read.
const MAX_CURSOR_BYTES: usize = 1024;

/// Reads `limit` and `cursor` of a query.
///
/// # Errors
/// The limit is 0 or more than a page has; the cursor is longer than any of ours.
pub(super) fn asked(limit: Option<u16>, cursor: Option<String>) -> Result<PageRequest, Refused> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Refused::field(QUERY_INVALID, "limit", "range", format!("it must be from 1 to {MAX_LIMIT}")));
    }
    if cursor.as_ref().is_some_and(|cursor| cursor.len() > MAX_CURSOR_BYTES) {
        return Err(Refused::field(
            QUERY_INVALID,
            "cursor",
            "length",
            "it must be what `next` of the page before says",
        ));
    }
    Ok(PageRequest { limit, cursor })
}

#[cfg(test)]
mod tests {
    use super::asked;

    #[test]
    fn a_page_has_one_to_a_thousand_items() {
        assert_eq!(asked(None, None).unwrap().limit, 100);
        for fine in [1, 1000] {
            assert_eq!(asked(Some(fine), None).unwrap().limit, fine);
        }
        for bad in [0, 1001, u16::MAX] {
            assert_eq!(asked(Some(bad), None).unwrap_err().errors()[0].rule, "range");
        }
        assert_eq!(asked(None, Some("x".repeat(2000))).unwrap_err().errors()[0].field, "cursor");
    }
}
