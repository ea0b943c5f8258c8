//! A conversation that goes on over a connection after HTTP has ended there: a WebSocket.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

type Conversation = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The place for the conversation of one connection. The server puts it into each request; clones are the same.
///
/// The conversation runs in the connection's own task, so that the listener's bounds and its stop hold for it too.
#[derive(Clone)]
pub(crate) struct Session {
    conversation: Arc<Mutex<Option<Conversation>>>,
    stop: watch::Receiver<bool>,
}

impl Session {
    pub(super) fn new(stop: watch::Receiver<bool>) -> Self {
        Self { conversation: Arc::default(), stop }
    }

    /// Runs `conversation` after the response to this request, which must be a 101.
    pub(crate) fn start(&self, conversation: impl Future<Output = ()> + Send + 'static) {
        *self.conversation.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(conversation));
    }

    /// Completes once the listener stops.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.clone();
        async move { super::told(&mut stop).await }
    }

    pub(super) fn take(&self) -> Option<Conversation> {
        self.conversation.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}
