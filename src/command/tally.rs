//! The counts of a route on one shard: plain numbers, handed over when the control plane asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::sighting::CheckLabel;
use crate::routing::channels::OTHER;

/// Counts since the first connection of a route on this shard. All but [`open`](Self::open) only grow.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Tunnels that are open now.
    pub open: u64,
    /// Tunnels that were opened.
    pub opened: u64,
    /// Handshakes that the upstream declined.
    pub declined: u64,
    /// Clients that left before the handshake was complete.
    pub left: u64,
    /// Plain HTTP requests that Ringway answered itself.
    pub answered: u64,
    /// TLS handshakes that failed, and clients that spoke TLS to a plain-text listener.
    pub insecure: u64,
    /// Handshakes that Ringway refused, by the refusal's code.
    pub refused: Vec<(&'static str, u64)>,
    /// Opened tunnels whose handshake lacked a part that a policy allows to be missing, by that part.
    pub tolerated: Vec<(&'static str, u64)>,
    /// Tunnels of each channel, by the channel's label.
    pub channels: BTreeMap<Arc<str>, ChannelTally>,
    /// Data messages from the client, and from the upstream.
    pub messages: [u64; 2],
    /// Bytes of frames from the client, and from the upstream.
    pub bytes: [u64; 2],
    /// Close frames received from the client, and from the upstream.
    pub closes: [Closes; 2],
    /// Tunnels that ended, by the label of their end.
    pub ended: Vec<(&'static str, u64)>,
    /// Messages that were looked at, by their verdicts.
    pub checks: HashMap<CheckLabel, u64>,
    /// Time from the first dial to an established upstream connection.
    pub dial: Histogram,
    /// Time from accept to the client's 101.
    pub handshake: Histogram,
}

/// The most channels that are counted by their own labels; the tunnels of further ones are counted together. A table of
/// channels has fewer labels, so an API that is deployed again keeps its own.
const MAX_CHANNELS: usize = 200;

/// The tunnels of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelTally {
    /// Tunnels that are open now.
    pub open: u64,
    /// Tunnels that were opened.
    pub opened: u64,
}

impl Tally {
    /// The count of a channel.
    pub(crate) fn channel(&mut self, label: &Arc<str>) -> &mut ChannelTally {
        let has_own = self.channels.len() < MAX_CHANNELS || self.channels.contains_key(label);
        self.channels.entry(if has_own { Arc::clone(label) } else { OTHER.into() }).or_default()
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        let counts = [
            (&mut self.open, other.open),
            (&mut self.opened, other.opened),
            (&mut self.declined, other.declined),
            (&mut self.left, other.left),
            (&mut self.answered, other.answered),
            (&mut self.insecure, other.insecure),
        ];
        for (count, more) in counts {
            *count = count.saturating_add(more);
        }
        add_all(&mut self.messages, &other.messages);
        add_all(&mut self.bytes, &other.bytes);
        for (closes, more) in self.closes.iter_mut().zip(&other.closes) {
            add_all(&mut closes.known, &more.known);
            closes.other = closes.other.saturating_add(more.other);
        }
        for (label, more) in &other.channels {
            let count = self.channel(label);
            count.open = count.open.saturating_add(more.open);
            count.opened = count.opened.saturating_add(more.opened);
        }
        let labelled = [
            (&mut self.refused, &other.refused),
            (&mut self.tolerated, &other.tolerated),
            (&mut self.ended, &other.ended),
        ];
        for (counts, more) in labelled {
            more.iter().for_each(|(label, count)| count_by(counts, label, *count));
        }
        for (label, more) in &other.checks {
            let count = self.checks.entry(label.clone()).or_default();
            *count = count.saturating_add(*more);
        }
        for (histogram, more) in [(&mut self.dial, &other.dial), (&mut self.handshake, &other.handshake)] {
            add_all(&mut histogram.buckets, &more.buckets);
            histogram.sum = histogram.sum.saturating_add(more.sum);
        }
    }
}

fn add_all(counts: &mut [u64], more: &[u64]) {
    counts.iter_mut().zip(more).for_each(|(count, more)| *count = count.saturating_add(*more));
}

/// Adds `more` to the count of a label. Labels are few, so a search is quicker than a hash table.
pub(crate) fn count_by(counts: &mut Vec<(&'static str, u64)>, label: &'static str, more: u64) {
    match counts.iter_mut().find(|(known, _)| *known == label) {
        Some((_, count)) => *count = count.saturating_add(more),
        None => counts.push((label, more)),
    }
}

/// Close frames by their code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closes {
    /// 1000 to 1015 (RFC 6455 section 7.4.1 and IANA's registry); 1005 stands for a close frame without a code.
    pub known: [u64; 16],
    /// Every other code.
    pub other: u64,
}

impl Closes {
    /// Counts one close frame.
    pub fn count(&mut self, code: u16) {
        let index = usize::from(code.wrapping_sub(1000));
        let count = self.known.get_mut(index).unwrap_or(&mut self.other);
        *count = count.saturating_add(1);
    }
}

/// A histogram of durations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Bucket `i` counts durations up to `BOUNDS[i]` and longer than `BOUNDS[i - 1]`; the last bucket counts longer
    /// ones.
    pub buckets: [u64; 13],
    /// The sum of all durations.
    pub sum: Duration,
}

impl Histogram {
    /// The buckets' upper bounds, half a millisecond to ten seconds.
    pub const BOUNDS: [Duration; 12] = [
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_micros(2500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_secs(1),
        Duration::from_millis(2500),
        Duration::from_secs(10),
    ];

    /// Counts one duration.
    pub fn count(&mut self, time: Duration) {
        let index = Self::BOUNDS.partition_point(|bound| *bound < time);
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket = bucket.saturating_add(1);
        }
        self.sum = self.sum.saturating_add(time);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Closes, Histogram, Tally};

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_is_not_shorter() {
        let mut histogram = Histogram::default();
        for micros in [0, 500, 501, 10_000_000, 10_000_001] {
            histogram.count(Duration::from_micros(micros));
        }
        assert_eq!(histogram.buckets, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(histogram.sum, Duration::from_micros(20_001_002));
    }

    #[test]
    fn the_labels_of_channels_are_bounded_and_no_tunnel_is_lost() {
        let mut tally = Tally::default();
        for n in 0..1_000 {
            tally.channel(&format!("/{n}").into()).open += 1;
        }
        assert_eq!(tally.channels.len(), 201);
        assert_eq!((tally.channels["/0"].open, tally.channels["other"].open), (1, 800));
        let mut both = tally.clone();
        both.add(&tally);
        assert_eq!((both.channels.len(), both.channels["/0"].open, both.channels["other"].open), (201, 2, 1_600));
    }

    #[test]
    fn codes_beyond_the_registry_are_counted_as_one() {
        let mut closes = Closes::default();
        for code in [1000, 1015, 1016, 999, 4000, 0] {
            closes.count(code);
        }
        assert_eq!((closes.known[0], closes.known[15], closes.other), (1, 1, 4));
    }
}
