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

pub mod display;
pub mod document;
pub mod library;
pub mod model;
pub mod problem;
pub mod shape;
pub mod sources;
pub mod url;
pub mod version;

pub use library::Library;
pub use model::Model;
pub use problem::{Level, Place, Problem, Problems};
pub use sources::Sources;
