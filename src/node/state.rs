//! A node's state directory: the store or the last good snapshot, and the admin token.

use std::path::Path;

use tracing::error;

use super::NodeError;
use crate::control::http::token::Token;
use crate::control::last_good_snapshot;
use crate::control::manage::Origin;
use crate::control::notes::Notes;
use crate::control::state_dir::StateDir;
use crate::control::store::Store;

/// The state directory, locked: no other node can use it until this is dropped.
pub(super) struct NodeState {
    state: StateDir,
    pub(super) token: Token,
    /// Problems that last, for the health page.
    pub(super) notes: Notes,
}

impl NodeState {
    /// Locks the directory, and creates it, the token and the store where they are missing. Also returns the source of the
    /// deployments.
    ///
    /// # Errors
    /// Another node has the directory, a file of it cannot be used, or there is neither a store nor a snapshot to serve.
    pub(super) fn open(path: &Path) -> Result<(Self, Origin), NodeError> {
        let state = StateDir::take(path).map_err(|error| NodeError::Failed(error.to_string()))?;
        let token = Token::of_state(state.path()).map_err(|error| NodeError::Failed(error.to_string()))?;
        let origin = origin(&state)?;
        Ok((Self { state, token, notes: Notes::default() }, origin))
    }

    pub(super) fn path(&self) -> &Path {
        self.state.path()
    }
}

/// Opens the store; if that fails, reads the last good snapshot.
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
    error!(deployments, "{why}; the node serves the last good snapshot meanwhile, and refuses changes");
    Ok(Origin::Snapshot { state: state.clone(), why, deployed })
}
