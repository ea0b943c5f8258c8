//! The store on disks that are full or can only be read, and under a process that is killed. What the manager does with it
//! is in its own tests; here the disks, the lock and the kill are real. The process that is killed is this test binary, started
//! once more.

mod disks;
mod killed;
mod previous;

use std::collections::BTreeMap;
use std::path::Path;

use ringway::api::environment::RunningEnvironment;
use ringway::api::request::{NewApi, NewDeployment};
use ringway::api::{Actor, ApiKey, Condition, Environments, PolicyLayer, Problems, Role};
use ringway::config::limits::LimitArgs;
use ringway::control::contracts::Contracts;
use ringway::control::manage::{Manager, Origin, Settings, Started};
use ringway::control::publish::no_shards::NoShards;
use ringway::control::state_dir::StateDir;
use ringway::control::store::Store;
use ringway::control::store::fault::StoreError;

use crate::harness::until;

/// Takes the state directory. A program that another test of this process starts at that moment holds what the process held
/// until it has begun, and that may be the lock.
fn take(folder: &Path) -> Result<StateDir, StoreError> {
    until("the state directory is nobody else's", || match StateDir::take(folder) {
        Err(StoreError::InUse { .. }) => None,
        taken => Some(taken),
    })
}

fn open(folder: &Path) -> Result<Started, StoreError> {
    let store = Store::open(&take(folder)?)?;
    let place = RunningEnvironment {
        name: "development".parse().unwrap(),
        external: String::new(),
        internal: String::new(),
        external_url: String::new(),
        internal_url: String::new(),
        hosts: Vec::new(),
        variables: BTreeMap::new(),
        policies: PolicyLayer::default(),
    };
    let environments = Environments::new(LimitArgs::default().policies(false), vec![place]);
    let contracts = Contracts::of(store.state().path());
    Ok(Manager::start(Origin::Store(store), NoShards, contracts, environments, Settings::default()).unwrap())
}

fn end(started: Started) {
    drop(started.manager);
    started.thread.join().unwrap();
}

fn me() -> Actor {
    Actor::identity(&"me".parse().unwrap(), Role::Admin.into(), 1)
}

fn key(number: u64) -> ApiKey {
    format!("default/api-{number}:1.0").parse().unwrap()
}

/// Makes an API and deploys it.
async fn make(manager: &Manager, number: u64) -> Result<(), Problems> {
    let new = NewApi {
        name: format!("API {number}"),
        version: "1.0".to_owned(),
        targets: vec!["ws://127.0.0.1:9000".to_owned()],
        description: Some("x".repeat(500)),
        ..NewApi::default()
    };
    manager.create_api(&me(), new).await?;
    let deployment = NewDeployment::default();
    manager.deploy(&me(), &key(number), "development", deployment, Condition::Always).await.map(drop)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}
