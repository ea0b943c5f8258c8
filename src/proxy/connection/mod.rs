//! A connection as a state machine. This folder alone knows the order of the stages.
//!
//! In: steps of the engine, and orders to drain. Out: the next stage for each outcome (`opening` up to the tunnel,
//! `ending` from there), and a record once the connection is gone. No decision about bytes is made here: that is the
//! stages' work.

mod ending;
mod entry;
mod inspecting;
mod opening;
mod stage;
mod transition;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;

use self::entry::{first_stage, reject_over_limit};
use self::stage::{Stage, Turn};
use self::transition::{gone, linger};
use super::admission::Counted;
use super::answer;
use super::context::Context;
use super::end::{End, SideRecord};
use super::preamble::Preamble;
use super::record::{Record, Trace};
use super::relay;
use super::routes::RouteSlot;
use super::terminated::echo;
use crate::command::Cause;
use crate::command::config::ListenerTls;
use crate::engine::{Next, Slot, Socket, Time};
use crate::proto::refusal::Refusal;
use crate::routing::balance::health::EndpointHealth;
use crate::routing::route::{NO_ENDPOINT, RouteLabels};
use crate::tls::SecureTransport;

/// An order to a connection.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// Ends the connection in order.
    Drain(Cause),
    /// Takes the changed policies of the route.
    Reconsider,
}

/// A connection, from accept to its end.
#[derive(Debug)]
pub(super) struct Connection {
    stage: Stage,
    trace: Trace,
    /// No other connection of the shard ever has this id.
    id: u64,
    /// The endpoint that is tried or connected; `None` before, and for an echo.
    endpoint: Option<Arc<EndpointHealth>>,
    route: RouteSlot,
    /// The index of the listener that accepted the connection.
    listener: u16,
    /// The order that the next step obeys.
    order: Option<Order>,
    /// The counts that the connection is part of, and leaves at its end.
    pub(super) counted: Counted,
}

impl Connection {
    /// A connection that was just accepted, and how it is counted. The client speaks TLS if `tls` is given.
    pub(super) fn new(
        client: Socket,
        peer: SocketAddr,
        tls: Option<&ListenerTls>,
        counted: Counted,
        now: Time,
        deadline: Time,
    ) -> Self {
        let stage = first_stage(client, peer, tls, Vec::new(), deadline);
        Self::in_stage(stage, Trace::new(peer, now), counted)
    }

    /// A connection that was just accepted from a peer that must send a PROXY header.
    pub(super) fn announced(client: Socket, peer: SocketAddr, now: Time, deadline: Time) -> Self {
        let stage = Stage::Preamble(Box::new(Preamble::new(client, peer, deadline)));
        Self::in_stage(stage, Trace::new(peer, now), Counted::Alone)
    }

    /// A connection that is refused before anything is received from it.
    pub(super) fn refused(
        client: Socket,
        peer: SocketAddr,
        tls: Option<&ListenerTls>,
        refusal: Refusal,
        now: Time,
        deadline: Time,
    ) -> Self {
        let mut trace = Trace::new(peer, now);
        let stage = reject_over_limit(client, tls, refusal, &mut trace, deadline);
        Self::in_stage(stage, trace, Counted::Not)
    }

    fn in_stage(stage: Stage, trace: Trace, counted: Counted) -> Self {
        Self { stage, trace, id: 0, endpoint: None, route: RouteSlot::NONE, listener: 0, order: None, counted }
    }

