//! Two small fields of a definition: the access mode and the kind.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::problem::Fault;
use crate::api::spelling::spelled;

/// The access mode: which of an environment's two listeners serve an API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// The external listener.
    #[default]
    External,
    /// The internal listener.
    Internal,
}

impl Access {
    /// The word in JSON, YAML and on the command line.
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
        spelled(text, &[Self::External, Self::Internal].map(|access| (access.as_str(), access)))
            .ok_or_else(|| Fault::new("one-of", "it must be `external` or `internal`"))
    }
}

/// The kind of API; there is only one so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Kind {
    /// RFC 6455.
    #[default]
    WebSocket,
}

impl std::str::FromStr for Kind {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        spelled(text, &[("WebSocket", Self::WebSocket)]).ok_or_else(|| Fault::new("one-of", "it must be `WebSocket`"))
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WebSocket => f.write_str("WebSocket"),
        }
    }
}
