//! An API's definition: the one home of each of its fields.
//!
//! In: the table below. Out: the checked [`Definition`], and everything that is spelled like it: the admin API's requests
//! and their schema, the JSON of an answer and of a stored revision, the fields of a YAML document, the differences that a
//! plan names, the export. This folder must never know who sends or keeps a definition.
//!
//! # To add a field
//!
//! 1. The checked type, in `api/text.rs` or a file of its own, unless an existing type has the field's rule. It implements
//!    serde's traits, `ToSchema`, and `FromStr` with a [`Fault`](super::problem::Fault) and `Display`, for the form in
//!    requests; a form other than text needs an implementation of [`Written`] as well.
//! 2. A line in the table below. The field is optional (`default`): revisions that are stored already do not have it.
//! 3. The flag in `cli/api/flags.rs`, and its effect in `DefinitionFlags::set`.
//! 4. The line in the table of `ringway api show`: `fields` in `cli/api/show.rs`.
//!
//! An optional field that is left out has its type's [`Default`]. [`Written::of`] always writes the value out, so that what
//! is shown can be sent again: a field without a value is the empty text. The type must therefore implement `Default` and
//! accept what `Display` makes of the default, as [`Description`] accepts the empty text. `Option<T> as Option<String>` does
//! not compile: `Option` is not read from text.
//!
//! A field that the data plane obeys goes on through `api/deployed.rs` (optional there too: a snapshot that is saved already
//! does not have it), `control/store/deployments.rs`, `control/publish/route.rs` and `routing/route.rs` to the stage that obeys
//! it. A setting of how connections are treated is better a [policy](super::policy). docs/decisions/0011 counts the files.

mod access;
mod macros;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

pub use self::access::{Access, Kind};
use self::macros::fields;
use super::contract::{ContractRef, NewContractRef};
use super::key::{ApiKey, Identifier, ProjectName};
use super::policy::{Policies, PolicyTree};
use super::problem::{Faults, Problems};
use super::target::TargetUrl;
use super::text::{Description, Name};
use super::written::Written;

// `"json_name" field: CheckedType as WrittenType, default, [schema];`. `default` makes the field optional.
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

    /// The API's contract, an AsyncAPI document that was uploaded before; none if left out.
    "contract" contract: Option<ContractRef> as Option<NewContractRef>, default, [value_type = Option<ContractRef>];
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
