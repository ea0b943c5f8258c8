//! Stage 2: a connection to the upstream, and the request on it.
//!
//! The endpoints of a route are tried in turn, and all addresses of each, beginning with the address that accepted
//! last. Each address has a share of the time that is left, so that a dead one does not keep later ones from being
//! tried.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::context::Context;
use super::end::upstream_tls_refusal;
use super::handoff::{Dialled, ToUpstream};
use super::record::UNVERIFIED_UPSTREAMS;
use crate::engine::{Fault, Next, Sent, Slot, Socket, Time};
use crate::invariant::Invariant;
use crate::proto::forward;
use crate::proto::refusal::Refusal;
use crate::routing::addresses::AddressList;
use crate::routing::route::Endpoint;
use crate::tls::{Handshaking, SecureTransport};

/// The shortest time for one address, as long as time is left: more than a round trip around the world.
const MIN_SHARE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Dial {
    client: Socket,
    onward: ToUpstream,
    upstream: Option<Socket>,
    /// The index of the endpoint that is tried first; the others follow in their order.
    first_endpoint: usize,
    /// The number of endpoints that were given up.
    passed: usize,
    attempts: Attempts,
    /// The request for the current endpoint.
    request: Vec<u8>,
    sent: usize,
    begun: Time,
    connect_deadline: Time,
    /// When the current address is given up for the next one.
    attempt_deadline: Time,
    /// `true` if the current connection is established.
    connected: bool,
    /// The client's answer if no endpoint is left.
    refusal: Refusal,
}

/// The addresses of the current endpoint, loaded when its turn came: a change counts from the next dial.
#[derive(Debug)]
struct Attempts {
    list: Arc<AddressList>,
    /// The index of the address that is tried first; the others follow in their order.
    first: usize,
    /// The number of addresses that have been tried.
    tried: usize,
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
    /// `first_endpoint` is the index of the endpoint to try first.
    pub(super) fn new(
        client: Socket,
        onward: ToUpstream,
        first_endpoint: usize,
        now: Time,
        connect_deadline: Time,
    ) -> Self {
        let mut dial = Self {
            client,
            onward,
            upstream: None,
            first_endpoint,
            passed: 0,
            attempts: Attempts { list: Arc::default(), first: 0, tried: 0 },
            request: Vec::new(),
            sent: 0,
            begun: now,
            connect_deadline,
            attempt_deadline: connect_deadline,
            connected: false,
            refusal: Refusal::UPSTREAM_UNRESOLVED,
        };
        dial.begin_endpoint();
        dial
    }

    /// The client's socket, and the upstream's if there is one.
    pub(super) fn sockets(&self) -> (Socket, Option<Socket>) {
        (self.client, self.upstream)
    }

    pub(super) fn step<T: SecureTransport>(&mut self, me: Slot, cx: &mut Context<'_, T>) -> Outcome {
        if cx.net.hung_up(self.client) {
            self.hang_up(cx);
            return Outcome::Left(self.client);
        }
        let now = cx.net.now();
        let deadline = if self.connected { self.onward.asked.deadline } else { self.deadline() };
        if now >= deadline {
            return self.refuse(Refusal::UPSTREAM_TIMEOUT, cx);
        }
        loop {
            let socket = match self.socket(me, cx) {
                Ok(socket) => socket,
                Err(refusal) => return self.refuse(refusal, cx),
            };
            if !self.connected && self.is_unverified() && cx.net.handshake(socket) == Handshaking::Done {
                self.note_connected();
                UNVERIFIED_UPSTREAMS.fetch_add(1, Ordering::Relaxed);
            }
            let sent = cx.net.send(socket, self.request.get(self.sent..).expected_or_default());
            if let Some(outcome) = self.after_send(sent, socket, now, cx) {
                return outcome;
            }
        }
    }

