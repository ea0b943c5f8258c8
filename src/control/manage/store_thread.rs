//! The store's thread: jobs come in turn, and what a change leads to is done in one order. Checked, written with its audit
//! entry, prepared, committed, published.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::info;

use super::Manager;
use super::change_context::{ChangeContext, DeployedSet, Mode, Records};
use super::health::Health;
use super::process_control::ProcessControl;
use crate::api::problem::Code;
use crate::api::view::health::{StoreHealth, StoreState};
use crate::api::{Actor, Environments, Problems};
use crate::config::units::show_duration;
use crate::control::publish::{Publisher, Receipt};
use crate::control::state_dir::StateDir;
use crate::control::store::Store;
use crate::control::store::audit::NewEntry;
use crate::control::store::fault::StoreError;

/// Work for the store's thread.
pub(super) type Job = Box<dyn FnOnce(&mut StoreThread) + Send>;

/// All that the store's thread has.
pub(super) struct StoreThread {
    /// Or why there is none: then what was deployed goes on, and nothing can be changed or looked up.
    pub(super) store: Result<Store, StoreError>,
    /// While there is none, and it is tried again.
    pub(super) reopening: Option<Reopening>,
    pub(super) publisher: Box<dyn Publisher>,
    /// The process beside its shards, once it can be reached.
    pub(super) process: Option<Box<dyn ProcessControl>>,
    pub(super) environments: Environments,
    pub(super) deployed: DeployedSet,
    /// The receipt of the snapshot that was published last.
    pub(super) latest: Option<Receipt>,
    pub(super) health: Health,
}

/// The outcome of a change: its answer, and a receipt of the shards if they are concerned.
pub(super) type Outcome<T> = Result<(T, Option<Receipt>), Problems>;

/// A change up to its commit.
struct Changed<T> {
    value: T,
    /// The publisher has prepared what the change leads to.
    is_prepared: bool,
    concerns_shards: bool,
}

/// The store and the environments, for an operation that changes nothing.
pub(super) struct Reader<'a> {
    pub(super) connection: &'a Connection,
    pub(super) environments: &'a Environments,
}

impl StoreThread {
    /// Looks something up.
    pub(super) fn read<T>(&mut self, look: impl FnOnce(&Reader<'_>) -> Result<T, Problems>) -> Result<T, Problems> {
        let store = self.store.as_ref().map_err(|why| unavailable(why, self.reopening.as_ref()))?;
        let found = look(&Reader { connection: store.connection(), environments: &self.environments });
        if let Err(problems) = &found {
            self.note(problems);
        }
        found
    }

    /// Runs `change` in a transaction: all that it does is kept and published, or nothing.
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
                // What wrote nothing says nothing of the disk, and what went well says nothing of damage elsewhere.
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
        let Changed { value, is_prepared, concerns_shards } = changed?;
        if mode == Mode::DryRun {
            return Ok((value, None));
        }
        if is_prepared && let Some(receipt) = self.publisher.publish() {
            self.latest = Some(receipt);
        }
        Ok((value, self.latest.clone().filter(|_| concerns_shards)))
    }

    /// The change up to its commit.
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
            actor,
            now: now(),
            deployed: &mut self.deployed,
            concerns_shards: false,
            records,
        };
        let value = change(&mut context)?;
        let concerns_shards = context.concerns_shards;
        let is_prepared = self.deployed.is_changed();
        if is_prepared {
            self.publisher.prepare(self.deployed.all())?;
        }
        match mode {
            Mode::Commit => transaction.commit()?,
            Mode::DryRun => transaction.rollback()?,
        }
        Ok(Changed { value, is_prepared, concerns_shards })
    }

    /// Adds an entry to the audit for what was done outside the store.
    pub(super) fn record(&mut self, actor: &Actor, entry: &NewEntry) -> Result<(), Problems> {
        self.transact(actor, Mode::Commit, Records::EachChange, |context| context.record(entry)).map(drop)
    }

    /// Rows that were ever written.
    fn written(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.connection().total_changes())
    }

    /// Remembers what a failure says of the store.
    fn note(&self, problems: &Problems) {
        let state = match problems.code {
            Code::STORE_READ_ONLY => StoreState::ReadOnly,
            Code::STORE_FULL => StoreState::Full,
            Code::STORE_UNAVAILABLE => StoreState::Unavailable,
            _ => return,
        };
        self.health.set(state, Some(&problems.detail));
    }

    /// Finds out whether a store that took no changes takes them again.
    pub(super) fn probe(&mut self) {
        let Ok(store) = &mut self.store else { return };
        let probed = store.probe();
        // What was found damaged stays so, however well the rest of it is.
        let is_suspect = self.health.get().state == StoreState::Unavailable;
        let probed = probed.and_then(|()| if is_suspect { store.check_all() } else { Ok(()) });
        self.probed(probed);
    }

    /// Remembers whether it takes changes.
    pub(super) fn probed(&self, probed: Result<(), StoreError>) {
        match probed {
            Ok(()) => self.health.set(StoreState::Ok, None),
            Err(error) => self.note(&error.into()),
        }
    }
}

/// The steps by which the thread opens a store that could not be opened at the start.
pub(super) struct Reopening {
    state: StateDir,
    pub(super) every: Duration,
    /// Called once the store is open. The thread does not try before this is set.
    then: Option<Box<dyn FnOnce() + Send>>,
}

impl Reopening {
    /// For a store that cannot be opened for this reason; nothing where it is the operator who has to act.
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
            // If there is no place in the queue, it will be looked at another time.
            let _ = self.jobs.try_send(Box::new(StoreThread::probe));
        }
        health
    }

    /// Has a store that could not be opened tried again from now on, every [`reopen_every`](super::Settings::reopen_every), by
    /// a task of `runtime`; call this once the shards are told of what is published. When the store is there `then` is called,
    /// on the store's thread: it must not wait for it. Without such a store nothing happens.
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

/// True if the thread tries again to open the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Continue {
    Retry,
    Stop,
}

/// Runs a job without keeping the store's thread alive; `None` if that has ended.
async fn on_store_thread<T: Send + 'static>(
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
    /// Tries to open the store. Says whether it must be tried again.
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

    /// Goes by a store from now on. What it says of a deployment as it is served already touches nobody.
    fn take_up(&mut self, mut store: Store) -> Result<(), StoreError> {
        let deployed = store.deployed()?;
        let is_other = deployed != *self.deployed.all();
        if is_other {
            let prepared = self.publisher.prepare_kept(&deployed);
            prepared.map_err(|problems| StoreError::Failed { why: problems.to_string() })?;
            self.deployed = DeployedSet::new(deployed);
            self.latest = self.publisher.publish().or(self.latest.take());
        }
        let deployments = self.deployed.all().len();
        info!(deployments, is_other, "the store is open: its deployments are active");
        let probed = store.probe();
        self.store = Ok(store);
        self.probed(probed);
        Ok(())
    }
}

/// `reopening` as long as it is tried again.
pub(super) fn unavailable(why: &StoreError, reopening: Option<&Reopening>) -> Problems {
    let again = reopening
        .map_or_else(String::new, |reopening| format!(" It is tried again every {}.", show_duration(reopening.every)));
    let detail = format!("What is deployed goes on as it was, and nothing else can be done: {why}.{again}");
    Problems::new(Code::STORE_UNAVAILABLE, detail)
}

/// The time, as it is stored: to the millisecond.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
