//! The last good snapshot: a file in the state directory with every deployment as it was last committed, so that a node
//! whose store is broken still starts and serves. A task writes it, at most once a second; the old file is there
//! until the new one is whole on the disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::manage::Manager;
use super::notes::Notes;
use super::state_dir::{Existing, SNAPSHOT, write_whole};
use crate::api::{Deployed, DeploymentId};

/// The form that this program writes.
const FORM: u32 = 2;
/// The form before, which is still read: its checksum was SHA-1.
const FORM_WITH_SHA1: u32 = 1;
/// The most that is read: 100,000 deployments with targets of the usual length, or 4,000 with sixteen of the longest.
const MAX_BYTES: u64 = 128 * 1024 * 1024;
/// The pause after a write, and after one that failed.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// The limit of a question to the store: at the end of the process the last write waits for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The topic of these problems on the health page.
const TOPIC: &str = "snapshot";

/// The contents of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    form: u32,
    /// In form 2: SHA-256 of `deployed`, written as JSON without spaces, to notice a damaged disk. It is no signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// In form 1: the SHA-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha1: Option<String>,
    deployed: Vec<Deployed>,
}

/// Reads the file.
///
/// # Errors
/// There is none, or it is not what was written: why.
pub fn read(folder: &Path) -> Result<BTreeMap<DeploymentId, Deployed>, String> {
    let path = folder.join(SNAPSHOT);
    let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    if !fs::metadata(&path).map_err(|error| failed(&error))?.is_file() {
        return Err(failed(&"it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(|error| failed(&error))?;
    file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(failed(&format!("it is longer than {MAX_BYTES} bytes")));
    }
    let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| failed(&format!("it is damaged: {error}")))?;
    let (algorithm, written) = match kept.form {
        FORM => (&SHA256, &kept.sha256),
        FORM_WITH_SHA1 => (&SHA1_FOR_LEGACY_USE_ONLY, &kept.sha1),
        other => {
            return Err(failed(&format!(
                "it has form {other}, and this program knows forms {FORM_WITH_SHA1} and {FORM}"
            )));
        }
    };
    let found = sum(algorithm, &kept.deployed).map_err(|error| failed(&error))?;
    if written.as_ref() != Some(&found) {
        return Err(failed(&"it is damaged: its checksum is another"));
    }
    let count = kept.deployed.len();
    let deployed: BTreeMap<_, _> = kept.deployed.into_iter().map(|one| (one.id, one)).collect();
    if deployed.len() == count { Ok(deployed) } else { Err(failed(&"it is damaged: a deployment is there twice")) }
}

fn sum(algorithm: &'static Algorithm, deployed: &[Deployed]) -> serde_json::Result<String> {
    let sum = digest(algorithm, &serde_json::to_vec(deployed)?);
    Ok(sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes the file, for its owner alone.
fn write(folder: &Path, deployed: Vec<Deployed>) -> io::Result<()> {
    let kept = Kept { form: FORM, sha256: Some(sum(&SHA256, &deployed)?), sha1: None, deployed };
    write_whole(&folder.join(SNAPSHOT), &serde_json::to_vec(&kept)?, Existing::Replaced)
}

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
        let writing = Writing { folder: folder.into(), published, manager, notes };
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
    folder: Arc<Path>,
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
    async fn update(&self) -> bool {
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
    async fn write(&self, deployed: BTreeMap<DeploymentId, Deployed>) -> Result<(), String> {
        let folder = Arc::clone(&self.folder);
        let written = spawn_blocking(move || {
            // On a disk that can only be read nothing changes, and nothing has to be written.
            if read(&folder).is_ok_and(|kept| kept == deployed) {
                return Ok(());
            }
            // The error's text would name another file each time.
            write(&folder, deployed.into_values().collect()).map_err(|error| error.kind().to_string())
        });
        written.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use crate::control::state_dir::SNAPSHOT;

    /// A file of the version before policies, and before SHA-256.
    const FIRST_FORM: &str = r#"{"form":1,"sha1":"a69abc75bae710539222c4bbb14f034ed63be8af","deployed":[{"id":1,"key":{"project":"default","identifier":"chat","version":"1.0"},"api_id":1,"environment":"development","revision":1,"access":"external","targets":["ws://10.0.0.1:9000"],"lifecycle":"Created","deprecated_at":null,"sunset_at":null,"stopped":false}]}"#;

    #[test]
    fn a_file_of_an_earlier_version_is_read_and_written_again_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(SNAPSHOT), FIRST_FORM).unwrap();
        let deployed = read(folder.path()).unwrap();
        assert!(deployed.values().all(|one| one.policies.is_empty()));
        write(folder.path(), deployed.values().cloned().collect()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), deployed);
    }

    #[test]
    fn policies_of_a_deployment_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(SNAPSHOT), FIRST_FORM).unwrap();
        let mut deployed = read(folder.path()).unwrap();
        for one in deployed.values_mut() {
            one.policies =
                serde_json::from_str(r#"{"preserve_host":true,"limits":{"idle_timeout_ms":"off"}}"#).unwrap();
        }
        write(folder.path(), deployed.values().cloned().collect()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), deployed);
    }
}
