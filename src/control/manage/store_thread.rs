//! The store's thread. It runs one job at a time. Every change takes the same steps: check, write together with the audit
//! entry, prepare the snapshot, commit, publish.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::{info, warn};

use super::Manager;
use super::change_context::{ChangeContext, DeployedSet, Mode, Records};
use super::credentials::entries;
use super::health::Health;
use super::process_control::ProcessControl;
use super::test_key_list::TestKeys;
use crate::api::consumers::ApplicationState;
use crate::api::problem::Code;
use crate::api::view::health::{StoreHealth, StoreState};
use crate::api::{Actor, Environments, Problems};
use crate::config::units::show_duration;
use crate::control::contracts::Contracts;
use crate::control::identity::identities::Identities;
use crate::control::last_good_snapshot::keys::KeyFile;
use crate::control::publish::{ChangedApplication, Publisher, Receipt};
use crate::control::state_dir::{KEYS, StateDir};
use crate::control::store::audit::NewEntry;
use crate::control::store::fault::StoreError;
use crate::control::store::identities::{self, Credential};
use crate::control::store::{self, Store, application_states};

/// Work for the store's thread.
pub(super) type Job = Box<dyn FnOnce(&mut StoreThread) + Send>;

/// The state of the store's thread.
pub(super) struct StoreThread {
    /// The store, or the reason why it cannot be used: deployments are still served, but nothing can be changed or looked up.
    pub(super) store: Result<Store, StoreError>,
    /// The attempts to open the store, while it cannot be used and may become usable.
    pub(super) reopening: Option<Reopening>,
    pub(super) publisher: Box<dyn Publisher>,
    /// The control of the process apart from its shards, once the node has set it.
    pub(super) process: Option<Box<dyn ProcessControl>>,
    pub(super) environments: Environments,
    pub(super) contracts: Contracts,
    /// The tokens that let somebody in: replaced with every change of them, before it is answered.
    pub(super) identities: Identities,
    pub(super) deployed: DeployedSet,
    /// The last good keys, which are written before a change of keys is committed.
    pub(super) key_file: KeyFile,
    pub(super) test_keys: TestKeys,
    /// The receipts of the snapshot and of the keys that were published last.
    pub(super) latest: Receipts,
    pub(super) health: Health,
}

/// The receipts that the caller of a change waits for.
#[derive(Clone, Debug, Default)]
pub(super) struct Receipts {
    pub(super) snapshot: Option<Receipt>,
    pub(super) keys: Option<Receipt>,
}

/// The result of a change: its answer, and receipts if the change concerns the shards.
pub(super) type Outcome<T> = Result<(T, Receipts), Problems>;

/// A change up to its commit.
struct Changed<T> {
    value: T,
    /// True if the publisher has prepared a snapshot for the change.
    is_prepared: bool,
    concerns_shards: bool,
    /// The applications whose keys may open something else now.
    applications: Vec<ChangedApplication>,
    concerns_keys: bool,
    /// Every token after the change, if it concerns them.
    credentials: Option<Vec<Credential>>,
}

/// The store and the environments, for an operation that changes nothing.
pub(super) struct Reader<'a> {
    pub(super) connection: &'a Connection,
    pub(super) environments: &'a Environments,
}

