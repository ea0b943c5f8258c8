//! A store that could not be opened at the start: what was deployed last is served, and the store is tried again until it
//! is there, on its own thread and in turn with all that is asked meanwhile.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::info;

use super::desk::{Desk, Job, unavailable};
use super::work::DeployedSet;
use super::{Manager, StoreState};
use crate::control::store::Store;
use crate::control::store::fault::StoreError;
use crate::control::state_dir::StateDir;

/// How a store that is not there comes to be.
pub(super) struct Reopening {
    state: StateDir,
    pub(super) every: Duration,
    /// What is called when it is there. It is not tried before somebody has said so.
    then: Option<Box<dyn FnOnce() + Send>>,
}

impl Reopening {
    /// For a store that cannot be opened for this reason; nothing where it is the operator who has to act.
    pub(super) fn new(state: StateDir, every: Duration, why: &StoreError) -> Option<Self> {
        why.may_pass().then_some(Self { state, every, then: None })
    }
}

impl Manager {
    /// From now on a store that could not be opened is tried again: once shards are told of what is published. When it is
    /// there `then` is called, on the store's thread: it must not wait for it.
    pub fn reopen_store(&self, then: impl FnOnce() + Send + 'static) {
        let begin = |desk: &mut Desk| {
            if let Some(reopening) = &mut desk.reopening {
                reopening.then = Some(Box::new(then));
            }
        };
        // At the start nobody has asked for so much that there is no room.
        let _ = self.jobs.try_send(Box::new(begin));
    }
}

/// Works jobs off until there is a store, or it is given up.
pub(super) async fn wait_for_store(desk: &mut Desk, queue: &mut mpsc::Receiver<Job>) {
    let Some(Reopening { every, .. }) = desk.reopening else { return };
    let start = Instant::now();
    let mut again = interval_at(start.checked_add(every).unwrap_or(start), every);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while desk.reopening.is_some() {
        tokio::select! {
            job = queue.recv() => match job {
                Some(job) => job(desk),
                None => return,
            },
            _ = again.tick() => desk.reopen(),
        }
    }
}

impl Desk {
    fn reopen(&mut self) {
        let Some(Reopening { state, then: Some(_), .. }) = &self.reopening else { return };
        match Store::open_again(state).and_then(|store| self.take_up(store)) {
            Ok(()) => {
                if let Some(then) = self.reopening.take().and_then(|reopening| reopening.then) {
                    then();
                }
            }
            Err(why) => {
                if !why.may_pass() {
                    self.reopening = None;
                }
                let detail = unavailable(&why, self.reopening.as_ref()).detail;
                self.health.set(StoreState::Unavailable, Some(&detail));
                self.store = Err(why);
            }
        }
    }

    /// Goes by a store from now on. What it says of a deployment as it is served already touches nobody.
    fn take_up(&mut self, mut store: Store) -> Result<(), StoreError> {
        let deployed = store.deployed()?;
        let is_other = deployed != *self.deployed.all();
        if is_other {
            let prepared = self.plane.prepare_kept(&deployed);
            prepared.map_err(|problems| StoreError::Failed { why: problems.to_string() })?;
            self.deployed = DeployedSet::new(deployed);
            self.latest = self.plane.publish().or(self.latest.take());
        }
        let deployments = self.deployed.all().len();
        info!(deployments, is_other, "the store is open: what is deployed is what it says");
        let probed = store.probe();
        self.store = Ok(store);
        self.probed(probed);
        Ok(())
    }
}
