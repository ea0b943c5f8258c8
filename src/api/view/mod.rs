//! The answers of the admin API, as JSON: also what the command line reads.

pub mod apply;
pub mod channels;
pub mod connections;
pub mod contract;
pub mod contract_problem;
pub mod endpoints;
pub mod health;
pub mod snapshot;
pub mod violations;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::definition::Definition;
use super::key::{EnvironmentName, Identifier, ProjectName};
use super::lifecycle::Lifecycle;
use super::moment;
use super::policy::EffectivePolicy;
use super::problem::Fault;
use super::spelling::spelled;
use super::target::TargetUrl;
use super::text::{Description, Name};
use super::version::Version;

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// The project's name.
    pub name: ProjectName,
    /// The project's description.
    pub description: Description,
    /// The number of its APIs, including retired ones.
    pub apis: u64,
    /// The time of its creation.
    #[serde(with = "moment")]
    pub created_at: Timestamp,
    /// The actor of that change.
    pub created_by: String,
    /// The time of the last change of the description.
    #[serde(with = "moment")]
    pub updated_at: Timestamp,
    /// The actor of that change.
    pub updated_by: String,
}

/// An API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Api {
    /// The API's number. No other API ever has it.
    pub id: u64,
    /// The API's project.
    pub project: ProjectName,
    /// The API's name in paths.
    pub identifier: Identifier,
    /// The API's version.
    pub version: Version,
    /// The current definition. A deployment runs a revision, which may be an earlier one.
    #[serde(flatten)]
    pub definition: Definition,
    /// The name for consumers, once the API is published.
    pub display_name: Option<Name>,
    /// The path that the API is served at; it follows from project, identifier and version.
    #[schema(read_only, examples("/default/chat-app-api/v1.0"))]
    pub base_path: String,
    /// The API's lifecycle state.
    pub lifecycle: Lifecycle,
    /// The time since which the API has been deprecated.
    #[serde(default, with = "moment::optional")]
    pub deprecated_at: Option<Timestamp>,
    /// The end of a deprecated API.
    #[serde(default, with = "moment::optional")]
    pub sunset_at: Option<Timestamp>,
    /// The time of its creation.
    #[serde(with = "moment")]
    pub created_at: Timestamp,
    /// The actor of that change.
    pub created_by: String,
    /// The time of the last change of definition or lifecycle.
    #[serde(with = "moment")]
    pub updated_at: Timestamp,
    /// The actor of that change.
    pub updated_by: String,
    /// The number of the latest revision, if there is one.
    pub latest_revision: Option<u64>,
    /// The API's deployments, in the environments' order.
    pub deployments: Vec<Deployment>,
}

/// A revision: a definition as it was when it was deployed. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revision {
    /// The revision's number, from 1.
    pub number: u64,
    /// The definition.
    pub definition: Definition,
    /// The time of its creation.
    #[serde(with = "moment")]
    pub created_at: Timestamp,
    /// The actor of that change.
    pub created_by: String,
}

/// The policies in effect for an API, each with the layer that its value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectivePolicies {
    /// The environment that was asked for; `null`: what holds wherever the environment says nothing else.
    pub environment: Option<EnvironmentName>,
    /// The revision that runs there; `null`: the definition as it is now.
    pub revision: Option<u64>,
    /// Every policy.
    pub policies: Vec<EffectivePolicy>,
    /// The channels that have policies of their own, by their paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<EffectiveChannelPolicies>,
}

/// The policies in effect for the messages of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveChannelPolicies {
    /// The channel's path below the base path, as the contract has it.
    #[schema(examples("/rooms/{roomId}"))]
    pub channel: String,
    /// Every policy that a channel may have for itself.
    pub policies: Vec<EffectivePolicy>,
}

/// The status of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The deployment takes connections, if the API's lifecycle allows it.
    Running,
    /// An operator stopped the deployment.
    Stopped,
}

impl std::str::FromStr for Status {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        spelled(text, &[("running", Self::Running), ("stopped", Self::Stopped)])
            .ok_or_else(|| Fault::new("one-of", "it must be `running` or `stopped`"))
    }
}

/// A deployment: a revision in an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// The environment.
    pub environment: EnvironmentName,
    /// The revision's number.
    pub revision: u64,
    /// The environment's own targets, if it has any.
    pub targets: Option<Vec<TargetUrl>>,
    /// The targets in use, as written: the environment's own, or the revision's.
    pub effective_targets: Vec<TargetUrl>,
    /// The deployment's status.
    pub status: Status,
    /// The time at which this revision was deployed with these targets.
    #[serde(with = "moment")]
    pub deployed_at: Timestamp,
    /// The actor of that change.
    pub deployed_by: String,
    /// The URL for consumers; `null` if the environment is no longer configured.
    #[schema(examples("ws://127.0.0.1:8081/default/chat-app-api/v1.0"))]
    pub url: Option<String>,
    /// The endpoints, in the order of the targets, where one deployment or API is shown. They are no part of the entity
    /// tag's state: handshakes change them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<endpoints::Endpoint>>,
    /// The channels of the contract, where one deployment or API is shown; left out without a contract that has channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<channels::ServedChannels>,
}

/// An API's lifecycle: its state, what may follow, and its history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LifecycleView {
    /// The API's state.
    pub state: Lifecycle,
    /// The states that may follow.
    pub allowed: Vec<Lifecycle>,
    /// The changes so far, the oldest first.
    pub history: Vec<LifecycleEntry>,
    /// In the answer to a change: things that are allowed but may be a mistake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Vec<String>>,
}

/// A change of lifecycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LifecycleEntry {
    /// The time of the change.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// The actor who asked for the change.
    pub who: String,
    /// The state before.
    pub from: Lifecycle,
    /// The state after.
    pub to: Lifecycle,
}
