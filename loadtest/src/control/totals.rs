//! The observations of all shards, in total and for each second.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use ringway::engine::Time;

use crate::message::Sample;
use crate::record::{self, Agreed, Counts, Trouble, Update, Window};
use crate::report::kept::Kept;

/// An update arrives a little after its second's end: half a second to either side belongs to the same end.
const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// The sum of all updates.
#[derive(Debug)]
pub(super) struct Totals {
    /// Counts.
    pub(super) counts: Counts,
    /// Errors by kind.
    pub(super) errors: BTreeMap<Trouble, u64>,
    /// Beginnings of messages that the server sent on its own, each once.
    pub(super) samples: Vec<Sample>,
    /// TLS handshakes by their results, in the whole run.
    pub(super) secured: BTreeMap<Agreed, u64>,
    /// The scenario's latency in the window.
    pub(super) latency: Histogram<u64>,
    /// Time from due to 101, in the whole run.
    pub(super) handshake: Histogram<u64>,
    /// The seconds of the window.
    pub(super) seconds: Vec<Second>,
    /// Connections that were open when the run ended.
    pub(super) open_at_end: u64,
    /// `true` once connections are closed on purpose.
    over: bool,
    /// CPU seconds of this process in the window.
    pub(super) own_cpu_seconds: f64,
    window: Window,
    shards: BTreeMap<usize, Shard>,
}

/// One second of the window.
#[derive(Debug)]
pub(super) struct Second {
    /// Counts of this second.
    pub(super) counts: Counts,
    /// Errors in this second.
    pub(super) errors: u64,
    /// Connections open at the end of this second.
    pub(super) open: u64,
    /// Latency of the answers that arrived in this second.
    pub(super) latency: Kept,
}

/// The state of a shard.
#[derive(Clone, Copy, Debug, Default)]
struct Shard {
    open: u64,
    /// The first update in the window: its time, and the shard's idle time until then.
    first: Option<(Time, Duration)>,
    /// The latest update in the window: its time, and the shard's idle time until then.
    last: Option<(Time, Duration)>,
}

impl Totals {
    pub(super) fn new() -> Self {
        Self {
            counts: Counts::default(),
            errors: BTreeMap::new(),
            samples: Vec::new(),
            secured: BTreeMap::new(),
            latency: record::times(),
            handshake: record::times(),
            seconds: Vec::new(),
            open_at_end: 0,
            over: false,
            own_cpu_seconds: 0.0,
            window: Window::NONE,
            shards: BTreeMap::new(),
        }
    }

    pub(super) fn measure(&mut self, window: Window) {
        self.window = window;
    }

    /// Adds an update.
    pub(super) fn take(&mut self, update: &Update) {
        let shard = self.shards.entry(update.shard).or_default();
        shard.open = update.open;
        if update.until >= self.window.from {
            if shard.first.is_none() {
                shard.first = Some((update.until, update.idle));
            } else if update.until <= self.window.until.after(Duration::from_millis(500)) {
                shard.last = Some((update.until, update.idle));
            }
        }
        self.counts.add(&update.counts);
        for (trouble, count) in &update.errors {
            *self.errors.entry(*trouble).or_default() += count;
        }
        for sample in &update.samples {
            if self.samples.len() < record::MAX_SAMPLES && !self.samples.contains(sample) {
                self.samples.push(sample.clone());
            }
        }
        for (agreed, count) in &update.secured {
            *self.secured.entry(*agreed).or_default() += count;
        }
        // Both distributions have the same bounds, so no value is too large.
        let _ = self.handshake.add(&update.handshake);
        let _ = self.latency.add(&update.latency);
        let open = if self.over { self.open_at_end } else { self.open() };
        let counts_errors = !self.opens_the_window(update.until);
        if let Some(index) = self.second_of(update.until) {
            while self.seconds.len() <= index {
                let latency = Kept::Live(record::times());
                // A distribution takes a quarter of a megabyte, and a run may last a day.
                let settled = self.seconds.len().saturating_sub(1);
                self.seconds
                    .iter_mut()
                    .take(settled)
                    .skip(settled.saturating_sub(2))
                    .for_each(|second| second.latency.pack());
                self.seconds.push(Second { counts: Counts::default(), errors: 0, open, latency });
            }
            if let Some(second) = self.seconds.get_mut(index) {
                second.counts.add(&update.counts);
                if counts_errors {
                    second.errors += update.errors.values().sum::<u64>();
                }
                second.open = open;
                second.latency.add(&update.latency);
            }
        }
    }

