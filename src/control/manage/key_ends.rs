//! The ends of keys that a rotation has brought forward. A shard closes a connection at the end that its key had at the
//! handshake; connections that were opened before the rotation are closed from here.

use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Manager;
use super::store_thread::{StoreThread, on_store_thread};
use crate::routing::consumers::UnixSeconds;

/// The longest sleep: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

impl Manager {
    /// Starts a task on `runtime` that has the shards close connections whose key has ended. `next` is when that has to happen.
    pub fn end_rotated_keys(&self, runtime: &Handle, mut next: watch::Receiver<Option<UnixSeconds>>) {
        let jobs = self.jobs.downgrade();
        runtime.spawn(async move {
            loop {
                let end = *next.borrow_and_update();
                let is_left = tokio::select! {
                    changed = next.changed() => changed.is_ok(),
                    () = rest(end) => true,
                };
                let is_due = end.is_some_and(|end| left(end).is_zero());
                if !is_left || (is_due && on_store_thread(&jobs, StoreThread::end_keys).await.is_none()) {
                    return;
                }
            }
        });
    }
}

impl StoreThread {
    /// Has the connections of keys closed whose end has come.
    fn end_keys(&mut self) {
        let receipt = self.publisher.publish_keys(Vec::new());
        self.latest.keys = receipt.or(self.latest.keys.take());
    }
}

/// Waits for an end, or a while.
async fn rest(end: Option<UnixSeconds>) {
    match end {
        Some(end) => sleep(left(end).min(LONGEST_SLEEP)).await,
        None => std::future::pending().await,
    }
}

/// The time until an end.
fn left(UnixSeconds(end): UnixSeconds) -> Duration {
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    Duration::from_millis(end.saturating_mul(1000).saturating_sub(now))
}
