//! The store's thread: jobs come in turn, and what a change leads to is done in one order. Checked, written with its audit
//! entry, prepared, committed, published.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;
use tracing::{error, info};

use super::plane::Plane;
use super::reopening::Reopening;
use super::work::{DeployedSet, Work};
use super::{StoreHealth, StoreState};
use crate::api::problem::Code;
use crate::api::{Actor, Environments, Problems};
use crate::config::units::show_duration;
use crate::control::publish::Receipt;
use crate::control::store::Store;
use crate::control::store::fault::StoreError;

/// What is to be done on the store's thread.
pub(super) type Job = Box<dyn FnOnce(&mut Desk) + Send>;

/// How the store is, for who must not wait for its thread.
#[derive(Clone, Debug)]
pub(super) struct Health(Arc<Mutex<StoreHealth>>);

impl Health {
    pub(super) fn new(health: StoreHealth) -> Self {
        Self(Arc::new(Mutex::new(health)))
    }

    pub(super) fn get(&self) -> StoreHealth {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it is from now on, which is logged if it is news.
    pub(super) fn set(&self, state: StoreState, detail: Option<&str>) {
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if health.state == state && health.detail.as_deref() == detail {
            return;
        }
        match detail {
            Some(detail) => error!(?state, "{detail}"),
            None => info!("the store takes changes again"),
        }
        *health = StoreHealth { state, detail: detail.map(str::to_owned) };
    }
}

/// All that the store's thread has.
pub(super) struct Desk {
    /// Or why there is none: then what was deployed goes on, and nothing can be changed or looked up.
    pub(super) store: Result<Store, StoreError>,
    /// While there is none, and it is tried again.
    pub(super) reopening: Option<Reopening>,
    pub(super) plane: Box<dyn Plane>,
    pub(super) environments: Environments,
    pub(super) deployed: DeployedSet,
    /// Of what was published last.
    pub(super) latest: Option<Receipt>,
    pub(super) health: Health,
}

/// What a change leads to: its answer, and word of when it is in force if shards are concerned.
pub(super) type Outcome<T> = Result<(T, Option<Receipt>), Problems>;

/// What an operation that changes nothing works with.
pub(super) struct Reader<'a> {
    pub(super) connection: &'a Connection,
    pub(super) environments: &'a Environments,
}

impl Desk {
    /// Looks something up.
    pub(super) fn read<T>(&mut self, look: impl FnOnce(&Reader<'_>) -> Result<T, Problems>) -> Result<T, Problems> {
        let store = self.store.as_ref().map_err(|why| unavailable(why, self.reopening.as_ref()))?;
        let found = look(&Reader { connection: store.connection(), environments: &self.environments });
        if let Err(problems) = &found {
            self.note(problems);
        }
        found
    }

    /// Makes a change: all of it, or nothing.
    pub(super) fn change<T>(
        &mut self,
        actor: &Actor,
        make: impl FnOnce(&mut Work<'_>) -> Result<T, Problems>,
    ) -> Outcome<T> {
        let written = self.written();
        let made = self.make(actor, make);
        match &made {
            Ok(_) => {
                self.deployed.commit();
                // What wrote nothing says nothing of the disk, and what went well says nothing of damage elsewhere.
                if written != self.written() && self.health.get().state != StoreState::Unavailable {
                    self.health.set(StoreState::Ok, None);
                }
            }
            Err(problems) => {
                self.deployed.roll_back();
                self.note(problems);
            }
        }
        let (value, is_changed, concerns_shards) = made?;
        if is_changed && let Some(receipt) = self.plane.publish() {
            self.latest = Some(receipt);
        }
        Ok((value, self.latest.clone().filter(|_| concerns_shards)))
    }

    /// The change up to its commit; whether shards are to be told, and whether they are concerned.
    fn make<T>(
        &mut self,
        actor: &Actor,
        make: impl FnOnce(&mut Work<'_>) -> Result<T, Problems>,
    ) -> Result<(T, bool, bool), Problems> {
        let store = self.store.as_mut().map_err(|why| unavailable(why, self.reopening.as_ref()))?;
        let transaction = store.transaction()?;
        let mut work = Work {
            connection: &transaction,
            environments: &self.environments,
            actor,
            now: now(),
            deployed: &mut self.deployed,
            concerns_shards: false,
        };
        let value = make(&mut work)?;
        let concerns_shards = work.concerns_shards;
        let is_changed = self.deployed.is_changed();
        if is_changed {
            self.plane.prepare(self.deployed.all())?;
        }
        transaction.commit()?;
        Ok((value, is_changed, concerns_shards))
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
