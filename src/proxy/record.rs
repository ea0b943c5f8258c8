//! The access record of a connection: one for each connection that ended, whatever its stage.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rustls::ProtocolVersion;

use super::end::{End, SideRecord};
use super::entry_fault::EntryFault;
use super::handoff::Origin;
use crate::engine::Time;
use crate::proto::refusal::Refusal;
use crate::routing::balance::health::EndpointHealth;
use crate::routing::channels::Channel;
use crate::routing::consumers::Consumer;
use crate::routing::policy::Tolerance;
use crate::routing::route::RouteLabels;

/// TLS connections to upstreams whose certificates were not verified, since the process started. Counted when the
/// handshake with the upstream is complete, even if the record is dropped later.
pub static UNVERIFIED_UPSTREAMS: AtomicU64 = AtomicU64::new(0);

/// The record of a connection that has ended. It holds nothing of a query, a header or a message.
#[derive(Clone, Debug)]
pub struct Record {
    /// The client's address.
    pub peer: SocketAddr,
    /// The path of the request, without its query and cut to 256 bytes; empty if no request line came.
    pub path: Box<str>,
    /// The labels of the route; `None` without a route, or if the route has no labels.
    pub labels: Option<Arc<RouteLabels>>,
    /// The endpoint that was tried last; `None` if none was.
    pub endpoint: Option<Arc<EndpointHealth>>,
    /// The number of endpoints that a connection was begun to.
    pub dialled: u8,
    /// The consumer that the request was authenticated as; `None` for an anonymous one.
    pub consumer: Option<Arc<Consumer>>,
    /// The channel; `None` if the route has none, or the path is none.
    pub channel: Option<Arc<Channel>>,
    /// The HTTP status that the client got; 0 if it got no answer.
    pub status: u16,
    /// The TLS version that the client spoke; `None` in plain text.
    pub tls: Option<ProtocolVersion>,
    /// `true` if the upstream was reached through TLS without verification of its certificate.
    pub upstream_unverified: bool,
    /// The time from accept to the end.
    pub duration: Duration,
    /// The client's totals.
    pub client: SideRecord,
    /// The upstream's totals.
    pub upstream: SideRecord,
    /// The reason for the end.
    pub end: End,
    /// Advice to the operator, if the record points to a setting.
    pub hint: Option<&'static str>,
    /// More about it, for an operator who looks for the cause.
    pub note: Option<Note>,
    /// The parts of the opening handshake that were missing, and that the route's policy allows to be.
    pub tolerated: Tolerance,
}

/// More about the end of a connection: no part of a query, of a message, or of a header but an `Origin` that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The upstream's answer is no HTTP/1.1 head: its first bytes, escaped.
    UpstreamSaid(Box<str>),
    /// The upstream declined, and for this reason the client got a part of the answer's body, which shows that it is one.
    BodyCut(&'static str),
    /// The name of what the request lacks, or has wrong, in the API's contract.
    ContractName(Arc<str>),
    /// The reason why the client may not enter.
    Entry(EntryFault),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpstreamSaid(shown) => write!(f, "the upstream's answer begins with: {shown}"),
            Self::BodyCut(reason) => write!(f, "the body of the upstream's answer was cut off: {reason}"),
            Self::ContractName(name) => write!(f, "in the contract: {}", name.escape_debug()),
            Self::Entry(fault) => fault.fmt(f),
        }
    }
}

/// The advice for a 403 of an upstream that may compare `Origin` with `Host`, as many libraries do by default.
const ORIGIN_HINT: &str =
    "the request's Origin is not the Host that the upstream was sent; if the upstream compares them, set preserve_host";

impl Record {
    /// True if the record is of a check by a balancer or a probe, of which there are many that say nothing new.
    #[must_use]
    pub fn is_routine(&self) -> bool {
        matches!(self.end, End::Answered | End::LeftSilently)
    }

    /// True if the record causes a warning, whatever the log shows of connections.
    #[must_use]
    pub fn is_notable(&self) -> bool {
        let is_odd = matches!(self.end, End::Refused(Refusal::LOOP_DETECTED | Refusal::TOO_MANY_INVALID_CREDENTIALS));
        self.upstream_unverified || is_odd
    }
}

/// The part of the record that a connection fills in while it lives.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) peer: SocketAddr,
    pub(super) accepted: Time,
    pub(super) path: Box<str>,
    pub(super) status: u16,
    pub(super) tls: Option<ProtocolVersion>,
    /// `None` until a route was looked for at the path. Of other requests only the record says the path.
    pub(super) origin: Option<Origin>,
    pub(super) dials: Dials,
    /// `None` for most connections, which have none of them.
    details: Option<Box<Details>>,
}

/// The number of endpoints that a connection was begun to, and whether the last one's certificate was not verified. One
/// byte, because each open connection has it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dials(u8);

impl Dials {
    const UNVERIFIED: u8 = 0x80;

    /// Sets the number. A route has far fewer endpoints than fit.
    pub(super) fn set_count(&mut self, count: u8) {
        self.0 = (self.0 & Self::UNVERIFIED) | count.min(Self::UNVERIFIED.saturating_sub(1));
    }

    pub(super) fn set_unverified(&mut self, unverified: bool) {
        self.0 = self.count() | if unverified { Self::UNVERIFIED } else { 0 };
    }

    fn count(self) -> u8 {
        self.0 & !Self::UNVERIFIED
    }

    fn is_unverified(self) -> bool {
        self.0 & Self::UNVERIFIED != 0
    }
}

/// Facts that few connections have, in memory of their own: the others do not pay for them.
#[derive(Debug, Default)]
pub(super) struct Details {
    pub(super) consumer: Option<Arc<Consumer>>,
    /// When the consumer's key expires.
    pub(super) expires_at: Option<Time>,
    pub(super) channel: Option<Arc<Channel>>,
    pub(super) note: Option<Note>,
    pub(super) tolerated: Tolerance,
}

impl Trace {
    pub(super) fn new(peer: SocketAddr, accepted: Time) -> Self {
        Self {
            peer,
            accepted,
            path: Box::default(),
            status: 0,
            tls: None,
            origin: None,
            dials: Dials::default(),
            details: None,
        }
    }

    /// The details, if there are any.
    pub(super) fn known_details(&self) -> Option<&Details> {
        self.details.as_deref()
    }

    /// The details, to fill one in.
    pub(super) fn details(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }

    pub(super) fn into_record(
        self,
        now: Time,
        labels: Option<Arc<RouteLabels>>,
        endpoint: Option<Arc<EndpointHealth>>,
        (end, client, upstream): (End, SideRecord, SideRecord),
    ) -> Record {
        let duration = now.since(self.accepted);
        let is_about_origin = end == End::Declined && self.status == 403 && self.origin == Some(Origin::Foreign);
        let details = self.details.map(|details| *details).unwrap_or_default();
        Record {
            peer: self.peer,
            path: self.path,
            labels,
            endpoint,
            dialled: self.dials.count(),
            consumer: details.consumer,
            channel: details.channel,
            status: self.status,
            tls: self.tls,
            upstream_unverified: self.dials.is_unverified(),
            duration,
            client,
            upstream,
            end,
            hint: is_about_origin.then_some(ORIGIN_HINT),
            note: details.note,
            tolerated: details.tolerated,
        }
    }
}
