//! What all names share when they are looked up: the queue, the files, the servers, and the log's limit.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::watch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::files::{Files, Host};
use super::log_limit::LogLimit;
use super::servers::Servers;

/// So many names are looked up at a time.
pub(super) const LOOKUPS: u32 = 64;
/// And so many of those that had no answer the last time: they may take long, and leave room for the others.
const LOOKUPS_OF_FAILING: u32 = 48;

#[derive(Debug)]
pub(super) struct LookupQueue {
    pub(super) servers: Servers,
    pub(super) log_limit: LogLimit,
    files: Mutex<Files>,
    changes: watch::Sender<()>,
    all: Arc<Semaphore>,
    failing: Arc<Semaphore>,
}

/// The permission to look a name up, until it is dropped.
#[derive(Debug)]
pub(super) struct LookupPermit {
    _all: Option<OwnedSemaphorePermit>,
    _failing: Option<OwnedSemaphorePermit>,
}

/// What became of a name's last look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// It had an answer, or there was none before.
    Fine,
    /// It had none.
    Failed,
}

impl LookupQueue {
    pub(super) fn new() -> Self {
        let permits = |count: u32| Arc::new(Semaphore::new(count.try_into().unwrap_or(usize::MAX)));
        Self {
            servers: Servers::default(),
            log_limit: LogLimit::default(),
            files: Mutex::new(Files::new()),
            changes: watch::Sender::new(()),
            all: permits(LOOKUPS),
            failing: permits(LOOKUPS_OF_FAILING),
        }
    }

    /// Waits in line, first come, first served. It is never closed.
    pub(super) async fn permit(&self, last: Last) -> LookupPermit {
        let failing = match last {
            Last::Fine => None,
            Last::Failed => Arc::clone(&self.failing).acquire_owned().await.ok(),
        };
        LookupPermit { _all: Arc::clone(&self.all).acquire_owned().await.ok(), _failing: failing }
    }

    /// What the files say now. If that is something else than before, everyone hears of it.
    pub(super) fn files(&self) -> Arc<Host> {
        let (host, is_news) = self.files.lock().unwrap_or_else(PoisonError::into_inner).look();
        if is_news {
            self.changes.send_replace(());
        }
        host
    }

    /// Hears of changes of the files from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// What is to be done every few seconds, whatever becomes of names.
    pub(super) fn look_around(&self) {
        self.files();
        self.log_limit.tell_left_out(Instant::now());
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