impl StoreThread {
    /// Runs a query.
    pub(super) fn read<T>(&mut self, look: impl FnOnce(&Reader<'_>) -> Result<T, Problems>) -> Result<T, Problems> {
        let store = self.store.as_ref().map_err(|why| unavailable(why, self.reopening.as_ref()))?;
        let found = look(&Reader { connection: store.connection(), environments: &self.environments });
        if let Err(problems) = &found {
            self.note(problems);
        }
        found
    }

    /// Runs `change` in a transaction: everything that it writes is committed and published, or nothing.
    pub(super) fn transact<T>(
        &mut self,
        actor: &Actor,
        mode: Mode,
        records: Records,
        change: impl FnOnce(&mut ChangeContext<'_>) -> Result<T, Problems>,
    ) -> Outcome<T> {
        let written = self.written();
        let changed = self.attempt(actor, mode, records, change);
        match (&changed, mode) {
            (Ok(_), Mode::Commit) => {
                self.deployed.commit();
                // A change that wrote nothing proves nothing about the disk, and a write that succeeded does not disprove damage
                // elsewhere in the file.
                if written != self.written() && self.health.get().state != StoreState::Unavailable {
                    self.health.set(StoreState::Ok, None);
                }
            }
            (Ok(_), Mode::DryRun) => self.deployed.roll_back(),
            (Err(problems), _) => {
                self.deployed.roll_back();
                self.note(problems);
            }
        }
        let Changed { value, is_prepared, concerns_shards, applications, concerns_keys, credentials } = changed?;
        if mode == Mode::DryRun {
            return Ok((value, Receipts::default()));
        }
        if let Some(credentials) = credentials {
            self.identities.replace(entries(credentials));
        }
        if is_prepared && let Some(receipt) = self.publisher.publish() {
            self.latest.snapshot = Some(receipt);
        }
        if !applications.is_empty()
            && let Some(receipt) = self.publisher.publish_keys(applications)
        {
            self.latest.keys = Some(receipt);
        }
        let Receipts { snapshot, keys } = self.latest.clone();
        let receipts =
            Receipts { snapshot: snapshot.filter(|_| concerns_shards), keys: keys.filter(|_| concerns_keys) };
        Ok((value, receipts))
    }

    /// Runs the steps of a change up to and including the commit.
    fn attempt<T>(
        &mut self,
        actor: &Actor,
        mode: Mode,
        records: Records,
        change: impl FnOnce(&mut ChangeContext<'_>) -> Result<T, Problems>,
    ) -> Result<Changed<T>, Problems> {
        let store = self.store.as_mut().map_err(|why| unavailable(why, self.reopening.as_ref()))?;
        let transaction = store.transaction()?;
        let mut context = ChangeContext {
            connection: &transaction,
            environments: &self.environments,
            contracts: &self.contracts,
            actor,
            now: now(),
            deployed: &mut self.deployed,
            concerns_shards: false,
            concerns_keys: false,
            touched_applications: BTreeSet::new(),
            concerns_identities: false,
            records,
        };
        let value = change(&mut context)?;
        let ChangeContext { concerns_shards, concerns_keys, touched_applications, concerns_identities, .. } = context;
        let state = |id| Ok(ChangedApplication { id, state: application_states::of(&transaction, id)? });
        let applications = touched_applications.into_iter().map(state).collect::<Result<Vec<_>, rusqlite::Error>>()?;
        // Read before the commit: what is committed must be in memory before it is answered, whatever fails then.
        let credentials = concerns_identities.then(|| identities::credentials(&transaction)).transpose()?;
        let is_prepared = self.deployed.is_changed();
        if is_prepared {
            self.publisher.prepare(self.deployed.all())?;
        }
        match mode {
            Mode::Commit => {
                if !applications.is_empty() {
                    note_keys(&mut self.key_file, &transaction, &applications)?;
                }
                if let Err(error) = transaction.commit() {
                    self.key_file.distrust();
                    return Err(error.into());
                }
                store.committed();
            }
            Mode::DryRun => transaction.rollback()?,
        }
        Ok(Changed { value, is_prepared, concerns_shards, applications, concerns_keys, credentials })
    }

    /// Adds an audit entry for a change outside the store.
    pub(super) fn record(&mut self, actor: &Actor, entry: &NewEntry) -> Result<(), Problems> {
        self.transact(actor, Mode::Commit, Records::EachChange, |context| context.record(entry)).map(drop)
    }

    /// The number of rows written since the store was opened.
    fn written(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.connection().total_changes())
    }

    /// Updates the health of the store after a failure.
    fn note(&self, problems: &Problems) {
        let state = match problems.code {
            Code::STORE_READ_ONLY => StoreState::ReadOnly,
            Code::STORE_FULL => StoreState::Full,
            Code::STORE_UNAVAILABLE => StoreState::Unavailable,
            _ => return,
        };
        self.health.set(state, Some(&problems.detail));
    }

    /// Checks if a store that refused changes accepts them again.
    pub(super) fn probe(&mut self) {
        let Ok(store) = &mut self.store else { return };
        let probed = store.probe();
        // A store in which damage was found stays unavailable until a check of the whole file finds none.
        let is_suspect = self.health.get().state == StoreState::Unavailable;
        let probed = probed.and_then(|()| if is_suspect { store.check_all() } else { Ok(()) });
        self.probed(probed);
    }

    /// Updates the health of the store after a probe.
    pub(super) fn probed(&self, probed: Result<(), StoreError>) {
        match probed {
            Ok(()) => self.health.set(StoreState::Ok, None),
            Err(error) => self.note(&error.into()),
        }
    }
}

/// The repeated attempts to open a store that could not be opened at the start.
pub(super) struct Reopening {
    state: StateDir,
    pub(super) every: Duration,
    /// Called once the store is open. The thread does not try before this is set.
    then: Option<Box<dyn FnOnce() + Send>>,
}

impl Reopening {
    /// `None` if the operator has to act before the store can be opened.
    pub(super) fn new(state: StateDir, every: Duration, why: &StoreError) -> Option<Self> {
        why.may_pass().then_some(Self { state, every, then: None })
    }
}

impl Manager {
    /// The health of the store. Never waits. While the store takes no changes, a call has the store probed again.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        let health = self.health.get();
        if health.state != StoreState::Ok {
            // If the queue is full, a later call probes.
            let _ = self.jobs.try_send(Box::new(StoreThread::probe));
        }
        health
    }

    /// Starts a task on `runtime` that tries to open a store that could not be opened, every
    /// [`reopen_every`](super::Settings::reopen_every). Call this once the publisher is attached to the shards. When the store is
    /// open, the store's thread calls `then`, which must not wait for that thread. If the store is open already, nothing happens.
    pub fn reopen_store(&self, runtime: &Handle, then: impl FnOnce() + Send + 'static) {
        let (jobs, every) = (self.jobs.downgrade(), self.settings.reopen_every);
        let begin = |thread: &mut StoreThread| match &mut thread.reopening {
            Some(reopening) => {
                reopening.then = Some(Box::new(then));
                Continue::Retry
            }
            None => Continue::Stop,
        };
        runtime.spawn(async move {
            let mut next = on_store_thread(&jobs, begin).await;
            while next == Some(Continue::Retry) {
                sleep(every).await;
                next = on_store_thread(&jobs, StoreThread::reopen).await;
            }
        });
    }
}

/// The next step after an attempt to open the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Continue {
    Retry,
    Stop,
}

