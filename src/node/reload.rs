//! SIGHUP: the configuration is read again, whole and checked. What can change at once becomes active, what needs a restart is
//! named in the log, and on any error all stays as it is. Certificates are read again, and declared state is applied again,
//! which also happens when a store could be opened that could not be at the start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{error, info, warn};

use super::addresses;
use super::declared::Declared;
use super::log::SetLevel;
use crate::api::Actor;
use crate::config::file::reload::{Difference, Reload};
use crate::config::file::{Configuration, Faults, File, Opened};
use crate::control::fetch::{self, Fetcher};
use crate::control::http::guard::AllowedHosts;
use crate::control::manage::{Manager, NewConfiguration, NodeChange, ProcessControl};
use crate::control::notes::Notes;

/// The topic of these problems on the health page.
const TOPIC: &str = "configuration";

/// Reloads that may wait. When so many wait, one of them is a [`Reload`](ReloadRequest::Reload), which does all there is to do.
pub(super) const QUEUE: usize = 8;

/// A request to the reloading task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReloadRequest {
    /// SIGHUP: read the configuration, certificates and declared state again.
    Reload,
    /// The store could be opened at last: apply the declared state.
    Declare,
}

/// The parts of the process that a reload changes.
pub(super) struct Reloader {
    pub(super) file: Option<PathBuf>,
    /// The active configuration.
    pub(super) configuration: Arc<ArcSwap<Configuration>>,
    /// The CPUs that the process may run on.
    pub(super) allowed_cpus: Arc<[usize]>,
    /// The bound addresses of its listeners.
    pub(super) bound: Vec<SocketAddr>,
    pub(super) manager: Manager,
    pub(super) declared: Option<Arc<Declared>>,
    pub(super) notes: Notes,
}

/// The parts of this process that a change of the node reaches besides its shards.
pub(super) struct Process {
    /// The active configuration.
    pub(super) configuration: Arc<ArcSwap<Configuration>>,
    pub(super) allowed_hosts: AllowedHosts,
    pub(super) fetcher: Fetcher,
    pub(super) level: SetLevel,
    /// Have the files of certificates read again.
    pub(super) certificates: Vec<Sender<()>>,
}

impl ProcessControl for Process {
    fn configure(&mut self, configuration: &Arc<Configuration>) -> Result<(), String> {
        self.allowed_hosts.replace(configuration.allowed_hosts.clone());
        self.fetcher.set(fetch::Settings::of(configuration));
        self.configuration.store(Arc::clone(configuration));
        (self.level)(configuration.log.filter()?)
    }

    fn reload_certificates(&mut self) {
        for certificates in &self.certificates {
            // An error says that there are no certificates.
            let _ = certificates.send(());
        }
    }
}

impl Reloader {
    /// Reloads on request, one at a time, until the task is aborted.
    pub(super) fn start(self, runtime: &Handle, requests: Receiver<ReloadRequest>) -> JoinHandle<()> {
        runtime.spawn(self.run(requests))
    }

    async fn run(self, mut requests: Receiver<ReloadRequest>) {
        while let Some(request) = requests.recv().await {
            if request == ReloadRequest::Reload {
                self.reload().await;
                let actor = Actor::node();
                let reloaded = self.manager.change_node(&actor, NodeChange::ReloadCertificates).await;
                if let Err(problems) = reloaded {
                    warn!("certificates are not read again: {problems}");
                }
            }
            if let Some(declared) = self.declared.clone() {
                // A panic of it was logged already.
                let _ = spawn_blocking(move || drop(declared.apply())).await;
            }
        }
    }

    async fn reload(&self) {
        let Some(path) = &self.file else {
            info!("SIGHUP: there is no configuration file to read again (--config)");
            return;
        };
        match self.activate(path).await {
            Ok(()) => {
                self.notes.clear(TOPIC);
            }
            Err(why) => {
                let file = path.display();
                error!(why, "the configuration of {file} is not reloaded: the old one stays");
                self.notes.set(TOPIC, format!("the configuration of {file} is not reloaded, the old one stays: {why}"));
            }
        }
    }

    /// Reads and checks the file, and makes it active in one step.
    async fn activate(&self, path: &Path) -> Result<(), String> {
        let (path, running, cpus) = (path.to_owned(), self.configuration.load_full(), Arc::clone(&self.allowed_cpus));
        let read = spawn_blocking(move || read(&path, &running, &cpus).map_err(|faults| faults.to_string()));
        let (Reload { configuration, changed, kept }, opened) =
            read.await.unwrap_or_else(|error| Err(error.to_string()))?;
        // A filter that cannot be read must refuse the reload before anything has changed.
        configuration.log.filter()?;
        let environments = addresses::environments(&configuration, &self.bound);
        let (before, after) = sides(&changed);
        let configuration = Arc::new(configuration);
        let new = NewConfiguration { configuration, opened, environments, before, after };
        let change = NodeChange::Configure(Box::new(new));
        let actor = Actor::node();
        if let Err(problems) = self.manager.change_node(&actor, change).await {
            // This error alone says that the change is made: some shards have yet to confirm it.
            if problems.code != crate::api::problem::Code::NOT_IN_FORCE {
                return Err(problems.to_string());
            }
            warn!("{problems}");
        }
        self.notes.set_restart_pending(kept.iter().map(|it| it.option.clone()).collect());
        log_changes(&changed, &kept);
        Ok(())
    }
}

/// Reads the file, and the files that it names. Blocks.
fn read(path: &Path, running: &Configuration, allowed_cpus: &[usize]) -> Result<(Reload, Opened), Faults> {
    let file = File::read(Some(path))?;
    // The file must be one that the node can start with, as other CPUs are used from the next start on.
    file.check_cpus(&file.configuration()?, allowed_cpus)?;
    let reload = file.reload(running)?;
    let opened = file.open(&reload.configuration)?;
    Ok((reload, opened))
}

/// The changed options before and after, for the audit.
fn sides(changed: &[Difference]) -> (Value, Value) {
    let side = |of: fn(&Difference) -> &Option<Value>| {
        let given = changed.iter().filter_map(|it| Some((it.option.clone(), of(it).clone()?)));
        Value::Object(given.collect::<Map<_, _>>())
    };
    (side(|it| &it.before), side(|it| &it.after))
}

fn log_changes(changed: &[Difference], kept: &[Difference]) {
    let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "(nothing)".to_owned(), ToString::to_string);
    for Difference { option, before, after } in changed {
        info!(option, before = shown(before), after = shown(after), "the configuration has changed");
    }
    for Difference { option, before, after } in kept {
        let (runs_with, file_has) = (shown(before), shown(after));
        warn!(option, runs_with, file_has, "this option keeps its value until a restart");
    }
    info!(changed = changed.len(), waiting_for_a_restart = kept.len(), "the configuration is reloaded");
}
