//! Compiles a schema's document to a validator.

use jsonschema::{PatternCache, PatternOptions, Validator};

use super::schema::Document;
use super::view::Viewed;

/// The most memory of one compiled pattern.
const MAX_PATTERN_BYTES: usize = 2 << 20;

/// The validator of a document. Patterns that the cache has are not compiled again.
///
/// # Errors
/// The reason, for people, why a message cannot be checked with it.
pub(super) fn validator(document: &Document, patterns: &PatternCache) -> Result<Validator<Viewed>, String> {
    let pattern_options = PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES);
    let options = jsonschema::options_for::<Viewed>()
        .with_draft(document.draft)
        .with_pattern_options(pattern_options)
        .with_pattern_cache(patterns.clone())
        .should_validate_formats(false)
        .offline();
    options.build(&document.json).map_err(|error| {
        let place = error.instance_path().as_str().trim_start_matches("/definitions");
        let text: String = format!("the validator refuses its schema at {place}: {}", error.masked());
        text.chars().take(200).collect()
    })
}
