//! The documentation of an API, from its contract: the normalised model as JSON, and static HTML pages.
//!
//! ```text
//! Model, problems, environments with their URLs and contracts -> Documentation -> JSON
//!                                                     \-> page(name) -> HTML: index.html, channel-1.html, schemas-1.html
//! ```
//!
//! In: a model, and the URLs at which the API is reached. Out: text. Everything in a contract is hostile: all of it is escaped,
//! markdown is shown as text, characters that turn the direction of writing are replaced, and a page has a largest size
//! ([`MAX_PAGE_BYTES`]). A page loads nothing, runs nothing, and says so in its Content-Security-Policy.

mod atlas;
mod channel;
pub mod environments;
mod head;
mod index;
pub mod json;
mod message;
mod room;
mod schema;
mod schemas;
mod traffic;
mod words;

#[cfg(test)]
mod tests;

use self::atlas::Atlas;
use super::model::Model;
use super::problem::Problems;

pub use self::environments::{Environment, Running};
pub use self::head::POLICY;

/// The bytes of a contract's text on one page. Markup and escapes come on top, at most about nine times as much.
pub const MAX_PAGE_BYTES: usize = 768 << 10;

/// The documentation of an API.
#[derive(Clone, Copy, Debug)]
pub struct Documentation<'c> {
    /// The API's name for people.
    pub api: &'c str,
    /// The contract.
    pub model: &'c Model,
    /// The contract's problems.
    pub problems: &'c Problems,
    /// The environments in which the API runs, with their contracts compared with this one.
    pub environments: &'c [Environment],
}

impl<'c> Documentation<'c> {
    /// The model with the URL of each channel in each environment, and the problems.
    ///
    /// # Errors
    /// The JSON cannot be written, which no model causes.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&json::documented(self))
    }

    /// The pages, which are drawn one by one.
    #[must_use]
    pub fn site(self) -> Site<'c> {
        Site { atlas: Atlas::new(self.model), documentation: self }
    }
}

/// The pages of a documentation.
#[derive(Debug)]
pub struct Site<'c> {
    documentation: Documentation<'c>,
    atlas: Atlas<'c>,
}

/// The name of a page without its number.
const INDEX: &str = "index.html";

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageName {
    Index,
    /// The position of a channel among those that have a route.
    Channel(usize),
    /// The position of a group of schemas.
    Schemas(usize),
}

impl PageName {
    fn read(name: &str) -> Option<Self> {
        if name == INDEX {
            return Some(Self::Index);
        }
        let (kind, number) = name.strip_suffix(".html")?.split_once('-')?;
        // One name for each page: no sign and no zeros before the number.
        let position = number.parse::<usize>().ok()?.checked_sub(1)?;
        let page = match kind {
            "channel" => Self::Channel(position),
            "schemas" => Self::Schemas(position),
            _ => return None,
        };
        (page.name() == name).then_some(page)
    }

    fn name(self) -> String {
        match self {
            Self::Index => INDEX.to_owned(),
            Self::Channel(position) => format!("channel-{}.html", position.saturating_add(1)),
            Self::Schemas(position) => format!("schemas-{}.html", position.saturating_add(1)),
        }
    }
}

impl Site<'_> {
    /// The names of all pages, the index first.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let channels = (0..self.atlas.channels().len()).map(PageName::Channel);
        let schemas = (0..self.atlas.pages()).map(PageName::Schemas);
        std::iter::once(PageName::Index).chain(channels).chain(schemas).map(PageName::name)
    }

    /// A page as HTML; `None` for a name that is no page's.
    ///
    /// # Errors
    /// The page cannot be drawn, which no contract causes.
    pub fn page(&self, name: &str) -> Option<Result<String, askama::Error>> {
        match PageName::read(name)? {
            PageName::Index => Some(index::draw(self)),
            PageName::Channel(position) => {
                let documented = self.atlas.channels().get(position)?;
                Some(channel::draw(self, position, *documented))
            }
            PageName::Schemas(position) => Some(schemas::draw(self, position, self.atlas.page(position)?)),
        }
    }
}
