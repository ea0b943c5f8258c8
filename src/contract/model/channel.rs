//! Channels as the document has them, and the routes that they become.

use serde::Serialize;
use utoipa::ToSchema;

pub use crate::routing::validation::Direction;

/// A channel of the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractChannel)]
pub struct Channel {
    /// The key in the document.
    pub name: String,
    /// The address; `null` if it is unknown until the connection is open.
    pub address: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The use that Ringway makes of it.
    #[serde(rename = "use")]
    pub used: Use,
    /// Operations on it.
    pub operations: Vec<Operation>,
    /// Messages of the channel itself (3.x), by id.
    pub messages: Vec<String>,
    /// The JSON Pointer.
    pub pointer: String,
}

/// The use of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ContractChannelUse)]
pub enum Use {
    /// Part of the route with this path.
    Route(String),
    /// No route, and why.
    None(String),
}

/// An operation on a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractOperation)]
pub struct Operation {
    /// The key, the `operationId`, or nothing.
    pub name: Option<String>,
    /// The document's word: `publish`, `subscribe`, `send` or `receive`.
    pub word: &'static str,
    /// The direction.
    pub direction: Direction,
    /// The summary.
    pub summary: Option<String>,
    /// The messages, by id.
    pub messages: Vec<String>,
    /// The reply.
    pub reply: Option<Reply>,
    /// The alternatives of security: names of schemes that are asked for together.
    pub security: Vec<Vec<String>>,
    /// The JSON Pointer.
    pub pointer: String,
}

/// The reply to an operation, which goes in the opposite direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractReply)]
pub struct Reply {
    /// The channel of the reply; `null` for that of the request.
    pub channel: Option<String>,
    /// The runtime expression of the reply's address.
    pub address: Option<String>,
    /// The messages, by id.
    pub messages: Vec<String>,
}

/// A route below the API's base path: the union of the channels at one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractRoute)]
pub struct Route {
    /// The path, which begins with `/` and may have `{parameter}`s.
    pub path: String,
    /// The channels, by name.
    pub channels: Vec<String>,
    /// The parameters of the path.
    pub parameters: Vec<Parameter>,
    /// The query parameters of the handshake.
    pub query: Vec<Parameter>,
    /// The headers of the handshake.
    pub headers: Vec<Parameter>,
    /// The messages that the client sends, by id.
    pub client_sends: Vec<String>,
    /// The messages that the client receives, by id.
    pub client_receives: Vec<String>,
    /// The property at the payload's top by whose value the messages that the client sends are told apart.
    pub client_sends_by: Option<String>,
    /// The property at the payload's top by whose value the messages that the client receives are told apart.
    pub client_receives_by: Option<String>,
    /// True if the document does not say who sends what: each message is in both directions.
    pub is_undirected: bool,
}

/// A parameter of a path, a query parameter or a header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractParameter)]
pub struct Parameter {
    /// The name.
    pub name: String,
    /// True if the handshake needs it. A name that a security scheme claims is never required.
    pub is_required: bool,
    /// The only values; none for any.
    pub allowed: Vec<String>,
    /// A regular expression that a value matches somewhere, as JSON Schema means it.
    pub pattern: Option<String>,
    /// The default.
    pub default: Option<String>,
    /// The type of JSON Schema.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The security scheme that claims the name.
    pub claimed_by: Option<String>,
    /// The description.
    pub description: Option<String>,
}
