//! The queue of look-ups, with the files, the servers and the log's limit that all names share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::files::{Files, Host};
use super::log_limit::LogLimit;
use super::servers::Servers;

/// Names that are looked up at one time.
pub(super) const LOOKUPS: u32 = 64;
/// The part of these whose last look-up may have failed: such look-ups may take long, and must not hold up the others.
const LOOKUPS_OF_FAILING: u32 = 48;

#[derive(Debug)]
pub(super) struct LookupQueue {
    pub(super) servers: Servers,
    pub(super) log_limit: LogLimit,
    files: Mutex<Files>,
    /// In milliseconds; [`NEVER`] to keep the addresses of names that are gone.
    gone_timeout: AtomicU64,
    changes: watch::Sender<()>,
    all: Arc<Semaphore>,
    failing: Arc<Semaphore>,
}

/// No time at all.
const NEVER: u64 = u64::MAX;

/// The permission to look a name up, until this is dropped.
#[derive(Debug)]
pub(super) struct LookupPermit {
    _all: Option<OwnedSemaphorePermit>,
    _failing: Option<OwnedSemaphorePermit>,
}

/// The result of a name's last look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// An answer, or no look-up yet.
    Fine,
    /// No answer.
    Failed,
}

impl LookupQueue {
    pub(super) fn new() -> Self {
        let permits = |count: u32| Arc::new(Semaphore::new(count.try_into().unwrap_or(usize::MAX)));
        Self {
            servers: Servers::default(),
            log_limit: LogLimit::default(),
            files: Mutex::new(Files::new()),
            gone_timeout: AtomicU64::new(NEVER),
            changes: watch::Sender::new(()),
            all: permits(LOOKUPS),
            failing: permits(LOOKUPS_OF_FAILING),
        }
    }

    /// The time after which the addresses of a name that is gone are dropped; `None` to keep them.
    pub(super) fn gone_timeout(&self) -> Option<Duration> {
        let millis = self.gone_timeout.load(Ordering::Relaxed);
        (millis != NEVER).then(|| Duration::from_millis(millis))
    }

    pub(super) fn set_gone_timeout(&self, timeout: Option<Duration>) {
        let millis = timeout.map_or(NEVER, |timeout| u64::try_from(timeout.as_millis()).unwrap_or(NEVER));
        self.gone_timeout.store(millis, Ordering::Relaxed);
    }

    /// Waits for a permit, first come, first served.
    pub(super) async fn permit(&self, last: Last) -> LookupPermit {
        let failing = match last {
            Last::Fine => None,
            Last::Failed => Arc::clone(&self.failing).acquire_owned().await.ok(),
        };
        LookupPermit { _all: Arc::clone(&self.all).acquire_owned().await.ok(), _failing: failing }
    }

    /// The contents of the files now. Every name is notified if they have changed.
    pub(super) fn files(&self) -> Arc<Host> {
        let (host, is_news) = self.files.lock().unwrap_or_else(PoisonError::into_inner).look();
        if is_news {
            self.changes.send_replace(());
        }
        host
    }

    /// Is notified of changes of the files from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Checks the files and logs how many messages were suppressed; called every few seconds.
    pub(super) fn check_files(&self) {
        self.files();
        self.log_limit.report_suppressed(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::{LOOKUPS, LOOKUPS_OF_FAILING, Last, LookupPermit, LookupQueue};

    fn permit(queue: &LookupQueue, last: Last) -> Option<LookupPermit> {
        match pin!(queue.permit(last)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    #[test]
    fn names_that_fail_leave_room_for_the_others() {
        let queue = LookupQueue::new();
        let mut failing: Vec<_> = (0..100).filter_map(|_| permit(&queue, Last::Failed)).collect();
        assert_eq!(failing.len(), LOOKUPS_OF_FAILING as usize);
        let fine: Vec<_> = (0..100).filter_map(|_| permit(&queue, Last::Fine)).collect();
        assert_eq!(failing.len() + fine.len(), LOOKUPS as usize);
        // A permit that is dropped makes room for the next one.
        failing.pop();
        let next = permit(&queue, Last::Failed);
        assert!(next.is_some() && permit(&queue, Last::Failed).is_none() && permit(&queue, Last::Fine).is_none());
    }
}
