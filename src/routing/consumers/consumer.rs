//! The party that a request was authenticated as.

use std::fmt;
use std::sync::Arc;

use super::application::{ApiFamily, Application, Plan};
use super::key::KeyId;

/// An authenticated consumer, held by its connection. No secret is part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// The holder of a key.
    Key(KeyHolder),
    /// The holder of a client certificate, by its subject, which is safe as a header's value.
    Certificate(Box<str>),
}

/// The holder of a key, as of the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHolder {
    /// The key.
    pub key: KeyId,
    /// The application.
    pub application: Arc<Application>,
    /// The API that it was admitted to.
    pub family: Arc<ApiFamily>,
    /// The plan of its subscription.
    pub plan: Arc<Plan>,
}

impl Consumer {
    /// The holder of a key; `None` for any other consumer.
    #[must_use]
    pub fn key_holder(&self) -> Option<&KeyHolder> {
        match self {
            Self::Key(holder) => Some(holder),
            Self::Certificate(_) => None,
        }
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(holder) => f.write_str(&holder.application.consumer),
            Self::Certificate(subject) => f.write_str(subject),
        }
    }
}
