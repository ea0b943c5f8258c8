//! A node's state directory: the store or the last good snapshot, and the admin token.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{error, warn};

use super::NodeError;
use crate::control::identity::file_token::FileToken;
use crate::control::last_good_snapshot::{self, keys};
use crate::control::manage::Origin;
use crate::control::notes::Notes;
use crate::control::state_dir::{ADMIN_TOKEN, StateDir};
use crate::control::store::Store;
use crate::control::violations::Violations;

/// The state directory, locked: no other node can use it until this is dropped.
pub(super) struct NodeState {
    state: StateDir,
    pub(super) token: FileToken,
    /// Problems that last, for the health page.
    pub(super) notes: Notes,
    /// Samples of messages that break a contract.
    pub(super) violations: Arc<Violations>,
}

impl NodeState {
    /// Locks the directory, and creates it, the token and the store where they are missing. Also returns the source of the
    /// deployments. `named` is the token that the operator keeps elsewhere.
    ///
    /// # Errors
    /// Another node has the directory, a file of it cannot be used, or there is neither a store nor a snapshot to serve.
    pub(super) fn open(path: &Path, named: Option<FileToken>) -> Result<(Self, Origin), NodeError> {
        let state = StateDir::take(path).map_err(|error| NodeError::Failed(error.to_string()))?;
        warn_of_repaired(&state.repair_modes());
        let token = named.map_or_else(|| own_token(&state), Ok)?;
        let origin = origin(&state)?;
        Ok((Self { state, token, notes: Notes::default(), violations: Arc::default() }, origin))
    }

    pub(super) fn path(&self) -> &Path {
        self.state.path()
    }
}

/// Logs which files others had rights to.
fn warn_of_repaired(files: &[PathBuf]) {
    if files.is_empty() {
        return;
    }
    let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let files = names.join(", ");
    warn!(files, "other users had rights to these files: they have mode 0600 again");
    if files.contains(ADMIN_TOKEN) {
        warn!(
            "other users may have read the admin token meanwhile: to replace it, stop the node, delete the file, and start the \
             node; or keep the token elsewhere (admin.token_file)"
        );
    }
}

/// The token in the state directory. If others may know it and its file cannot be repaired, the node serves, and its admin API
/// takes no token at all.
fn own_token(state: &StateDir) -> Result<FileToken, NodeError> {
    match FileToken::of_state(state.path()) {
        Err(why) if why.is_readable_by_others() => {
            error!("{why}; until then the node serves, and the admin API takes no token");
            Ok(FileToken::unknown()?)
        }
        token => token.map_err(|error| NodeError::Failed(error.to_string())),
    }
}

/// Reads the token that the operator keeps elsewhere, and warns if every user of the host may read it.
///
/// # Errors
/// The file cannot be read, or holds no token.
pub(super) fn named_token(path: &Path) -> Result<FileToken, String> {
    let token = FileToken::named(path).map_err(|error| error.to_string())?;
    if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0) {
        warn!(file = %path.display(), "every user of this host may read the admin token (admin.token_file): chmod o= takes that away");
    }
    Ok(token)
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
    let keys = keys::read(state.path());
    if let Err(unknown) = &keys {
        error!("the keys of consumers are not known, and APIs that ask for one take nobody: {unknown}");
    }
    Ok(Origin::Snapshot { state: state.clone(), why, deployed, keys: keys.ok() })
}
