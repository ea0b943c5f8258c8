//! `--apply`: what files declare, applied to this very node, at its start and on SIGHUP.

use std::path::{Path, PathBuf};

use tokio::runtime::Handle;
use tracing::{error, info};

use super::NodeError;
use crate::api::{Actor, Api, ApiKey, Condition, Definition, EnvironmentName, PageRequest, Problems, page};
use crate::control::manage::{ApiFilter, Manager};
use crate::control::notes::Notes;
use crate::declare::node::lines;
use crate::declare::{Document, Node, Step, apply, files};

/// What the health page knows it by.
const TOPIC: &str = "apply";

/// Declared state, and the node that is to hold it.
pub(super) struct Declared {
    path: PathBuf,
    manager: Manager,
    runtime: Handle,
    notes: Notes,
}

impl Declared {
    /// Reads the files once, so that mistakes in them end the start.
    pub(super) fn new(path: &Path, manager: Manager, runtime: &Handle, notes: Notes) -> Result<Self, NodeError> {
        read(path).map_err(NodeError::Configuration)?;
        Ok(Self { path: path.to_owned(), manager, runtime: runtime.clone(), notes })
    }

    /// Reads the files and applies what they declare. If that cannot be done, the log and the health page say so. Blocks: not
    /// for a thread of the runtime.
    pub(super) fn apply(&self) {
        let mut node = Here { manager: self.manager.clone(), runtime: self.runtime.clone(), actor: Actor::node() };
        let told = |step: &Step| info!("declared state: {step}");
        let applied = read(&self.path)
            .and_then(|documents| apply(&mut node, &documents, told).map_err(|stopped| stopped.to_string()));
        let path = self.path.display();
        match applied {
            Ok(steps) => {
                self.notes.clear(TOPIC);
                info!(steps, "the declared state of {path} is applied");
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

/// This node, for whoever may wait for it.
struct Here {
    manager: Manager,
    runtime: Handle,
    actor: Actor,
}

impl Node for Here {
    type Error = Problems;

    fn environments(&mut self) -> Result<Vec<EnvironmentName>, Problems> {
        let environments = self.runtime.block_on(self.manager.environments())?;
        Ok(environments.into_iter().map(|environment| environment.name).collect())
    }

    fn apis(&mut self) -> Result<Vec<Api>, Problems> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let request = PageRequest { limit: page::MAX_LIMIT, cursor };
            let page = self.runtime.block_on(self.manager.apis(ApiFilter::default(), request))?;
            all.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    fn revision(&mut self, key: &ApiKey, number: u64) -> Result<Definition, Problems> {
        Ok(self.runtime.block_on(self.manager.revision(key, number))?.definition)
    }

    fn carry_out(&mut self, step: &Step) -> Result<(), Problems> {
        let Self { manager, runtime, actor } = self;
        let any = Condition::Always;
        runtime.block_on(async {
            match step.clone() {
                Step::Create(_, new) => manager.create_api(actor, new).await.map(drop),
                Step::Update(key, new, _) => manager.put_api(actor, key, new, any).await.map(drop),
                Step::Deploy(key, environment, new, _) => {
                    manager.deploy(actor, &key, environment.as_str(), new, any).await.map(drop)
                }
                Step::Stop(key, environment) => manager.stop(actor, &key, environment.as_str(), any).await.map(drop),
                Step::Start(key, environment) => {
                    manager.start_again(actor, &key, environment.as_str(), any).await.map(drop)
                }
                Step::Lifecycle(key, new) => manager.set_lifecycle(actor, &key, new, any).await.map(drop),
            }
        })
    }
}
