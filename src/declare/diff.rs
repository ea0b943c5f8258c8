//! Differences for people: for each document a unified diff between what the node holds and what it would hold.

use similar::TextDiff;

use super::document::Document;
use super::held::Held;
use super::written::Written;

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;

/// The diffs of all documents, one after the other; empty if nothing would change.
///
/// # Errors
/// An API cannot be written as YAML.
pub fn unified(held: &Held, documents: &[Document]) -> Result<String, String> {
    let mut all = String::new();
    for document in documents {
        let there = held.apis.get(&document.key);
        let before = there.map(|there| Written::held(there).yaml()).transpose()?.unwrap_or_default();
        let after = Written::applied(document, there, &held.environments);
        let after = after.map(|after| after.yaml()).transpose()?.unwrap_or_default();
        if before != after {
            let names =
                (format!("node {}", document.key), format!("{}:{}", document.origin.file, document.origin.line));
            let diff = TextDiff::from_lines(&before, &after);
            all += &diff.unified_diff().context_radius(CONTEXT).header(&names.0, &names.1).to_string();
        }
    }
    Ok(all)
}
