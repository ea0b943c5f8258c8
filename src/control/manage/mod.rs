//! Every operation on APIs: checked, made in one transaction, and in force when it is answered.
//!
//! In: what the admin API was asked. Out: what it answers. The work is done on the store's thread (`store_thread`), one operation
//! at a time: check, change with an audit entry, let the publisher prepare, commit, publish. Who asked waits for the shards
//! here, and not there. An operation goes on when whoever asked does not wait for it any more.

mod access;
mod apis;
mod applications;
mod audit;
mod change;
mod change_context;
mod contracts;
mod credentials;
mod deploy;
mod deployments;
mod documents;
mod environments;
mod health;
mod identities;
mod key_ends;
mod keys;
mod lifecycle;
mod node_change;
mod plans;
mod process_control;
mod projects;
pub mod start;
mod store_thread;
mod subscriptions;
mod test_key_list;
mod test_keys;
#[cfg(test)]
mod tests;
mod views;

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::contracts::Contracts;
use super::identity::identities::Identities;
use super::publish::Receipt;
use crate::api::problem::Code;
use crate::api::{Actor, ApiKey, Change, Condition, Lifecycle, Problems, ProjectName, page};
use change::make;
use change_context::{ChangeContext, Records};
use health::Health;
use store_thread::{Job, Reader, Receipts, StoreThread};

pub use applications::ApplicationFilter;
pub use change_context::{Made, Mode};
pub use documents::documents_invalid;
pub use keys::KeyFilter;
pub use node_change::{NewConfiguration, NodeChange};
pub use process_control::ProcessControl;
pub use start::{Origin, Started};

/// Operations that may wait for the store's thread.
const QUEUE: usize = 256;

/// The deadlines of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The longest wait for the shards.
    pub in_force_timeout: Duration,
    /// The longest wait for a place in the queue, and then for the store.
    pub store_timeout: Duration,
    /// The interval between attempts to open a store that could not be opened.
    pub reopen_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            in_force_timeout: Duration::from_secs(10),
            store_timeout: Duration::from_secs(30),
            reopen_every: Duration::from_secs(2),
        }
    }
}

/// Which APIs are listed; all conditions count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiFilter {
    /// Only APIs of this project.
    pub project: Option<ProjectName>,
    /// Only APIs in this state.
    pub lifecycle: Option<Lifecycle>,
    /// Only APIs deployed in this environment.
    pub environment: Option<String>,
    /// With this in name, display name, identifier or description; of ASCII letters small and capital ones are the same.
    pub text: Option<String>,
}

/// Which audit entries are listed; all conditions count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// About this API.
    pub api: Option<ApiKey>,
    /// Not before this time.
    pub since: Option<jiff::Timestamp>,
}

/// Every operation. Clones reach the same store. All of them answer [`Problems`] with the codes that they name, and
/// besides `store-unavailable`, `busy`, and when they change something `store-read-only`, `store-full`, `draining`,
/// `not-in-force`, and what the publisher refuses.
#[derive(Clone, Debug)]
pub struct Manager {
    jobs: mpsc::Sender<Job>,
    contracts: Contracts,
    /// Contracts are read for one change at a time.
    reading: Arc<Semaphore>,
    identities: Identities,
    health: Health,
    settings: Settings,
    is_draining: Arc<AtomicBool>,
    is_ending: Arc<AtomicBool>,
}

impl Manager {
    /// The contracts of the node.
    #[must_use]
    pub fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// From now on the node is not ready any more: the process will drain soon. Changes are still taken.
    pub fn announce_end(&self) {
        self.is_ending.store(true, Ordering::Release);
    }

