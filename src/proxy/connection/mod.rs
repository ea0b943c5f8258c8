//! The one place that knows the order of the stages: what one comes to decides which is next. Up to the open tunnel that is
//! told in `opening`, from there in `ending`.

mod entry;
mod ending;
mod opening;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;

use self::entry::{first_words, no_room};
use self::ending::{gone, linger};
use super::admission::Counted;
use super::answer::{self, Answer};
use super::closing::Closing;
use super::context::Context;
use super::decline::Decline;
use super::dial::Dial;
use super::echo::{self, Echo};
use super::handshake::Handshake;
use super::linger::Linger;
use super::preamble::Preamble;
use super::end::{End, SideRecord};
use super::record::{Record, Trace};
use super::relay::{self, Relay};
use super::routes::RouteSlot;
use super::secure::Secure;
use super::upgrade::Upgrade;
use crate::command::Cause;
use crate::engine::{Next, Slot, Socket, Time, Transport};
use crate::proto::refusal::Refusal;
use crate::routing::route::RouteLabels;
use crate::tls::secured::Secured;

/// A connection, from accept to its end.
#[derive(Debug)]
pub(super) struct Connection {
    stage: Stage,
    trace: Trace,
    /// No other connection of the shard has it, ever.
    id: u64,
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
        Self { stage, trace, id: 0, fingerprint: 0, route: RouteSlot::NONE, listener: 0, ending: None, counted }
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
    pub(super) fn into_record(self, now: Time, labels: Option<Arc<RouteLabels>>) -> Record {
        let (end, client, upstream) = match self.stage {
            Stage::Gone(end, client, upstream) => (end, client, upstream),
            _ => (End::Drained(Cause::Shutdown), SideRecord::default(), SideRecord::default()),
        };
        self.trace.into_record(now, labels, end, client, upstream)
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
