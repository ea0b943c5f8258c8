//! Operations against a real store and a publisher that writes down what it was given.

mod apis;
mod apply;
mod audit;
mod consumers;
mod contracts;
mod deploying;
mod faults;
mod in_force;
mod lifecycle;
mod many;
mod promoting;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ApiFilter, AuditFilter, Manager, NewConfiguration, NodeChange, Origin, Settings, Started};
use crate::api::environment::RunningEnvironment;
use crate::api::problem::Code;
use crate::api::{
    Actor, Api, ApiKey, Condition, Deployed, DeploymentId, Environments, PageRequest, PolicyLayer, Problems, Role,
};
use crate::config::file::{Configuration, File, Opened};
use crate::config::limits::LimitArgs;
use crate::control::contracts::Contracts;
use crate::control::publish::{ChangedApplication, Confirmations, Publisher, Receipt};
use crate::control::state_dir::StateDir;
use crate::control::store::Store;

/// The deployments that [`Fake`] was given, and its next answers.
#[derive(Debug, Default)]
struct Seen {
    prepared: u64,
    ready: Option<BTreeMap<DeploymentId, Deployed>>,
    published: Vec<BTreeMap<DeploymentId, Deployed>>,
    /// Refuse what is to be prepared.
    refuses: bool,
    /// Do not confirm what is published, but keep it here.
    holds: bool,
    held: Vec<Confirmations>,
    /// The applications that keys were published of, the latest last.
    keys: Vec<Vec<ChangedApplication>>,
}

/// A publisher that keeps what it is given, and that a test can make refuse or hold back. Tests that look at neither use
/// `NoShards`.
#[derive(Clone, Debug, Default)]
struct Fake(Arc<Mutex<Seen>>);

impl Fake {
    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    fn publications(&self) -> usize {
        self.with(|seen| seen.published.len())
    }

    /// The active deployments: `key @environment` with revision, targets, lifecycle and whether it is stopped.
    fn in_force(&self) -> Vec<String> {
        let last = self.with(|seen| seen.published.last().cloned().unwrap_or_default());
        let show = |deployed: &Deployed| {
            let targets: Vec<_> = deployed.targets.iter().map(ToString::to_string).collect();
            let Deployed { key, environment, revision, lifecycle, .. } = deployed;
            let stopped = if deployed.stopped { " stopped" } else { "" };
            format!("{key} @{environment} #{revision} {} {lifecycle}{stopped}", targets.join(","))
        };
        last.values().map(show).collect()
    }
}

impl Publisher for Fake {
    fn prepare(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems> {
        self.with(|seen| {
            seen.prepared += 1;
            if seen.refuses {
                return Err(Problems::new(Code::FIELDS_INVALID, "The publisher refuses."));
            }
            seen.ready = Some(deployed.clone());
            Ok(())
        })
    }

    fn prepare_with(
        &mut self,
        _: &Configuration,
        _: &Opened,
        deployed: &BTreeMap<DeploymentId, Deployed>,
    ) -> Result<(), Problems> {
        self.prepare(deployed)
    }

    fn publish(&mut self) -> Option<Receipt> {
        self.with(|seen| {
            let prepared = seen.ready.take()?;
            seen.published.push(prepared);
            let (receipt, confirmations) = Receipt::new(seen.published.len() as u64, [0, 1]);
            confirmations.confirm(0);
            if seen.holds {
                seen.held.push(confirmations);
            } else {
                confirmations.confirm(1);
            }
            Some(receipt)
        })
    }

    fn publish_keys(&mut self, changed: Vec<ChangedApplication>) -> Option<Receipt> {
        self.with(|seen| {
            seen.keys.push(changed);
            let (receipt, confirmations) = Receipt::new(seen.keys.len() as u64, [0]);
            if seen.holds {
                seen.held.push(confirmations);
            } else {
                confirmations.confirm(0);
            }
            Some(receipt)
        })
    }
}

/// A manager with a store in a folder of its own.
struct Node {
    manager: Manager,
    fake: Fake,
    thread: JoinHandle<()>,
    folder: TempDir,
}

fn place(name: &str, port: u16, variables: &[(&str, &str)]) -> RunningEnvironment {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    RunningEnvironment {
        name: name.parse().unwrap(),
        external: format!("127.0.0.1:{port}"),
        internal: format!("127.0.0.1:{}", port + 10),
        external_url: format!("ws://127.0.0.1:{port}"),
        internal_url: format!("ws://127.0.0.1:{}", port + 10),
        hosts: Vec::new(),
        variables: variables.collect(),
        policies: PolicyLayer::default(),
    }
}

fn environments() -> Environments {
    Environments::new(
        LimitArgs::default().policies(false),
        vec![
            place("development", 8081, &[("HOST", "10.0.0.1"), ("SAME", "10.0.0.1")]),
            place("staging", 8082, &[("HOST", "10.0.0.2")]),
            place("production", 8080, &[]),
        ],
    )
}

/// A reload of the configuration that leads to these environments.
fn reload(environments: Environments) -> NodeChange {
    let file = File::read(None).unwrap();
    let configuration = file.configuration().unwrap();
    let opened = file.open(&configuration).unwrap();
    NodeChange::Configure(Box::new(NewConfiguration {
        configuration: Arc::new(configuration),
        opened,
        environments,
        before: json!({}),
        after: json!({}),
    }))
}

fn settings() -> Settings {
    let (in_force_timeout, reopen_every) = (Duration::from_millis(100), Duration::from_millis(20));
    Settings { in_force_timeout, reopen_every, ..Settings::default() }
}

impl Node {
    fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    fn in_folder(folder: TempDir) -> Self {
        let state = StateDir::take(folder.path()).unwrap();
        let store = Store::open(&state).unwrap();
        Self::with(folder, Origin::Store(store))
    }

