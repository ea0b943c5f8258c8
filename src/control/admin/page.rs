//! Long lists, a page at a time.

use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;

/// Items of a page when the caller does not say.
pub(super) const DEFAULT_LIMIT: u16 = 100;
/// Items of a page at most.
pub(super) const MAX_LIMIT: u16 = 1000;
/// Bytes of the longest cursor that is looked at: longer than any of ours.
const MAX_CURSOR_BYTES: usize = 1024;

/// A part of a list, and where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Page<T> {
    /// In the list's own order.
    pub(super) items: Vec<T>,
    /// Give it as `cursor` to get what follows; null at the end. What is in it may change with any version.
    #[schema(required)]
    pub(super) next: Option<String>,
}

impl<T> Page<T> {
    /// The same page of something else.
    pub(super) fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(make).collect(), next: self.next }
    }
}

/// How many items.
///
/// # Errors
/// None, or more than [`MAX_LIMIT`].
pub(super) fn limit(asked: Option<u16>) -> Result<u16, Problem> {
    match asked.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => {
            let problem = Problem::new(StatusCode::BAD_REQUEST, "query", "The query does not fit: see `errors`.");
            Err(problem.at("limit", "range", format!("a whole number from 1 to {MAX_LIMIT}")))
        }
    }
}

/// The cursor of the item that a page ends with: whatever tells it from the others in the list's order.
pub(super) fn cursor(last: &impl Serialize) -> Option<String> {
    serde_json::to_vec(last).ok().map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// What a cursor says.
///
/// # Errors
/// It is none of ours.
pub(super) fn after<T: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<T>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let bytes = (cursor.len() <= MAX_CURSOR_BYTES).then(|| BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()).flatten();
    let last = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    last.map(Some).ok_or_else(|| {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "query", "The query does not fit: see `errors`.");
        problem.at("cursor", "cursor", "what `next` of the page before says; leave it out to begin anew")
    })
}

#[cfg(test)]
mod tests {
    use super::{after, cursor, limit};

    #[test]
    fn a_cursor_says_what_it_was_made_of() {
        let last = ("default".to_owned(), 7_u64);
        let text = cursor(&last).unwrap();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        assert_eq!(after(Some(&text)).unwrap(), Some(last));
        assert_eq!(after::<(String, u64)>(None).unwrap(), None);
    }

    #[test]
    fn what_is_no_cursor_of_this_list_is_refused() {
        let others = cursor(&7).unwrap();
        let long = "A".repeat(2000);
        for text in ["", "x", "not base64!", "AAAA", others.as_str(), long.as_str()] {
            let problem = after::<(String, u64)>(Some(text)).unwrap_err();
            assert_eq!((problem.status().as_u16(), problem.errors()[0].field.as_str()), (400, "cursor"), "{text}");
        }
    }

    #[test]
    fn a_page_has_one_to_a_thousand_items() {
        assert_eq!(limit(None), Ok(100));
        for fine in [1, 1000] {
            assert_eq!(limit(Some(fine)), Ok(fine));
        }
        for bad in [0, 1001, u16::MAX] {
            assert_eq!(limit(Some(bad)).unwrap_err().errors()[0].rule, "range");
        }
    }
}
