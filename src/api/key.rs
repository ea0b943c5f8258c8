//! An API's key: project, identifier and version, and the base path that follows from them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Fault, Faults, Problems};
use super::text::{Name, plain};
use super::version::Version;

/// The most characters that the name of a project or environment, or an identifier, may have.
pub const MAX_SHORT_CHARS: usize = 60;

/// The project of an API that does not name one.
pub const DEFAULT_PROJECT: &str = "default";

/// Makes types of short names, each checked by [`short_name`].
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
                $crate::api::key::short_name(text).map(|()| Self(text.to_owned()))
            }
        }

        plain! { $name }
    )*};
}
pub(super) use short_names;

short_names! {
    /// A project's name: 1 to 60 of `a` to `z`, digits, and single hyphens between them.
    ProjectName
    /// An API's name in paths: 1 to 60 of `a` to `z`, digits, and single hyphens between them.
    Identifier
    /// An environment's name: 1 to 60 of `a` to `z`, digits, and single hyphens between them.
    EnvironmentName
}

/// Checks the rule of every short name.
pub(super) fn short_name(text: &str) -> Result<(), Fault> {
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
    /// Derives an identifier from a name: lower-case letters and digits, with one hyphen for whatever separates them.
    ///
    /// # Errors
    /// The name has letters other than `a` to `z`, or neither a letter nor a digit: the request must give an identifier.
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

/// An API's key. As text: `project/identifier:1.0`.
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
    /// Reads the three parts of a path.
    ///
    /// # Errors
    /// Every rule that one of the parts breaks.
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

    /// The base path: `/{project}/{identifier}/v{version}`.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ApiKey, Identifier, ProjectName};
    use crate::api::Name;

    fn slug(name: &str) -> Result<String, &'static str> {
        let name: Name = name.parse().unwrap();
        Identifier::from_name(&name).map(|identifier| identifier.to_string()).map_err(|fault| fault.rule)
    }

    #[test]
    fn an_identifier_is_made_of_a_name() {
        for (name, identifier) in [
            ("Chat App API", "chat-app-api"),
            ("chat", "chat"),
            ("Chat  App -- API", "chat-app-api"),
            ("_chat_v2.0.", "chat-v2-0"),
            ("007", "007"),
            ("A", "a"),
        ] {
            assert_eq!(slug(name).as_deref(), Ok(identifier), "{name}");
        }
        for name in ["---", "._.", "Räume", "Чат"] {
            assert_eq!(slug(name), Err("from-name"), "{name}");
        }
    }

    #[test]
    fn a_short_name_can_stand_in_a_path() {
        for name in ["a", "0", "chat-app-api", &"x".repeat(60)] {
            assert_eq!(name.parse::<ProjectName>().map(|name| name.to_string()).as_deref(), Ok(name));
        }
        for (name, rule) in [
            ("", "length"),
            (&*"x".repeat(61), "length"),
            ("Chat", "characters"),
            ("a_b", "characters"),
            ("a.b", "characters"),
            ("a/b", "characters"),
            ("..", "characters"),
            ("%2e", "characters"),
            ("ä", "characters"),
            ("a b", "characters"),
            ("-", "hyphens"),
            ("-a", "hyphens"),
            ("a-", "hyphens"),
            ("a--b", "hyphens"),
        ] {
            assert_eq!(name.parse::<Identifier>().unwrap_err().rule, rule, "{name:?}");
        }
    }

    #[test]
    fn a_key_says_where_its_api_is_served() {
        let key = ApiKey::of("default", "chat-app-api", "1.0").unwrap();
        assert_eq!(key.base_path(), "/default/chat-app-api/v1.0");
        assert_eq!(key.to_string(), "default/chat-app-api:1.0");
        assert_eq!("default/chat-app-api:1.0".parse(), Ok(key));
    }

    #[test]
    fn a_key_that_is_none_tells_every_rule() {
        let problems = ApiKey::of("De", "", "v1").unwrap_err();
        let told: Vec<_> = problems.errors.iter().map(|error| (&*error.field, &*error.rule)).collect();
        assert_eq!(told, [("project", "characters"), ("identifier", "length"), ("version", "form")]);
        for text in ["", "chat", "chat:1.0", "default/chat", "default:1.0/chat"] {
            let problems = text.parse::<ApiKey>().unwrap_err();
            assert_eq!(problems.errors[0].field, "api", "{text}");
        }
        assert_eq!("a/b/c:1.0".parse::<ApiKey>().unwrap_err().errors[0].field, "identifier");
    }

    proptest! {
        #[test]
        fn what_is_made_of_a_name_is_an_identifier(name in "[A-Za-z0-9 _.-]{1,60}") {
            let Ok(name) = name.parse::<Name>() else { return Ok(()) };
            match Identifier::from_name(&name) {
                Ok(made) => prop_assert_eq!(made.to_string().parse::<Identifier>(), Ok(made)),
                Err(_) => prop_assert!(!name.as_str().contains(|c: char| c.is_ascii_alphanumeric())),
            }
        }
    }
}
