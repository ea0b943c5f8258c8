//! Lists, a page at a time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Items of a page, where nobody says otherwise.
pub const DEFAULT_LIMIT: u16 = 100;
/// Items of a page at most.
pub const MAX_LIMIT: u16 = 1000;

/// Bytes of an answer with a page, but for one whose first item is longer: a page that would have more ends before it is full.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A part of a list, and where the next part begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// What to ask for the next page with; nothing at the list's end.
    pub next: Option<String>,
}

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// 1 to 1000 items.
    pub limit: u16,
    /// The `next` of the page before; nothing for the first.
    pub cursor: Option<String>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, cursor: None }
    }
}
