//! What an API is, as a revision keeps it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Fault;
use super::target::TargetUrl;
use super::text::{Description, Name};

/// Which of an environment's two listeners serve an API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// The external one.
    #[default]
    External,
    /// The internal one.
    Internal,
}

impl Access {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Internal => "internal",
        }
    }
}

impl std::str::FromStr for Access {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        match text {
            "external" => Ok(Self::External),
            "internal" => Ok(Self::Internal),
            _ => Err(Fault::new("one-of", "it must be `external` or `internal`")),
        }
    }
}

/// What kind of API it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Kind {
    /// RFC 6455.
    #[default]
    WebSocket,
}

impl std::str::FromStr for Kind {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if text == "WebSocket" { Ok(Self::WebSocket) } else { Err(Fault::new("one-of", "it must be `WebSocket`")) }
    }
}

/// An API's definition, checked. Deploying keeps it as a revision, which never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Definition {
    /// For people.
    pub name: Name,
    /// For people, and longer.
    pub description: Description,
    /// Which listeners serve it.
    pub access: Access,
    /// Where its connections go: 1 to 16.
    pub targets: Vec<TargetUrl>,
    /// The one kind there is.
    #[serde(rename = "type")]
    pub kind: Kind,
}
