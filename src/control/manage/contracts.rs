//! Contracts of definitions: checked before a definition refers to one, and removed when nothing refers to it any more.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::time::sleep;
use tracing::{info, warn};

use super::Manager;
use super::change_context::ChangeContext;
use super::store_thread::{StoreThread, on_store_thread};
use crate::api::problem::Faults;
use crate::api::{ContractDigest, Definition, Problems};
use crate::control::store::contracts::referenced;

/// The time between two searches for contracts that nothing refers to.
const TIDY_EVERY: Duration = Duration::from_secs(600);

/// Refuses a definition whose contract the node does not have, or cannot route by.
pub(super) fn check(context: &ChangeContext<'_>, definition: &Definition) -> Result<(), Problems> {
    let Some(contract) = &definition.contract else { return Ok(()) };
    let mut faults = Faults::default();
    faults.keep("contract", context.contracts.check(contract));
    faults.none()
}

impl Manager {
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
    /// Removes unused contracts. No definition can begin to refer to one meanwhile: that is done on this thread as well.
    pub(super) fn tidy_contracts(&mut self, now: SystemTime) {
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
