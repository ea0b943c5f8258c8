//! What is known of a connection when it has ended: one record each, handed over in batches to whoever writes them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use rustls::ProtocolVersion;

use super::plan::Side;
use crate::command::Cause;
use crate::engine::{Fault, Time, TlsFault};
use crate::proto::Violation;
use crate::proto::refusal::Refusal;
use crate::routing::route::RouteLabels;

/// Batches that may wait for the writer; more are dropped and counted: a log that blocks must not stop a shard.
const MAX_BATCHES: usize = 256;
/// Records a shard gathers at most before it hands them over.
const MAX_BATCH: usize = 256;
/// How long a record waits for others. The shard is woken once for all of them, and so is the writer.
const GATHERING: Duration = Duration::from_millis(200);

/// TLS connections to an upstream whose certificate nobody verified, of the whole process since its start. Counted when
/// the handshake is done, whatever becomes of the connection and of its record.
pub static UNVERIFIED_UPSTREAMS: AtomicU64 = AtomicU64::new(0);

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The handshake was refused by us.
    Refused(Refusal),
    /// A peer that must say who its client is did not, for this reason. It was not answered.
    Unannounced(&'static str),
    /// The upstream answered something else than 101, and the client got that.
    Declined,
    /// The client left before the handshake was over.
    LeftEarly,
    /// TLS with the client did not come about.
    Insecure(TlsFault),
    /// The client spoke TLS where plain text is spoken.
    UnexpectedTls,
    /// One side closed it with a close frame.
    Closed(Side),
    /// One side ended its connection without a close frame.
    Ended(Side),
    /// One side's connection broke.
    Broken(Side, Fault),
    /// One side broke the protocol or a limit.
    Violated(Side, Violation),
    /// Nothing was relayed for too long.
    Idle,
    /// One side did not answer a ping.
    Silent(Side),
    /// The operator's side ended it.
    Drained(Cause),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "refused: {}", refusal.code),
            Self::Unannounced(reason) => write!(f, "refused: proxy-protocol: {reason}"),
            Self::Declined => f.write_str("declined by upstream"),
            Self::LeftEarly => f.write_str("client left before the handshake was over"),
            Self::Insecure(fault) => write!(f, "tls handshake failed: {fault}"),
            Self::UnexpectedTls => f.write_str("client speaks TLS, this port does not"),
            Self::Closed(side) => write!(f, "closed by {side}"),
            Self::Ended(side) => write!(f, "{side} ended without a close frame"),
            Self::Broken(side, fault) => write!(f, "{side} broken: {fault}"),
            Self::Violated(side, violation) => write!(f, "{side} violation: {}", violation.code()),
            Self::Idle => f.write_str("idle timeout"),
            Self::Silent(side) => write!(f, "{side} did not answer a ping"),
            Self::Drained(cause) => write!(f, "drained{}", cause.suffix()),
        }
    }
}

impl End {
    /// Why it ended, in a word: few enough to count by.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Refused(_) | Self::Unannounced(_) => "refused",
            Self::Declined => "declined",
            Self::LeftEarly => "left_early",
            Self::Insecure(_) | Self::UnexpectedTls => "insecure",
            Self::Closed(Side::Client) => "client_closed",
            Self::Closed(Side::Upstream) => "upstream_closed",
            Self::Ended(Side::Client) => "client_ended",
            Self::Ended(Side::Upstream) => "upstream_ended",
            Self::Broken(Side::Client, _) => "client_broken",
            Self::Broken(Side::Upstream, _) => "upstream_broken",
            Self::Violated(Side::Client, _) => "client_violation",
            Self::Violated(Side::Upstream, _) => "upstream_violation",
            Self::Idle => "idle",
            Self::Silent(Side::Client) => "client_silent",
            Self::Silent(Side::Upstream) => "upstream_silent",
            Self::Drained(cause) => cause.label(),
        }
    }
}

/// One side's share of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideRecord {
    /// Data messages of it that were seen to their last frame's header.
    pub messages: u64,
    /// Bytes of its frames that were passed on, headers included; of an echo, bytes received.
    pub bytes: u64,
    /// The code of the close frame it sent; 1005 for one without a code.
    pub close_received: Option<u16>,
    /// The code of the close frame it was sent.
    pub close_sent: Option<u16>,
}

