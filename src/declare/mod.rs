//! Declared state: what APIs should be, as files say it, and what has to be done for it.
//!
//! ```text
//! files -> read -> documents --+-- plan -> steps -> one transaction of the control plane
//!                 held <-------+-- diff -> text
//!                 held -> written (export) -> files
//! ```
//!
//! In: YAML, and what a node holds. Out: steps, each a [`Change`](crate::api::Change) with its reason; differences; YAML.
//! Nothing that is not in a document is ever taken away, and what a document leaves out stays as it is. Everything here is
//! pure but [`files`] and [`contracts`], which read files, and [`node`], which reads a node.

pub mod contracts;
pub mod diff;
pub mod document;
pub mod files;
pub mod held;
pub mod node;
pub mod plan;
pub mod read;
pub mod step;
#[cfg(test)]
pub(crate) mod testing;
pub mod written;

pub use document::{Declared, Document};
pub use held::Held;
pub use node::Node;
pub use plan::plan;
pub use step::Step;
