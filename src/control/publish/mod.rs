//! From deployments and configuration to what the shards have in force.
//!
//! In: every deployment there is, from the store's thread, and what was configured. Out: one snapshot for all shards, and
//! word of when each of them goes by it.

mod environment;
mod route;
pub mod shards;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::{Deployed, DeploymentId, Problems};
use crate::config::file::{Configuration, Opened};
use crate::routing::addresses::AddressCell;

/// The longest time that an active change waits for the addresses of its new names.
const NAMES_PATIENCE: Duration = Duration::from_secs(1);
/// The time between two looks for these addresses.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Builds what the shards serve, and hands it to them. The store's thread calls it, in the order in which changes are
/// committed.
///
/// Each of the three ways to prepare replaces what was prepared before and not published: that was rolled back.
pub trait Publisher: Send + 'static {
    /// Checks and builds what these deployments lead to; nothing of it is active yet. Called inside the transaction.
    ///
    /// # Errors
    /// The deployment that cannot be served, and why: the transaction is rolled back, and the caller gets the problem.
    fn prepare(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems>;

    /// Like [`prepare`](Self::prepare), for deployments that a store has kept and nobody has asked for now. A deployment that
    /// cannot be served any more must not keep the others from being served: it is left out, and the log says so.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    fn prepare_kept(&mut self, deployed: &BTreeMap<DeploymentId, Deployed>) -> Result<(), Problems> {
        self.prepare(deployed)
    }

    /// Like [`prepare`](Self::prepare), with another configuration, which is the publisher's once it is published. Listeners
    /// stay what they are: their number and order must be the same.
    ///
    /// # Errors
    /// The deployments that can be served now and not with the new configuration.
    fn prepare_with(
        &mut self,
        configuration: &Configuration,
        opened: &Opened,
        deployed: &BTreeMap<DeploymentId, Deployed>,
    ) -> Result<(), Problems>;

    /// Hands what was prepared last to every shard, which is active once the receipt says so; `None` if nothing was prepared
    /// since. Called after the commit. Never fails.
    fn publish(&mut self) -> Option<Receipt>;
}

/// Word of when something that was published is in force. Clones wait for the same.
#[derive(Clone, Debug)]
pub struct Receipt {
    number: u64,
    places: Arc<[Arc<AddressCell>]>,
    missing: watch::Receiver<BTreeSet<usize>>,
}

/// The other end of a receipt: where shards say that they have it. Clones belong to the same receipt.
#[derive(Clone, Debug)]
pub struct Confirmations {
    missing: Arc<watch::Sender<BTreeSet<usize>>>,
}

/// Not every shard has it, or has said so in time. Those that have go by it; the others will, if they live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotInForce {
    /// The number of the published snapshot.
    pub number: u64,
    /// The shards that have not said that they have it.
    pub shards: Vec<usize>,
}

impl Receipt {
    /// For a snapshot with a number, which each of `shards` is to confirm.
    #[must_use]
    pub fn new(number: u64, shards: impl IntoIterator<Item = usize>) -> (Self, Confirmations) {
        let (sender, receiver) = watch::channel(shards.into_iter().collect());
        (Self { number, places: Arc::default(), missing: receiver }, Confirmations { missing: Arc::new(sender) })
    }

    /// The same, and who waits for it waits a moment for the addresses of these too: who comes right behind a change should
    /// find what it leads to.
    #[must_use]
    pub(crate) fn with_places(self, places: Vec<Arc<AddressCell>>) -> Self {
        Self { places: places.into(), ..self }
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

    /// Waits until it is in force.
    ///
    /// # Errors
    /// The time is over, or nobody is left who could confirm it.
    pub async fn wait(mut self, timeout: Duration) -> Result<(), NotInForce> {
        let all = self.missing.wait_for(BTreeSet::is_empty);
        let is_in_force = matches!(tokio::time::timeout(timeout, all).await, Ok(Ok(_)));
        if is_in_force {
            resolved(&self.places).await;
            return Ok(());
        }
        let shards: Vec<usize> = self.missing.borrow().iter().copied().collect();
        if shards.is_empty() { Ok(()) } else { Err(NotInForce { number: self.number, shards }) }
    }
}

/// Waits until each place has addresses, a moment at most: a name may not be there at all, and that is no fault of the change.
async fn resolved(places: &[Arc<AddressCell>]) {
    let began = Instant::now();
    while began.elapsed() < NAMES_PATIENCE && places.iter().any(|place| place.load().addresses().is_empty()) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Confirmations {
    /// A shard goes by it from now on.
    pub fn confirm(&self, shard: usize) {
        self.missing.send_if_modified(|missing| missing.remove(&shard));
    }
}

impl fmt::Display for NotInForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shards = self.shards.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "snapshot {} is not yet active on shards {shards}", self.number)
    }
}

impl std::error::Error for NotInForce {}