    /// Connections open now, as far as the updates tell.
    #[must_use]
    pub(super) fn open(&self) -> u64 {
        self.shards.values().map(|shard| shard.open).sum()
    }

    /// Returns `true` if there were connections and all have ended.
    #[must_use]
    pub(super) fn everyone_is_gone(&self) -> bool {
        self.counts.opened > 0 && self.counts.ended >= self.counts.opened
    }

    pub(super) fn note_open(&mut self) {
        self.open_at_end = self.open();
        self.over = true;
    }

    /// Returns `true` if an update ends at the window's start, within half a second, in a window longer than that.
    fn opens_the_window(&self, until: Time) -> bool {
        let length = self.window.until.since(self.window.from);
        until.since(self.window.from) < HALF_A_SECOND && length > HALF_A_SECOND
    }

    /// The index of the window's second that an update closes. An update after the window belongs to the last second.
    fn second_of(&self, until: Time) -> Option<usize> {
        let after = until.since(self.window.from).as_millis();
        let length = self.window.until.since(self.window.from).as_millis();
        let number = (after + 500) / 1000;
        if until < self.window.from || length == 0 {
            return None;
        }
        let last = length.div_ceil(1000).saturating_sub(1);
        usize::try_from(number.saturating_sub(1).min(last)).ok()
    }

    /// The fraction of the window in which the busiest shard was busy, 0 to 1.
    #[must_use]
    pub(super) fn busy_share(&self) -> f64 {
        let share = |shard: &Shard| {
            let ((from, idle_before), (until, idle)) = shard.first.zip(shard.last)?;
            let time = until.since(from).as_secs_f64();
            (time > 0.0).then(|| (1.0 - idle.saturating_sub(idle_before).as_secs_f64() / time).clamp(0.0, 1.0))
        };
        self.shards.values().filter_map(share).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::Totals;
    use crate::record::{self, Counts, Update, Window};
    use ringway::engine::Time;

    fn update(shard: usize, millis: u64, received: u64, idle_ms: u64) -> Update {
        Update {
            shard,
            until: Time::from_millis(millis),
            counts: Counts { received, opened: 1, ..Counts::default() },
            errors: BTreeMap::new(),
            samples: Vec::new(),
            secured: BTreeMap::new(),
            latency: record::times(),
            handshake: record::times(),
            open: 1,
            idle: Duration::from_millis(idle_ms),
        }
    }

    fn totals() -> Totals {
        let mut totals = Totals::new();
        totals.measure(Window { from: Time::from_millis(10_000), until: Time::from_millis(13_000) });
        totals
    }

    #[test]
    fn updates_of_all_shards_meet_in_their_second() {
        let mut totals = totals();
        for (shard, at, received) in [
            (0, 10_000, 0),
            (1, 10_004, 0),
            (0, 11_000, 5),
            (1, 11_090, 7),
            (0, 12_001, 1),
            (1, 13_002, 2),
            (0, 15_500, 4),
        ] {
            totals.take(&update(shard, at, received, 0));
        }
        let seconds: Vec<u64> = totals.seconds.iter().map(|second| second.counts.received).collect();
        assert_eq!(seconds, vec![12, 1, 6]);
        assert_eq!((totals.counts.received, totals.open()), (19, 2));
    }

    #[test]
    fn the_busiest_shard_counts() {
        let mut totals = totals();
        for (shard, at, idle) in [(0, 10_000, 5000), (1, 10_000, 100), (0, 12_000, 5500), (1, 12_000, 1900)] {
            totals.take(&update(shard, at, 0, idle));
        }
        assert!((totals.busy_share() - 0.75).abs() < 1e-9, "{}", totals.busy_share());
    }
}
