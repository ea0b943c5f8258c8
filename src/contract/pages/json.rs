//! The documentation as JSON: the model, and where each of its channels is reached.

use serde::Serialize;
use utoipa::ToSchema;

use super::Documentation;
use super::atlas::Atlas;
use super::environments::{ChannelState, Environment, RunningContract};
use super::traffic::Traffic;
use crate::api::view::contract_problem::ContractProblem;
use crate::contract::diff::Change;
use crate::contract::model::Model;
use crate::contract::url::joined;

/// The documentation of an API, from a contract.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentedApi<'c> {
    /// The API's name and version.
    #[schema(examples("Chat 1.0"))]
    pub api: &'c str,
    /// The environments in which the API runs, in their order.
    pub environments: Vec<DocumentedEnvironment<'c>>,
    /// The problems of the contract: at most 250 of each level.
    pub problems: Vec<ContractProblem>,
    /// The number of problems that the list leaves out.
    pub problems_left_out: usize,
    /// The contract.
    pub contract: &'c Model,
}

/// An environment, and the contract of the revision that runs there, compared with the documented one.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentedEnvironment<'c> {
    /// The environment's name.
    pub name: &'c str,
    /// The URL of the base path.
    #[schema(examples("ws://127.0.0.1:8081/default/chat-app-api/v1.0"))]
    pub url: &'c str,
    /// The number of the revision that runs there.
    pub revision: u64,
    /// The contract of that revision.
    pub contract: ContractThere,
    /// The reason why that contract cannot be read; left out if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<&'c str>,
    /// The documented channels, in the document's order.
    pub channels: Vec<DocumentedChannel<'c>>,
    /// Paths that only the contract has that runs there.
    #[schema(value_type = Vec<String>)]
    pub only_there: &'c [String],
    /// The changes from the contract that runs there to the documented one: at most 1,000.
    #[schema(value_type = Vec<Change>)]
    pub changes: &'c [Change],
}

/// The contract that runs in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DocumentedContract)]
pub enum ContractThere {
    /// The documented one.
    Same,
    /// Another one.
    Other,
    /// None: every path below the base path is passed on.
    None,
    /// One that cannot be read.
    Unreadable,
}

/// A documented channel in an environment.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentedChannel<'c> {
    /// The channel's name in the document.
    pub name: &'c str,
    /// The path below the base path.
    #[schema(examples("/rooms/{roomId}"))]
    pub path: &'c str,
    /// The URL; `null` if the contract that runs there does not have the path.
    #[schema(examples("ws://127.0.0.1:8081/default/chat-app-api/v1.0/rooms/{roomId}"))]
    pub url: Option<String>,
    /// The state of the channel there.
    pub state: ChannelState,
}

/// Makes a documentation ready to be written.
pub(super) fn documented<'c>(documentation: &Documentation<'c>) -> DocumentedApi<'c> {
    let atlas = Atlas::new(documentation.model);
    let traffic: Vec<Traffic<'_>> =
        atlas.channels().iter().map(|documented| Traffic::new(&atlas, documented.channel)).collect();
    let environment = |environment: &'c Environment| DocumentedEnvironment {
        name: &environment.name,
        url: &environment.url,
        revision: environment.revision,
        contract: match &environment.contract {
            RunningContract::Same => ContractThere::Same,
            RunningContract::Other(_) => ContractThere::Other,
            RunningContract::None => ContractThere::None,
            RunningContract::Unreadable(_) => ContractThere::Unreadable,
        },
        reason: match &environment.contract {
            RunningContract::Unreadable(why) => Some(why),
            RunningContract::Same | RunningContract::Other(_) | RunningContract::None => None,
        },
        channels: atlas
            .channels()
            .iter()
            .zip(&traffic)
            .map(|(one, traffic)| {
                let path = one.route.path.as_str();
                let (state, _) = environment.channel(path, |direction, id| traffic.carries(direction, id));
                let url = (state != ChannelState::Missing).then(|| joined(&environment.url, path));
                DocumentedChannel { name: &one.channel.name, path, url, state }
            })
            .collect(),
        only_there: environment.only_here(),
        changes: environment.changes(),
    };
    DocumentedApi {
        api: documentation.api,
        environments: documentation.environments.iter().map(environment).collect(),
        problems: documentation.problems.list().iter().map(ContractProblem::from).collect(),
        problems_left_out: documentation.problems.left_out(),
        contract: documentation.model,
    }
}
