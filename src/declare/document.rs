//! A checked document: the desired state of an API. A field that it leaves out stays as it is on the node; a new API gets the
//! field's default.

use std::fmt;

use jiff::Timestamp;

use crate::api::request::OwnTargets;
use crate::api::view::Status;
use crate::api::{ApiKey, Definition, EnvironmentName, Lifecycle, Name};

/// The value of `apiVersion`.
pub const API_VERSION: &str = "ringway/v1";
/// The value of `kind`.
pub const KIND: &str = "Api";

/// The desired state of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The document's place, for messages.
    pub origin: Origin,
    /// The API's key.
    pub key: ApiKey,
    /// The definition; a field that the document leaves out has its default.
    pub definition: Definition,
    /// The fields of the definition that the document gives.
    pub given: Vec<&'static str>,
    /// The lifecycle state.
    pub lifecycle: Option<Lifecycle>,
    /// The name for consumers; only with `Published`, `Deprecated` and `Blocked`.
    pub display_name: Option<Name>,
    /// The end of the API; only with `Deprecated`.
    pub sunset_at: Option<Timestamp>,
    /// The time of the deprecation; only with `Deprecated`.
    pub deprecated_at: Option<Timestamp>,
    /// The desired deployments, each environment once.
    pub deployments: Vec<Declared>,
}

/// The desired deployment in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The environment.
    pub environment: EnvironmentName,
    /// The revision; `None` for the document's own definition.
    pub revision: Option<u64>,
    /// The environment's own targets.
    pub targets: OwnTargets,
    /// The status. If left out it stays as it is; a new deployment takes connections.
    pub status: Option<Status>,
}

/// A place in a file. Lines and columns count from 1; line 0 is the file as a whole.
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
