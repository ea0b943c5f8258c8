//! A problem of a contract, in answers and in problem documents.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem of a contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContractProblem {
    /// The consequence: `blocks-routing`, `blocks-validation` or `note`.
    pub level: String,
    /// The rule that is broken: a stable word, for programs.
    pub rule: String,
    /// The fault, in one sentence without its full stop.
    pub message: String,
    /// The form that belongs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The known name that is most like an unknown one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// The file's name in the upload.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The JSON Pointer (RFC 6901) of the value.
    pub pointer: String,
}
