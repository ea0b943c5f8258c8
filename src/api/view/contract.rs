//! Answers about contracts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::contract::{ContractRef, Side};
use crate::api::request::Rules;

pub use super::contract_problem::ContractProblem;

/// A contract to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchContract {
    /// The https URL of the document or archive.
    #[schema(max_length = 2048, examples("https://raw.githubusercontent.com/example/chat/main/asyncapi.yaml"))]
    pub url: String,
    /// True to fetch the documents that references lead to as well, under the same rules.
    #[serde(default)]
    pub allow_remote_refs: bool,
}

impl Rules for FetchContract {}

/// A contract that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadedContract {
    /// The reference to the contract: the value of a definition's field `contract`.
    pub contract: ContractRef,
    /// The length of the upload.
    pub bytes: u64,
    /// The version of AsyncAPI, as it is written.
    #[schema(examples("3.0.0"))]
    pub asyncapi: String,
    /// The side that the document is taken to be written from.
    pub perspective: Side,
    /// The reason for that side, in one line.
    pub perspective_reason: String,
    /// The number of routes that the channels become.
    pub routes: u64,
    /// The number of channels.
    pub channels: u64,
    /// The number of messages.
    pub messages: u64,
    /// The values that the contract gives for its API.
    pub predefined: Option<Predefined>,
    /// The number of problems of each level, those that the list leaves out among them.
    pub problem_counts: ProblemCounts,
    /// The problems: at most 250 of each level.
    pub problems: Vec<ContractProblem>,
}

/// The number of problems of each level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemCounts {
    /// Problems that keep the channels from becoming routes.
    pub blocks_routing: u64,
    /// Problems that keep messages from being checked at their place.
    pub blocks_validation: u64,
    /// Problems that block nothing.
    pub note: u64,
}

/// The values that a contract gives for its API. Everything can be changed before the API is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Predefined {
    /// The name, from `info.title`.
    pub name: Suggestion,
    /// The version, from `info.version`.
    pub version: Suggestion,
    /// The description, from `info.description`.
    pub description: Suggestion,
    /// The target; `null` if the contract has no server that can be one.
    pub target: Option<String>,
    /// The server that the target comes from.
    pub server: Option<String>,
    /// Variables of that server without a value.
    pub missing_variables: Vec<String>,
    /// Why there is no target: each server with its protocol and URL.
    pub found: Vec<String>,
}

/// A value, and what was changed to make it fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Suggestion {
    /// The value.
    pub value: String,
    /// The part that was changed or dropped, as a sentence.
    pub remark: Option<String>,
}
