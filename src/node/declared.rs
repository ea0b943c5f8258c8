//! `--apply`: the APIs that files declare, applied to this node at its start and on SIGHUP.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tracing::{error, info, warn};

use crate::api::{Actor, ApiKey};
use crate::control::endpoints::{probe, route_of};
use crate::control::manage::{Manager, Mode};
use crate::control::notes::Notes;
use crate::control::publish::shards::Outlet;
use crate::declare::read::Readable;
use crate::declare::{Document, Step, files};

/// The topic of these problems on the health page.
const TOPIC: &str = "apply";

/// The files, and the node that they are applied to.
pub(super) struct Declared {
    path: PathBuf,
    manager: Manager,
    outlet: Outlet,
    runtime: Handle,
    notes: Notes,
}

/// The outcome for each of the files.
pub(super) struct Applied {
    /// Documents that are as the files say.
    pub(super) documents: usize,
    /// Why the other documents are not, and the files that cannot be read.
    pub(super) faults: Vec<String>,
}

/// The time after which no further deployment of many is tried.
const PATIENCE: Duration = Duration::from_secs(10);

/// Faults on the health page; of more, their number is.
const MAX_FAULTS: usize = 20;

impl Declared {
    /// `outlet` has the routes of the deployments, whose targets are tried once they are applied.
    pub(super) fn new(path: &Path, manager: Manager, outlet: Outlet, runtime: &Handle, notes: Notes) -> Self {
        Self { path: path.to_owned(), manager, outlet, runtime: runtime.clone(), notes }
    }

    /// Reads the files and applies the documents in them. A document with a fault is left out, and its API stays as it is:
    /// the log and the health page say why. Blocks: not for a thread of the runtime.
    pub(super) fn apply(&self) -> Applied {
        let (Readable { documents, faults }, contracts) = files::readable_documents(&self.path);
        let mut applied = Applied { documents: 0, faults: faults.iter().map(ToString::to_string).collect() };
        // One that cannot be kept refuses the documents that refer to it, which then say why.
        for bytes in contracts.values() {
            if let Err(why) = self.manager.contracts().keep(bytes) {
                applied.faults.push(why.to_string());
            }
        }
        let steps = self.apply_documents(documents, &mut applied);
        let path = self.path.display();
        if applied.faults.is_empty() {
            self.notes.clear(TOPIC);
            let documents = applied.documents;
            info!(documents, steps, "the declared state of {path} is applied");
            return applied;
        }
        let what = if applied.documents == 0 { "is not applied" } else { "is applied in part" };
        let why = summary(&applied.faults);
        error!(why, documents = applied.documents, "the declared state of {path} {what}");
        self.notes.set(TOPIC, format!("the declared state of {path} {what}: {why}"));
        applied
    }

    /// Applies documents in one transaction, or if that is refused in halves, so that the documents with faults are left alone.
    /// Returns the number of steps.
    fn apply_documents(&self, documents: Vec<Document>, into: &mut Applied) -> usize {
        let (mut batches, mut taken) = (vec![documents], 0_usize);
        let mut deployments: Vec<(ApiKey, String)> = Vec::new();
        while let Some(mut batch) = batches.pop() {
            let actor = Actor::node();
            let result = self.runtime.block_on(self.manager.apply_documents(&actor, batch.clone(), Mode::Commit));
            match result {
                Ok(steps) => {
                    steps.iter().for_each(|step| info!("declared state: {step}"));
                    deployments.extend(steps.iter().filter_map(deployment));
                    taken = taken.saturating_add(steps.len());
                    into.documents = into.documents.saturating_add(batch.len());
                }
                Err(problems) if problems.code.status < 500 && batch.len() > 1 => {
                    let middle = batch.len().div_ceil(2);
                    let second = batch.iter().skip(middle).cloned().collect();
                    batch.truncate(middle);
                    batches.extend([second, batch]);
                }
                Err(problems) => {
                    into.faults.push(problems.to_string());
                    // The store takes nothing now, whatever the document.
                    if problems.code.status >= 500 {
                        break;
                    }
                }
            }
        }
        // The steps of a deployment follow each other.
        deployments.dedup();
        self.warn_of_targets(deployments);
        taken
    }

    /// Has the targets of deployments tried, and warns of those that this host cannot reach. Nobody waits for that.
    fn warn_of_targets(&self, deployments: Vec<(ApiKey, String)>) {
        let outlet = self.outlet.clone();
        self.runtime.spawn(async move {
            let begun = Instant::now();
            for (at, (api, environment)) in deployments.iter().enumerate() {
                if begun.elapsed() >= PATIENCE {
                    let left = deployments.len().saturating_sub(at);
                    warn!(
                        deployments = left,
                        "the targets of some declared deployments were not tried: it took too long"
                    );
                    return;
                }
                let snapshot = outlet.snapshot();
                let Some(route) = route_of(&snapshot, api, environment) else { continue };
                for warning in probe::warnings(route).await {
                    warn!(%api, environment, "a declared target cannot be reached: {warning}");
                }
            }
        });
    }
}

/// The deployment that a step was about.
fn deployment(step: &Step) -> Option<(ApiKey, String)> {
    Some((step.key().clone(), step.environment()?.to_owned()))
}

/// The first faults, a line each, and the number of the others.
fn summary(faults: &[String]) -> String {
    let more = faults.len().saturating_sub(MAX_FAULTS);
    let mut text = faults.iter().take(MAX_FAULTS).map(String::as_str).collect::<Vec<_>>().join("\n");
    if more > 0 {
        text.push_str(&format!("\nand {more} more"));
    }
    text
}
