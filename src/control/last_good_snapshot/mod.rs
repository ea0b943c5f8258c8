//! The last good snapshot: a file in the state directory with every deployment as it was last committed, so that a node
//! whose store is broken still starts and serves. A task writes what changed, at most once a second.

mod chain;
mod file;
pub mod keys;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use self::file::SnapshotFile;
pub use self::file::read;
use super::manage::Manager;
use super::notes::Notes;
use super::state_dir::SNAPSHOT;
use crate::api::{Deployed, DeploymentId};

/// The pause after a write, and after one that failed.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// The limit of a question to the store: at the end of the process the last write waits for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The topic of these problems on the health page.
const TOPIC: &str = "snapshot";

/// The task that writes the file.
#[derive(Debug)]
pub struct SnapshotWriter {
    stop: watch::Sender<()>,
    runtime: Handle,
    task: JoinHandle<()>,
}

impl SnapshotWriter {
    /// Writes the file now, and again whenever something was published.
    #[must_use]
    pub fn start(
        runtime: &Handle,
        folder: PathBuf,
        published: watch::Receiver<u64>,
        manager: Manager,
        notes: Notes,
    ) -> Self {
        let (stop, stopped) = watch::channel(());
        let writing = Writing { folder, file: None, published, manager, notes };
        Self { stop, runtime: runtime.clone(), task: runtime.spawn(writing.run(stopped)) }
    }

    /// Writes what is not written yet, and ends; the manager must still answer. Blocks: not for a thread of the runtime.
    pub fn finish(self) {
        drop(self.stop);
        // A panic of the task was logged already.
        let _ = self.runtime.block_on(self.task);
    }
}

struct Writing {
    folder: PathBuf,
    /// The file, unless a thread has it: `None` before the first write, and after one that panicked.
    file: Option<SnapshotFile>,
    published: watch::Receiver<u64>,
    manager: Manager,
    notes: Notes,
}

impl Writing {
    async fn run(mut self, mut stopped: watch::Receiver<()>) {
        loop {
            self.published.mark_unchanged();
            let is_written = self.update().await;
            // An error says that the writer was dropped, which stops this as well.
            let is_stopped = tokio::select! {
                () = self.rest(is_written) => false,
                _ = stopped.changed() => true,
            };
            if is_stopped {
                if !is_written || self.published.has_changed().unwrap_or(true) {
                    self.update().await;
                }
                return;
            }
        }
    }

    /// Waits until the file must be written again.
    async fn rest(&self, is_written: bool) {
        sleep(if is_written { PAUSE } else { PAUSE_AFTER_FAILURE }).await;
        let mut published = self.published.clone();
        // An error says that nothing will be published any more: the file stays as it is until the stop.
        if is_written && published.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Writes the file if it differs from what is deployed. Returns `true` if the file is up to date.
    async fn update(&mut self) -> bool {
        let written = match timeout(PATIENCE, self.manager.deployed()).await {
            Ok(Ok(deployed)) => self.write(deployed).await,
            Ok(Err(problems)) => Err(problems.to_string()),
            Err(_) => Err("the store is busy".to_owned()),
        };
        match written {
            Ok(()) => {
                if self.notes.clear(TOPIC) {
                    info!("the last good snapshot is written again");
                }
                true
            }
            Err(why) => {
                let path = self.folder.join(SNAPSHOT);
                let text = format!("the last good snapshot cannot be written to {}: {why}", path.display());
                if self.notes.set(TOPIC, text.clone()) {
                    warn!("{text}; until then the file is older than the active state");
                }
                false
            }
        }
    }

    /// Beside the runtime's thread: the file may be long, and a disk slow.
    async fn write(&mut self, deployed: BTreeMap<DeploymentId, Deployed>) -> Result<(), String> {
        let (folder, file) = (self.folder.clone(), self.file.take());
        let writing = spawn_blocking(move || {
            let mut file = file.unwrap_or_else(|| SnapshotFile::open(&folder));
            let written = file.write(deployed);
            (file, written)
        });
        let (file, written) = writing.await.map_err(|error| error.to_string())?;
        self.file = Some(file);
        // The error's text would name another file each time.
        written.map_err(|error| error.kind().to_string())
    }
}
