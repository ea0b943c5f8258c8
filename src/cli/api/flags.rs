//! The flags that set fields of an API's definition: the same for `ringway api create` and `update`.

use crate::api::{Access, NewDefinition};

#[derive(clap::Args, Debug, Default)]
#[group(multiple = true)]
pub(super) struct DefinitionFlags {
    /// Name of the API: 1 to 60 letters, digits, spaces and `-_.`
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Where its connections go: a ws://, wss://, http:// or https:// URL; may be repeated, and replaces all targets
    #[arg(long, value_name = "URL")]
    pub(super) target: Vec<String>,
    /// Description for people
    #[arg(long, value_name = "TEXT")]
    pub(super) description: Option<String>,
    /// Which of an environment's listeners serve it: external or internal [new API: external]
    #[arg(long, value_name = "MODE", value_parser = access)]
    pub(super) access: Option<Access>,
}

impl DefinitionFlags {
    /// Sets the fields that are given; the others stay as they are.
    pub(super) fn set(&self, definition: &mut NewDefinition) {
        if let Some(name) = &self.name {
            definition.name.clone_from(name);
        }
        if !self.target.is_empty() {
            definition.targets.clone_from(&self.target);
        }
        if let Some(description) = &self.description {
            definition.description = Some(description.clone());
        }
        if let Some(access) = self.access {
            definition.access = Some(access.to_string());
        }
    }
}

/// For clap: an access mode.
fn access(text: &str) -> Result<Access, String> {
    text.parse().map_err(|fault: crate::api::problem::Fault| fault.message)
}