    /// The outcome after a send of the request; `None` to go on with the rest of it, or with the next address.
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
                    self.note_connected();
                }
                self.sent = self.sent.saturating_add(n);
                let is_sent = self.sent >= self.request.len();
                return is_sent.then(|| Outcome::Sent(Box::new(self.finish(socket, now))));
            }
            // Checked after the send: the address may have accepted at the last moment. The last address has until the
            // deadline.
            Sent::Blocked if !self.connected && now >= self.attempt_deadline => self.hang_up(cx),
            Sent::Blocked => {
                let deadline = if self.connected { self.onward.asked.deadline } else { self.attempt_deadline };
                return Some(Outcome::Stay(Next::Wait(Some(deadline))));
            }
            // All addresses of an endpoint have the same certificates; another endpoint may have valid ones.
            Sent::Failed(Fault::Tls(fault)) => {
                self.hang_up(cx);
                self.refusal = upstream_tls_refusal(fault);
                if !self.next_endpoint() {
                    return Some(Outcome::Refused(self.client, self.refusal));
                }
            }
            Sent::Failed(_) if self.connected => return Some(self.refuse(Refusal::UPSTREAM_CLOSED, cx)),
            Sent::Failed(_) => self.hang_up(cx),
        }
        None
    }

    fn refuse<T: SecureTransport>(&mut self, refusal: Refusal, cx: &mut Context<'_, T>) -> Outcome {
        self.hang_up(cx);
        Outcome::Refused(self.client, refusal)
    }

    /// When dialling ends, whatever is left to try.
    fn deadline(&self) -> Time {
        self.connect_deadline.min(self.onward.asked.deadline)
    }

    /// When an address that is tried from now on is given up, with `left` others after it: at the end of its share of
    /// the time.
    fn attempt_deadline(&self, now: Time, left: usize) -> Time {
        let deadline = self.deadline();
        let shares = u32::try_from(left).expected_or(u32::MAX).saturating_add(1);
        match deadline.since(now).checked_div(shares) {
            Some(share) if left > 0 => now.after(share.max(MIN_SHARE)).min(deadline),
            _ => deadline,
        }
    }

    /// The endpoint that comes `ahead` turns after the current one.
    fn endpoint(&self, ahead: usize) -> Option<&Endpoint> {
        let (endpoints, passed) = (&self.onward.asked.route.endpoints, self.passed.saturating_add(ahead));
        if passed >= endpoints.len() {
            return None;
        }
        endpoints.get(self.first_endpoint.saturating_add(passed).checked_rem(endpoints.len())?)
    }

    fn is_unverified(&self) -> bool {
        self.endpoint(0).and_then(|endpoint| endpoint.tls.as_ref()).is_some_and(|tls| !tls.is_verified)
    }

    /// Prepares the addresses and the request of the current endpoint.
    fn begin_endpoint(&mut self) {
        let Some(endpoint) = self.endpoint(0) else { return };
        let list = endpoint.addresses.load();
        let target = &endpoint.target;
        let host = self.onward.host.as_deref().unwrap_or(&target.authority);
        let mut request = Vec::with_capacity(self.onward.fields.len().saturating_add(256));
        forward::write_start(&target.base_path, &self.onward.rest, host, &mut request);
        request.extend(&self.onward.fields);
        self.attempts = Attempts { first: list.first(), list, tried: 0 };
        (self.request, self.sent) = (request, 0);
    }

    /// Moves on to the next endpoint. Returns `false` if there is none.
    fn next_endpoint(&mut self) -> bool {
        self.passed = self.passed.saturating_add(1);
        if self.endpoint(0).is_none() {
            return false;
        }
        self.begin_endpoint();
        true
    }

    /// The number of addresses of all endpoints after the current one.
    fn addresses_ahead(&self) -> usize {
        let later = (1..).map_while(|ahead| self.endpoint(ahead));
        later.map(|endpoint| endpoint.addresses.load().addresses().len()).fold(0, usize::saturating_add)
    }

    /// The current address has accepted.
    fn note_connected(&mut self) {
        self.connected = true;
        let address = self.attempts.tried.checked_sub(1).and_then(|turn| self.attempts.address(turn));
        if let (Some(address), Some(endpoint)) = (address, self.endpoint(0)) {
            endpoint.addresses.answered(address);
        }
    }

    /// The current socket, or a new one to the next address.
    fn socket<T: SecureTransport>(&mut self, me: Slot, cx: &mut Context<'_, T>) -> Result<Socket, Refusal> {
        if let Some(socket) = self.upstream {
            return Ok(socket);
        }
        loop {
            while let Some(address) = self.attempts.address(self.attempts.tried) {
                self.attempts.tried = self.attempts.tried.saturating_add(1);
                // An address was found, so the name was resolved. A later fault may give a better reason.
                if self.refusal == Refusal::UPSTREAM_UNRESOLVED {
                    self.refusal = Refusal::UPSTREAM_UNREACHABLE;
                }
                let left = self.attempts.left().saturating_add(self.addresses_ahead());
                self.attempt_deadline = self.attempt_deadline(cx.net.now(), left);
                match cx.net.dial(me, None, address) {
                    Ok(socket) => {
                        self.upstream = Some(socket);
                        self.secure(socket, cx)?;
                        return Ok(socket);
                    }
                    Err(Fault::NoDescriptors) => return Err(Refusal::NO_DESCRIPTORS),
                    Err(_) => {}
                }
            }
            if !self.next_endpoint() {
                return Err(self.refusal);
            }
        }
    }

    /// Starts TLS if the endpoint asks for it, before anything is sent or received.
    fn secure<T: SecureTransport>(&self, socket: Socket, cx: &mut Context<'_, T>) -> Result<(), Refusal> {
        let Some(tls) = self.endpoint(0).and_then(|endpoint| endpoint.tls.as_ref()) else { return Ok(()) };
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
        let fingerprint = self.endpoint(0).map_or(0, Endpoint::fingerprint);
        let (unverified, took) = (self.is_unverified(), now.since(self.begun));
        let asked = self.onward.asked.take();
        Dialled { client: self.client, upstream, asked, fingerprint, unverified, took }
    }
}

impl Attempts {
    /// The address that comes after `tried` others.
    fn address(&self, tried: usize) -> Option<SocketAddr> {
        let index = match tried.checked_sub(1) {
            None => self.first,
            Some(before) if before < self.first => before,
            Some(_) => tried,
        };
        self.list.addresses().get(index).copied()
    }

    /// The number of addresses that have not been tried.
    fn left(&self) -> usize {
        self.list.addresses().len().saturating_sub(self.tried)
    }
}
