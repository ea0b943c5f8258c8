//! The shape of a document in YAML, before any rule: its fields with their places, and why a text has not this shape.

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::Fault;
use crate::declare::document::Origin;

/// Documents in a file at most, and pieces of YAML in all of them.
const MAX_DOCUMENTS: usize = 100_000;
const MAX_NODES: usize = 20_000_000;

/// The fields of a document, and of a deployment in it.
const FIELDS: [&str; 18] = [
    "apiVersion",
    "kind",
    "project",
    "name",
    "identifier",
    "version",
    "description",
    "access",
    "targets",
    "lifecycle",
    "display_name",
    "sunset_at",
    "deprecated_at",
    "deployments",
    "environment",
    "revision",
    "status",
    "type",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    #[serde(rename = "apiVersion")]
    pub(super) api_version: Spanned<String>,
    pub(super) kind: Spanned<String>,
    pub(super) project: Option<Spanned<String>>,
    pub(super) name: Spanned<String>,
    pub(super) identifier: Option<Spanned<String>>,
    pub(super) version: Spanned<String>,
    pub(super) description: Option<Spanned<String>>,
    pub(super) access: Option<Spanned<String>>,
    pub(super) targets: Spanned<Vec<Spanned<String>>>,
    pub(super) lifecycle: Option<Spanned<String>>,
    pub(super) display_name: Option<Spanned<String>>,
    pub(super) sunset_at: Option<Spanned<String>>,
    pub(super) deprecated_at: Option<Spanned<String>>,
    pub(super) deployments: Option<Vec<Spanned<RawDeployment>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDeployment {
    pub(super) environment: Spanned<String>,
    pub(super) revision: Option<Spanned<u64>>,
    pub(super) targets: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) status: Option<Spanned<String>>,
}

/// The documents of a file's text.
///
/// # Errors
/// That it is no YAML of this shape, and where.
pub(super) fn documents(file: &str, text: &str) -> Result<Vec<Spanned<Raw>>, Fault> {
    let budget = serde_saphyr::budget! {
        max_documents: MAX_DOCUMENTS, max_nodes: MAX_NODES, max_events: MAX_NODES,
    };
    let options = serde_saphyr::options! { budget: budget };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| shape(file, text, &error))
}

/// Where a field of a document stands; one that is left out, where the document does.
pub(super) fn place(spanned: &Spanned<Raw>, field: &str) -> Location {
    let raw = &spanned.value;
    let given = match field {
        "name" => Some(&raw.name),
        "version" => Some(&raw.version),
        "identifier" => raw.identifier.as_ref().or(Some(&raw.name)),
        "project" => raw.project.as_ref(),
        "description" => raw.description.as_ref(),
        "access" => raw.access.as_ref(),
        "targets" => return raw.targets.referenced,
        _ => return item(&raw.targets.value, field, "targets").unwrap_or(spanned.referenced),
    };
    given.map_or(spanned.referenced, |given| given.referenced)
}

/// Where `name[3]` stands.
pub(super) fn item(items: &[Spanned<String>], field: &str, name: &str) -> Option<Location> {
    let at: usize = field.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
    items.get(at).map(|item| item.referenced)
}

/// Why a text is no document, and where.
fn shape(file: &str, text: &str, error: &serde_saphyr::Error) -> Fault {
    use serde_saphyr::Error;
    let error = error.without_snippet();
    let at = error.location();
    let (line, column) = at.map_or((1, 1), |at| (at.line().max(1), at.column().max(1)));
    let message = match error {
        Error::Unexpected { expected: "sequence start", .. } => "a list is expected here".to_owned(),
        Error::Unexpected { expected: "mapping start", .. } => "fields (`name: value`) are expected here".to_owned(),
        Error::Unexpected { expected: "string scalar", .. } => "a text is expected here".to_owned(),
        Error::NullIntoString { .. } => "it is empty".to_owned(),
        other => {
            // The place is told already, and how this library could be told otherwise is of no use.
            let said = other.to_string();
            let said = said.split(" at line ").next().unwrap_or_default();
            said.split(", set DuplicateKeyPolicy").next().unwrap_or_default().to_owned()
        }
    };
    // The field that the line begins with, if it is one. Nothing else of the line is repeated: it may be a secret in the
    // wrong place.
    let there = line.checked_sub(1).and_then(|line| text.lines().nth(usize::try_from(line).ok()?));
    let begins =
        there.map(|there| there.trim_start().trim_start_matches("- ").split(':').next().unwrap_or_default().trim());
    let field = begins.filter(|begins| FIELDS.contains(begins)).map(str::to_owned);
    Fault { origin: Origin { file: file.to_owned(), line, column }, field, message }
}
