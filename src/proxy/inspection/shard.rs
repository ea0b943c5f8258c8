//! What the inspected tunnels of a shard share: buffers of messages, and the samples for the control plane.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::command::sighting::Sighting;
use crate::engine::Time;
use crate::routing::route::RouteLabels;

/// The most bytes of messages whose ends have not come, over all connections of a shard. Further messages are not inspected.
pub(in crate::proxy) const MAX_WAITING_BYTES: usize = 64 << 20;
/// The longest time that a sample waits for others, so that the reader wakes once for many.
const BATCH_DELAY: Duration = Duration::from_millis(200);
/// Free buffers that a shard keeps.
const MAX_FREE: usize = 32;
/// The largest free buffer that a shard keeps.
const MAX_FREE_BYTES: usize = 128 << 10;
/// The most samples of one route that a shard hands over with one batch. Further ones are counted alone.
const MAX_SIGHTINGS: u32 = 16;

/// The shard's part of the inspection.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Inspection {
    free: Vec<Vec<u8>>,
    waiting: usize,
    sightings: Vec<Sighting>,
    /// Samples of each route in this batch.
    sighted: HashMap<Option<Arc<RouteLabels>>, u32>,
    due: Option<Time>,
}

impl Inspection {
    /// An empty buffer.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && buffer.capacity() <= MAX_FREE_BYTES && self.free.len() < MAX_FREE {
            buffer.clear();
            self.free.push(buffer);
        }
    }

    /// Counts bytes of an incomplete message; false if there are too many.
    pub(super) fn occupy(&mut self, bytes: usize) -> bool {
        let all = self.waiting.saturating_add(bytes);
        if all > MAX_WAITING_BYTES {
            return false;
        }
        self.waiting = all;
        true
    }

    /// Gives back what [`occupy`](Self::occupy) counted.
    pub(super) fn release(&mut self, bytes: usize) {
        debug_assert!(self.waiting >= bytes, "more bytes were given back than taken");
        self.waiting = self.waiting.saturating_sub(bytes);
    }

    /// Bytes of messages whose ends have not come.
    pub(in crate::proxy) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Adds a sample, if its route has not had its share of the batch.
    pub(super) fn sight(&mut self, now: Time, labels: Option<&Arc<RouteLabels>>, sighting: impl FnOnce() -> Sighting) {
        self.due.get_or_insert(now.after(BATCH_DELAY));
        let count = self.sighted.entry(labels.cloned()).or_default();
        if *count < MAX_SIGHTINGS {
            *count = count.saturating_add(1);
            self.sightings.push(sighting());
        }
    }

    /// When the next batch must be handed over.
    pub(in crate::proxy) fn due(&self) -> Option<Time> {
        self.due
    }

    /// Takes the batch of samples and begins the next one.
    pub(in crate::proxy) fn take_batch(&mut self) -> Vec<Sighting> {
        self.due = None;
        self.sighted.clear();
        std::mem::take(&mut self.sightings)
    }
}
