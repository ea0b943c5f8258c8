//! The one place that knows the order of the stages: what one comes to decides which is next.

mod door;
mod drain;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;

use self::door::{first_words, no_room};
use super::admission::Counted;
use super::answer::{self, Answer};
use super::closing::Closing;
use super::context::Context;
use super::decline::{self, Decline};
use super::dial::{self, Dial};
use super::echo::{self, Echo};
use super::handshake::{self, Accepted, Handshake, Onward};
use super::leg::Leg;
use super::linger::Linger;
use super::plan::{Plan, Side};
use super::preamble::{self, Named, Preamble};
use super::record::{End, Record, SideRecord, Trace};
use super::relay::{self, Relay};
use super::routes::RouteSlot;
use super::secure::{self, Secure};
use super::upgrade::{self, Switched, Upgrade};
use crate::command::Cause;
use crate::engine::{Next, Slot, Socket, Time, Transport};
use crate::proto::refusal::Refusal;
use crate::routing::route::{Route, Subject};
use crate::tls::secured::Secured;

/// A connection, from accept to its end.
#[derive(Debug)]
pub(super) struct Connection {
    stage: Stage,
    trace: Trace,
    /// No other connection of the shard has it, ever.
    number: u64,
    /// Which endpoint it goes to, once that is known.
    fingerprint: u64,
    route: RouteSlot,
    /// The listener it came through.
    listener: u16,
    /// Why it is to end as soon as it is stepped.
    ending: Option<Cause>,
    /// What of it was counted in, and is to be counted out.
    pub(super) counted: Counted,
}

/// Where it is. An open tunnel stands in place, because there are many; what passes soon is boxed.
#[derive(Debug)]
enum Stage {
    Preamble(Box<Preamble>),
    Secure(Box<Secure>),
    Handshake(Box<Handshake>),
    Dial(Box<Dial>),
    Upgrade(Box<Upgrade>),
    Decline(Box<Decline>),
    Answer(Box<Answer>, End),
    Relay(Relay),
    Closing(Box<Closing>),
    Echo(Box<Echo>),
    /// With what its record will say.
    Linger(Box<Linger>, End, SideRecord),
    Gone(End, SideRecord, SideRecord),
}

/// What a step of the current stage came to.
#[expect(clippy::large_enum_variant, reason = "lives for one move: boxing a stage would cost an allocation more")]
enum Turn {
    /// It stays in its stage.
    Stay(Next),
    /// It goes on in another, at once.
    To(Stage),
}

impl Connection {
    /// A connection that was just accepted, and speaks TLS if it is given how.
    pub(super) fn new(
        client: Socket,
        peer: SocketAddr,
        tls: Option<&Arc<ServerConfig>>,
        now: Time,
        deadline: Time,
    ) -> Self {
        let stage = first_words(client, peer, tls, Vec::new(), deadline);
        Self::in_stage(stage, Trace::new(peer, now), Counted::WithAddress)
    }

    /// A connection that was just accepted from a peer that is to say whose it is.
    pub(super) fn announced(client: Socket, peer: SocketAddr, now: Time, deadline: Time) -> Self {
        let stage = Stage::Preamble(Box::new(Preamble::new(client, peer, deadline)));
        Self::in_stage(stage, Trace::new(peer, now), Counted::Alone)
    }

    /// A connection that is refused before it has said anything.
    pub(super) fn refused(
        client: Socket,
        peer: SocketAddr,
        tls: Option<&Arc<ServerConfig>>,
        refusal: Refusal,
        now: Time,
        deadline: Time,
    ) -> Self {
        let mut trace = Trace::new(peer, now);
        let stage = no_room(client, tls, refusal, &mut trace, deadline);
        Self::in_stage(stage, trace, Counted::Not)
    }

    fn in_stage(stage: Stage, trace: Trace, counted: Counted) -> Self {
        Self { stage, trace, number: 0, fingerprint: 0, route: RouteSlot::NONE, listener: 0, ending: None, counted }
    }

