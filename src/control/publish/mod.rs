//! Builds the snapshot that the shards serve, from all deployments and the configuration.
//!
//! In: every deployment, from the store's thread, and the configuration. Out: one snapshot for all shards, and a [`Receipt`]
//! that tells when each shard has activated it.

mod built_route;
mod channels;
mod entry;
mod environment;
mod key_publisher;
mod keys;
pub mod no_shards;
mod route;
mod send;
pub mod shards;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::consumers::ApplicationState;
use crate::api::{ContractRef, Deployed, DeploymentId, Problems};
use crate::config::file::{Configuration, Opened};
use crate::routing::addresses::AddressCell;

/// The longest time that the caller of a change waits, once the change is active, for the addresses of its new names.
const NAMES_PATIENCE: Duration = Duration::from_secs(1);
/// The interval at which the caller checks for these addresses.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Builds snapshots and sends them to the shards. The store's thread calls it, in the order in which changes are committed.
///
/// Each of the three `prepare` methods discards a snapshot that was prepared and not published: its change was rolled back.
pub trait Publisher: Send + 'static {
    /// Builds the snapshot of these deployments, without activating it. Called inside the transaction.
    ///
    /// # Errors
    /// The deployment that cannot be served, and why: the transaction is rolled back, and the caller gets the problem.
    fn prepare(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems>;

    /// Like [`prepare`](Self::prepare), for the deployments that the store holds when it is opened. A deployment that cannot be
    /// served any more is left out, with a log line, so that the others are served.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    fn prepare_kept(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems> {
        self.prepare(deployed)
    }

    /// Like [`prepare`](Self::prepare), with a new configuration, which the publisher uses from [`publish`](Self::publish) on.
    /// The new configuration must have the same listeners in the same order.
    ///
    /// # Errors
    /// The deployments that are served now and could not be with the new configuration.
    fn prepare_with(
        &mut self,
        configuration: &Configuration,
        opened: &Opened,
        deployed: &BTreeMap<DeploymentId, Deployed>,
    ) -> Result<(), Problems>;

    /// The contracts that deployments need and that could not be read, each once. Another attempt to prepare may read them.
    fn unread_contracts(&self) -> Vec<ContractRef> {
        Vec::new()
    }

    /// Sends the prepared snapshot to every shard; the receipt tells when all have activated it. `None` if nothing was prepared
    /// since the last call. Called after the commit. Never fails.
    fn publish(&mut self) -> Option<Receipt>;

    /// Sends every shard all keys, at the start and when the store could be opened after all; `None` for keys that are not known.
    fn publish_all_keys(&mut self, all: Option<Vec<ApplicationState>>) -> Option<Receipt> {
        drop(all);
        None
    }

    /// Sends every shard what the keys of these applications open from now on, and ends the connections of keys whose end has
    /// come; the receipt tells when all know it. `None` if no shard has to know. Called after the commit. Never fails.
    fn publish_keys(&mut self, changed: Vec<ChangedApplication>) -> Option<Receipt> {
        drop(changed);
        None
    }
}

/// An application after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedApplication {
    /// The application's number.
    pub id: u64,
    /// The application as it is now; `None` if it was deleted.
    pub state: Option<ApplicationState>,
}

/// Tells when every shard has activated a published snapshot. Clones wait for the same snapshot.
#[derive(Clone, Debug)]
pub struct Receipt {
    number: u64,
    subject: Subject,
    places: Arc<[Arc<AddressCell>]>,
    missing: watch::Receiver<BTreeSet<usize>>,
}

/// The subject of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Snapshot,
    Keys,
}

/// The other end of a receipt: each shard confirms here that it has activated the snapshot. Clones belong to one receipt.
#[derive(Clone, Debug)]
pub struct Confirmations {
    missing: Arc<watch::Sender<BTreeSet<usize>>>,
}

/// Some shards did not confirm the snapshot in time. The others use it already; these will when they take their commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotInForce {
    /// The number of the published snapshot.
    pub number: u64,
    subject: Subject,
    /// The shards that have not confirmed it.
    pub shards: Vec<usize>,
}

impl Receipt {
    /// A receipt for snapshot `number`, which each of `shards` must confirm.
    #[must_use]
    pub fn new(number: u64, shards: impl IntoIterator<Item = usize>) -> (Self, Confirmations) {
        let (sender, receiver) = watch::channel(shards.into_iter().collect());
        (
            Self { number, subject: Subject::Snapshot, places: Arc::default(), missing: receiver },
            Confirmations { missing: Arc::new(sender) },
        )
    }

    /// Adds address cells that [`wait`](Self::wait) waits for as well, for a moment, so that a client that connects right after
    /// the change finds addresses to dial.
    #[must_use]
    pub(crate) fn with_places(self, places: Vec<Arc<AddressCell>>) -> Self {
        Self { places: places.into(), ..self }
    }

    /// Makes the receipt one of a table of keys.
    #[must_use]
    fn of_keys(self) -> Self {
        Self { subject: Subject::Keys, ..self }
    }

    /// The snapshot's number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// True once every shard has activated the snapshot.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.missing.borrow().is_empty()
    }

    /// Waits until every shard has activated the snapshot.
    ///
    /// # Errors
    /// The time is over, or no shard is left that could confirm the snapshot.
    pub async fn wait(mut self, timeout: Duration) -> Result<(), NotInForce> {
        let all = self.missing.wait_for(BTreeSet::is_empty);
        let is_in_force = matches!(tokio::time::timeout(timeout, all).await, Ok(Ok(_)));
        if is_in_force {
            resolved(&self.places).await;
            return Ok(());
        }
        let shards: Vec<usize> = self.missing.borrow().iter().copied().collect();
        if shards.is_empty() { Ok(()) } else { Err(NotInForce { number: self.number, subject: self.subject, shards }) }
    }
}

/// Waits until each cell has addresses, for [`NAMES_PATIENCE`] at most: a name that does not exist must not hold up the change.
async fn resolved(places: &[Arc<AddressCell>]) {
    let began = Instant::now();
    while began.elapsed() < NAMES_PATIENCE && places.iter().any(|place| place.load().addresses().is_empty()) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Confirmations {
    /// Records that this shard has activated the snapshot.
    pub fn confirm(&self, shard: usize) {
        self.missing.send_if_modified(|missing| missing.remove(&shard));
    }
}

impl fmt::Display for NotInForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shards = self.shards.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        let subject = match self.subject {
            Subject::Snapshot => "snapshot",
            Subject::Keys => "table of keys",
        };
        write!(f, "{subject} {} is not yet active on shards {shards}", self.number)
    }
}

impl std::error::Error for NotInForce {}
