//! The health of the store, which anyone may ask for without waiting for the store's thread.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, info};

use super::Manager;
use super::store_thread::StoreThread;
use crate::api::view::health::{StoreHealth, StoreState};

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

/// The store's health.
impl Manager {
    /// How the store is. Never waits. While it takes no changes, asking has it looked at again.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        let health = self.health.get();
        if health.state != StoreState::Ok {
            // If there is no place in the queue, it will be looked at another time.
            let _ = self.jobs.try_send(Box::new(StoreThread::probe));
        }
        health
    }
}