    /// True once the process is about to drain, or drains.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire) || self.is_draining()
    }

    /// From now on every change is refused: the process is about to end, and waits for its connections.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    /// True once changes are refused because the process is about to end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// For what changes something and is not an operation of the store's.
    ///
    /// # Errors
    /// `draining`.
    pub fn takes_changes(&self) -> Result<(), Problems> {
        if !self.is_draining() {
            return Ok(());
        }
        let detail = "The node is shutting down and takes no changes any more, nothing was done: ask again when it is started again.";
        Err(Problems::new(Code::DRAINING, detail))
    }

    /// Has something done on the store's thread.
    async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut StoreThread) -> T + Send + 'static,
    ) -> Result<T, Problems> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |thread| {
            // Nobody may be waiting any more.
            let _ = reply.send(job(thread));
        });
        let limit = self.settings.store_timeout;
        match timeout(limit, self.jobs.send(job)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(gone()),
            Err(_) => return Err(busy(limit, "is not done: too many others are waiting")),
        }
        match timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|_| gone()),
            Err(_) => Err(busy(limit, "is not answered, and may still be done")),
        }
    }

    /// Looks something up.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Reader<'_>) -> Result<T, Problems> + Send + 'static,
    ) -> Result<T, Problems> {
        self.ask(move |thread| thread.read(look)).await?
    }

    /// Makes changes in their order, all of them or none, and answers what each did once all are active.
    ///
    /// # Errors
    /// The problem of the first change that is refused, its fields below `changes[n]`.
    pub async fn apply(&self, actor: &Actor, changes: Vec<Change>, mode: Mode) -> Result<Vec<Made>, Problems> {
        self.takes_changes()?;
        self.read_contracts(&changes).await;
        let actor = actor.clone();
        let changed = self.ask(move |thread| {
            thread.transact(&actor, mode, Records::EachChange, |context| {
                let made = changes.iter().enumerate().map(|(at, change)| {
                    let made = make(context, change, &Condition::Always);
                    made.map_err(|problems| problems.below(&format!("changes[{at}]")))
                });
                made.collect::<Result<Vec<_>, _>>()
            })
        });
        let (made, receipts) = changed.await??;
        self.wait_for(receipts).await?;
        Ok(made)
    }

    /// Makes one change of something that is in a given state, and answers with what `show` makes of it before anything else
    /// can change.
    async fn apply_one<T: Send + 'static>(
        &self,
        actor: &Actor,
        change: Change,
        condition: Condition,
        show: impl FnOnce(&ChangeContext<'_>, &Made) -> Result<T, Problems> + Send + 'static,
    ) -> Result<T, Problems> {
        self.takes_changes()?;
        self.read_contracts(slice::from_ref(&change)).await;
        let actor = actor.clone();
        let changed = self.ask(move |thread| {
            thread.transact(&actor, Mode::Commit, Records::EachChange, |context| {
                let made = make(context, &change, &condition)?;
                show(context, &made)
            })
        });
        let (shown, receipts) = changed.await??;
        self.wait_for(receipts).await?;
        Ok(shown)
    }

    async fn wait_for(&self, Receipts { snapshot, keys }: Receipts) -> Result<(), Problems> {
        for receipt in snapshot.into_iter().chain(keys) {
            self.in_force(receipt).await?;
        }
        Ok(())
    }

    async fn in_force(&self, receipt: Receipt) -> Result<(), Problems> {
        let limit = self.settings.in_force_timeout;
        receipt.wait(limit).await.map_err(|missing| {
            let detail = format!(
                "The change is committed, but {missing} after {} ms: they use it as soon as they can. See the health page.",
                limit.as_millis()
            );
            Problems::new(Code::NOT_IN_FORCE, detail)
        })
    }
}

fn gone() -> Problems {
    Problems::new(Code::STORE_UNAVAILABLE, "The node is shutting down: nothing can be changed or looked up any more.")
}

fn busy(limit: Duration, what: &str) -> Problems {
    let detail = format!("The store was busy for {} ms: this {what}. Try again later.", limit.as_millis());
    Problems::new(Code::BUSY, detail)
}

/// Items of a page, within bounds.
fn clamp(limit: u16) -> u16 {
    limit.clamp(1, page::MAX_LIMIT)
}
