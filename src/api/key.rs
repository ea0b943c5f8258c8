//! What an API is found by: project, identifier and version; and the path that follows from them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Fault, Faults, Problems};
use super::text::{Name, plain};
use super::version::Version;

/// Characters of a project's, API's or environment's short name.
pub const MAX_SHORT_CHARS: usize = 60;

/// The project of an API that names none.
pub const DEFAULT_PROJECT: &str = "default";

macro_rules! short_names {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$")]
        pub struct $name(String);

        impl $name {
            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Fault;

            fn from_str(text: &str) -> Result<Self, Fault> {
                short_name(text).map(|()| Self(text.to_owned()))
            }
        }

        plain! { $name }
    )*};
}

short_names! {
    /// A project's name: 1 to 60 of `a` to `z`, digits, and single hyphens between them.
    ProjectName
    /// What stands for an API's name in paths: 1 to 60 of `a` to `z`, digits, and single hyphens between them.
    Identifier
    /// An environment's name: 1 to 60 of `a` to `z`, digits, and single hyphens between them.
    EnvironmentName
}

fn short_name(text: &str) -> Result<(), Fault> {
    let chars = text.chars().count();
    if chars == 0 || chars > MAX_SHORT_CHARS {
        return Err(Fault::new("length", format!("it must have 1 to {MAX_SHORT_CHARS} characters, and has {chars}")));
    }
    if !text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return Err(Fault::new("characters", "it may hold `a` to `z`, digits and `-` only"));
    }
    if text.split('-').any(str::is_empty) {
        return Err(Fault::new("hyphens", "a `-` must stand between two letters or digits"));
    }
    Ok(())
}

impl Default for ProjectName {
    fn default() -> Self {
        Self(DEFAULT_PROJECT.to_owned())
    }
}

impl Identifier {
    /// Makes an identifier of a name: letters become small ones, and what stands between letters and digits one hyphen.
    ///
    /// # Errors
    /// The name has letters beyond `a` to `z`, or no letter and no digit: then its owner must choose one.
    pub fn from_name(name: &Name) -> Result<Self, Fault> {
        let name = name.as_str();
        if !name.is_ascii() {
            let why = "none is made of a name with letters beyond `a` to `z`: choose one";
            return Err(Fault::new("from-name", why));
        }
        let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let slug = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
        if slug.is_empty() {
            return Err(Fault::new("from-name", "none is made of a name without a letter or digit: choose one"));
        }
        Ok(Self(slug))
    }
}

/// What an API is found by. As text: `project/identifier:1.0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// The project.
    pub project: ProjectName,
    /// The identifier.
    pub identifier: Identifier,
    /// The version.
    pub version: Version,
}

impl ApiKey {
    /// Of three texts, as they stand in a path.
    ///
    /// # Errors
    /// Every rule that one of them breaks.
    pub fn of(project: &str, identifier: &str, version: &str) -> Result<Self, Problems> {
        let mut faults = Faults::default();
        let project = faults.keep("project", project.parse());
        let identifier = faults.keep("identifier", identifier.parse());
        let version = faults.keep("version", version.parse());
        match (project, identifier, version) {
            (Some(project), Some(identifier), Some(version)) => Ok(Self { project, identifier, version }),
            _ => Err(faults.into_problems()),
        }
    }

    /// Where it is served: `/{project}/{identifier}/v{version}`.
    #[must_use]
    pub fn base_path(&self) -> String {
        format!("/{}/{}/v{}", self.project, self.identifier, self.version)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.project, self.identifier, self.version)
    }
}

impl FromStr for ApiKey {
    type Err = Problems;

    fn from_str(text: &str) -> Result<Self, Problems> {
        let parts = text.split_once('/').and_then(|(project, rest)| Some((project, rest.rsplit_once(':')?)));
        let Some((project, (identifier, version))) = parts else {
            let fault = Fault::new("form", "it must be `project/identifier:version`, as in `default/chat-app-api:1.0`");
            return Err(Problems::of_fields(vec![fault.at("api")]));
        };
        Self::of(project, identifier, version)
    }
}
