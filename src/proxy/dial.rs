//! Stage 2: a connection to the upstream, and the request on it. Addresses are tried in turn, each for a share of the time:
//! one that never answers does not keep those behind it from being tried. The one that answered last goes first.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::context::Context;
use super::handshake::Accepted;
use super::record::UNVERIFIED_UPSTREAMS;
use super::upstream_tls::refusal_of;
use crate::engine::{Fault, Next, Sent, Slot, Socket, Time, Transport};
use crate::proto::refusal::Refusal;
use crate::routing::place::{Answer, Place};
use crate::tls::secured::{Handshaking, Secured};

/// The least that an address gets, while time is left: more than a round trip around the world.
const MIN_SHARE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Dial {
    accepted: Box<Accepted>,
    upstream: Option<Socket>,
    /// As they were when the dial began: a change counts from the next one.
    place: Option<Arc<Answer>>,
    /// The one of them that is tried first; the others follow in their order.
    first: usize,
    /// How many have been tried.
    tried: usize,
    connect_deadline: Time,
    /// When the address in use is given up for the next one.
    attempt_deadline: Time,
    /// Whether the current connection stands.
    connected: bool,
    sent: usize,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    /// The request is on its way.
    Sent(Box<Accepted>, Socket),
    Refused(Socket, Refusal),
    /// The client is gone.
    Left(Socket),
}

impl Dial {
    pub(super) fn new(accepted: Box<Accepted>, place: Option<&Place>, connect_deadline: Time) -> Self {
        let place = place.map(Place::load);
        Self {
            accepted,
            upstream: None,
            first: place.as_ref().map_or(0, |answer| answer.first()),
            place,
            tried: 0,
            connect_deadline,
            attempt_deadline: connect_deadline,
            connected: false,
            sent: 0,
        }
    }

    /// Both sockets that it holds.
    pub(super) fn sockets(&self) -> (Socket, Option<Socket>) {
        (self.accepted.client, self.upstream)
    }

    pub(super) fn step<T: Transport>(&mut self, me: Slot, cx: &mut Context<'_, Secured<'_, T>>) -> Outcome {
        let client = self.accepted.client;
        if cx.net.hung_up(client) {
            self.hang_up(cx);
            return Outcome::Left(client);
        }
        let now = cx.net.now();
        let deadline = if self.connected { self.accepted.deadline } else { self.deadline() };
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
            if !self.connected && cx.settings.has_unverified_upstream() && cx.net.handshake(socket) == Handshaking::Done
            {
                self.connected = true;
                UNVERIFIED_UPSTREAMS.fetch_add(1, Ordering::Relaxed);
            }
            match cx.net.send(socket, self.accepted.outgoing.get(self.sent..).unwrap_or_default()) {
                Sent::Bytes(n) => {
                    if !std::mem::replace(&mut self.connected, true)
                        && let Some(address) = self.tried.checked_sub(1).and_then(|turn| self.address(turn))
                        && let Some(place) = &cx.current.place
                    {
                        place.answered(address);
                    }
                    self.sent = self.sent.saturating_add(n);
                    if self.sent >= self.accepted.outgoing.len() {
                        return Outcome::Sent(self.take_accepted(), socket);
                    }
                }
                // Only now: it may have answered at the last moment. The last address has time until the deadline above.
                Sent::Blocked if !self.connected && now >= self.attempt_deadline => self.hang_up(cx),
                Sent::Blocked => {
                    let deadline = if self.connected { self.accepted.deadline } else { self.attempt_deadline };
                    return Outcome::Stay(Next::Wait(Some(deadline)));
                }
                Sent::Failed(Fault::Tls(fault)) => {
                    self.hang_up(cx);
                    return Outcome::Refused(client, refusal_of(fault));
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
        self.connect_deadline.min(self.accepted.deadline)
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

    fn addresses(&self) -> &[SocketAddr] {
        self.place.as_ref().map(|answer| answer.addresses()).unwrap_or_default()
    }

    /// The address whose turn it is after `tried` others.
    fn address(&self, tried: usize) -> Option<SocketAddr> {
        let index = match tried.checked_sub(1) {
            None => self.first,
            Some(before) if before < self.first => before,
            Some(_) => tried,
        };
        self.addresses().get(index).copied()
    }

    /// The socket in use, or one to the next address.
    fn socket<T: Transport>(&mut self, me: Slot, cx: &mut Context<'_, Secured<'_, T>>) -> Result<Socket, Refusal> {
        if let Some(socket) = self.upstream {
            return Ok(socket);
        }
        if self.addresses().is_empty() {
            return Err(Refusal::UPSTREAM_UNRESOLVED);
        }
        while let Some(address) = self.address(self.tried) {
            self.tried = self.tried.saturating_add(1);
            let left = self.addresses().len().saturating_sub(self.tried);
            self.attempt_deadline = self.attempt_deadline(cx.net.now(), left);
            match cx.net.dial(me, None, address) {
                Ok(socket) => {
                    self.upstream = Some(socket);
                    // From here on nothing goes out, and nothing counts that comes in, but through TLS.
                    if let Some(tls) = cx.settings.upstream_tls() {
                        let config = cx.current.upstream_tls.as_ref().ok_or(Refusal::UPSTREAM_TLS)?;
                        let begun = cx.net.connect_tls(socket, Arc::clone(config), tls.name.clone());
                        begun.map_err(|_| Refusal::UPSTREAM_TLS)?;
                    }
                    return Ok(socket);
                }
                Err(Fault::NoDescriptors) => return Err(Refusal::NO_DESCRIPTORS),
                Err(_) => {}
            }
        }
        Err(Refusal::UPSTREAM_UNREACHABLE)
    }

    fn hang_up<T: Transport>(&mut self, cx: &mut Context<'_, Secured<'_, T>>) {
        if let Some(socket) = self.upstream.take() {
            cx.net.close(socket);
        }
    }

    fn take_accepted(&mut self) -> Box<Accepted> {
        let empty = Accepted {
            accept: [0; 28],
            path: Box::default(),
            early: Vec::new(),
            outgoing: Vec::new(),
            expected: None,
            deadline: self.accepted.deadline,
            client: self.accepted.client,
        };
        std::mem::replace(&mut self.accepted, Box::new(empty))
    }
}
