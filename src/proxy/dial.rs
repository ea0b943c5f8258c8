//! Stage 2: a connection to the upstream, and the request on it.
//!
//! The endpoints of a route are tried in the order that [`balance`](crate::routing::balance) gives, within a budget, and
//! all addresses of each, beginning with the address that accepted last. Each address has a share of the time that is left,
//! so that a dead one does not keep later ones from being tried. The stage is entered again when an endpoint failed after
//! it had accepted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::attempts::Attempts;
use super::context::Context;
use super::end::upstream_tls_refusal;
use super::failover;
use super::handoff::{Dialled, ToUpstream};
use super::record::UNVERIFIED_UPSTREAMS;
use crate::engine::{Fault, Next, Sent, Slot, Socket, Time};
use crate::invariant::Invariant;
use crate::proto::accept;
use crate::proto::forward;
use crate::proto::refusal::Refusal;
use crate::routing::balance::health::{EndpointHealth, FailureCause};
use crate::routing::route::Endpoint;
use crate::tls::{Handshaking, SecureTransport};

#[derive(Debug)]
pub(super) struct Dial {
    client: Socket,
    onward: ToUpstream,
    upstream: Option<Socket>,
    /// The index of the endpoint that is tried; `None` if there is none.
    endpoint: Option<usize>,
    /// The way in which the current endpoint's addresses failed so far.
    cause: FailureCause,
    attempts: Attempts,
    /// The request for the current endpoint.
    request: Vec<u8>,
    sent: usize,
    begun: Time,
    /// When the current endpoint's turn came.
    endpoint_begun: Time,
    connect_deadline: Time,
    /// When the current address is given up for the next one.
    attempt_deadline: Time,
    /// When the current endpoint, which has accepted, is given up for the next one.
    answer_deadline: Time,
    /// `true` if the current connection is established.
    connected: bool,
    /// The client's answer if no endpoint is left.
    refusal: Refusal,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    /// The request was sent.
    Sent(Box<Dialled>),
    Refused(Socket, Refusal),
    /// The client is gone.
    Left(Socket),
}

impl Dial {
    /// `first` is the index of the endpoint to try first.
    pub(super) fn new(client: Socket, onward: ToUpstream, first: Option<usize>, now: Time) -> Self {
        Self::starting(client, onward, first, Refusal::UPSTREAM_UNRESOLVED, now)
    }

    /// Tries the next endpoint, which was paid for, after one that failed with this refusal.
    pub(super) fn again<T: SecureTransport>(
        client: Socket,
        mut onward: ToUpstream,
        refusal: Refusal,
        cx: &mut Context<'_, T>,
    ) -> Self {
        let mut nonce = [0; 16];
        cx.net.random(&mut nonce);
        let key = accept::key_from(nonce);
        forward::replace_key(&mut onward.fields, &key);
        onward.asked.expected.set_accept(accept::accept_for(&key));
        let now = cx.net.now();
        let next = failover::next_endpoint(&mut onward, now);
        Self::starting(client, onward, next, refusal, now)
    }

    fn starting(client: Socket, onward: ToUpstream, endpoint: Option<usize>, refusal: Refusal, now: Time) -> Self {
        let connect_deadline = now.after(onward.connect_left);
        let mut dial = Self {
            client,
            onward,
            upstream: None,
            endpoint,
            cause: FailureCause::Unresolved,
            attempts: Attempts::default(),
            request: Vec::new(),
            sent: 0,
            begun: now,
            endpoint_begun: now,
            connect_deadline,
            attempt_deadline: connect_deadline,
            answer_deadline: connect_deadline,
            connected: false,
            refusal,
        };
        dial.begin_endpoint();
        dial
    }

    /// The client's socket, and the upstream's if there is one.
    pub(super) fn sockets(&self) -> (Socket, Option<Socket>) {
        (self.client, self.upstream)
    }

    /// The endpoint that is tried, or was tried last; and the number of endpoints that a connection was begun to.
    pub(super) fn tried(&self) -> (Option<&Arc<EndpointHealth>>, u8) {
        (self.endpoint().map(|endpoint| &endpoint.health), self.onward.dialled)
    }

    pub(super) fn step<T: SecureTransport>(&mut self, me: Slot, cx: &mut Context<'_, T>) -> Outcome {
        if cx.net.hung_up(self.client) {
            self.hang_up(cx);
            return Outcome::Left(self.client);
        }
        let now = cx.net.now();
        let deadline = if self.connected { self.onward.asked.deadline } else { self.deadline() };
        if now >= deadline {
            self.note_timeout(now);
            return self.refuse(Refusal::UPSTREAM_TIMEOUT, cx);
        }
        loop {
            let socket = match self.socket(me, cx) {
                Ok(socket) => socket,
                Err(refusal) => return self.refuse(refusal, cx),
            };
            if !self.connected && self.is_unverified() && cx.net.handshake(socket) == Handshaking::Done {
                self.note_connected(now);
                UNVERIFIED_UPSTREAMS.fetch_add(1, Ordering::Relaxed);
            }
            let sent = cx.net.send(socket, self.request.get(self.sent..).expected_or_default());
            if let Some(outcome) = self.after_send(sent, socket, now, cx) {
                return outcome;
            }
        }
    }

