//! Counts and distributions that one shard observed, reported once a second.
//!
//! A message belongs to the measured window if it was due in it, not if its answer came in it: a late answer counts,
//! with its full latency.

mod counts;
mod trouble;

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringway::engine::Time;

pub use counts::{Agreed, Counts};
pub use trouble::Trouble;

use crate::message::Sample;

/// The longest time that a distribution records: one hour. Longer times are recorded as one hour.
const MAX_NS: u64 = 3_600_000_000_000;
/// Significant digits of a distribution.
const DIGITS: u8 = 3;
/// Messages of the server's own of which a shard keeps the beginning.
pub const MAX_SAMPLES: usize = 3;
/// The interval at which a shard reports.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// A message that is taken up later than this after it was due counts as late.
const LATE: Duration = Duration::from_millis(1);

/// An empty distribution of times in nanoseconds.
///
/// # Panics
/// Never: the bounds are constants that the library accepts.
#[must_use]
pub fn times() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "constants, and a test makes one")]
    Histogram::new_with_bounds(1, MAX_NS, DIGITS).expect("an hour in three digits")
}

/// The measured window: from the first moment up to but without the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The start of the window.
    pub from: Time,
    /// The end of the window, which is not part of it.
    pub until: Time,
}

impl Window {
    /// An empty window.
    pub const NONE: Self = Self { from: Time::MAX, until: Time::MAX };

    /// Returns `true` if the window contains this moment.
    #[must_use]
    pub fn holds(&self, at: Time) -> bool {
        self.from <= at && at < self.until
    }
}

/// Observations of a shard since its last report.
#[derive(Debug)]
pub struct Update {
    /// The index of the shard.
    pub shard: usize,
    /// The end of the reported time.
    pub until: Time,
    /// The counts.
    pub counts: Counts,
    /// Errors by kind.
    pub errors: BTreeMap<Trouble, u64>,
    /// Beginnings of messages that the server sent on its own, at most [`MAX_SAMPLES`] in the run.
    pub samples: Vec<Sample>,
    /// TLS handshakes by their results.
    pub secured: BTreeMap<Agreed, u64>,
    /// The scenario's latency, in the window.
    pub latency: Histogram<u64>,
    /// Time from due to 101, in the whole run.
    pub handshake: Histogram<u64>,
    /// Connections open now.
    pub open: u64,
    /// The total time that the shard has been idle since it started.
    pub idle: Duration,
}

/// Events for the thread that runs the phases.
#[derive(Debug)]
pub enum Event {
    /// A shard reported its observations.
    Update(Box<Update>),
    /// The requested connections are open, or have failed.
    Settled,
    /// The first connection of the run is open, or failed for this reason, in words for a user.
    Probed(Result<(), String>),
    /// All answers have arrived, or the grace period is over.
    Drained,
    /// A shard has ended.
    Ended(std::io::Result<()>),
    /// SIGINT or SIGTERM arrived.
    Signal,
}

/// The recorder of one shard.
#[derive(Debug)]
pub struct Recorder {
    shard: usize,
    events: Sender<Event>,
    window: Window,
    next_update: Time,
    counts: Counts,
    errors: BTreeMap<Trouble, u64>,
    samples: Vec<Sample>,
    /// Samples that may still be taken.
    samples_left: usize,
    secured: BTreeMap<Agreed, u64>,
    latency: Histogram<u64>,
    handshake: Histogram<u64>,
    open: u64,
}

impl Recorder {
    /// Creates a recorder that reports from `now` on.
    #[must_use]
    pub fn new(shard: usize, events: Sender<Event>, now: Time) -> Self {
        Self {
            shard,
            events,
            window: Window::NONE,
            next_update: now.after(INTERVAL),
            counts: Counts::default(),
            errors: BTreeMap::new(),
            samples: Vec::new(),
            samples_left: MAX_SAMPLES,
            secured: BTreeMap::new(),
            latency: times(),
            handshake: times(),
            open: 0,
        }
    }

    /// Sets the window. From now on, updates are sent at the window's whole seconds.
    pub fn measure(&mut self, window: Window) {
        self.window = window;
        self.next_update = window.from;
    }

    /// Ends the window at `until`, if that is earlier than its end.
    pub fn cut(&mut self, until: Time) {
        self.window.until = self.window.until.min(until).max(self.window.from);
    }

    /// The measured window.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Returns `true` if a message due at this moment counts.
    #[must_use]
    pub fn counts(&self, at: Time) -> bool {
        self.window.holds(at)
    }

    /// Records a message that was due and is taken up now. Returns `false` if it does not count.
    pub fn due(&mut self, at: Time, now: Time) -> bool {
        let counts = self.window.holds(at);
        if counts {
            self.counts.due += 1;
            self.counts.late += u64::from(now.since(at) > LATE);
        }
        counts
    }

