//! What shards are told and asked by the control plane, and what they answer. Shared types only: neither plane knows the
//! other.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ProtocolVersion, ServerConfig};

use crate::engine::Figures;
use crate::routing::settings::Settings;
use crate::routing::route::{RouteId, Subject};
use crate::routing::snapshot::Snapshot;

/// What other threads can tell a shard. Each is legal at any time, and obeyed in order.
#[derive(Debug)]
pub enum Command {
    /// From now on clients of a listener are spoken to with these certificates.
    Certificates(u16, Arc<ServerConfig>),
    /// From now on this is in force. Connections whose route is gone, closed, or goes elsewhere end, spread over the
    /// route's window; no other is touched.
    InForce(Box<InForce>),
    /// How it fares.
    Report(Reply<Report>),
    /// Its connections, a page.
    List(Listing, Reply<Listed>),
    /// End connections, and say how many will.
    Close(Which, Reply<u64>),
    /// Stop accepting, end every connection in order over the window of its route, then be finished. Once is enough.
    Drain,
}

/// What a shard goes by from now on.
#[derive(Debug)]
pub struct InForce {
    /// What is the same for all routes.
    pub settings: Arc<Settings>,
    /// The routes.
    pub snapshot: Arc<Snapshot>,
    /// How upstreams are spoken to in TLS, by [`trust`](crate::routing::route::UpstreamTls::trust): this shard's own, because
    /// the sessions to resume are kept in them. `None` to keep those it has.
    pub upstream_tls: Option<Vec<Arc<ClientConfig>>>,
    /// Called once it is in force on this shard.
    pub done: Reply<()>,
}

/// Takes an answer, on the shard's thread: it must not block. Dropped without one if the shard is gone.
pub struct Reply<T>(Box<dyn FnOnce(T) + Send>);

impl<T> Reply<T> {
    /// Calls this with the answer.
    pub fn new(take: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Box::new(take))
    }

    /// Gives the answer.
    pub fn send(self, answer: T) {
        (self.0)(answer);
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// Why connections end that nobody but the operator ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The process ends.
    Shutdown,
    /// The API is not deployed there any more.
    Undeployed,
    /// Its deployment was stopped.
    Stopped,
    /// The API was blocked.
    Blocked,
    /// It goes to another target.
    Redeployed,
    /// Somebody asked for it.
    Closed,
}

impl Cause {
    /// In a word, to count by.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Undeployed => "undeployed",
            Self::Stopped => "stopped",
            Self::Blocked => "blocked",
            Self::Redeployed => "redeployed",
            Self::Closed => "closed_by_operator",
        }
    }

    /// What a record says of it behind `drained`.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Shutdown => "",
            Self::Undeployed => ": API undeployed",
            Self::Stopped => ": API stopped",
            Self::Blocked => ": API blocked",
            Self::Redeployed => ": API has another target",
            Self::Closed => ": closed by an operator",
        }
    }
}

/// Which connections are meant.
#[derive(Clone, Debug)]
pub enum Which {
    /// The one with this number on the shard.
    One(u64),
    /// Those of these routes.
    Of(Vec<RouteId>),
}

/// Which connections to list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Of these routes; of all, and of those that have none yet, if `None`.
    pub routes: Option<Vec<RouteId>>,
    /// From this address.
    pub client: Option<IpAddr>,
    /// From this place in the shard's table on.
    pub from: u32,
    /// So many at most.
    pub limit: usize,
}

/// A page of connections.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The connections, in the order of the table.
    pub connections: Vec<ConnectionView>,
    /// Where the next page begins, if there is one. A page may be short, or empty, and not the last.
    pub next: Option<u32>,
}

/// A connection, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionView {
    /// Its number on the shard: no other has it, ever.
    pub number: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// The path it asked for, without its query.
    pub path: Box<str>,
    /// Whose route it takes.
    pub subject: Option<Arc<Subject>>,
    /// How far it has come: `handshake`, `open` or `closing`.
    pub stage: &'static str,
    /// The version of TLS that the client speaks.
    pub tls: Option<ProtocolVersion>,
    /// How long ago it was accepted.
    pub age: Duration,
    /// Messages from the client, and from the upstream.
    pub messages: [u64; 2],
    /// Bytes from the client, and from the upstream.
    pub bytes: [u64; 2],
}

