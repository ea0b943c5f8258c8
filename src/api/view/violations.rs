//! A message that breaks its API's contract, as the admin API shows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A sample of the messages that break an API's contract. No value of the message is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Violation {
    /// The number of the sample. Later ones have higher numbers; a node that starts begins again at 1.
    pub number: u64,
    /// The time of the sample.
    pub at: Timestamp,
    /// The environment.
    pub environment: String,
    /// The channel, by its path below the base path.
    pub channel: String,
    /// `client_sends` or `client_receives`.
    #[schema(examples("client_sends"))]
    pub direction: String,
    /// The client's address.
    pub client: String,
    /// The rule: a keyword of JSON Schema, `not-json`, `duplicate-name`, `unknown-message` or `matches-several`.
    #[schema(examples("type"))]
    pub rule: String,
    /// The JSON Pointer of the value that breaks the rule.
    #[schema(examples("/type"))]
    pub pointer: String,
    /// The contract's messages that the message was compared with, the nearest first.
    pub messages: Vec<String>,
    /// The fault in one line.
    pub text: String,
    /// `forwarded`, `dropped` or `closed`.
    #[schema(examples("forwarded"))]
    pub action: String,
}
