//! Starting the manager, with a store or from the last good snapshot.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, mpsc};

use super::change_context::DeployedSet;
use super::credentials::entries;
use super::health::Health;
use super::store_thread::{Job, Receipts, Reopening, StoreThread, take_up_keys, unavailable};
use super::test_key_list::TestKeys;
use super::{Manager, QUEUE, Settings};
use crate::api::consumers::ApplicationState;
use crate::api::problem::Code;
use crate::api::view::health::{StoreHealth, StoreState};
use crate::api::{Deployed, DeploymentId, Environments, Problems};
use crate::control::contracts::Contracts;
use crate::control::identity::identities::Identities;
use crate::control::last_good_snapshot::keys::KeyFile;
use crate::control::publish::{Publisher, Receipt};
use crate::control::state_dir::StateDir;
use crate::control::store::Store;
use crate::control::store::fault::StoreError;
use crate::engine::background;

/// The source of the deployments at the start.
#[derive(Debug)]
pub enum Origin {
    /// The store.
    Store(Store),
    /// The last good snapshot, because there is no store: it is served, and every operation answers `store-unavailable`, until
    /// the store can be opened after all.
    Snapshot {
        /// The state directory, where the store should be.
        state: StateDir,
        /// Why there is no store.
        why: StoreError,
        /// The deployments of the last good snapshot.
        deployed: BTreeMap<DeploymentId, Deployed>,
        /// The last good keys; `None` if they are not known, and then no API that asks for a key takes anybody.
        keys: Option<Vec<ApplicationState>>,
    },
}

impl Origin {
    /// The state directory.
    #[must_use]
    pub fn state(&self) -> &StateDir {
        match self {
            Self::Store(store) => store.state(),
            Self::Snapshot { state, .. } => state,
        }
    }
}

/// A manager that has begun.
#[derive(Debug)]
pub struct Started {
    /// Every operation.
    pub manager: Manager,
    /// The receipt of the first snapshot.
    pub receipt: Option<Receipt>,
    /// Ends when no manager is left and what was asked is done; then the store is closed.
    pub thread: JoinHandle<()>,
}

impl Manager {
    /// Publishes what is deployed, and starts the store's thread. `contracts` are those of the state directory, which the
    /// publisher has as well.
    ///
    /// # Errors
    /// The publisher refuses what is deployed; the store cannot be read; there is no thread for it.
    pub fn start(
        origin: Origin,
        mut publisher: impl Publisher,
        contracts: Contracts,
        environments: Environments,
        settings: Settings,
    ) -> Result<Started, Problems> {
        let identities = Identities::default();
        let mut key_file = KeyFile::new(origin.state().path());
        let (store, reopening, deployed, keys) = match origin {
            Origin::Store(store) => {
                let (deployed, keys) = (store.deployed()?, store.application_states()?);
                identities.replace(entries(store.credentials()?));
                (Ok(store), None, deployed, take_up_keys(&mut key_file, &mut publisher, keys))
            }
            Origin::Snapshot { state, why, deployed, keys } => {
                let reopening = Reopening::new(state, settings.reopen_every, &why);
                (Err(why), reopening, deployed, publisher.publish_all_keys(keys))
            }
        };
        let health = Health::new(match &store {
            Ok(_) => StoreHealth { state: StoreState::Ok, detail: None },
            Err(why) => {
                let detail = unavailable(why, reopening.as_ref()).detail;
                StoreHealth { state: StoreState::Unavailable, detail: Some(detail) }
            }
        });
        publisher.prepare_kept(&deployed)?;
        let receipt = publisher.publish();
        let mut thread = StoreThread {
            store,
            reopening,
            publisher: Box::new(publisher),
            process: None,
            environments,
            contracts: contracts.clone(),
            identities: identities.clone(),
            deployed: DeployedSet::new(deployed),
            key_file,
            test_keys: TestKeys::default(),
            latest: Receipts { snapshot: receipt.clone(), keys },
            health: health.clone(),
        };
        thread.probe();
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = work_off(thread, queue).map_err(|error| {
            Problems::new(Code::STORE_UNAVAILABLE, format!("The store's thread cannot be started: {error}."))
        })?;
        let manager = Manager {
            jobs,
            contracts,
            reading: Arc::new(Semaphore::new(1)),
            identities,
            health,
            settings,
            is_draining: Arc::default(),
            is_ending: Arc::default(),
        };
        Ok(Started { manager, receipt, thread })
    }
}

fn work_off(mut thread: StoreThread, mut queue: mpsc::Receiver<Job>) -> io::Result<JoinHandle<()>> {
    background::start("store", move || {
        while let Some(job) = queue.blocking_recv() {
            job(&mut thread);
        }
    })
}
