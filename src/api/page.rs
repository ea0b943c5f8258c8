//! Lists, a page at a time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Items of a page if the request does not give a limit.
pub const DEFAULT_LIMIT: u16 = 100;
/// The most items that a page may have.
pub const MAX_LIMIT: u16 = 1000;

/// The most bytes of a page's body. A page ends early rather than exceed them, unless its first item alone does.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A part of a list, with the cursor of the next part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The cursor of the next page; `null` at the end of the list.
    pub next: Option<String>,
}

/// The part of a list that a client requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The most items to return, 1 to 1000.
    pub limit: u16,
    /// `next` of the page before; `None` for the first page.
    pub cursor: Option<String>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, cursor: None }
    }
}