    /// The outcome after a send of the request; `None` to go on with the rest of it, or with the next address or endpoint.
    fn after_send<T: SecureTransport>(
        &mut self,
        sent: Sent,
        socket: Socket,
        now: Time,
        cx: &mut Context<'_, T>,
    ) -> Option<Outcome> {
        match sent {
            Sent::Bytes(n) => {
                if !self.connected {
                    self.note_connected(now);
                }
                self.sent = self.sent.saturating_add(n);
                let is_sent = self.sent >= self.request.len();
                is_sent.then(|| Outcome::Sent(Box::new(self.finish(socket, now))))
            }
            // Checked after the send: the address may have accepted at the last moment. The last address has until the
            // deadline.
            Sent::Blocked => self.after_blocked(now, cx),
            // All addresses of an endpoint have the same certificates; another endpoint may have valid ones.
            Sent::Failed(Fault::Tls(fault)) => {
                self.refusal = upstream_tls_refusal(fault);
                self.cause = FailureCause::Tls;
                self.leave_endpoint(cx)
            }
            Sent::Failed(_) if self.connected => {
                self.refusal = Refusal::UPSTREAM_CLOSED;
                self.cause = FailureCause::Closed;
                self.leave_endpoint(cx)
            }
            Sent::Failed(fault) => {
                self.note_fault(fault);
                self.hang_up(cx);
                None
            }
        }
    }

    /// Waits, or gives up an address or endpoint whose share of the time is over.
    fn after_blocked<T: SecureTransport>(&mut self, now: Time, cx: &mut Context<'_, T>) -> Option<Outcome> {
        let share_ends = if self.connected { self.answer_deadline } else { self.attempt_deadline };
        if now < share_ends {
            return Some(Outcome::Stay(Next::Wait(Some(share_ends))));
        }
        if !self.connected && self.attempts.left() > 0 {
            self.cause = FailureCause::ConnectTimeout;
            self.hang_up(cx);
            return None;
        }
        if failover::may_try_another(&self.onward, cx) {
            self.cause = if self.connected { FailureCause::Silent } else { FailureCause::ConnectTimeout };
            self.refusal = if self.connected { Refusal::UPSTREAM_TIMEOUT } else { self.refusal };
            self.begin_next(cx);
            return None;
        }
        let deadline = if self.connected { self.onward.asked.deadline } else { self.deadline() };
        (self.answer_deadline, self.attempt_deadline) = (deadline, deadline);
        Some(Outcome::Stay(Next::Wait(Some(deadline))))
    }

    /// Goes on with the next endpoint if one may be tried.
    fn leave_endpoint<T: SecureTransport>(&mut self, cx: &mut Context<'_, T>) -> Option<Outcome> {
        if failover::may_try_another(&self.onward, cx) {
            self.begin_next(cx);
            return None;
        }
        self.note_failure(cx.net.now());
        Some(self.refuse(self.refusal, cx))
    }

    fn refuse<T: SecureTransport>(&mut self, refusal: Refusal, cx: &mut Context<'_, T>) -> Outcome {
        self.hang_up(cx);
        Outcome::Refused(self.client, refusal)
    }

    /// When dialling ends, whatever is left to try.
    fn deadline(&self) -> Time {
        self.connect_deadline.min(self.onward.asked.deadline)
    }

    fn endpoint(&self) -> Option<&Endpoint> {
        self.onward.asked.route.endpoints.get(self.endpoint?)
    }

    fn is_unverified(&self) -> bool {
        self.endpoint().and_then(|endpoint| endpoint.tls.as_ref()).is_some_and(|tls| !tls.is_verified)
    }

    /// Prepares the addresses and the request of the current endpoint.
    fn begin_endpoint(&mut self) {
        let Some(endpoint) = self.endpoint() else { return };
        let list = endpoint.addresses.load();
        let target = &endpoint.target;
        let host = self.onward.host.as_deref().unwrap_or(&target.authority);
        let mut request = Vec::with_capacity(self.onward.fields.len().saturating_add(256));
        forward::write_start(&target.base_path, &self.onward.rest, host, &mut request);
        request.extend(&self.onward.fields);
        (self.attempts, self.cause) = (Attempts::new(list), FailureCause::Unresolved);
        (self.request, self.sent) = (request, 0);
    }

    /// Leaves the current endpoint, which failed, for the next one.
    fn begin_next<T: SecureTransport>(&mut self, cx: &mut Context<'_, T>) {
        let now = cx.net.now();
        self.note_failure(now);
        if self.connected {
            // The time that this endpoint was waited for was not spent on connecting.
            self.connect_deadline = now.after(self.onward.connect_left);
        }
        self.hang_up(cx);
        match failover::next_endpoint(&mut self.onward, now) {
            Some(next) => {
                (self.endpoint, self.endpoint_begun) = (Some(next), now);
                self.begin_endpoint();
            }
            // The record keeps the endpoint that was tried last.
            None => self.attempts = Attempts::default(),
        }
    }

