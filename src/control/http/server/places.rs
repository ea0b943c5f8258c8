//! The places of a listener: how many connections it holds, and which one leaves for a newcomer.
//!
//! A connection that has not sent a request yet holds its place only until somebody else needs it: the oldest of them
//! leaves. So clients that connect and say nothing keep nobody out. Some places are for probes alone: a newcomer gets one
//! when all others have sent requests, and may ask for its health, nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::control::http::arrival::Lane;

/// The places of one listener.
#[derive(Debug)]
pub(super) struct Places {
    everything: Arc<Semaphore>,
    probes: Arc<Semaphore>,
    silent: Arc<Mutex<Silent>>,
}

/// The connections that have not sent a request, by their order of arrival.
#[derive(Debug, Default)]
struct Silent {
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    permit: OwnedSemaphorePermit,
    lane: Lane,
    leave: Arc<Notify>,
}

/// A connection's place. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    lane: Lane,
    leave: Arc<Notify>,
    silent: Arc<Mutex<Silent>>,
    /// The place once a request has come; before that the table has it.
    kept: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Places {
    pub(super) fn new(everything: usize, probes: usize) -> Self {
        Self {
            everything: Arc::new(Semaphore::new(everything)),
            probes: Arc::new(Semaphore::new(probes)),
            silent: Arc::default(),
        }
    }

    /// A place for a new connection; `None` if all are held by connections that have sent requests.
    pub(super) fn take(&self) -> Option<Place> {
        let (permit, lane) = self.permit()?;
        let leave = Arc::new(Notify::new());
        let mut silent = lock(&self.silent);
        silent.last = silent.last.saturating_add(1);
        let number = silent.last;
        silent.waiting.insert(number, Waiting { permit, lane, leave: Arc::clone(&leave) });
        Some(Place { number, lane, leave, silent: Arc::clone(&self.silent), kept: Mutex::new(None) })
    }

    fn permit(&self) -> Option<(OwnedSemaphorePermit, Lane)> {
        if let Ok(permit) = Arc::clone(&self.everything).try_acquire_owned() {
            return Some((permit, Lane::Everything));
        }
        if let Some((_, oldest)) = lock(&self.silent).waiting.pop_first() {
            oldest.leave.notify_one();
            return Some((oldest.permit, oldest.lane));
        }
        let permit = Arc::clone(&self.probes).try_acquire_owned().ok()?;
        Some((permit, Lane::Probes))
    }
}

impl Place {
    pub(super) fn lane(&self) -> Lane {
        self.lane
    }

    /// The connection has sent a request: from now on it keeps its place.
    pub(super) fn heard(&self) {
        let waiting = lock(&self.silent).waiting.remove(&self.number);
        if let Some(waiting) = waiting {
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(waiting.permit);
        }
    }

    /// Completes once the connection must leave for a newcomer.
    pub(super) async fn lost(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.silent).waiting.remove(&self.number);
    }
}

fn lock(silent: &Mutex<Silent>) -> MutexGuard<'_, Silent> {
    silent.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::{Lane, Place, Places};

    fn is_lost(place: &Place) -> bool {
        pin!(place.lost()).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn c5_the_oldest_silent_connection_leaves_for_a_newcomer_and_one_that_has_asked_stays() {
        let places = Places::new(2, 0);
        let (first, second) = (places.take().unwrap(), places.take().unwrap());
        first.heard();
        let third = places.take().expect("the silent one leaves");
        assert!(is_lost(&second) && !is_lost(&first) && !is_lost(&third));
        third.heard();
        assert!(places.take().is_none());
        drop(second);
        assert!(places.take().is_none(), "its place had gone on");
        drop(first);
        assert_eq!(places.take().map(|place| place.lane()), Some(Lane::Everything));
    }

    #[test]
    fn c5_probes_have_places_of_their_own_once_the_others_are_busy() {
        let places = Places::new(1, 1);
        let busy = places.take().unwrap();
        busy.heard();
        let probe = places.take().unwrap();
        assert_eq!((busy.lane(), probe.lane()), (Lane::Everything, Lane::Probes));
        let next = places.take().expect("a silent probe leaves too");
        assert!(is_lost(&probe) && next.lane() == Lane::Probes);
        next.heard();
        assert!(places.take().is_none());
        drop((busy, next, probe));
        assert_eq!(places.take().map(|place| place.lane()), Some(Lane::Everything));
    }
}
