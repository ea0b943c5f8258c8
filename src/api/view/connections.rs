//! Live connections as the admin API shows them, and the request to close some.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::EnvironmentName;
use crate::command::view::Stage;

/// A live connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Connection {
    /// What it is closed by. No other connection ever has it while the process runs.
    #[schema(pattern = "^[0-9]{1,5}-[0-9]{1,20}$", examples("0-17"))]
    pub id: String,
    /// The client's address and port.
    #[schema(examples("192.0.2.7:50312"))]
    pub client: String,
    /// The path it asked for, without its query; empty before it has asked.
    pub path: String,
    /// The API, as `project/identifier:version`, once it is known.
    #[schema(examples("default/chat-app-api:1.0"))]
    pub api: Option<String>,
    /// The environment, once it is known.
    pub environment: Option<String>,
    /// How far it has come.
    pub stage: Stage,
    /// The version of TLS that the client speaks, if it does.
    #[schema(examples("TLSv1_3"))]
    pub tls: Option<String>,
    /// Milliseconds since it was accepted.
    pub age_ms: u64,
    /// Data messages so far.
    pub messages: Traffic,
    /// Bytes of frames so far.
    pub bytes: Traffic,
}

/// What passed through a connection, by who sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// From the client.
    pub from_client: u64,
    /// From the upstream.
    pub from_upstream: u64,
}

/// Which connections to close: all of an API, of an environment, or of an API in an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub struct Closing {
    /// Those in this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<EnvironmentName>)]
    pub environment: Option<String>,
    /// Those of this API: `project/identifier:version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(examples("default/chat-app-api:1.0"))]
    pub api: Option<String>,
}

/// What closing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Closed {
    /// How many connections will end, over the drain windows of their environments.
    pub closing: u64,
}