    fn with(folder: TempDir, origin: Origin) -> Self {
        let fake = Fake::default();
        let contracts = Contracts::of(folder.path());
        let started = Manager::start(origin, fake.clone(), contracts, environments(), settings());
        let Started { manager, thread, .. } = started.unwrap();
        Self { manager, fake, thread, folder }
    }

    /// Ends the node, and starts it again on the same store.
    fn restart(self) -> Self {
        Self::in_folder(self.end())
    }

    fn end(self) -> TempDir {
        let Self { manager, thread, folder, .. } = self;
        drop(manager);
        thread.join().unwrap();
        folder
    }

    async fn create(&self, name: &str) -> Api {
        let new = json!({"name": name, "version": "1.0", "targets": ["ws://a:9000"]});
        self.manager.create_api(me(), of(new)).await.unwrap().value
    }

    /// Deploys, as the admin API is asked to: what is new, as the audit keeps it.
    async fn deploy(&self, key: &ApiKey, environment: &str, new: Value) -> Result<bool, Problems> {
        let put = self.manager.deploy(me(), key, environment, of(new), Condition::Always).await?;
        Ok(put.is_new)
    }

    async fn lifecycle(&self, key: &ApiKey, state: &str) {
        let changed = self.manager.set_lifecycle(me(), key, of(json!({ "state": state })), Condition::Always).await;
        assert_eq!(changed.unwrap().value.state.as_str(), state);
    }

    async fn api(&self, key: &ApiKey) -> Api {
        self.manager.api(key).await.unwrap().value
    }

    /// The audit's entries, the oldest first, as `who action subject`.
    async fn audit(&self) -> Vec<String> {
        let page = PageRequest { limit: 1000, cursor: None };
        let entries = self.manager.audit(AuditFilter::default(), page).await.unwrap().items;
        entries.iter().rev().map(|entry| format!("{} {} {}", entry.who, entry.action, entry.subject)).collect()
    }

    async fn listed(&self, filter: ApiFilter) -> Vec<String> {
        let page = self.manager.apis(filter, PageRequest::default()).await.unwrap();
        page.items
            .iter()
            .map(|api| format!("{}/{}:{} {}", api.project, api.identifier, api.version, api.lifecycle))
            .collect()
    }
}

/// An identity of this name that may do everything.
fn called(name: &str) -> Actor {
    Actor::identity(&name.parse().unwrap(), Role::Admin.into(), 1)
}

fn me() -> &'static Actor {
    static ME: LazyLock<Actor> = LazyLock::new(|| called("me"));
    &ME
}

fn key(text: &str) -> ApiKey {
    text.parse().unwrap()
}

fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[track_caller]
fn word<T: std::fmt::Debug>(answer: Result<T, Problems>) -> &'static str {
    answer.unwrap_err().code.word
}

/// Fields and rules of what was refused, as `field: rule`.
#[track_caller]
fn rules<T: std::fmt::Debug>(answer: Result<T, Problems>) -> Vec<String> {
    let problems = answer.unwrap_err();
    assert_eq!(problems.code, Code::FIELDS_INVALID, "{problems}");
    problems.errors.iter().map(|error| format!("{}: {}", error.field, error.rule)).collect()
}
