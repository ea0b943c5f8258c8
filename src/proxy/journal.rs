//! Carries access records from the shards to the writer, and samples of messages that break a contract to the control plane, in
//! batches through bounded queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use super::record::Record;
use crate::command::sighting::Sighting;
use crate::engine::Time;
use crate::invariant::Invariant;

/// Batches that may wait for the writer. Further ones are dropped and counted: a log that blocks must not stop a shard.
const MAX_BATCHES: usize = 256;
/// The most records in a batch.
const MAX_BATCH: usize = 256;
/// The longest time that a record waits for others, so that shard and writer wake once for many.
const BATCH_DELAY: Duration = Duration::from_millis(200);

/// One shard's writing end of the journal.
#[derive(Debug)]
pub struct Journal {
    batch: Vec<Record>,
    due: Option<Time>,
    sender: Option<SyncSender<Vec<Record>>>,
    sighted: Option<SyncSender<Vec<Sighting>>>,
    kept: Kept,
    dropped: Arc<AtomicU64>,
}

/// The records that a journal carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// One for each connection.
    All,
    /// The records that cause a warning ([`Record::is_notable`]): the log shows no others.
    Notable,
}

/// The reading end of the journal.
#[derive(Debug)]
pub struct JournalReader {
    /// Batches of records. The channel closes once every shard has ended.
    pub batches: Receiver<Vec<Record>>,
    /// Records that were dropped because the queue was full.
    pub dropped: Arc<AtomicU64>,
}

/// Creates a journal.
#[must_use]
pub fn channel(kept: Kept) -> (JournalSource, JournalReader) {
    let (sender, batches) = sync_channel(MAX_BATCHES);
    let dropped = Arc::new(AtomicU64::new(0));
    let source = JournalSource { sender: Some(sender), sighted: None, kept, dropped: Arc::clone(&dropped) };
    (source, JournalReader { batches, dropped })
}

/// Opens the writing ends of the shards.
#[derive(Clone, Debug)]
pub struct JournalSource {
    sender: Option<SyncSender<Vec<Record>>>,
    sighted: Option<SyncSender<Vec<Sighting>>>,
    kept: Kept,
    dropped: Arc<AtomicU64>,
}

impl JournalSource {
    /// Opens the queue of samples of messages that break a contract, in batches. They are lost while the queue is full, which
    /// samples may be. Without the queue there are no samples.
    #[must_use]
    pub fn sightings(&mut self) -> Receiver<Vec<Sighting>> {
        let (sender, receiver) = sync_channel(MAX_BATCHES);
        self.sighted = Some(sender);
        receiver
    }

    /// Opens one shard's writing end.
    #[must_use]
    pub fn open(self) -> Journal {
        Journal {
            batch: Vec::new(),
            due: None,
            sender: self.sender,
            sighted: self.sighted,
            kept: self.kept,
            dropped: self.dropped,
        }
    }
}

impl Journal {
    pub(super) fn write(&mut self, now: Time, record: Record) {
        if self.sender.is_none() || (self.kept == Kept::Notable && !record.is_notable()) {
            return;
        }
        self.batch.push(record);
        self.due.get_or_insert(now.after(BATCH_DELAY));
        if self.batch.len() >= MAX_BATCH {
            self.hand_over();
        }
    }

    /// Hands over samples of messages that break a contract. While the queue is full they are lost, which samples may be: they
    /// are counted all the same.
    pub(super) fn sighted(&self, batch: Vec<Sighting>) {
        if let Some(sender) = &self.sighted {
            let _ = sender.try_send(batch);
        }
    }

    pub(super) fn due(&self) -> Option<Time> {
        self.due
    }

    pub(super) fn hand_over(&mut self) {
        self.due = None;
        let batch = std::mem::take(&mut self.batch);
        if let Some(sender) = &self.sender
            && let Err(error) = sender.try_send(batch)
        {
            let lost = match error {
                TrySendError::Full(batch) | TrySendError::Disconnected(batch) => batch.len(),
            };
            self.dropped.fetch_add(u64::try_from(lost).expected_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if !self.batch.is_empty() {
            self.hand_over();
        }
    }
}
