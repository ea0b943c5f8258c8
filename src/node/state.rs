//! A node's state directory: the store or what stands in for it, the token, and what is wrong with them.

use std::path::Path;

use tracing::error;

use super::NodeError;
use crate::control::http::token::Token;
use crate::control::last_good_snapshot;
use crate::control::manage::Origin;
use crate::control::notes::Notes;
use crate::control::state_dir::StateDir;
use crate::control::store::Store;

/// The state directory of this node, which nobody else uses meanwhile.
pub(super) struct NodeState {
    state: StateDir,
    pub(super) token: Token,
    /// What goes wrong beside the store, and stays so.
    pub(super) notes: Notes,
}

impl NodeState {
    /// Takes the directory; makes it, the token and the store where they are not there. Also where deployments come from.
    pub(super) fn open(path: &Path) -> Result<(Self, Origin), NodeError> {
        let state = StateDir::take(path).map_err(|error| NodeError::Failed(error.to_string()))?;
        let token = Token::of_state(state.path()).map_err(|error| NodeError::Failed(error.to_string()))?;
        let origin = origin(&state)?;
        Ok((Self { state, token, notes: Notes::default() }, origin))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.state.path()
    }
}

/// The store; without one, what was deployed when it was last in order.
fn origin(state: &StateDir) -> Result<Origin, NodeError> {
    let why = match Store::open(state) {
        Ok(store) => return Ok(Origin::Store(store)),
        Err(why) => why,
    };
    if why.forbids_serving() {
        return Err(NodeError::Failed(why.to_string()));
    }
    let deployed = last_good_snapshot::read(state.path()).map_err(|none| {
        NodeError::Failed(format!("{why}\n  and there is no last good snapshot to serve meanwhile: {none}"))
    })?;
    let deployments = deployed.len();
    error!(deployments, "{why}; what was deployed last is served meanwhile, and nothing can be changed");
    Ok(Origin::Snapshot { state: state.clone(), why, deployed })
}
