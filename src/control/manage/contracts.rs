//! Contracts of definitions: read before the transaction of the change that needs them, checked before a definition refers to one or
//! to a channel of one, looked for again where a deployment needs one that could not be read, and removed when nothing refers to
//! them any more.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

use super::Manager;
use super::change_context::ChangeContext;
use super::store_thread::{StoreThread, on_store_thread};
use crate::api::problem::{Fault, Faults};
use crate::api::{Change, ContractDigest, ContractRef, Definition, Problems, nearest};
use crate::control::contracts::ContractFault;
use crate::control::store::contracts::referenced;
use crate::control::store::{apis, revisions};

/// The time between two searches for contracts that nothing refers to.
const TIDY_EVERY: Duration = Duration::from_secs(600);
/// The time between two attempts to read contracts that deployments need and that could not be read.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// The most channels that are searched for the one that was probably meant, the most bytes of such a path, and the most unknown
/// paths that are answered in this way.
const MAX_COMPARED: usize = 1_000;
const MAX_COMPARED_BYTES: usize = 200;
const MAX_ANSWERED: usize = 20;

/// Refuses a definition whose contract the node does not have, or cannot route by; and one with policies of a channel that the
/// contract does not have.
pub(super) fn check(context: &ChangeContext<'_>, definition: &Definition) -> Result<(), Problems> {
    let mut faults = Faults::default();
    if let Some(contract) = &definition.contract {
        faults.keep("contract", context.contracts.check(contract));
        faults.none()?;
    }
    check_channels(context, definition)
}

/// Refuses policies of channels that the contract does not have.
fn check_channels(context: &ChangeContext<'_>, definition: &Definition) -> Result<(), Problems> {
    let named = definition.policies.channels.keys();
    if definition.policies.channels.is_empty() {
        return Ok(());
    }
    let mut faults = Faults::default();
    let known = match &definition.contract {
        Some(contract) => known_paths(context, contract).map_err(|fault| {
            faults.add("contract", fault.into_fault());
            std::mem::take(&mut faults).into_problems()
        })?,
        None => BTreeSet::new(),
    };
    for (answered, path) in named.filter(|path| !known.contains(&***path)).enumerate() {
        let message = if definition.contract.is_none() {
            "the API has no contract, and so no channels: name its contract, or remove this policy".to_owned()
        } else {
            let alike = known.iter().map(|known| &**known).filter(|known| known.len() <= MAX_COMPARED_BYTES);
            let meant = (answered < MAX_ANSWERED && path.len() <= MAX_COMPARED_BYTES)
                .then(|| nearest(path, alike.take(MAX_COMPARED)))
                .flatten();
            let meant = meant.map(|path| format!(": did you mean `{path}`?"));
            format!("the contract has no channel with this path{}", meant.as_deref().unwrap_or_default())
        };
        let shown: String = path.escape_debug().take(MAX_COMPARED_BYTES).collect();
        faults.add(format!("policies.channels.{shown}"), Fault::new("channel", message));
    }
    faults.none()
}

/// The paths of a contract's channels. The table was made ready before the transaction.
fn known_paths(context: &ChangeContext<'_>, contract: &ContractRef) -> Result<BTreeSet<Arc<str>>, ContractFault> {
    let channels = context.contracts.prepare(contract)?.ok().flatten();
    Ok(channels
        .into_iter()
        .flat_map(|channels| channels.all().to_vec())
        .map(|channel| Arc::clone(&channel.path))
        .collect())
}

/// The contract of the revision that a change deploys or rolls back to; `None` if the revision has none.
fn contract_of(connection: &Connection, change: &Change) -> Result<Option<ContractRef>, Problems> {
    let (key, number) = match change {
        Change::Deploy { api, revision, .. } => (api, *revision),
        Change::Rollback { api, revision, .. } => (api, Some(*revision)),
        _ => return Ok(None),
    };
    let Some(api) = apis::find(connection, key)? else { return Ok(None) };
    let definition = match number {
        Some(number) => revisions::find(connection, api.id, number)?.map(|revision| revision.definition),
        None => Some(api.definition),
    };
    Ok(definition.and_then(|definition| definition.contract))
}

