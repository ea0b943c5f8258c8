//! The values that one stage of a connection hands to the next. Stages import these types and never each other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ProtocolVersion;

use super::entry_fault::EntryFault;
use crate::engine::{Socket, Time};
use crate::proto::accept::Accept;
use crate::proto::body::Body;
use crate::proto::certificate_names::CertificateNames;
use crate::proto::frame::Reserved;
use crate::proto::plain::PlainRequest;
use crate::proto::refusal::Refusal;
use crate::proto::response::Expected;
use crate::routing::balance::Tries;
use crate::routing::channels::Channel;
use crate::routing::consumers::Consumer;
use crate::routing::plain::PlainService;
use crate::routing::route::Route;

/// From `preamble`: the client that a PROXY header named.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) client: Socket,
    /// The address in the header, or the peer's own if the header has none.
    pub(super) peer: SocketAddr,
    /// Bytes that were received after the header: the client's own first bytes. Empty after version 2, which declares
    /// its length.
    pub(super) early: Vec<u8>,
    /// The deadline of the whole handshake.
    pub(super) deadline: Time,
}

/// From `secure`: the client as TLS knows it.
#[derive(Debug)]
pub(super) struct Identity {
    /// The name that the client asked for (SNI).
    pub(super) server_name: Option<Box<str>>,
    /// The negotiated version.
    pub(super) version: Option<ProtocolVersion>,
    /// The subject of the client's verified certificate.
    pub(super) subject: Option<Box<str>>,
    /// The names of the certificates that the client was shown one of.
    pub(super) shown: Arc<CertificateNames>,
}

/// From `handshake`: a plain HTTP request for a path that Ringway answers itself.
#[derive(Debug)]
pub(super) struct PlainAsked {
    pub(super) service: PlainService,
    pub(super) request: PlainRequest,
    /// Bytes that were received after the head.
    pub(super) early: Vec<u8>,
    /// The deadline of the whole request.
    pub(super) deadline: Time,
}

/// From `handshake`: a request that its route does not take.
#[derive(Debug)]
pub(super) struct NotTaken {
    pub(super) refusal: Refusal,
    /// The channel whose rule the request breaks.
    pub(super) channel: Option<Arc<Channel>>,
    /// The name in the contract that the refusal is about.
    pub(super) name: Option<Arc<str>>,
    /// The fault of the client's credential or origin.
    pub(super) fault: Option<EntryFault>,
}

impl From<Refusal> for NotTaken {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, channel: None, name: None, fault: None }
    }
}

/// From `handshake`: the party that a request was authenticated as.
#[derive(Debug)]
pub(super) struct Authenticated {
    pub(super) consumer: Arc<Consumer>,
    /// When the credential expires, by the clock at the handshake: a jump of the wall clock moves no connection's end.
    pub(super) expires_at: Option<Time>,
}

/// From `handshake`: a request that was admitted.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) client: Socket,
    /// The path of the request, for the record.
    pub(super) path: Box<str>,
    /// The party that the request was authenticated as; `None` for an anonymous one.
    pub(super) consumer: Option<Authenticated>,
    /// The channel; `None` if the route has none, or the path is none and passes.
    pub(super) channel: Option<Arc<Channel>>,
    pub(super) origin: Origin,
    /// True if the client sent no key, and the route allows that.
    pub(super) is_key_missing: bool,
    pub(super) onward: Onward,
}

/// The relation of a request's `Origin` to the `Host` that its upstream is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// They are the same, or there is no `Origin`.
    Own,
    /// They differ: an upstream that compares them declines.
    Foreign,
}

/// The destination of an accepted request.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "lives for one move, inside a box")]
pub(super) enum Onward {
    /// An upstream.
    Upstream(ToUpstream),
    /// The client itself.
    Echo {
        route: Arc<Route>,
        /// The client's 101.
        answer: Vec<u8>,
        /// Bytes that were received after the head.
        early: Vec<u8>,
    },
}

