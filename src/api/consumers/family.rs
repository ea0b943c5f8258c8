//! The subject of a subscription: all minor versions of one major version of an API.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::api::key::{ApiKey, Identifier, ProjectName};
use crate::api::problem::{Fault, Faults, Problems};
use crate::api::version::MAX_NUMBER;

/// All minor versions of a major version of an API. As text: `project/identifier:1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiFamily {
    /// The project.
    pub project: ProjectName,
    /// The identifier.
    pub identifier: Identifier,
    /// The major version.
    pub major: u16,
}

impl ApiFamily {
    /// Reads the three parts of a path.
    ///
    /// # Errors
    /// Every rule that one of the parts breaks.
    pub fn of(project: &str, identifier: &str, major: &str) -> Result<Self, Problems> {
        let mut faults = Faults::default();
        let project = faults.keep("project", project.parse());
        let identifier = faults.keep("identifier", identifier.parse());
        let major = faults.keep("major", number(major));
        match (project, identifier, major) {
            (Some(project), Some(identifier), Some(major)) => Ok(Self { project, identifier, major }),
            _ => Err(faults.into_problems()),
        }
    }

    /// True if the family has this API.
    #[must_use]
    pub fn has(&self, api: &ApiKey) -> bool {
        self.project == api.project && self.identifier == api.identifier && self.major == api.version.major
    }
}

impl From<&ApiKey> for ApiFamily {
    fn from(api: &ApiKey) -> Self {
        Self { project: api.project.clone(), identifier: api.identifier.clone(), major: api.version.major }
    }
}

fn number(text: &str) -> Result<u16, Fault> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain || (text.len() > 1 && text.starts_with('0')) {
        return Err(Fault::new("form", "it must be a whole number without zeros before it, as in `1`"));
    }
    let number = text.parse().ok().filter(|number| *number <= MAX_NUMBER);
    number.ok_or_else(|| Fault::new("range", format!("it must be from 0 to {MAX_NUMBER}")))
}

impl fmt::Display for ApiFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.project, self.identifier, self.major)
    }
}

impl FromStr for ApiFamily {
    type Err = Fault;

    /// Reads `project/identifier:major`.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let parts = text.split_once('/').and_then(|(project, rest)| Some((project, rest.rsplit_once(':')?)));
        let form = || Fault::new("form", "it must be `project/identifier:major`, as in `default/chat-app-api:1`");
        let (project, (identifier, major)) = parts.ok_or_else(form)?;
        Self::of(project, identifier, major).map_err(|problems| Fault::new("form", problems.detail))
    }
}

impl TryFrom<String> for ApiFamily {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        text.parse()
    }
}

impl From<ApiFamily> for String {
    fn from(family: ApiFamily) -> Self {
        family.to_string()
    }
}

impl PartialSchema for ApiFamily {
    fn schema() -> RefOr<Schema> {
        let name = "[a-z0-9]+(-[a-z0-9]+)*";
        let form = format!("^{name}/{name}:(0|[1-9][0-9]{{0,3}})$");
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(form)).examples(["default/chat-app-api:1"]).into()
    }
}

impl ToSchema for ApiFamily {}
