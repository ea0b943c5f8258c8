//! The channels of a deployment, as the shards serve them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The channels that a deployment's contract gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServedChannels {
    /// The number of channels with a path of their own.
    pub count: u64,
    /// The paths of the first 100 below the base path, as the contract has them.
    #[schema(max_items = 100, examples(json!(["/rooms/{roomId}"])))]
    pub paths: Vec<String>,
    /// The paths among them whose messages are checked, whichever layer of policies says so. No WebSocket extension is negotiated
    /// on them, such as permessage-deflate: none is offered to the upstream.
    #[serde(default)]
    #[schema(required = true, max_items = 100, examples(json!(["/rooms/{roomId}"])))]
    pub checked: Vec<String>,
}
