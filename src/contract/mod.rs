//! Contracts: AsyncAPI 2.0 to 2.6, 3.0 and 3.1 documents, from bytes to one normalised model.
//!
//! ```text
//! Sources (files by name) -> Library (trees with places, references resolved when asked) -> Model
//!                                        \-> Problems: blocks routing | blocks validation | note
//! ```
//!
//! In: files in memory. Out: the model and every problem with its line, column and JSON Pointer. Everything here is pure:
//! no network, no file access, no clock. Everything that comes in is hostile: depth, number of values, bytes and references
//! in a row are bounded, and a reference is a link that is never expanded.

pub mod build;
pub mod check;
pub mod diff;
mod discriminator;
pub mod display;
pub mod document;
mod keywords;
pub mod library;
pub mod model;
pub mod pages;
pub mod predefined;
pub mod problem;
pub mod shape;
pub mod sources;
pub mod url;
pub mod version;

pub use build::{Layout, Options};
pub use library::Library;
pub use model::{Direction, Model, Side};
pub use problem::{Level, Place, Problem, Problems};
pub use sources::Sources;

/// A contract that was read: the model as far as there is one, and every problem.
#[derive(Clone, Debug)]
pub struct Contract {
    /// The model; `None` if the main document could not be read or is of no known version.
    pub model: Option<Model>,
    /// The problems by their places.
    pub problems: Problems,
}

impl Contract {
    /// True if the channels can become routes.
    #[must_use]
    pub fn is_routable(&self) -> bool {
        self.model.is_some() && !self.problems.block_routing()
    }
}

/// Reads a contract.
#[must_use]
pub fn read(sources: &Sources, options: Options) -> Contract {
    let mut problems = Problems::default();
    let library = Library::load(sources, &mut problems);
    let mut model = build::model(&library, options, &mut problems);
    if let Some(model) = &mut model {
        check::judge_examples(model);
    }
    problems.sort();
    Contract { model, problems }
}

#[cfg(test)]
mod tests;
