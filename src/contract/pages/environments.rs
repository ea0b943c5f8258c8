//! The environments of an API, and the contract of the revision that runs in each, compared with the documented one.
//!
//! In: the documented model, the revisions that run, and a way to read their contracts. Out: [`Environment`]s, which know the
//! state of each documented channel where they are.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::contract::ContractRef;
use crate::contract::diff::{Change, Compared, Kind, compare};
use crate::contract::model::{Direction, Model};
use crate::contract::{Contract, Level};

/// A revision that runs in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The environment's name.
    pub environment: String,
    /// The URL of the base path.
    pub url: String,
    /// The revision's number.
    pub revision: u64,
    /// The contract that the revision names.
    pub contract: Option<ContractRef>,
}

/// An environment in which clients reach the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The name.
    pub name: String,
    /// The URL of the base path.
    pub url: String,
    /// The number of the revision that runs there.
    pub revision: u64,
    /// The contract of that revision.
    pub contract: RunningContract,
}

/// The contract of a revision that runs, compared with the documented one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunningContract {
    /// The documented contract.
    Same,
    /// Another one.
    Other(Arc<Difference>),
    /// None: every path below the base path is passed on.
    None,
    /// One that cannot be read, and why.
    Unreadable(String),
}

/// The difference between the contract that runs and the documented one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The changes from the contract that runs to the documented one.
    compared: Compared,
    /// Paths of the documented contract alone.
    missing: HashSet<String>,
    /// Paths of the contract that runs alone, in its order.
    pub(super) only_there: Vec<String>,
}

/// The state of a documented channel in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DocumentedChannelState)]
pub enum ChannelState {
    /// The contract that runs there has the channel as it is documented.
    Same,
    /// The contract that runs there has the path, with other parameters or messages.
    Differs,
    /// The contract that runs there does not have the path.
    Missing,
    /// No contract runs there: the path is passed on, and nothing is checked.
    Unchecked,
    /// The contract that runs there cannot be read, or differs too much to be compared as a whole.
    Unknown,
}

impl ChannelState {
    /// The words for people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Same => "as documented here",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Unchecked => "without a contract",
            Self::Unknown => "not compared",
        }
    }
}

impl Environment {
    /// The state of a channel, and the changes since the revision that runs here. `carries` tells if a message of a direction
    /// is one of the channel's.
    pub(super) fn channel(
        &self,
        path: &str,
        carries: impl Fn(Direction, &str) -> bool,
    ) -> (ChannelState, Vec<&Change>) {
        let difference = match &self.contract {
            RunningContract::Same => return (ChannelState::Same, Vec::new()),
            RunningContract::None => return (ChannelState::Unchecked, Vec::new()),
            RunningContract::Unreadable(_) => return (ChannelState::Unknown, Vec::new()),
            RunningContract::Other(difference) => difference,
        };
        if difference.missing.contains(path) {
            return (ChannelState::Missing, Vec::new());
        }
        // A parameter is the whole path's; a message that only the revision has may have been of any channel at the path.
        let concerns = |change: &&Change| {
            change.position.route.as_deref() == Some(path)
                && match (change.position.direction, &change.position.message) {
                    (Some(direction), Some(id)) => change.kind == Kind::Removed || carries(direction, id),
                    _ => true,
                }
        };
        let changes: Vec<&Change> = difference.compared.changes.iter().filter(concerns).collect();
        let state = match (changes.is_empty(), difference.compared.is_whole) {
            (false, _) => ChannelState::Differs,
            (true, true) => ChannelState::Same,
            (true, false) => ChannelState::Unknown,
        };
        (state, changes)
    }

    /// The changes from the contract that runs here to the documented one.
    pub(super) fn changes(&self) -> &[Change] {
        match &self.contract {
            RunningContract::Other(difference) => &difference.compared.changes,
            RunningContract::Same | RunningContract::None | RunningContract::Unreadable(_) => &[],
        }
    }

    /// The paths that only the contract has that runs here.
    pub(super) fn only_here(&self) -> &[String] {
        match &self.contract {
            RunningContract::Other(difference) => &difference.only_there,
            RunningContract::Same | RunningContract::None | RunningContract::Unreadable(_) => &[],
        }
    }
}

/// The environments in which revisions run. `documented` is the reference to the documented contract; `read` reads another
/// one, and is called once for each.
#[must_use]
pub fn environments(
    model: &Model,
    documented: &ContractRef,
    running: Vec<Running>,
    mut read: impl FnMut(&ContractRef) -> Result<Contract, String>,
) -> Vec<Environment> {
    let mut known: Vec<(ContractRef, RunningContract)> = vec![(documented.clone(), RunningContract::Same)];
    let mut compared = |contract: Option<ContractRef>| {
        let Some(contract) = contract else { return RunningContract::None };
        if let Some((_, state)) = known.iter().find(|(known, _)| *known == contract) {
            return state.clone();
        }
        let state = match read(&contract).and_then(|read| difference(&read, model)) {
            Ok(difference) => RunningContract::Other(Arc::new(difference)),
            Err(why) => RunningContract::Unreadable(why),
        };
        known.push((contract, state.clone()));
        state
    };
    running
        .into_iter()
        .map(|Running { environment, url, revision, contract }| Environment {
            name: environment,
            url,
            revision,
            contract: compared(contract),
        })
        .collect()
}

/// The difference between a contract that runs and the documented one.
fn difference(runs: &Contract, documented: &Model) -> Result<Difference, String> {
    let Some(model) = &runs.model else {
        let first = runs.problems.list().iter().find(|problem| problem.level == Level::BlocksRouting);
        return Err(first.map_or_else(|| "it cannot be read".to_owned(), ToString::to_string));
    };
    let paths = |model: &Model| -> HashSet<String> { model.routes.iter().map(|route| route.path.clone()).collect() };
    let (there, here) = (paths(model), paths(documented));
    let only_there = model.routes.iter().map(|route| &route.path).filter(|path| !here.contains(*path));
    Ok(Difference {
        compared: compare(model, documented),
        only_there: only_there.cloned().collect(),
        missing: here.difference(&there).cloned().collect(),
    })
}