impl Manager {
    /// Reads the contracts that changes need and that nobody has read, so that their transaction parses nothing and keeps no
    /// other operation waiting. Faults are told by the change itself, which meets them again.
    pub(super) async fn read_contracts(&self, changes: &[Change]) {
        let mut wanted: Vec<ContractRef> = Vec::new();
        let mut revisions: Vec<Change> = Vec::new();
        for change in changes {
            match change {
                Change::CreateApi { definition, .. } | Change::PutApi { definition, .. } => {
                    // Its channels are needed again to check the policies of some.
                    let is_needed = !definition.policies.channels.is_empty();
                    let is_wanted = |contract: &ContractRef| is_needed || !self.contracts.is_known(contract);
                    wanted.extend(definition.contract.clone().filter(is_wanted));
                }
                Change::Deploy { .. } | Change::Rollback { .. } => revisions.push(change.clone()),
                // A revision that is promoted runs already; the others are about no contract.
                _ => {}
            }
        }
        if !revisions.is_empty() {
            let found = self.ask(move |thread| thread.undeployed_contracts(&revisions)).await;
            wanted.extend(found.into_iter().flatten());
        }
        self.prepare_contracts(wanted).await;
    }

    /// Reads contracts on a thread of their own, one set at a time.
    pub(super) async fn prepare_contracts(&self, wanted: Vec<ContractRef>) {
        if wanted.is_empty() {
            return;
        }
        // The semaphore is never closed.
        let _turn = self.reading.acquire().await;
        let contracts = self.contracts.clone();
        let read = spawn_blocking(move || {
            for contract in wanted.into_iter().collect::<HashSet<_>>() {
                let _ = contracts.prepare(&contract);
            }
        });
        let _ = read.await;
    }

    /// Starts a task on `runtime` that looks again for contracts that deployments need and that could not be read: once an
    /// operator has put a file back, its deployments are served. The task ends with the store's thread.
    pub fn retry_contracts(&self, runtime: &Handle) {
        let (jobs, contracts) = (self.jobs.downgrade(), self.contracts.clone());
        runtime.spawn(async move {
            while let Some(unread) = on_store_thread(&jobs, |thread| thread.publisher.unread_contracts()).await {
                let contracts = contracts.clone();
                let found = spawn_blocking(move || {
                    let is_there = |contract: &&ContractRef| contracts.bytes(&contract.digest).is_ok();
                    unread.iter().filter(is_there).any(|contract| contracts.prepare(contract).is_ok())
                });
                if found.await.unwrap_or_default() {
                    on_store_thread(&jobs, StoreThread::publish_again).await;
                }
                sleep(RETRY_EVERY).await;
            }
        });
    }

    /// Starts a task on `runtime` that removes contracts that nothing refers to and that were uploaded more than an hour ago. The
    /// task ends with the store's thread.
    pub fn tidy_contracts(&self, runtime: &Handle) {
        let jobs = self.jobs.downgrade();
        runtime.spawn(async move {
            while on_store_thread(&jobs, |thread| thread.tidy_contracts(SystemTime::now())).await.is_some() {
                sleep(TIDY_EVERY).await;
            }
        });
    }
}

impl StoreThread {
    /// The contracts of the revisions that changes deploy, without those that a deployment has already: these were read.
    fn undeployed_contracts(&mut self, changes: &[Change]) -> Vec<ContractRef> {
        let named = self.read(|reader| {
            let contracts = changes.iter().filter_map(|change| contract_of(reader.connection, change).transpose());
            contracts.collect::<Result<Vec<_>, Problems>>()
        });
        let mut named = named.unwrap_or_default();
        let deployed: HashSet<&ContractRef> =
            self.deployed.all().values().filter_map(|one| one.contract.as_ref()).collect();
        named.retain(|contract| !deployed.contains(contract));
        named
    }

    /// Builds and publishes the snapshot of the same deployments again, because a contract that one needs can be read now.
    fn publish_again(&mut self) {
        if let Err(problems) = self.publisher.prepare(self.deployed.all()) {
            warn!("a contract was found again, and its deployments still cannot be served: {problems}");
            return;
        }
        self.latest.snapshot = self.publisher.publish().or(self.latest.snapshot.take());
        info!("a contract was found again: its deployments take new connections");
    }

    /// Removes unused contracts. No definition can begin to refer to one meanwhile: that is done on this thread as well.
    pub(super) fn tidy_contracts(&mut self, now: SystemTime) {
        self.contracts.forget_tables();
        let Ok(store) = &self.store else { return };
        if !self.contracts.has_removable(now) {
            return;
        }
        let mut used: HashSet<ContractDigest> = match referenced(store.connection()) {
            Ok(used) => used.into_iter().collect(),
            Err(error) => {
                warn!("contracts that nothing refers to cannot be searched for: {error}");
                return;
            }
        };
        used.extend(
            self.deployed.all().values().filter_map(|one| one.contract.as_ref()).map(|contract| contract.digest),
        );
        let removed = self.contracts.remove_unused(&used, now);
        if removed > 0 {
            info!(removed, "contracts that nothing referred to were removed");
        }
    }
}
