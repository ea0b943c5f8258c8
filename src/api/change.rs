//! A change of definitions: the one way in which projects, APIs and their deployments are written.
//!
//! Every change says all that has to be known to make it, so that another node could make it as well. What concerns one
//! process alone, as its certificates and its listeners do, is no such change (`control::manage::NodeChange`).

use serde::{Deserialize, Serialize};

use super::definition::Definition;
use super::key::{ApiKey, ProjectName};
use super::request::{NewLifecycle, OwnTargets};
use super::text::Description;
use super::view::Status;

/// One change. A change that finds everything as it asks for does nothing, and leaves no entry in the audit.
///
/// Environments are named as the client wrote them: which there are is known when the change is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// Creates a project, or changes its description.
    PutProject {
        /// The project.
        project: ProjectName,
        /// The description that the project is to have.
        description: Description,
    },
    /// Deletes a project, which must have no APIs. Legal where there is no such project.
    DeleteProject {
        /// The project.
        project: ProjectName,
    },
    /// Creates an API, and its project where that is missing. Refused where there is such an API that is not retired.
    CreateApi {
        /// The API.
        api: ApiKey,
        /// The definition that the API is to have.
        definition: Definition,
    },
    /// Changes an API's definition, or creates the API.
    PutApi {
        /// The API.
        api: ApiKey,
        /// The definition that the API is to have.
        definition: Definition,
    },
    /// Undeploys an API everywhere and deletes it, with the retired ones of the same key. Legal where there is none.
    DeleteApi {
        /// The API.
        api: ApiKey,
    },
    /// Runs a revision of an API in an environment. Refused where the API is retired.
    Deploy {
        /// The API.
        api: ApiKey,
        /// The environment's name.
        environment: String,
        /// The revision; `None` for the definition as it is now, which becomes a revision if it is not the latest.
        revision: Option<u64>,
        /// The environment's own targets.
        targets: OwnTargets,
        /// The status of the deployment. One that is to be stopped takes no connection, not for a moment.
        status: Status,
    },
    /// Runs the revision that one environment has in the next one.
    Promote {
        /// The API.
        api: ApiKey,
        /// The environment that has the revision.
        from: String,
        /// The next environment in the order.
        to: String,
        /// The own targets of the environment `to`; [`OwnTargets::Keep`] takes those of `from`.
        targets: OwnTargets,
    },
    /// Runs another revision where one is deployed. The environment keeps its own targets.
    Rollback {
        /// The API.
        api: ApiKey,
        /// The environment's name.
        environment: String,
        /// The revision to run.
        revision: u64,
    },
    /// Takes an API out of an environment. Legal where the API is not deployed there.
    Undeploy {
        /// The API.
        api: ApiKey,
        /// The environment's name.
        environment: String,
    },
    /// Stops a deployment: new handshakes are refused, and live connections are drained.
    Stop {
        /// The API.
        api: ApiKey,
        /// The environment's name.
        environment: String,
    },
    /// Starts a stopped deployment.
    Start {
        /// The API.
        api: ApiKey,
        /// The environment's name.
        environment: String,
    },
    /// Changes an API's lifecycle.
    SetLifecycle {
        /// The API.
        api: ApiKey,
        /// The state to be in, and what goes with that state.
        lifecycle: NewLifecycle,
    },
}

impl Change {
    /// The API that the change is about; `None` if it is about a project.
    #[must_use]
    pub fn api(&self) -> Option<&ApiKey> {
        match self {
            Self::PutProject { .. } | Self::DeleteProject { .. } => None,
            Self::CreateApi { api, .. }
            | Self::PutApi { api, .. }
            | Self::DeleteApi { api }
            | Self::Deploy { api, .. }
            | Self::Promote { api, .. }
            | Self::Rollback { api, .. }
            | Self::Undeploy { api, .. }
            | Self::Stop { api, .. }
            | Self::Start { api, .. }
            | Self::SetLifecycle { api, .. } => Some(api),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Change;
    use crate::api::request::OwnTargets;
    use crate::api::view::Status;

    #[test]
    fn a_change_is_read_as_it_was_written() {
        let api = "default/chat:1.0".parse().unwrap();
        let deploy = |targets| Change::Deploy {
            api: "default/chat:1.0".parse().unwrap(),
            environment: "development".to_owned(),
            revision: None,
            targets,
            status: Status::Stopped,
        };
        let these = OwnTargets::These(vec!["ws://a:9000".parse().unwrap()]);
        for (change, targets) in [
            (deploy(OwnTargets::Keep), json!(null)),
            (deploy(OwnTargets::Revisions), json!([])),
            (deploy(these), json!(["ws://a:9000"])),
        ] {
            let text = serde_json::to_value(&change).unwrap();
            assert_eq!((&text["change"], &text["targets"]), (&json!("deploy"), &targets));
            assert_eq!(serde_json::from_value::<Change>(text).unwrap(), change);
        }
        let delete = Change::DeleteApi { api };
        assert_eq!(serde_json::from_value::<Change>(serde_json::to_value(&delete).unwrap()).unwrap(), delete);
    }
}
