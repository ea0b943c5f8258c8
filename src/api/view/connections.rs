//! Live connections as the admin API shows them, and the request to close some.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::EnvironmentName;
use crate::api::request::Rules;
use crate::command::view::Stage;

/// A live connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Connection {
    /// The id to close the connection by. No other connection has it while the process runs.
    #[schema(pattern = "^[0-9]{1,5}-[0-9]{1,20}$", examples("0-17"))]
    pub id: String,
    /// The client's address, with its port if that is known.
    #[schema(examples("192.0.2.7:50312"))]
    pub client: String,
    /// The path that the client requested, without its query; empty before the request has arrived.
    pub path: String,
    /// The API, as `project/identifier:version`; null before the request was routed.
    #[schema(examples("default/chat-app-api:1.0"))]
    pub api: Option<String>,
    /// The environment; null before the request was routed.
    pub environment: Option<String>,
    /// The consumer that the client was admitted as, or the subject of its certificate; null for an anonymous client.
    #[serde(default)]
    #[schema(examples("acme"))]
    pub consumer: Option<String>,
    /// The application whose key the client presented; null without one.
    #[serde(default)]
    #[schema(examples("desk"))]
    pub application: Option<String>,
    /// The id of that key; null without one.
    #[serde(default)]
    pub key_id: Option<u64>,
    /// The channel of the API's contract, as its path is written there; null without one.
    #[schema(examples("/rooms/{roomId}"))]
    pub channel: Option<String>,
    /// The target that the connection goes to, as it is written; null before one was tried.
    #[schema(examples("ws://127.0.0.1:9000/chat"))]
    pub endpoint: Option<String>,
    /// The stage that the connection has reached.
    pub stage: Stage,
    /// The TLS version of the client's connection; null without TLS.
    #[schema(examples("TLSv1_3"))]
    pub tls: Option<String>,
    /// Milliseconds since the connection was accepted.
    pub age_ms: u64,
    /// Data messages so far.
    pub messages: Traffic,
    /// Bytes of frames so far.
    pub bytes: Traffic,
}

/// Messages or bytes of a connection, by sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// From the client.
    pub from_client: u64,
    /// From the upstream.
    pub from_upstream: u64,
}

/// The connections to close: all of an API, of an environment, or of an API in an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub struct Closing {
    /// Close connections in this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<EnvironmentName>)]
    pub environment: Option<String>,
    /// Close connections of this API: `project/identifier:version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(examples("default/chat-app-api:1.0"))]
    pub api: Option<String>,
}

impl Rules for Closing {}

/// The outcome of closing connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Closed {
    /// The number of connections that will close, over the drain windows of their environments.
    pub closing: u64,
}
