//! The health of the store, which anyone may ask for without waiting for the store's thread.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, info};

use crate::api::view::health::{StoreHealth, StoreState};

/// The health of the store, shared with callers that must not wait for its thread.
#[derive(Clone, Debug)]
pub(super) struct Health(Arc<Mutex<StoreHealth>>);

impl Health {
    pub(super) fn new(health: StoreHealth) -> Self {
        Self(Arc::new(Mutex::new(health)))
    }

    pub(super) fn get(&self) -> StoreHealth {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the health, and logs it if it has changed.
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