    /// Sets the id and the index of the listener.
    pub(super) fn with_id(self, id: u64, listener: u16) -> Self {
        Self { id, listener, ..self }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn route(&self) -> RouteSlot {
        self.route
    }

    pub(super) fn listener(&self) -> u16 {
        self.listener
    }

    /// The fingerprint of an open connection's endpoint; `None` in any other stage.
    pub(super) fn tunnel(&self) -> Option<u64> {
        matches!(self.stage, Stage::Relay(_) | Stage::Inspected(_) | Stage::Echo(_)).then(|| self.fingerprint())
    }

    /// The fingerprint of the endpoint; [`NO_ENDPOINT`] without one.
    fn fingerprint(&self) -> u64 {
        self.endpoint.as_ref().map_or(NO_ENDPOINT, |endpoint| endpoint.fingerprint())
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.trace.peer
    }

    /// Ends the connection in order, with its next step.
    pub(super) fn drain(&mut self, cause: Cause) {
        self.order = Some(Order::Drain(cause));
    }

    /// Takes the changed policies of the route, with its next step.
    pub(super) fn reconsider(&mut self) {
        self.order.get_or_insert(Order::Reconsider);
    }

    /// Goes through stages until one has to wait.
    #[inline]
    pub(super) fn step<T: SecureTransport>(&mut self, me: Slot, cx: &mut Context<'_, T>) -> Next {
        loop {
            match self.order.take() {
                None => {}
                Some(Order::Drain(cause)) => self.begin_drain(cause, cx),
                Some(Order::Reconsider) => self.inspect_or_not(cx),
            }
            match self.turn(me, cx) {
                Turn::Stay(next) => return next,
                Turn::To(Stage::Gone(end, client, upstream)) => {
                    self.stage = Stage::Gone(end, client, upstream);
                    return Next::Done;
                }
                Turn::To(stage) => self.stage = stage,
            }
        }
    }

    /// The record of a connection that is gone.
    pub(super) fn into_record(self, now: Time, labels: Option<Arc<RouteLabels>>) -> Record {
        let (end, client, upstream) = match self.stage {
            Stage::Gone(end, client, upstream) => (end, client, upstream),
            _ => {
                debug_assert!(false, "a connection is removed before it is gone");
                (End::Drained(Cause::Shutdown), SideRecord::default(), SideRecord::default())
            }
        };
        let endpoint = self.endpoint;
        self.trace.into_record(now, labels, endpoint, (end, client, upstream))
    }

    fn turn<T: SecureTransport>(&mut self, me: Slot, cx: &mut Context<'_, T>) -> Turn {
        match &mut self.stage {
            Stage::Relay(relay) => match relay.step(cx) {
                relay::Outcome::Stay(next) => Turn::Stay(next),
                relay::Outcome::Ending(end) => self.close(end, cx),
            },
            Stage::Inspected(inspected) => match inspected.step(cx) {
                relay::Outcome::Stay(next) => Turn::Stay(next),
                relay::Outcome::Ending(end) => self.close(end, cx),
            },
            Stage::Preamble(stage) => {
                let outcome = stage.step(cx);
                let client = stage.client();
                self.after_preamble(client, outcome, cx)
            }
            Stage::Secure(stage) => {
                let outcome = stage.step(cx);
                let (client, deadline) = (stage.client(), stage.deadline());
                self.after_secure(client, deadline, outcome, cx)
            }
            Stage::Handshake(stage) => {
                let outcome = stage.step(cx);
                let (client, named) = (stage.client(), stage.named());
                self.after_handshake(me, client, named, outcome, cx)
            }
            Stage::Dial(stage) => {
                let outcome = stage.step(me, cx);
                let (endpoint, dialled) = stage.tried();
                self.trace.dials.set_count(dialled);
                if self.endpoint.as_ref().map(Arc::as_ptr) != endpoint.map(Arc::as_ptr) {
                    self.endpoint = endpoint.map(Arc::clone);
                }
                self.after_dial(outcome, cx)
            }
            Stage::Upgrade(stage) => {
                let outcome = stage.step(cx);
                let (client, upstream) = (stage.client(), stage.upstream());
                self.after_upgrade(client, upstream, outcome, cx)
            }
            Stage::Decline(stage) => {
                let outcome = stage.step(cx);
                let (client, upstream) = (stage.client(), stage.upstream());
                self.after_decline(client, upstream, outcome, cx)
            }
            Stage::Respond(stage) => {
                let outcome = stage.step(cx);
                let client = stage.client();
                self.after_respond(client, outcome, cx)
            }
            Stage::Answer(stage, end) => match stage.step(cx) {
                answer::Outcome::Stay(next) => Turn::Stay(next),
                answer::Outcome::Sent => linger(stage.client(), *end, SideRecord::default(), cx),
                answer::Outcome::Gone => gone(&[stage.client()], *end, cx),
            },
            Stage::Closing(stage) => match stage.step(cx) {
                Next::Done => {
                    let (client, upstream) = stage.records();
                    Turn::To(Stage::Gone(stage.end(), client, upstream))
                }
                next => Turn::Stay(next),
            },
            Stage::Echo(stage) => match stage.step(cx) {
                echo::Outcome::Stay(next) => Turn::Stay(next),
                echo::Outcome::Finished(end) => {
                    stage.discard(cx);
                    linger(stage.client(), end, stage.record(), cx)
                }
                echo::Outcome::Gone(end) => {
                    stage.discard(cx);
                    cx.net.close(stage.client());
                    Turn::To(Stage::Gone(end, stage.record(), SideRecord::default()))
                }
            },
            Stage::Linger(stage, end, record) => match stage.step(cx) {
                Next::Done => {
                    cx.net.close(stage.client());
                    Turn::To(Stage::Gone(*end, *record, SideRecord::default()))
                }
                next => Turn::Stay(next),
            },
            Stage::Gone(..) => Turn::Stay(Next::Done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Connection;

    /// Memory bounds the number of connections of a host.
    #[test]
    fn an_open_connection_stays_within_its_budget() {
        assert!(size_of::<Option<Connection>>() <= 336, "{} bytes", size_of::<Option<Connection>>());
    }
}
