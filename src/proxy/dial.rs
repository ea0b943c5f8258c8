//! Stage 2: a connection to the upstream, and the request on it. A route's endpoints are tried in turn, and of each its
//! addresses, each for a share of the time: one that never answers does not keep those behind it from being tried. Of an
//! endpoint's addresses the one that answered last goes first.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::context::Context;
use super::handshake::ToUpstream;
use super::record::UNVERIFIED_UPSTREAMS;
use super::upgrade::Asked;
use super::upstream_tls::refusal_of;
use crate::engine::{Fault, Next, Sent, Slot, Socket, Time, Transport};
use crate::proto::forward;
use crate::proto::refusal::Refusal;
use crate::routing::addresses::AddressList;
use crate::routing::route::Endpoint;
use crate::tls::secured::{Handshaking, Secured};

/// The least that an address gets, while time is left: more than a round trip around the world.
const MIN_SHARE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Dial {
    client: Socket,
    onward: ToUpstream,
    upstream: Option<Socket>,
    /// The endpoint that is tried first; the others follow in their order.
    first_endpoint: usize,
    /// How many endpoints are behind us.
    passed: usize,
    attempts: Attempts,
    /// The request, for the endpoint in use.
    request: Vec<u8>,
    sent: usize,
    begun: Time,
    connect_deadline: Time,
    /// When the address in use is given up for the next one.
    attempt_deadline: Time,
    /// Whether the current connection stands.
    connected: bool,
    /// What the client is told when no endpoint is left.
    refusal: Refusal,
}

/// Addresses of the endpoint in use, as they were when its turn came: a change counts from the next dial.
#[derive(Debug)]
struct Attempts {
    answer: Arc<AddressList>,
    /// The one of them that is tried first; the others follow in their order.
    first: usize,
    /// How many have been tried.
    tried: usize,
}

/// What came of a dial.
#[derive(Debug)]
pub(super) struct Dialled {
    pub(super) client: Socket,
    pub(super) upstream: Socket,
    pub(super) asked: Asked,
    /// Which endpoint it is.
    pub(super) fingerprint: u64,
    /// Whether nobody looked at its certificate.
    pub(super) unverified: bool,
    /// How long it took.
    pub(super) took: Duration,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    /// The request is on its way.
    Sent(Box<Dialled>),
    Refused(Socket, Refusal),
    /// The client is gone.
    Left(Socket),
}

impl Dial {
    /// `first_endpoint` is the endpoint whose turn it is.
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
            attempts: Attempts { answer: Arc::default(), first: 0, tried: 0 },
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

    /// Both sockets that it holds.
    pub(super) fn sockets(&self) -> (Socket, Option<Socket>) {
        (self.client, self.upstream)
    }

    pub(super) fn step<T: Transport>(&mut self, me: Slot, cx: &mut Context<'_, Secured<'_, T>>) -> Outcome {
        let client = self.client;
        if cx.net.hung_up(client) {
            self.hang_up(cx);
            return Outcome::Left(client);
        }
        let now = cx.net.now();
        let deadline = if self.connected { self.onward.asked.deadline } else { self.deadline() };
        if now >= deadline {
            self.hang_up(cx);
            return Outcome::Refused(client, Refusal::UPSTREAM_TIMEOUT);
        }
        loop {
            let socket = match self.socket(me, cx) {
                Ok(socket) => socket,
                Err(refusal) => {
                    self.hang_up(cx);
                    return Outcome::Refused(client, refusal);
                }
            };
            if !self.connected && self.is_unverified() && cx.net.handshake(socket) == Handshaking::Done {
                self.connected = true;
                self.note_answered();
                UNVERIFIED_UPSTREAMS.fetch_add(1, Ordering::Relaxed);
            }
            match cx.net.send(socket, self.request.get(self.sent..).unwrap_or_default()) {
                Sent::Bytes(n) => {
                    if !std::mem::replace(&mut self.connected, true) {
                        self.note_answered();
                    }
                    self.sent = self.sent.saturating_add(n);
                    if self.sent >= self.request.len() {
                        return Outcome::Sent(Box::new(self.finish(socket, now)));
                    }
                }
                // Only now: it may have answered at the last moment. The last address has time until the deadline above.
                Sent::Blocked if !self.connected && now >= self.attempt_deadline => self.hang_up(cx),
                Sent::Blocked => {
                    let deadline = if self.connected { self.onward.asked.deadline } else { self.attempt_deadline };
                    return Outcome::Stay(Next::Wait(Some(deadline)));
                }
                // Its other addresses have the same certificates, another endpoint may have better ones.
                Sent::Failed(Fault::Tls(fault)) => {
                    self.hang_up(cx);
                    self.refusal = refusal_of(fault);
                    if !self.next_endpoint() {
                        return Outcome::Refused(client, self.refusal);
                    }
                }
                Sent::Failed(_) if self.connected => {
                    self.hang_up(cx);
                    return Outcome::Refused(client, Refusal::UPSTREAM_CLOSED);
                }
                Sent::Failed(_) => self.hang_up(cx),
            }
        }
    }