/// A connection that has ended. Nothing of a query, a header or a message is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The client's address.
    pub peer: SocketAddr,
    /// The path it asked for, without its query and cut to 256 bytes; empty if it never asked.
    pub path: Box<str>,
    /// Whose route it took; `None` if it took none, or there is but one.
    pub labels: Option<Arc<RouteLabels>>,
    /// The status it was answered with; 0 if it was not.
    pub status: u16,
    /// The version of TLS that the client spoke; `None` in plain text.
    pub tls: Option<ProtocolVersion>,
    /// Whether an upstream was reached by TLS without its certificate being verified.
    pub upstream_unverified: bool,
    /// From accept to the end.
    pub duration: Duration,
    /// The client's share.
    pub client: SideRecord,
    /// The upstream's share.
    pub upstream: SideRecord,
    /// Why it ended.
    pub end: End,
}

/// What a connection carries from accept on, to become its record.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) peer: SocketAddr,
    pub(super) accepted: Time,
    pub(super) path: Box<str>,
    pub(super) status: u16,
    pub(super) tls: Option<ProtocolVersion>,
    pub(super) upstream_unverified: bool,
}

impl Trace {
    pub(super) fn new(peer: SocketAddr, accepted: Time) -> Self {
        Self { peer, accepted, path: Box::default(), status: 0, tls: None, upstream_unverified: false }
    }

    pub(super) fn into_record(
        self,
        now: Time,
        labels: Option<Arc<RouteLabels>>,
        end: End,
        client: SideRecord,
        upstream: SideRecord,
    ) -> Record {
        let duration = now.since(self.accepted);
        Record {
            peer: self.peer,
            path: self.path,
            labels,
            status: self.status,
            tls: self.tls,
            upstream_unverified: self.upstream_unverified,
            duration,
            client,
            upstream,
            end,
        }
    }
}

/// A shard's end of the journal.
#[derive(Debug)]
pub struct Journal {
    batch: Vec<Record>,
    due: Option<Time>,
    sender: Option<SyncSender<Vec<Record>>>,
    dropped: Arc<AtomicU64>,
}

/// The writer's end.
#[derive(Debug)]
pub struct JournalReader {
    /// Batches, until every shard has ended.
    pub batches: Receiver<Vec<Record>>,
    /// Records that were dropped because the writer was behind.
    pub dropped: Arc<AtomicU64>,
}

/// Makes the two ends.
#[must_use]
pub fn journal() -> (JournalSource, JournalReader) {
    let (sender, batches) = sync_channel(MAX_BATCHES);
    let dropped = Arc::new(AtomicU64::new(0));
    (JournalSource { sender: Some(sender), dropped: Arc::clone(&dropped) }, JournalReader { batches, dropped })
}

/// Makes each shard's end.
#[derive(Clone, Debug)]
pub struct JournalSource {
    sender: Option<SyncSender<Vec<Record>>>,
    dropped: Arc<AtomicU64>,
}

impl JournalSource {
    /// For shards whose records nobody wants.
    #[must_use]
    pub fn off() -> Self {
        Self { sender: None, dropped: Arc::default() }
    }

    /// One shard's end.
    #[must_use]
    pub fn open(self) -> Journal {
        Journal { batch: Vec::new(), due: None, sender: self.sender, dropped: self.dropped }
    }
}

impl Journal {
    pub(super) fn write(&mut self, now: Time, record: Record) {
        if self.sender.is_none() {
            return;
        }
        self.batch.push(record);
        self.due.get_or_insert(now.after(GATHERING));
        if self.batch.len() >= MAX_BATCH {
            self.hand_over();
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
                std::sync::mpsc::TrySendError::Full(batch) | std::sync::mpsc::TrySendError::Disconnected(batch) => {
                    batch.len()
                }
            };
            self.dropped.fetch_add(u64::try_from(lost).unwrap_or(u64::MAX), Ordering::Relaxed);
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