/// A request on its way to an upstream: sent by `dial`, and kept by `upgrade` for as long as another endpoint may be tried.
#[derive(Debug)]
pub(super) struct ToUpstream {
    pub(super) asked: Asked,
    /// The endpoints that were tried.
    pub(super) tries: Tries,
    /// The number of endpoints that a connection was begun to.
    pub(super) dialled: u8,
    /// The time that is left for connecting, over all endpoints.
    pub(super) connect_left: Duration,
    /// The path and query after the target's own path.
    pub(super) rest: Box<str>,
    /// The client's `Host`, if the route preserves it.
    pub(super) host: Option<Box<str>>,
    /// The header lines of the request, without those that differ between endpoints; empty once it has been sent and no
    /// other endpoint is left.
    pub(super) fields: Vec<u8>,
}

impl ToUpstream {
    /// Moves the values out of a stage that is done with them.
    pub(super) fn take(&mut self) -> Self {
        Self {
            asked: self.asked.take(),
            tries: self.tries.clone(),
            dialled: self.dialled,
            connect_left: self.connect_left,
            rest: std::mem::take(&mut self.rest),
            host: self.host.take(),
            fields: std::mem::take(&mut self.fields),
        }
    }
}

/// The part of a request that `upgrade` needs to judge the upstream's response.
#[derive(Debug)]
pub(super) struct Asked {
    /// The answer to the client's key; `None` if it sent none, and the route allows that.
    pub(super) accept: Option<Accept>,
    /// Bytes that the client sent after its head.
    pub(super) early: Vec<u8>,
    /// The values that the upstream's 101 must have.
    pub(super) expected: Expected,
    /// The deadline of the whole handshake.
    pub(super) deadline: Time,
    pub(super) route: Arc<Route>,
    /// The start of the client's path in whose place the upstream sees the target's own.
    pub(super) client_path: Box<str>,
    /// The client's `Host`, if the upstream is sent it.
    pub(super) host: Option<Box<str>>,
    /// The subprotocol that the client is answered if the upstream chooses none.
    pub(super) fallback_protocol: Option<&'static str>,
}

impl Asked {
    /// Moves the values out of a stage that is done with them.
    pub(super) fn take(&mut self) -> Self {
        Self {
            accept: self.accept,
            early: std::mem::take(&mut self.early),
            expected: std::mem::take(&mut self.expected),
            deadline: self.deadline,
            route: Arc::clone(&self.route),
            client_path: std::mem::take(&mut self.client_path),
            host: self.host.take(),
            fallback_protocol: self.fallback_protocol,
        }
    }
}

/// From `dial`: an upstream connection with the request on it.
#[derive(Debug)]
pub(super) struct Dialled {
    pub(super) client: Socket,
    pub(super) upstream: Socket,
    pub(super) onward: ToUpstream,
    /// The index of the endpoint.
    pub(super) endpoint: usize,
    /// The address that accepted.
    pub(super) address: SocketAddr,
    /// When the endpoint is given up for another one, if one may be tried.
    pub(super) answer_deadline: Time,
    /// `true` if the upstream speaks TLS and its certificate was not verified.
    pub(super) unverified: bool,
    /// The time from the first dial to the connection.
    pub(super) took: Duration,
}

/// From `upgrade`: the upstream answered with another status than 101.
#[derive(Debug)]
pub(super) struct Declined {
    pub(super) status: u16,
    /// The head of the client's answer.
    pub(super) head: Vec<u8>,
    /// The body that follows.
    pub(super) body: Body,
    /// Bytes that the upstream sent after its head.
    pub(super) early: Vec<u8>,
}

/// From `upgrade`: the upstream agreed to the WebSocket.
#[derive(Debug)]
pub(super) struct Switched {
    /// The reserved bits that the negotiated extensions may set.
    pub(super) reserved: Reserved,
    /// True if the upstream sent no accept value, and the route allows that.
    pub(super) is_accept_missing: bool,
    /// The client's 101.
    pub(super) answer: Vec<u8>,
    /// Bytes that the client sent after its request.
    pub(super) client_early: Vec<u8>,
    /// Bytes that the upstream sent after its response.
    pub(super) upstream_early: Vec<u8>,
}
