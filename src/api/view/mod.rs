//! What others are shown of the model: the JSON of every answer.

pub mod apply;
pub mod connections;
pub mod health;
pub mod snapshot;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::definition::Definition;
use super::key::{EnvironmentName, Identifier, ProjectName};
use super::lifecycle::Lifecycle;
use super::target::TargetUrl;
use super::text::{Description, Name};
use super::version::Version;

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// Its name.
    pub name: ProjectName,
    /// What it is for.
    pub description: Description,
    /// How many APIs it has, retired ones included.
    pub apis: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When its description was last changed.
    pub updated_at: Timestamp,
    /// By whom.
    pub updated_by: String,
}

/// An API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Api {
    /// Its number, which no other API ever has.
    pub id: u64,
    /// Its project.
    pub project: ProjectName,
    /// What stands for its name in paths.
    pub identifier: Identifier,
    /// Its version.
    pub version: Version,
    /// The definition as it is now; a deployment runs a revision of it.
    #[serde(flatten)]
    pub definition: Definition,
    /// For consumers, once it is published.
    pub display_name: Option<Name>,
    /// Where it is served; follows from project, identifier and version.
    #[schema(read_only, examples("/default/chat-app-api/v1.0"))]
    pub base_path: String,
    /// Its state.
    pub lifecycle: Lifecycle,
    /// Since when it is deprecated.
    pub deprecated_at: Option<Timestamp>,
    /// When it ends, if it is deprecated.
    pub sunset_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When its definition or lifecycle was last changed.
    pub updated_at: Timestamp,
    /// By whom.
    pub updated_by: String,
    /// The number of its latest revision, if it has any.
    pub latest_revision: Option<u64>,
    /// Where it is deployed, in the environments' order.
    pub deployments: Vec<Deployment>,
}

/// A definition as it was when it was deployed. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Revision {
    /// From 1.
    pub number: u64,
    /// What the API was.
    pub definition: Definition,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

/// Whether a deployment takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does, if the API's lifecycle lets it.
    Running,
    /// It was stopped.
    Stopped,
}

/// A revision in an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// Where.
    pub environment: EnvironmentName,
    /// Which.
    pub revision: u64,
    /// The environment's own targets, if it has any.
    pub targets: Option<Vec<TargetUrl>>,
    /// The targets in use, as they are written: the environment's own, or the revision's.
    pub effective_targets: Vec<TargetUrl>,
    /// Whether it takes connections.
    pub status: Status,
    /// When this revision with these targets was deployed.
    pub deployed_at: Timestamp,
    /// By whom.
    pub deployed_by: String,
    /// Where it is reached; nothing where the environment is no longer configured.
    #[schema(examples("ws://127.0.0.1:8081/default/chat-app-api/v1.0"))]
    pub url: Option<String>,
}

/// An API's life so far, and where it may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LifecycleView {
    /// Where it is.
    pub state: Lifecycle,
    /// Where it may go from there.
    pub allowed: Vec<Lifecycle>,
    /// How it came there, the oldest change first.
    pub history: Vec<LifecycleEntry>,
    /// Of an answer to a change: what was allowed, and may be a mistake all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Vec<String>>,
}

/// A change of lifecycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LifecycleEntry {
    /// When.
    pub at: Timestamp,
    /// Who asked for it.
    pub who: String,
    /// From where.
    pub from: Lifecycle,
    /// To where.
    pub to: Lifecycle,
}
