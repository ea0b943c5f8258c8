//! The counts of an upstream, which its last line of output shows.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that one shard increments, and that is read at the end.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `more`. Only one thread may call this: a separate load and store cost less than an atomic add.
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.store(self.value().wrapping_add(more), Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

/// One shard's counts. Each shard has its own, so that shards do not share a cache line.
#[derive(Debug, Default)]
pub struct Totals {
    /// Connections that got their 101.
    pub connections: Count,
    /// Handshakes that were refused.
    pub refused: Count,
    /// Connections closed because the peer broke a rule.
    pub violations: Count,
    /// Complete messages received.
    pub received_messages: Count,
    /// Payload bytes of received messages, without headers.
    pub received_bytes: Count,
    /// Messages sent, one for each receiver.
    pub sent_messages: Count,
    /// Payload bytes of sent messages, without headers.
    pub sent_bytes: Count,
    /// Messages that were due but not sent, because too many bytes waited on their connection.
    pub dropped: Count,
    /// Connections closed because too many bytes waited on them.
    pub too_slow: Count,
}

/// The counts of several shards; they are added up for display.
#[derive(Clone, Copy, Debug)]
pub struct Sum<'a>(pub &'a [Arc<Totals>]);

impl fmt::Display for Sum<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |count: fn(&Totals) -> &Count| {
            self.0.iter().map(|totals| count(totals).value()).fold(0, u64::saturating_add)
        };
        write!(
            f,
            "totals: connections={} refused={} violations={} received_messages={} received_bytes={} sent_messages={} \
             sent_bytes={} dropped={} too_slow={}",
            sum(|totals| &totals.connections),
            sum(|totals| &totals.refused),
            sum(|totals| &totals.violations),
            sum(|totals| &totals.received_messages),
            sum(|totals| &totals.received_bytes),
            sum(|totals| &totals.sent_messages),
            sum(|totals| &totals.sent_bytes),
            sum(|totals| &totals.dropped),
            sum(|totals| &totals.too_slow),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Sum, Totals};

    #[test]
    fn the_shards_counts_are_added_up() {
        let shards = [Arc::new(Totals::default()), Arc::new(Totals::default())];
        shards[0].connections.add(2);
        shards[1].connections.add(3);
        shards[1].too_slow.add(1);
        let line = Sum(&shards).to_string();
        assert!(line.starts_with("totals: connections=5 refused=0 "), "{line}");
        assert!(line.ends_with(" dropped=0 too_slow=1"), "{line}");
    }
}