    /// When no address is tried any more.
    fn deadline(&self) -> Time {
        self.connect_deadline.min(self.onward.asked.deadline)
    }

    /// When an address that is tried from now on is given up, with `left` others behind it: after its share of the time
    /// that is left.
    fn attempt_deadline(&self, now: Time, left: usize) -> Time {
        let deadline = self.deadline();
        let shares = u32::try_from(left).unwrap_or(u32::MAX).saturating_add(1);
        match deadline.since(now).checked_div(shares) {
            Some(share) if left > 0 => now.after(share.max(MIN_SHARE)).min(deadline),
            _ => deadline,
        }
    }

    /// The endpoint in use, after so many others.
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

    /// Makes ready for the endpoint whose turn it is.
    fn begin_endpoint(&mut self) {
        let Some(endpoint) = self.endpoint(0) else { return };
        let answer = endpoint.addresses.load();
        let target = &endpoint.target;
        let host = self.onward.host.as_deref().unwrap_or(&target.authority);
        let mut request = Vec::with_capacity(self.onward.fields.len().saturating_add(256));
        forward::write_start(&target.base_path, &self.onward.rest, host, &mut request);
        request.extend(&self.onward.fields);
        self.attempts = Attempts { first: answer.first(), answer, tried: 0 };
        (self.request, self.sent) = (request, 0);
    }

    /// Goes on to the next endpoint: `false` if there is none.
    fn next_endpoint(&mut self) -> bool {
        self.passed = self.passed.saturating_add(1);
        if self.endpoint(0).is_none() {
            return false;
        }
        self.begin_endpoint();
        true
    }

    /// Addresses that are tried after those of the endpoint in use.
    fn addresses_behind(&self) -> usize {
        let behind = (1..).map_while(|ahead| self.endpoint(ahead));
        behind.map(|endpoint| endpoint.addresses.load().addresses().len()).fold(0, usize::saturating_add)
    }

    fn note_answered(&self) {
        let address = self.attempts.tried.checked_sub(1).and_then(|turn| self.attempts.address(turn));
        if let (Some(address), Some(endpoint)) = (address, self.endpoint(0)) {
            endpoint.addresses.answered(address);
        }
    }

    /// The socket in use, or one to the next address.
    fn socket<T: Transport>(&mut self, me: Slot, cx: &mut Context<'_, Secured<'_, T>>) -> Result<Socket, Refusal> {
        if let Some(socket) = self.upstream {
            return Ok(socket);
        }
        loop {
            while let Some(address) = self.attempts.address(self.attempts.tried) {
                self.attempts.tried = self.attempts.tried.saturating_add(1);
                // Until one of them has something better to say.
                if self.refusal == Refusal::UPSTREAM_UNRESOLVED {
                    self.refusal = Refusal::UPSTREAM_UNREACHABLE;
                }
                let left = self.attempts.left().saturating_add(self.addresses_behind());
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

    /// Where that is asked for, nothing goes out, and nothing counts that comes in, but through TLS.
    fn secure<T: Transport>(&self, socket: Socket, cx: &mut Context<'_, Secured<'_, T>>) -> Result<(), Refusal> {
        let Some(tls) = self.endpoint(0).and_then(|endpoint| endpoint.tls.as_ref()) else { return Ok(()) };
        // Whom to trust is looked up by its place, and that counts only as long as the route is as it was.
        if !cx.routes.get(cx.route).is_active(&self.onward.asked.route) {
            return Err(Refusal::API_CHANGING);
        }
        let config = cx.config.upstream_tls.get(usize::from(tls.trust)).ok_or(Refusal::UPSTREAM_TLS)?;
        let begun = cx.net.connect_tls(socket, Arc::clone(config), tls.name.clone());
        begun.map_err(|_| Refusal::UPSTREAM_TLS)
    }

    fn hang_up<T: Transport>(&mut self, cx: &mut Context<'_, Secured<'_, T>>) {
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
    /// The address whose turn it is after `tried` others.
    fn address(&self, tried: usize) -> Option<SocketAddr> {
        let index = match tried.checked_sub(1) {
            None => self.first,
            Some(before) if before < self.first => before,
            Some(_) => tried,
        };
        self.answer.addresses().get(index).copied()
    }

    /// How many have not been tried.
    fn left(&self) -> usize {
        self.answer.addresses().len().saturating_sub(self.tried)
    }
}
