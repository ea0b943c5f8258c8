//! The repository's documentation, read as the tests need it.

use std::path::Path;

/// The text of a file of the repository.
pub(crate) fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The cells of a table's rows that begin with the given text.
pub(crate) fn rows<'a>(document: &'a str, start: &str) -> Vec<Vec<&'a str>> {
    document
        .lines()
        .filter(|line| line.starts_with(start))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}