/// How a shard fares.
#[derive(Clone, Debug)]
pub struct Report {
    /// The number of the snapshot in force.
    pub snapshot: u64,
    /// Of the loop.
    pub figures: Figures,
    /// Connections it holds.
    pub connections: usize,
    /// Of each route that has had a connection here since it was deployed; of subjects whose routes are gone, without an
    /// id; and what came before there was a route, without a subject. A subject may be there more than once.
    pub routes: Vec<RouteReport>,
}

/// What a shard counted of a route.
#[derive(Clone, Debug)]
pub struct RouteReport {
    /// The route; `None` for what came to none, and for those that are gone.
    pub id: Option<RouteId>,
    /// Whose it is.
    pub subject: Option<Arc<Subject>>,
    /// The counts.
    pub tally: Tally,
    /// Connections that are to end, and how many there were to end in the window that is running: as they were, zero of so many,
    /// once all have ended here before it is over. Zero of zero else.
    pub draining: (u64, u64),
}

/// Counts since the shard first heard of a route. All but [`open`](Self::open) only grow.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Tunnels that stand now.
    pub open: u64,
    /// Tunnels that came to stand.
    pub opened: u64,
    /// Handshakes that the upstream declined.
    pub declined: u64,
    /// Clients that left before the handshake was over.
    pub left: u64,
    /// Handshakes of TLS that failed, and connections that never said who they were.
    pub insecure: u64,
    /// Handshakes that were refused, by the code of the refusal.
    pub refused: Vec<(&'static str, u64)>,
    /// Data messages from the client, and from the upstream.
    pub messages: [u64; 2],
    /// Bytes of frames from the client, and from the upstream.
    pub bytes: [u64; 2],
    /// Close frames received from the client, and from the upstream.
    pub closes: [Closes; 2],
    /// Tunnels that ended, by why.
    pub ended: Vec<(&'static str, u64)>,
    /// From the first dial to a connection to the upstream.
    pub dial: Histogram,
    /// From accept to the 101.
    pub handshake: Histogram,
}

impl Tally {
    /// Adds what was counted elsewhere, or before.
    pub fn add(&mut self, other: &Self) {
        let counts = [
            (&mut self.open, other.open),
            (&mut self.opened, other.opened),
            (&mut self.declined, other.declined),
            (&mut self.left, other.left),
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
        for (counts, more) in [(&mut self.refused, &other.refused), (&mut self.ended, &other.ended)] {
            more.iter().for_each(|(label, count)| count_by(counts, label, *count));
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

/// Counts so many of a label. Labels are few: a search is quicker than a table.
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
    /// Any other.
    pub other: u64,
}

impl Closes {
    /// Counts a close frame.
    pub fn count(&mut self, code: u16) {
        let index = usize::from(code.wrapping_sub(1000));
        let count = self.known.get_mut(index).unwrap_or(&mut self.other);
        *count = count.saturating_add(1);
    }
}

/// Times, by how long they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many are not longer than the bound at the same place in [`BOUNDS`](Self::BOUNDS), and longer than the one before;
    /// the last is for the longer ones.
    pub buckets: [u64; 13],
    /// All of them together.
    pub sum: Duration,
}

impl Histogram {
    /// Upper bounds, half a millisecond to ten seconds.
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

    /// Counts a time.
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

    use super::{Closes, Histogram};

    #[test]
    fn a_time_counts_where_it_is_not_longer() {
        let mut histogram = Histogram::default();
        for micros in [0, 500, 501, 10_000_000, 10_000_001] {
            histogram.count(Duration::from_micros(micros));
        }
        assert_eq!(histogram.buckets, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(histogram.sum, Duration::from_micros(20_001_002));
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
