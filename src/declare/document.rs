//! A document, checked: what an API should be. What it leaves out stays as it is, or is as in a new API.

use std::fmt;

use jiff::Timestamp;

use crate::api::request::OwnTargets;
use crate::api::view::Status;
use crate::api::{ApiKey, Definition, EnvironmentName, Lifecycle, Name};

/// What `apiVersion` must be.
pub const API_VERSION: &str = "ringway/v1";
/// What `kind` must be.
pub const KIND: &str = "Api";

/// What an API should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it stands, for people.
    pub origin: Origin,
    /// What the API is found by.
    pub key: ApiKey,
    /// The definition; a field that the document leaves out has its default.
    pub definition: Definition,
    /// The fields of the definition that the document gives.
    pub given: Vec<&'static str>,
    /// Its state.
    pub lifecycle: Option<Lifecycle>,
    /// For consumers; with `Published`, `Deprecated` and `Blocked` only.
    pub display_name: Option<Name>,
    /// When it ends; with `Deprecated` only.
    pub sunset_at: Option<Timestamp>,
    /// Since when it has been deprecated; with `Deprecated` only.
    pub deprecated_at: Option<Timestamp>,
    /// Where it should be deployed, each environment once.
    pub deployments: Vec<Declared>,
}

/// That an API should be deployed in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Where.
    pub environment: EnvironmentName,
    /// Which revision; without it the document's own definition.
    pub revision: Option<u64>,
    /// The environment's own targets.
    pub targets: OwnTargets,
    /// Whether it takes connections; as it is if not given, and in a new deployment it does.
    pub status: Option<Status>,
}

/// Where something stands in a file. Lines and columns count from 1; line 0 is the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}
