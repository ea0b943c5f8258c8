//! An API's definition: the one home of each of its fields.
//!
//! In: the table below. Out: the checked [`Definition`], and everything that is spelled like it: the admin API's requests
//! and their schema, the JSON of an answer and of a stored revision, the fields of a YAML document, the differences that a
//! plan names, the export. To add a field, add a line here and a flag in `cli/api/flags.rs`; docs/decisions/0011 lists what
//! follows by itself. This folder must never know who sends or keeps a definition.

mod access;
mod macros;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

pub use self::access::{Access, Kind};
use self::macros::fields;
use super::key::{ApiKey, Identifier, ProjectName};
use super::policy::{Policies, PolicyTree};
use super::problem::{Faults, Problems};
use super::target::TargetUrl;
use super::text::{Description, Name};
use super::written::Written;

fields! {
    /// The API's name, for people: 1 to 60 letters, digits, spaces and `-_.`.
    "name" name: Name as String, [min_length = 1, max_length = 60, examples("Chat App API")];

    /// A description of the API: up to 2,000 characters.
    "description" description: Description as Option<String>, default, [max_length = 2000];

    /// The access mode: which of an environment's listeners serve the API. `external` if left out.
    "access" access: Access as Option<String>, default, [value_type = Option<Access>];

    /// The targets of the API's connections: 1 to 16 URLs. An environment may have targets of its own instead.
    "targets" targets: Vec<TargetUrl> as Vec<String>,
        [min_items = 1, max_items = 16, examples(json!(["ws://127.0.0.1:9000"]))];

    /// Always `WebSocket`.
    "type" kind: Kind as Option<String>, default, [value_type = Option<Kind>];

    /// Policies of the API: those that it names decide over the node's, and those of an environment over both.
    "policies" policies: Policies as Option<PolicyTree>, default, [value_type = Option<Policies>];
}

impl NewDefinition {
    /// The checked definition.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self) -> Result<Definition, Problems> {
        let mut faults = Faults::default();
        self.check_into(&mut faults).ok_or_else(|| faults.into_problems())
    }
}

impl NewApi {
    /// The checked key and definition.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self) -> Result<(ApiKey, Definition), Problems> {
        let mut faults = Faults::default();
        let definition = self.definition().check_into(&mut faults);
        let project = match &self.project {
            Some(project) => faults.keep("project", project.parse()),
            None => Some(ProjectName::default()),
        };
        let version = faults.keep("version", self.version.parse());
        let identifier = match (&self.identifier, self.name.parse::<Name>()) {
            (Some(identifier), _) => faults.keep("identifier", identifier.parse()),
            (None, Ok(name)) => faults.keep("identifier", Identifier::from_name(&name)),
            // The name's own fault was added with the definition's.
            (None, Err(_)) => None,
        };
        match (project, identifier, version, definition) {
            (Some(project), Some(identifier), Some(version), Some(definition)) => {
                Ok((ApiKey { project, identifier, version }, definition))
            }
            _ => Err(faults.into_problems()),
        }
    }
}
