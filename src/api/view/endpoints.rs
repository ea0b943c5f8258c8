//! The endpoints of a deployment, as its clients' handshakes found them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An endpoint: a target of a deployment, and how the last handshakes with it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Endpoint {
    /// The target, as it is written.
    #[schema(examples("ws://10.0.0.7:9000/chat"))]
    pub target: String,
    /// The endpoint's state.
    pub state: EndpointState,
    /// The latest failure, while the endpoint is failed: a word of the table in docs/endpoints.md.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(examples("refused"))]
    pub cause: Option<String>,
    /// Milliseconds since the endpoint began to fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_for_ms: Option<u64>,
    /// Milliseconds until one connection tries the endpoint before others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_in_ms: Option<u64>,
    /// Failed tries since the deployment has this target.
    pub failures: u64,
}

/// The result of one try to reach the targets of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetCheck {
    /// One text for each target that cannot be reached from the node; empty if all can.
    pub warnings: Vec<String>,
}

/// The state of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndpointState {
    /// No handshake has tried the endpoint yet.
    Untried,
    /// The last answer was good.
    Works,
    /// The endpoint failed, and no handshake has succeeded since. Others are tried before it.
    Failed,
}

impl EndpointState {
    /// The name that JSON and tables use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Untried => "untried",
            Self::Works => "works",
            Self::Failed => "failed",
        }
    }
}
