//! Counts and distributions that one shard observed, reported once a second.
//!
//! A message belongs to the measured window if it was due in it, not if its answer came in it: a late answer counts,
//! with its full latency.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringway::engine::{Fault, Time, TlsFault};

/// The longest time that a distribution records: one hour. Longer times are recorded as one hour.
const MAX_NS: u64 = 3_600_000_000_000;
/// Significant digits of a distribution.
const DIGITS: u8 = 3;
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

/// A fault, in as much detail as a user can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No connection could be made.
    Connect(&'static str),
    /// The TLS handshake failed.
    Tls(TlsFault),
    /// The answer to the handshake was not a valid one.
    Handshake(&'static str),
    /// The server answered the handshake with a status other than 101.
    Status(u16),
    /// An open connection broke.
    Broken(&'static str),
    /// The server closed the connection, with this code or none.
    Closed(Option<u16>),
    /// The server violated RFC 6455.
    Violation(&'static str),
    /// A fault of a message, in a word.
    Message(&'static str),
}

impl Trouble {
    /// A connection that failed before it was open.
    #[must_use]
    pub fn connecting(fault: Fault) -> Self {
        match fault {
            Fault::Tls(fault) => Self::Tls(fault),
            fault => Self::Connect(fault.code()),
        }
    }

    /// A connection that failed after it was open.
    #[must_use]
    pub fn broken(fault: Fault) -> Self {
        Self::Broken(fault.code())
    }

    /// The stage at which it happened.
    #[must_use]
    pub fn during(self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Handshake(_) | Self::Status(_) => "handshake",
            Self::Broken(_) | Self::Closed(_) | Self::Violation(_) => "connection",
            Self::Message(_) => "message",
        }
    }

    /// The reason, for the report.
    #[must_use]
    pub fn reason(self) -> String {
        match self {
            Self::Connect(word)
            | Self::Handshake(word)
            | Self::Broken(word)
            | Self::Violation(word)
            | Self::Message(word) => word.to_owned(),
            Self::Tls(fault) => fault.to_string(),
            Self::Status(status) => format!("status {status}"),
            Self::Closed(Some(code)) => format!("closed with {code}"),
            Self::Closed(None) => "closed without a code".to_owned(),
        }
    }
}

/// Counts of messages that were due in the window, and of connections of the whole run. Duplicate, reordered and
/// changed messages count at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages due in the window.
    pub due: u64,
    /// Messages due in the window and handed to the network.
    pub sent: u64,
    /// Messages due in the window and taken up late.
    pub late: u64,
    /// Messages due in the window and not sent.
    pub unsent: u64,
    /// Answers to messages that were due in the window.
    pub received: u64,
    /// Answers that did not arrive.
    pub lost: u64,
    /// Answers that arrived more than once.
    pub duplicates: u64,
    /// Answers that arrived after a later one.
    pub out_of_order: u64,
    /// Answers that differ from the message sent.
    pub mismatched: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
    /// Connections that got their 101, in the whole run.
    pub opened: u64,
    /// Connections that failed before the 101, in the whole run.
    pub failed: u64,
    /// Connections that ended earlier than intended.
    pub ended: u64,
}

impl Counts {
    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        let Self { due, sent, late, unsent, received, lost, duplicates, out_of_order, mismatched, .. } = self;
        for (mine, theirs) in [
            (due, other.due),
            (sent, other.sent),
            (late, other.late),
            (unsent, other.unsent),
            (received, other.received),
            (lost, other.lost),
            (duplicates, other.duplicates),
            (out_of_order, other.out_of_order),
            (mismatched, other.mismatched),
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.bytes_received, other.bytes_received),
            (&mut self.opened, other.opened),
            (&mut self.failed, other.failed),
            (&mut self.ended, other.ended),
        ] {
            *mine = mine.saturating_add(theirs);
        }
    }
}

/// Results of a TLS handshake, with rustls' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Agreed {
    /// The TLS version.
    pub version: &'static str,
    /// The cipher suite.
    pub suite: &'static str,
    /// The key exchange group.
    pub group: &'static str,
    /// `true` if the handshake resumed an earlier session.
    pub resumed: bool,
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
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::{Event, Recorder, Trouble, Window};
    use ringway::engine::Time;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn an_answer_counts_by_when_it_was_due_and_as_late_as_it_came() {
        let (events, happens) = channel();
        let mut recorder = Recorder::new(0, events, at(0));
        recorder.measure(Window { from: at(1000), until: at(2000) });
        for (due, came) in [(999, 1000), (1000, 1001), (1999, 4999), (2000, 2001)] {
            recorder.due(at(due), at(due));
            recorder.received(at(due), at(came), 10);
        }
        recorder.hand_over(at(5000), Duration::ZERO);
        let Ok(Event::Update(update)) = happens.try_recv() else { panic!("no update") };
        assert_eq!((update.counts.due, update.counts.received, update.counts.bytes_received), (2, 2, 20));
        assert_eq!(update.latency.len(), 2);
        assert!(update.latency.max() >= 3_000_000_000, "{}", update.latency.max());
    }

    #[test]
    fn only_what_is_taken_up_a_millisecond_late_is_late() {
        let (events, happens) = channel();
        let mut recorder = Recorder::new(0, events, at(0));
        recorder.measure(Window { from: at(0), until: at(2000) });
        recorder.due(at(10), at(11));
        recorder.due(at(10), at(12));
        recorder.hand_over(at(20), Duration::ZERO);
        let Ok(Event::Update(update)) = happens.try_recv() else { panic!("no update") };
        assert_eq!((update.counts.due, update.counts.late), (2, 1));
    }

    #[test]
    fn updates_fall_on_the_windows_seconds() {
        let (events, happens) = channel();
        let mut recorder = Recorder::new(0, events, at(0));
        recorder.measure(Window { from: at(1500), until: at(9000) });
        recorder.failed(Trouble::Status(503));
        for now in (0..5000).step_by(100) {
            recorder.update(at(now), Duration::ZERO);
        }
        let seen: Vec<u64> = happens
            .try_iter()
            .map(|event| match event {
                Event::Update(update) => update.until.as_millis(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(seen, vec![1500, 2500, 3500, 4500]);
    }

    #[test]
    fn every_trouble_has_its_words() {
        assert_eq!(Trouble::Status(503).reason(), "status 503");
        assert_eq!(Trouble::Closed(Some(1001)).reason(), "closed with 1001");
        assert_eq!(Trouble::Status(503).during(), "handshake");
    }
}