    /// The current address has accepted.
    fn note_connected(&mut self, now: Time) {
        self.connected = true;
        self.onward.connect_left = self.connect_deadline.since(now);
        self.answer_deadline = failover::answer_deadline(&self.onward, now);
        if let (Some(address), Some(endpoint)) = (self.attempts.current(), self.endpoint()) {
            endpoint.addresses.answered(address);
        }
    }

    /// An address failed before it accepted.
    fn note_fault(&mut self, fault: Fault) {
        self.cause = failover::cause_of(fault);
        // A failure after an address had accepted says more.
        let of_dialling = [Refusal::UPSTREAM_UNRESOLVED, Refusal::UPSTREAM_UNREACHABLE, Refusal::NO_LOCAL_PORT];
        if of_dialling.contains(&self.refusal) {
            let no_port = self.cause == FailureCause::NoLocalPort;
            self.refusal = if no_port { Refusal::NO_LOCAL_PORT } else { Refusal::UPSTREAM_UNREACHABLE };
        }
    }

    /// The current endpoint has failed.
    fn note_failure(&self, now: Time) {
        let Some(endpoint) = self.endpoint() else { return };
        if !failover::is_judged(&self.onward, self.cause, self.endpoint_begun, now) {
            return;
        }
        endpoint.health.failed(self.cause, now.as_millis());
        if let Some(address) = self.attempts.current().filter(|_| self.connected) {
            endpoint.addresses.passed_over(address);
        }
    }

    /// The time of the whole handshake is over, or that for connecting.
    fn note_timeout(&mut self, now: Time) {
        self.cause = if self.connected { FailureCause::Silent } else { FailureCause::ConnectTimeout };
        self.note_failure(now);
    }

    /// The current socket, or a new one to the next address.
    fn socket<T: SecureTransport>(&mut self, me: Slot, cx: &mut Context<'_, T>) -> Result<Socket, Refusal> {
        if let Some(socket) = self.upstream {
            return Ok(socket);
        }
        loop {
            while let Some(address) = self.attempts.next() {
                if self.attempts.is_first() {
                    self.onward.dialled = self.onward.dialled.saturating_add(1);
                }
                // An address was found, so the name was resolved. A later fault may give a better reason.
                if self.refusal == Refusal::UPSTREAM_UNRESOLVED {
                    self.refusal = Refusal::UPSTREAM_UNREACHABLE;
                }
                let (left, deadline) = (self.attempts.left(), self.deadline());
                self.attempt_deadline = failover::attempt_deadline(&self.onward, left, deadline, cx.net.now());
                match cx.net.dial(me, None, address) {
                    Ok(socket) => {
                        self.upstream = Some(socket);
                        self.secure(socket, cx)?;
                        return Ok(socket);
                    }
                    Err(Fault::NoDescriptors) => return Err(Refusal::NO_DESCRIPTORS),
                    Err(fault) => self.note_fault(fault),
                }
            }
            // An endpoint without an address cost nothing: the next one is tried in its place.
            let is_free = self.onward.dialled == 0 && failover::has_another(&self.onward);
            if !is_free && !failover::may_try_another(&self.onward, cx) {
                self.note_failure(cx.net.now());
                return Err(self.refusal);
            }
            self.begin_next(cx);
        }
    }

    /// Starts TLS if the endpoint asks for it, before anything is sent or received.
    fn secure<T: SecureTransport>(&self, socket: Socket, cx: &mut Context<'_, T>) -> Result<(), Refusal> {
        let Some(tls) = self.endpoint().and_then(|endpoint| endpoint.tls.as_ref()) else { return Ok(()) };
        // `trust` is an index into the active configuration, and means nothing if the route has changed since.
        if !cx.routes.get(cx.route).is_active(&self.onward.asked.route) {
            return Err(Refusal::API_CHANGING);
        }
        let config = cx.config.upstream_tls.get(usize::from(tls.trust)).ok_or(Refusal::UPSTREAM_TLS)?;
        let begun = cx.net.connect_tls(socket, Arc::clone(config), tls.name.clone());
        begun.map_err(|_| Refusal::UPSTREAM_TLS)
    }

    fn hang_up<T: SecureTransport>(&mut self, cx: &mut Context<'_, T>) {
        self.connected = false;
        self.sent = 0;
        if let Some(socket) = self.upstream.take() {
            cx.net.close(socket);
        }
    }

    fn finish(&mut self, upstream: Socket, now: Time) -> Dialled {
        let (unverified, took) = (self.is_unverified(), now.since(self.begun));
        let (endpoint, address) = (self.endpoint.expected_or_default(), self.attempts.current());
        let mut onward = self.onward.take();
        if !failover::has_another(&onward) {
            // Nobody will be asked again: the request need not be kept.
            onward.fields = Vec::new();
        }
        let answer_deadline = self.answer_deadline;
        let address = address.expected_or(SocketAddr::from(([0, 0, 0, 0], 0)));
        Dialled { client: self.client, upstream, onward, endpoint, address, answer_deadline, unverified, took }
    }
}