/// Runs a job without keeping the store's thread alive; `None` if the thread has ended.
pub(super) async fn on_store_thread<T: Send + 'static>(
    jobs: &mpsc::WeakSender<Job>,
    job: impl FnOnce(&mut StoreThread) -> T + Send + 'static,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    let job: Job = Box::new(move |thread| {
        let _ = reply.send(job(thread));
    });
    jobs.upgrade()?.send(job).await.ok()?;
    answer.await.ok()
}

impl StoreThread {
    /// Tries to open the store, and returns the next step.
    fn reopen(&mut self) -> Continue {
        let Some(Reopening { state, .. }) = &self.reopening else { return Continue::Stop };
        match Store::open_again(state).and_then(|store| self.take_up(store)) {
            Ok(()) => {
                if let Some(then) = self.reopening.take().and_then(|reopening| reopening.then) {
                    then();
                }
                Continue::Stop
            }
            Err(why) => {
                let next = if why.may_pass() { Continue::Retry } else { Continue::Stop };
                if next == Continue::Stop {
                    self.reopening = None;
                }
                let detail = unavailable(&why, self.reopening.as_ref()).detail;
                self.health.set(StoreState::Unavailable, Some(&detail));
                self.store = Err(why);
                next
            }
        }
    }

    /// Uses a store that has just been opened. Connections of deployments that the store holds unchanged are not touched.
    fn take_up(&mut self, mut store: Store) -> Result<(), StoreError> {
        let (deployed, credentials) = (store.deployed()?, store.credentials()?);
        let keys = store.application_states()?;
        let is_other = deployed != *self.deployed.all();
        if is_other {
            let prepared = self.publisher.prepare_kept(&deployed);
            prepared.map_err(|problems| StoreError::Failed { why: problems.to_string() })?;
            self.deployed = DeployedSet::new(deployed);
            self.latest.snapshot = self.publisher.publish().or(self.latest.snapshot.take());
        }
        self.identities.replace(entries(credentials));
        let receipt = take_up_keys(&mut self.key_file, self.publisher.as_mut(), keys);
        self.latest.keys = receipt.or(self.latest.keys.take());
        let deployments = self.deployed.all().len();
        info!(deployments, is_other, "the store is open: its deployments are active");
        let probed = store.probe();
        self.store = Ok(store);
        self.probed(probed);
        Ok(())
    }
}

/// The problem for callers while the store cannot be used; with `reopening`, the text says how often opening is tried again.
pub(super) fn unavailable(why: &StoreError, reopening: Option<&Reopening>) -> Problems {
    let again = reopening
        .map_or_else(String::new, |reopening| format!(" It is tried again every {}.", show_duration(reopening.every)));
    let detail = format!("What is deployed goes on as it was, and nothing else can be done: {why}.{again}");
    Problems::new(Code::STORE_UNAVAILABLE, detail)
}

/// Writes changed applications to the last good keys.
fn note_keys(file: &mut KeyFile, connection: &Connection, changed: &[ChangedApplication]) -> Result<(), StoreError> {
    let unusable = |error| store::unusable_file(KEYS, &error);
    if file.append(changed).map_err(unusable)? {
        return Ok(());
    }
    file.replace(&application_states::all(connection)?).map_err(unusable)
}

/// Takes up the keys that a store holds: they are published, and written to the last good keys.
pub(super) fn take_up_keys(
    file: &mut KeyFile,
    publisher: &mut dyn Publisher,
    keys: Vec<ApplicationState>,
) -> Option<Receipt> {
    // A store that can only be read may be beside a file that can only be read; the next change of keys writes it, or fails.
    if let Err(error) = file.replace(&keys) {
        warn!("{KEYS} cannot be written: {error}; a node that starts without its store knows older keys");
    }
    publisher.publish_all_keys(Some(keys))
}

/// The current time with the precision of the store: milliseconds.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