    /// The same, with its number and the listener it came through.
    pub(super) fn numbered(self, number: u64, listener: u16) -> Self {
        Self { number, listener, ..self }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn route(&self) -> RouteSlot {
        self.route
    }

    pub(super) fn listener(&self) -> u16 {
        self.listener
    }

    /// Whether it is an open tunnel, and where to.
    pub(super) fn tunnel(&self) -> Option<u64> {
        matches!(self.stage, Stage::Relay(_)).then_some(self.fingerprint)
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.trace.peer
    }

    /// It is to end in order, as soon as it is stepped.
    pub(super) fn drain(&mut self, cause: Cause) {
        self.ending = Some(cause);
    }

    /// Goes on as far as it can.
    #[inline]
    pub(super) fn step<T: Transport>(&mut self, me: Slot, cx: &mut Context<'_, Secured<'_, T>>) -> Next {
        loop {
            if let Some(cause) = self.ending.take() {
                self.begin_drain(cause, cx);
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
    pub(super) fn into_record(self, now: Time, subject: Option<Arc<Subject>>) -> Record {
        let (end, client, upstream) = match self.stage {
            Stage::Gone(end, client, upstream) => (end, client, upstream),
            _ => (End::Drained(Cause::Shutdown), SideRecord::default(), SideRecord::default()),
        };
        self.trace.into_record(now, subject, end, client, upstream)
    }

    fn turn<T: Transport>(&mut self, me: Slot, cx: &mut Context<'_, Secured<'_, T>>) -> Turn {
        match &mut self.stage {
            Stage::Relay(relay) => match relay.step(cx) {
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
                let client = stage.client();
                self.after_handshake(client, outcome, cx)
            }
            Stage::Dial(stage) => {
                let outcome = stage.step(me, cx);
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
            Stage::Answer(stage, end) => match stage.step(cx) {
                answer::Outcome::Stay(next) => Turn::Stay(next),
                answer::Outcome::Sent => linger(stage.client(), *end, SideRecord::default(), cx),
                answer::Outcome::Gone => gone(&[stage.client()], *end, cx),
            },
            Stage::Closing(stage) => match stage.step(cx) {
                Next::Done => {
                    let (client, upstream) = stage.records();
                    Turn::To(Stage::Gone(stage.why(), client, upstream))
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

    fn after_preamble<T: Transport>(
        &mut self,
        client: Socket,
        outcome: preamble::Outcome,
        cx: &mut Context<'_, Secured<'_, T>>,
    ) -> Turn {
        match outcome {
            preamble::Outcome::Stay(next) => Turn::Stay(next),
            preamble::Outcome::Left => gone(&[client], End::LeftEarly, cx),
            preamble::Outcome::Unannounced(reason) => gone(&[client], End::Unannounced(reason), cx),
            preamble::Outcome::Named(Named { client, peer, early, deadline }) => {
                self.trace.peer = peer;
                if let Err(refusal) = cx.admission.enter_address(peer.ip()) {
                    let deadline = close_deadline(cx);
                    return Turn::To(no_room(client, cx.current.tls(cx.listener), refusal, &mut self.trace, deadline));
                }
                self.counted = Counted::WithAddress;
                Turn::To(first_words(client, peer, cx.current.tls(cx.listener), early, deadline))
            }
        }
    }

    fn after_secure<T: Transport>(
        &mut self,
        client: Socket,
        deadline: Time,
        outcome: secure::Outcome,
        cx: &mut Context<'_, Secured<'_, T>>,
    ) -> Turn {
        match outcome {
            secure::Outcome::Stay(next) => Turn::Stay(next),
            secure::Outcome::Secured(identity) => {
                let peer = self.trace.peer.ip();
                self.trace.tls = identity.version;
                let handshake = Handshake::new(client, peer, Some(Box::new(identity)), Vec::new(), deadline);
                Turn::To(Stage::Handshake(Box::new(handshake)))
            }
            secure::Outcome::PlainText => {
                cx.net.forget(client);
                self.refuse(client, Refusal::TLS_EXPECTED, cx)
            }
            // The alert is on its way, and needs what comes to be read.
            secure::Outcome::Failed(fault) => {
                cx.net.forget(client);
                linger(client, End::Insecure(fault), SideRecord::default(), cx)
            }
            secure::Outcome::TimedOut => gone(&[client], End::Refused(Refusal::HANDSHAKE_TIMEOUT), cx),
            secure::Outcome::Left => gone(&[client], End::LeftEarly, cx),
        }
    }

    fn after_handshake<T: Transport>(
        &mut self,
        client: Socket,
        outcome: handshake::Outcome,
        cx: &mut Context<'_, Secured<'_, T>>,
    ) -> Turn {
        match outcome {
            handshake::Outcome::Stay(next) => Turn::Stay(next),
            handshake::Outcome::Left => gone(&[client], End::LeftEarly, cx),
            handshake::Outcome::Refused(refusal) => self.refuse(client, refusal, cx),
            handshake::Outcome::SpeaksTls => linger(client, End::UnexpectedTls, SideRecord::default(), cx),
            handshake::Outcome::NotFound(path) => {
                self.trace.path = path;
                self.refuse(client, Refusal::ROUTE_NOT_FOUND, cx)
            }
            handshake::Outcome::Barred(path, route, refusal) => {
                self.trace.path = path;
                self.take_route(&route, cx);
                self.refuse(client, refusal, cx)
            }
            handshake::Outcome::Accepted(accepted) => self.accepted(*accepted, cx),
        }
    }

    fn accepted<T: Transport>(&mut self, accepted: Accepted, cx: &mut Context<'_, Secured<'_, T>>) -> Turn {
        let Accepted { client, path, onward } = accepted;
        self.trace.path = path;
        match onward {
            Onward::Upstream(onward) => {
                let endpoint = self.take_route(&onward.asked.route, cx);
                let now = cx.net.now();
                let dial = Dial::new(client, onward, endpoint, now, now.after(cx.policy().timeouts.connect));
                Turn::To(Stage::Dial(Box::new(dial)))
            }
            Onward::Echo { answer, early } => self.open_echo(client, &answer, &early, cx),
        }
    }

    /// Says which of the route's endpoints is tried first.
    fn take_route<T>(&mut self, route: &Arc<Route>, cx: &mut Context<'_, T>) -> usize {
        let (slot, endpoint) = cx.routes.enter(route);
        (self.route, cx.route) = (slot, slot);
        endpoint
    }

    fn open_echo<T: Transport>(
        &mut self,
        client: Socket,
        answer: &[u8],
        early: &[u8],
        cx: &mut Context<'_, Secured<'_, T>>,
    ) -> Turn {
        let mut echo = Echo::new(client, early, cx.net.now());
        if let Err(fault) = echo.open(answer, cx) {
            return gone(&[client], End::Broken(Side::Client, fault), cx);
        }
        self.opened(cx);
        Turn::To(Stage::Echo(Box::new(echo)))
    }

    /// The client has its 101.
    fn opened<T: Transport>(&mut self, cx: &mut Context<'_, T>) {
        self.trace.status = 101;
        let took = cx.net.now().since(self.trace.accepted);
        cx.routes.opened(self.route, took);
    }

    fn after_dial<T: Transport>(&mut self, outcome: dial::Outcome, cx: &mut Context<'_, Secured<'_, T>>) -> Turn {
        match outcome {
            dial::Outcome::Stay(next) => Turn::Stay(next),
            dial::Outcome::Sent(dialled) => {
                self.trace.upstream_unverified = dialled.unverified;
                self.fingerprint = dialled.fingerprint;
                cx.routes.dialled(self.route, dialled.took);
                let upgrade = Upgrade::new(dialled.client, dialled.upstream, dialled.asked);
                Turn::To(Stage::Upgrade(Box::new(upgrade)))
            }
            dial::Outcome::Refused(client, refusal) => self.refuse(client, refusal, cx),
            dial::Outcome::Left(client) => gone(&[client], End::LeftEarly, cx),
        }
    }

    fn after_upgrade<T: Transport>(
        &mut self,
        client: Socket,
        upstream: Socket,
        outcome: upgrade::Outcome,
        cx: &mut Context<'_, Secured<'_, T>>,
    ) -> Turn {
        match outcome {
            upgrade::Outcome::Stay(next) => Turn::Stay(next),
            upgrade::Outcome::Left => gone(&[client, upstream], End::LeftEarly, cx),
            upgrade::Outcome::Refused(refusal) => {
                cx.net.close(upstream);
                self.refuse(client, refusal, cx)
            }
            upgrade::Outcome::Declined(head, raw) => match Decline::new(client, upstream, head, &raw, cx) {
                Ok(decline) => Turn::To(Stage::Decline(Box::new(decline))),
                Err(refusal) => {
                    cx.net.close(upstream);
                    self.refuse(client, refusal, cx)
                }
            },
            upgrade::Outcome::Switched(switched) => {
                match cx.routes.objection(self.route, self.listener, self.fingerprint) {
                    None => self.open(client, upstream, *switched, cx),
                    // It changed in the meantime. Nothing has been promised yet.
                    Some(_) => {
                        cx.net.close(upstream);
                        self.refuse(client, Refusal::API_CHANGING, cx)
                    }
                }
            }
        }
    }

    fn open<T: Transport>(
        &mut self,
        client: Socket,
        upstream: Socket,
        switched: Switched,
        cx: &mut Context<'_, Secured<'_, T>>,
    ) -> Turn {
        let now = cx.net.now();
        self.opened(cx);
        let mut client = Leg::new(Side::Client, client, switched.reserved, switched.client_early, now);
        let upstream = Leg::new(Side::Upstream, upstream, switched.reserved, switched.upstream_early, now);
        // Before the tunnel's first byte: whatever the upstream sends next comes behind it.
        let answered = client.outbox.send(client.socket, cx.net, &switched.answer);
        let relay = Relay::new(client, upstream);
        match answered {
            Ok(()) => Turn::To(Stage::Relay(relay)),
            Err(fault) => closing(relay, End::Broken(Side::Client, fault), cx),
        }
    }

    fn after_decline<T: Transport>(
        &mut self,
        client: Socket,
        upstream: Socket,
        outcome: decline::Outcome,
        cx: &mut Context<'_, Secured<'_, T>>,
    ) -> Turn {
        match outcome {
            decline::Outcome::Stay(next) => Turn::Stay(next),
            decline::Outcome::Refused(refusal) => {
                cx.net.close(upstream);
                self.refuse(client, refusal, cx)
            }
            decline::Outcome::Ready(status, bytes) => {
                cx.net.close(upstream);
                self.trace.status = status;
                Turn::To(Stage::Answer(Box::new(Answer::new(client, bytes, close_deadline(cx))), End::Declined))
            }
        }
    }

    fn refuse<T: Transport>(&mut self, client: Socket, refusal: Refusal, cx: &mut Context<'_, Secured<'_, T>>) -> Turn {
        self.trace.status = refusal.status;
        let answer = Answer::refusal(client, &refusal, close_deadline(cx));
        Turn::To(Stage::Answer(Box::new(answer), End::Refused(refusal)))
    }

    fn close<T: Transport>(&mut self, end: End, cx: &mut Context<'_, Secured<'_, T>>) -> Turn {
        let nothing = Stage::Gone(end, SideRecord::default(), SideRecord::default());
        match std::mem::replace(&mut self.stage, nothing) {
            Stage::Relay(relay) => closing(relay, end, cx),
            stage => Turn::To(stage),
        }
    }
}

fn closing<T: Transport>(relay: Relay, end: End, cx: &mut Context<'_, Secured<'_, T>>) -> Turn {
    let patience = cx.policy().timeouts.close;
    Turn::To(Stage::Closing(Box::new(Closing::new(relay, Plan::for_end(end), cx.net.now(), patience))))
}

fn linger<T: Transport>(client: Socket, end: End, record: SideRecord, cx: &mut Context<'_, Secured<'_, T>>) -> Turn {
    Turn::To(Stage::Linger(Box::new(Linger::new(client, close_deadline(cx))), end, record))
}

fn gone<T: Transport>(sockets: &[Socket], end: End, cx: &mut Context<'_, Secured<'_, T>>) -> Turn {
    for socket in sockets {
        cx.net.close(*socket);
    }
    Turn::To(Stage::Gone(end, SideRecord::default(), SideRecord::default()))
}

fn close_deadline<T: Transport>(cx: &Context<'_, Secured<'_, T>>) -> Time {
    cx.net.now().after(cx.policy().timeouts.close)
}
#[cfg(test)]
mod tests {
    use super::Connection;

    /// A host holds as many as its memory allows: what makes one bigger must be worth it.
    #[test]
    fn an_open_connection_stays_within_its_budget() {
        assert!(size_of::<Option<Connection>>() <= 344, "{} bytes", size_of::<Option<Connection>>());
    }
}
