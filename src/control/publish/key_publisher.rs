//! Sends tables of keys to the shards, each with what it ends.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use tokio::sync::watch;

use super::keys::PublishedKeys;
use super::{ChangedApplication, Receipt, send};
use crate::api::consumers::ApplicationState;
use crate::command::{Command, KeyChange};
use crate::engine::mailbox::Sender;
use crate::routing::consumers::{KeyTable, Revoked, UnixSeconds};

/// The most earlier tables that are kept for shards that have not confirmed a newer one.
const MAX_OUTGOING: usize = 8;

/// The keys of the shards.
#[derive(Debug)]
pub(super) struct KeyPublisher {
    /// `None` while the keys are not known: no route that asks for a key takes anybody.
    keys: Option<PublishedKeys>,
    number: u64,
    current: Arc<ArcSwapOption<KeyTable>>,
    /// The next moment at which [`publish`](Self::publish) has to be called because a key ends.
    next_end: watch::Sender<Option<UnixSeconds>>,
    /// Earlier tables that a shard may still hold, kept so that no shard frees a whole one.
    outgoing: Vec<(Receipt, Option<Arc<KeyTable>>)>,
}

impl KeyPublisher {
    /// A publisher of keys that are not known yet. `current` has the table that was published last.
    pub(super) fn new(current: Arc<ArcSwapOption<KeyTable>>) -> Self {
        Self { keys: None, number: 0, current, next_end: watch::Sender::new(None), outgoing: Vec::new() }
    }

    /// The next moment at which a key ends whose connections the shards do not end by themselves.
    pub(super) fn next_end(&self) -> watch::Receiver<Option<UnixSeconds>> {
        self.next_end.subscribe()
    }

    /// Publishes every key; `None` for keys that are not known.
    pub(super) fn publish_all(&mut self, shards: &[Sender<Command>], all: Option<Vec<ApplicationState>>) -> Receipt {
        let revoked = match all {
            Some(all) => self.keys.get_or_insert_default().replace(all),
            None => {
                self.keys = None;
                Revoked::default()
            }
        };
        self.send(shards, revoked)
    }

    /// Publishes changed applications, and ends the connections of keys whose end has come. `None` if nothing has changed.
    pub(super) fn publish(&mut self, shards: &[Sender<Command>], changed: Vec<ChangedApplication>) -> Option<Receipt> {
        let keys = self.keys.as_mut()?;
        let is_changed = !changed.is_empty();
        let mut revoked = keys.apply(changed);
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
        keys.take_ended(UnixSeconds(now), &mut revoked);
        (is_changed || !revoked.is_empty()).then(|| self.send(shards, revoked))
    }

    fn send(&mut self, shards: &[Sender<Command>], revoked: Revoked) -> Receipt {
        self.number = self.number.saturating_add(1);
        let (number, revoked) = (self.number, Arc::new(revoked));
        let table = self.keys.as_ref().map(|keys| Arc::new(keys.table()));
        let before = self.current.swap(table.clone());
        let receipt = send::to_all(shards, number, |done| {
            let (keys, revoked) = (table.clone(), Arc::clone(&revoked));
            Command::Keys(Box::new(KeyChange { keys, number, revoked, done }))
        });
        self.outgoing.retain(|(receipt, _)| !receipt.is_in_force());
        self.outgoing.push((receipt.clone(), before));
        // A shard that never confirms must not make the list grow without end.
        #[expect(clippy::disallowed_methods, reason = "no more is taken out than is there")]
        self.outgoing.drain(..self.outgoing.len().saturating_sub(MAX_OUTGOING));
        let next = self.keys.as_ref().and_then(PublishedKeys::next_end);
        self.next_end.send_if_modified(|known| std::mem::replace(known, next) != next);
        receipt.of_keys()
    }
}
