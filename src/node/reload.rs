//! SIGHUP: the configuration is read again, whole and checked; what can be had at once is put in force, what cannot is
//! named, and on any error all stays as it is. Certificates are read again, and declared state is applied again;
//! the latter also when a store is there that could not be opened at the start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};
use tracing::{error, info, warn};

use super::addresses;
use super::declared::Declared;
use super::log::SetLevel;
use crate::api::Actor;
use crate::config::file::reload::{Difference, Reload};
use crate::config::file::{Configuration, File};
use crate::control::http::guard::AllowedHosts;
use crate::control::manage::{Reconfigure, Reconfigured};
use crate::control::notes::Notes;
use crate::control::publish::shards::ShardPublisher;
use crate::engine::background;

/// What the health page knows it by.
const TOPIC: &str = "configuration";

/// What the reloading thread is told.
pub(super) enum ReloadRequest {
    /// SIGHUP.
    Reload,
    /// There is a store by now: what is declared can be applied.
    Declare,
    /// The node ends.
    Stop,
}

/// What a reload reaches.
pub(super) struct Reloader {
    pub(super) file: Option<PathBuf>,
    /// What is in force.
    pub(super) configuration: Arc<ArcSwap<Configuration>>,
    /// The addresses that its listeners got.
    pub(super) bound: Vec<SocketAddr>,
    pub(super) reconfigure: Reconfigure<ShardPublisher>,
    pub(super) allowed_hosts: AllowedHosts,
    pub(super) level: SetLevel,
    pub(super) certificates: Sender<()>,
    pub(super) declared: Option<Declared>,
    pub(super) notes: Notes,
}

impl Reloader {
    /// Reloads when told to, on a thread of its own.
    pub(super) fn start(mut self, told: Receiver<ReloadRequest>) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        background::start("reload", move || {
            while let Ok(word @ (ReloadRequest::Reload | ReloadRequest::Declare)) = told.recv() {
                if matches!(word, ReloadRequest::Reload) {
                    self.reload(&runtime);
                    // If nobody hears it there are none.
                    let _ = self.certificates.send(());
                }
                if let Some(declared) = &mut self.declared {
                    declared.apply();
                }
            }
        })?;
        Ok(())
    }

    fn reload(&mut self, runtime: &Runtime) {
        let Some(path) = &self.file else {
            info!("SIGHUP: there is no configuration file to read again (--config)");
            return;
        };
        match self.put_in_force(runtime) {
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

    fn put_in_force(&self, runtime: &Runtime) -> Result<(), String> {
        let running = self.configuration.load();
        let file = File::read(self.file.as_deref()).map_err(|faults| faults.to_string())?;
        let Reload { configuration, changed, kept } = file.reload(&running).map_err(|faults| faults.to_string())?;
        let opened = file.open(&configuration).map_err(|faults| faults.to_string())?;
        let filter = configuration.log.filter()?;
        let environments = addresses::environments(&configuration, &self.bound);
        let (before, after) = sides(&changed);
        let configuration = Arc::new(configuration);
        let next = Arc::clone(&configuration);
        let actor = Actor::node();
        let change = self.reconfigure.run(&actor, move |publisher, deployed| {
            let prepared = publisher.reconfigure(&next, &opened, deployed)?;
            Ok(Reconfigured { environments, prepared, before, after })
        });
        let in_force = runtime.block_on(change);
        if let Err(problems) = in_force {
            // Of all that can go wrong this alone comes behind the change.
            if problems.code != crate::api::problem::Code::NOT_IN_FORCE {
                return Err(problems.to_string());
            }
            warn!("{problems}");
        }
        self.allowed_hosts.replace(configuration.allowed_hosts.clone());
        (self.level)(filter)?;
        self.configuration.store(configuration);
        tell(&changed, &kept);
        Ok(())
    }
}

/// What was, and what is, for the audit.
fn sides(changed: &[Difference]) -> (Value, Value) {
    let side = |of: fn(&Difference) -> &Option<Value>| {
        let given = changed.iter().filter_map(|it| Some((it.option.clone(), of(it).clone()?)));
        Value::Object(given.collect::<Map<_, _>>())
    };
    (side(|it| &it.before), side(|it| &it.after))
}

fn tell(changed: &[Difference], kept: &[Difference]) {
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