    /// Records that a due message was handed to the network.
    pub fn sent(&mut self, at: Time, payload_len: usize) {
        if self.window.holds(at) {
            self.counts.sent += 1;
            self.counts.bytes_sent += payload_len as u64;
        }
    }

    /// Records that a due message could not be sent.
    pub fn unsent(&mut self, at: Time, why: &'static str) {
        if self.window.holds(at) {
            self.counts.unsent += 1;
            self.trouble(Trouble::Message(why));
        }
    }

    /// Records that the correct answer to a message due at `at` arrived at `now`.
    #[inline]
    pub fn received(&mut self, at: Time, now: Time, payload_len: usize) {
        if self.window.holds(at) {
            self.counts.received += 1;
            self.counts.bytes_received += payload_len as u64;
            self.latency.saturating_record(nanos(now.since(at)));
        }
    }

    /// Records answers that did not arrive.
    pub fn lost(&mut self, at: Time, count: u64) {
        if self.window.holds(at) && count > 0 {
            self.counts.lost += count;
            self.troubles(Trouble::Message("lost"), count);
        }
    }

    /// Records missing answers whose due times this shard does not know.
    pub fn missing(&mut self, count: u64) {
        if count > 0 {
            self.counts.lost += count;
            self.troubles(Trouble::Message("lost"), count);
        }
    }

    /// Records a repeated answer. Faults of content count at any time.
    pub fn duplicate(&mut self) {
        self.counts.duplicates += 1;
        self.trouble(Trouble::Message("duplicate"));
    }

    /// Records an answer that arrived after a later one.
    pub fn out_of_order(&mut self) {
        self.counts.out_of_order += 1;
        self.trouble(Trouble::Message("out of order"));
    }

    /// Records an answer that differs from the message sent.
    pub fn mismatched(&mut self) {
        self.counts.mismatched += 1;
        self.trouble(Trouble::Message("mismatched"));
    }

    /// Records an answer that came as text instead of binary, or the other way round.
    pub fn other_form(&mut self) {
        self.counts.other_form += 1;
        self.trouble(Trouble::Message("answered in the other form"));
    }

    /// Records a message that is no answer: the server sent it on its own. That is no error.
    pub fn unexpected(&mut self, sample: impl FnOnce() -> Sample) {
        self.counts.unexpected += 1;
        if let Some(left) = self.samples_left.checked_sub(1) {
            self.samples_left = left;
            self.samples.push(sample());
        }
    }

    /// Records a completed TLS handshake.
    pub fn secured(&mut self, agreed: Agreed) {
        *self.secured.entry(agreed).or_default() += 1;
    }

    /// Records that a connection due at `at` got its 101 at `now`.
    pub fn opened(&mut self, at: Time, now: Time) {
        self.counts.opened += 1;
        self.open += 1;
        self.handshake.saturating_record(nanos(now.since(at)));
    }

    /// Records a connection that failed before it was open.
    pub fn failed(&mut self, why: Trouble) {
        self.counts.failed += 1;
        self.trouble(why);
    }

    /// Records an open connection that ended earlier than intended.
    pub fn ended(&mut self, why: Trouble) {
        self.counts.ended += 1;
        self.open = self.open.saturating_sub(1);
        self.trouble(why);
    }

    /// Records an open connection that was closed on purpose.
    pub fn left(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    fn trouble(&mut self, what: Trouble) {
        self.troubles(what, 1);
    }

    fn troubles(&mut self, what: Trouble, count: u64) {
        *self.errors.entry(what).or_default() += count;
    }

    /// The time at which [`hand_over`](Self::hand_over) is due.
    #[must_use]
    pub fn next_update(&self) -> Time {
        self.next_update
    }

    /// Reports the observations, if a report is due.
    pub fn update(&mut self, now: Time, idle: Duration) {
        if now >= self.next_update {
            // A shard that was delayed reports once, not once for each missed second.
            while self.next_update <= now {
                self.next_update = self.next_update.after(INTERVAL);
            }
            self.hand_over(now, idle);
        }
    }

    /// Reports the observations.
    pub fn hand_over(&mut self, now: Time, idle: Duration) {
        let update = Update {
            shard: self.shard,
            until: now,
            counts: std::mem::take(&mut self.counts),
            errors: std::mem::take(&mut self.errors),
            samples: std::mem::take(&mut self.samples),
            secured: std::mem::take(&mut self.secured),
            latency: std::mem::replace(&mut self.latency, times()),
            handshake: std::mem::replace(&mut self.handshake, times()),
            open: self.open,
            idle,
        };
        self.tell(Event::Update(Box::new(update)));
    }

    /// Sends an event to the thread that runs the phases.
    pub fn tell(&self, event: Event) {
        // The send fails only if that thread has ended, and then the process ends too.
        let _ = self.events.send(event);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests;
