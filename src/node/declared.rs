//! `--apply`: the APIs that files declare, applied to this node at its start and on SIGHUP.

use std::path::{Path, PathBuf};

use tokio::runtime::Handle;
use tracing::{error, info};

use super::NodeError;
use crate::api::Actor;
use crate::control::manage::{Manager, Mode};
use crate::control::notes::Notes;
use crate::declare::node::lines;
use crate::declare::{Document, files};

/// The topic of these problems on the health page.
const TOPIC: &str = "apply";

/// The files, and the node that they are applied to.
pub(super) struct Declared {
    path: PathBuf,
    manager: Manager,
    runtime: Handle,
    notes: Notes,
}

impl Declared {
    /// Reads the files once, so that the start fails on a mistake in them.
    ///
    /// # Errors
    /// A file cannot be read, or has mistakes: all of them, with their lines.
    pub(super) fn new(path: &Path, manager: Manager, runtime: &Handle, notes: Notes) -> Result<Self, NodeError> {
        read(path).map_err(NodeError::Configuration)?;
        Ok(Self { path: path.to_owned(), manager, runtime: runtime.clone(), notes })
    }

    /// Reads the files and applies what they declare, all of it or nothing. If that cannot be done, the log and the health
    /// page say why. Blocks: not for a thread of the runtime.
    pub(super) fn apply(&self) {
        let applied = read(&self.path).and_then(|documents| {
            let actor = Actor::node();
            let applied = self.manager.apply_documents(&actor, documents, Mode::Commit);
            self.runtime.block_on(applied).map_err(|problems| problems.to_string())
        });
        let path = self.path.display();
        match applied {
            Ok(steps) => {
                self.notes.clear(TOPIC);
                for step in &steps {
                    info!("declared state: {step}");
                }
                info!(steps = steps.len(), "the declared state of {path} is applied");
            }
            Err(why) => {
                error!(why, "the declared state of {path} is not applied");
                self.notes.set(TOPIC, format!("the declared state of {path} is not applied: {why}"));
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<Document>, String> {
    files::documents(path).map_err(|faults| lines(&faults))
}
