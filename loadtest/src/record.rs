//! What one shard saw: counts and distributions, handed over once a second.
//!
//! A message belongs to the measured window by the moment it was due, not by when its answer came: an answer that comes
//! late counts, and counts as late as it was.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringway::engine::{Fault, Time, TlsFault};

/// The longest time that is told apart from a longer one: an hour.
const MAX_NS: u64 = 3_600_000_000_000;
/// Significant digits of a distribution.
const DIGITS: u8 = 3;
/// How often a shard hands over.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// A message taken up later than this after it was due is late.
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
    /// Its first moment.
    pub from: Time,
    /// The first moment behind it.
    pub until: Time,
}

impl Window {
    /// A window that nothing falls into.
    pub const NONE: Self = Self { from: Time::MAX, until: Time::MAX };

    /// Whether a moment falls into it.
    #[must_use]
    pub fn holds(&self, at: Time) -> bool {
        self.from <= at && at < self.until
    }
}

/// What can go wrong, as finely as anyone can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No connection.
    Connect(&'static str),
    /// No TLS on it.
    Tls(TlsFault),
    /// The answer to the handshake was none.
    Handshake(&'static str),
    /// The server answered the handshake with another status than 101.
    Status(u16),
    /// A connection that stood broke.
    Broken(&'static str),
    /// The server closed, with this code or none.
    Closed(Option<u16>),
    /// The server sent what RFC 6455 forbids.
    Violation(&'static str),
    /// A message, as the word says.
    Message(&'static str),
}

impl Trouble {
    /// A connection that failed before it stood.
    #[must_use]
    pub fn connecting(fault: Fault) -> Self {
        match fault {
            Fault::Tls(fault) => Self::Tls(fault),
            fault => Self::Connect(fault.code()),
        }
    }

    /// A connection that failed once it stood.
    #[must_use]
    pub fn broken(fault: Fault) -> Self {
        Self::Broken(fault.code())
    }

    /// What was going on.
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

    /// Why it failed.
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

/// Counts of messages that were due in the window, and of connections of the whole run. What came twice, out of order or
/// changed counts whenever it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Due, in the window.
    pub due: u64,
    /// Handed to the network, in the window.
    pub sent: u64,
    /// Taken up late, in the window.
    pub late: u64,
    /// Due in the window and not sent.
    pub unsent: u64,
    /// Answers of those that were due in the window.
    pub received: u64,
    /// Answers that did not come.
    pub lost: u64,
    /// Answers that came again.
    pub duplicates: u64,
    /// Answers that came behind a later one.
    pub out_of_order: u64,
    /// Answers that were not what was sent.
    pub mismatched: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
    /// Connections that got their 101, in the whole run.
    pub opened: u64,
    /// Connections that did not.
    pub failed: u64,
    /// Connections that ended before they were to.
    pub ended: u64,
}

impl Counts {
    /// Both together.
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

/// What a TLS handshake came to, in rustls' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Agreed {
    /// The version.
    pub version: &'static str,
    /// The cipher suite.
    pub suite: &'static str,
    /// The group that keys were agreed on in.
    pub group: &'static str,
    /// Whether an earlier session was taken up.
    pub resumed: bool,
}

/// What a shard saw since it last handed over.
#[derive(Debug)]
pub struct Update {
    /// Which shard.
    pub shard: usize,
    /// Up to when.
    pub until: Time,
    /// The counts.
    pub counts: Counts,
    /// Errors, by kind.
    pub errors: BTreeMap<Trouble, u64>,
    /// TLS handshakes, by what they came to.
    pub secured: BTreeMap<Agreed, u64>,
    /// The scenario's latency, of the window.
    pub latency: Histogram<u64>,
    /// From due to 101, of the whole run.
    pub handshake: Histogram<u64>,
    /// Connections open now.
    pub open: u64,
    /// How long the shard has had nothing to do, since it started.
    pub idle: Duration,
}

/// What a shard tells the thread that runs the phases.
#[derive(Debug)]
pub enum Event {
    /// What was seen.
    Update(Box<Update>),
    /// The connections that were asked for are open, or failed.
    Settled,
    /// The first connection of all: open, or why it is not, for a person.
    Probed(Result<(), String>),
    /// Every answer has come, or the grace period is over.
    Drained,
    /// A shard has ended.
    Ended(std::io::Result<()>),
    /// SIGINT or SIGTERM.
    Signal,
}

/// One shard's record.
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
    /// A record that is handed over from `now` on.
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

    /// Sets the window. Updates fall on its seconds from here on.
    pub fn measure(&mut self, window: Window) {
        self.window = window;
        self.next_update = window.from;
    }

    /// Ends the window earlier.
    pub fn cut(&mut self, until: Time) {
        self.window.until = self.window.until.min(until).max(self.window.from);
    }

    /// The window.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Whether what is due at this moment counts.
    #[must_use]
    pub fn counts(&self, at: Time) -> bool {
        self.window.holds(at)
    }

    /// A message was due and is taken up now; `false` if it does not count.
    pub fn due(&mut self, at: Time, now: Time) -> bool {
        let counts = self.window.holds(at);
        if counts {
            self.counts.due += 1;
            self.counts.late += u64::from(now.since(at) > LATE);
        }
        counts
    }

    /// A message that was due was handed to the network.
    pub fn sent(&mut self, at: Time, payload_len: usize) {
        if self.window.holds(at) {
            self.counts.sent += 1;
            self.counts.bytes_sent += payload_len as u64;
        }
    }

    /// A message that was due could not be sent.
    pub fn unsent(&mut self, at: Time, why: &'static str) {
        if self.window.holds(at) {
            self.counts.unsent += 1;
            self.trouble(Trouble::Message(why));
        }
    }

    /// The right answer to what was due at `at` came at `now`.
    #[inline]
    pub fn received(&mut self, at: Time, now: Time, payload_len: usize) {
        if self.window.holds(at) {
            self.counts.received += 1;
            self.counts.bytes_received += payload_len as u64;
            self.latency.saturating_record(nanos(now.since(at)));
        }
    }

    /// An answer did not come.
    pub fn lost(&mut self, at: Time, count: u64) {
        if self.window.holds(at) && count > 0 {
            self.counts.lost += count;
            self.troubles(Trouble::Message("lost"), count);
        }
    }

    /// Answers did not come, whose moments nobody here knows.
    pub fn missing(&mut self, count: u64) {
        if count > 0 {
            self.counts.lost += count;
            self.troubles(Trouble::Message("lost"), count);
        }
    }

    /// An answer came again. Faults of content count whenever they happen.
    pub fn duplicate(&mut self) {
        self.counts.duplicates += 1;
        self.trouble(Trouble::Message("duplicate"));
    }

    /// An answer came behind a later one.
    pub fn out_of_order(&mut self) {
        self.counts.out_of_order += 1;
        self.trouble(Trouble::Message("out of order"));
    }

    /// An answer was not what was sent.
    pub fn mismatched(&mut self) {
        self.counts.mismatched += 1;
        self.trouble(Trouble::Message("mismatched"));
    }

    /// A TLS handshake was made.
    pub fn secured(&mut self, agreed: Agreed) {
        *self.secured.entry(agreed).or_default() += 1;
    }

    /// A connection that was due at `at` got its 101 at `now`.
    pub fn opened(&mut self, at: Time, now: Time) {
        self.counts.opened += 1;
        self.open += 1;
        self.handshake.saturating_record(nanos(now.since(at)));
    }

    /// A connection did not come to stand.
    pub fn failed(&mut self, why: Trouble) {
        self.counts.failed += 1;
        self.trouble(why);
    }

    /// A connection that stood ended before it was to.
    pub fn ended(&mut self, why: Trouble) {
        self.counts.ended += 1;
        self.open = self.open.saturating_sub(1);
        self.trouble(why);
    }

    /// A connection that stood was closed on purpose.
    pub fn left(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    fn trouble(&mut self, what: Trouble) {
        self.troubles(what, 1);
    }

    fn troubles(&mut self, what: Trouble, count: u64) {
        *self.errors.entry(what).or_default() += count;
    }

    /// When [`hand_over`](Self::hand_over) is due.
    #[must_use]
    pub fn next_update(&self) -> Time {
        self.next_update
    }

    /// Hands over what was seen, if that is due.
    pub fn update(&mut self, now: Time, idle: Duration) {
        if now >= self.next_update {
            // A shard that was held up hands over once, not once a missed second.
            while self.next_update <= now {
                self.next_update = self.next_update.after(INTERVAL);
            }
            self.hand_over(now, idle);
        }
    }

    /// Hands over what was seen.
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

    /// Tells the thread that runs the phases.
    pub fn tell(&self, event: Event) {
        // When that thread is gone, so is the process in a moment.
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
