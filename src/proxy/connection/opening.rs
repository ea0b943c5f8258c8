//! The way to an open connection: the stage that follows each outcome, from the preamble to the tunnel.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Connection;
use super::entry::{first_stage, reject_over_limit};
use super::stage::{Stage, Turn};
use super::transition::{close_deadline, closing, gone, linger};
use crate::engine::{Slot, Socket, Time};
use crate::proto::frame::Reserved;
use crate::proto::refusal::Refusal;
use crate::proxy::admission::Counted;
use crate::proxy::answer::Answer;
use crate::proxy::context::Context;
use crate::proxy::decline::{self, Decline};
use crate::proxy::dial::{self, Dial};
use crate::proxy::end::{End, Side, SideRecord};
use crate::proxy::handoff::{Accepted, Authenticated, Named, Onward, Origin, Switched, ToUpstream};
use crate::proxy::handshake::{self, Handshake};
use crate::proxy::leg::Leg;
use crate::proxy::preamble;
use crate::proxy::record::Note;
use crate::proxy::relay::Relay;
use crate::proxy::respond::{self, Respond};
use crate::proxy::secure;
use crate::proxy::terminated::echo::Echo;
use crate::proxy::upgrade::{self, Upgrade};
use crate::routing::route::Route;
use crate::tls::SecureTransport;

impl Connection {
    pub(super) fn after_preamble<T: SecureTransport>(
        &mut self,
        client: Socket,
        outcome: preamble::Outcome,
        cx: &mut Context<'_, T>,
    ) -> Turn {
        match outcome {
            preamble::Outcome::Stay(next) => Turn::Stay(next),
            preamble::Outcome::Left => gone(&[client], End::LeftEarly, cx),
            preamble::Outcome::LeftSilently => gone(&[client], End::LeftSilently, cx),
            preamble::Outcome::Unannounced(reason) => gone(&[client], End::Unannounced(reason), cx),
            preamble::Outcome::Named(Named { client, peer, early, deadline }) => {
                self.trace.peer = peer;
                // The clients of a trusted proxy are counted once their requests name them.
                if cx.config.settings.trusts(peer.ip()) {
                    let tls = cx.config.listener_tls(cx.listener);
                    return Turn::To(first_stage(client, peer, tls, early, deadline));
                }
                if let Err(refusal) = cx.admission.enter_address(peer.ip()) {
                    let deadline = close_deadline(cx);
                    return Turn::To(reject_over_limit(
                        client,
                        cx.config.listener_tls(cx.listener),
                        refusal,
                        &mut self.trace,
                        deadline,
                    ));
                }
                self.counted = Counted::WithAddress;
                Turn::To(first_stage(client, peer, cx.config.listener_tls(cx.listener), early, deadline))
            }
        }
    }

    pub(super) fn after_secure<T: SecureTransport>(
        &mut self,
        client: Socket,
        deadline: Time,
        outcome: secure::Outcome,
        cx: &mut Context<'_, T>,
    ) -> Turn {
        match outcome {
            secure::Outcome::Stay(next) => Turn::Stay(next),
            secure::Outcome::Secured(identity) => {
                let peer = self.trace.peer;
                self.trace.tls = identity.version;
                let handshake = Handshake::new(client, peer, Some(Box::new(identity)), Vec::new(), deadline);
                Turn::To(Stage::Handshake(Box::new(handshake)))
            }
            secure::Outcome::PlainText => {
                cx.net.forget(client);
                self.refuse(client, Refusal::TLS_EXPECTED, cx)
            }
            // The alert is on its way. Unread bytes would reset the connection before it arrives.
            secure::Outcome::Failed(fault) => {
                cx.net.forget(client);
                linger(client, End::Insecure(fault), SideRecord::default(), cx)
            }
            secure::Outcome::TimedOut => gone(&[client], End::Refused(Refusal::HANDSHAKE_TIMEOUT), cx),
            secure::Outcome::Left => gone(&[client], End::LeftEarly, cx),
            secure::Outcome::LeftSilently => gone(&[client], End::LeftSilently, cx),
        }
    }

    pub(super) fn after_handshake<T: SecureTransport>(
        &mut self,
        me: Slot,
        client: Socket,
        named: Option<SocketAddr>,
        outcome: handshake::Outcome,
        cx: &mut Context<'_, T>,
    ) -> Turn {
        if let Some(Err(refusal)) = named.map(|named| self.count_to(named, cx)) {
            return self.refuse(client, refusal, cx);
        }
        match outcome {
            handshake::Outcome::Stay(next) => Turn::Stay(next),
            handshake::Outcome::Left => gone(&[client], End::LeftEarly, cx),
            handshake::Outcome::LeftSilently => gone(&[client], End::LeftSilently, cx),
            handshake::Outcome::Plain(path, asked) => {
                self.trace.path = path;
                Turn::To(Stage::Respond(Box::new(Respond::new(client, *asked))))
            }
            handshake::Outcome::Refused(path, refusal) => {
                self.trace.path = path;
                self.refuse(client, refusal, cx)
            }
            handshake::Outcome::SpeaksTls => linger(client, End::UnexpectedTls, SideRecord::default(), cx),
            handshake::Outcome::NotFound(path) => {
                self.trace.origin = Some(Origin::Own);
                self.trace.path = path;
                self.refuse(client, Refusal::ROUTE_NOT_FOUND, cx)
            }
            handshake::Outcome::NotAdmitted(path, route, why) => {
                self.trace.origin = Some(Origin::Own);
                self.trace.path = path;
                self.take_route(&route, cx);
                self.not_taken(client, *why, cx)
            }
            handshake::Outcome::Accepted(accepted) => self.accepted(me, *accepted, cx),
        }
    }

    /// Counts the connection to the address of its client, which the request has named.
    fn count_to<T>(&mut self, named: SocketAddr, cx: &Context<'_, T>) -> Result<(), Refusal> {
        let before = std::mem::replace(&mut self.trace.peer, named);
        if self.counted == Counted::WithAddress {
            if before == named {
                return Ok(());
            }
            // The peer has become a trusted proxy in the meantime.
            cx.admission.leave_address(before.ip());
            self.counted = Counted::Alone;
        }
        cx.admission.enter_address(named.ip())?;
        self.counted = Counted::WithAddress;
        Ok(())
    }

    fn accepted<T: SecureTransport>(&mut self, me: Slot, accepted: Accepted, cx: &mut Context<'_, T>) -> Turn {
        let Accepted { client, path, consumer, channel, origin, is_key_missing, onward } = accepted;
        self.trace.path = path;
        self.trace.origin = Some(origin);
        if let Some(Authenticated { consumer, expires_at }) = consumer {
            if let Some(holder) = consumer.key_holder() {
                cx.holders.enter(me, holder, expires_at);
            }
            let details = self.trace.details();
            (details.consumer, details.expires_at) = (Some(consumer), expires_at);
        }
        if channel.is_some() {
            self.trace.details().channel = channel;
        }
        if is_key_missing {
            self.trace.details().tolerated.missing_key = true;
        }
        match onward {
            Onward::Upstream(onward) => {
                self.take_route(&onward.asked.route, cx);
                let now = cx.net.now();
                let local = cx.routes.get_mut(self.route);
                let (tries, first) = local.begin_tries(&onward.asked.route, now.as_millis());
                let dial = Dial::new(client, ToUpstream { tries, ..onward }, first, now);
                Turn::To(Stage::Dial(Box::new(dial)))
            }
            Onward::Echo { route, answer, early } => {
                self.take_route(&route, cx);
                self.open_echo(client, &answer, &early, cx)
            }
        }
    }

    pub(super) fn after_respond<T: SecureTransport>(
        &mut self,
        client: Socket,
        outcome: respond::Outcome,
        cx: &mut Context<'_, T>,
    ) -> Turn {
        match outcome {
            respond::Outcome::Stay(next) => Turn::Stay(next),
            respond::Outcome::Left => gone(&[client], End::LeftEarly, cx),
            respond::Outcome::Refused(refusal) => self.refuse(client, refusal, cx),
            respond::Outcome::Answer(status, bytes) => {
                self.trace.status = status;
                Turn::To(Stage::Answer(Box::new(Answer::new(client, bytes, close_deadline(cx))), End::Answered))
            }
        }
    }

    /// Adds the connection to its route.
    fn take_route<T>(&mut self, route: &Arc<Route>, cx: &mut Context<'_, T>) {
        let slot = cx.routes.enter(route);
        (self.route, cx.route) = (slot, slot);
    }

    fn open_echo<T: SecureTransport>(
        &mut self,
        client: Socket,
        answer: &[u8],
        early: &[u8],
        cx: &mut Context<'_, T>,
    ) -> Turn {
        let mut echo = Echo::new(client, early, cx.net.now());
        if let Err(fault) = echo.open(answer, cx) {
            return gone(&[client], End::Broken(Side::Client, fault), cx);
        }
        self.opened(cx);
        Turn::To(Stage::Echo(Box::new(echo)))
    }

    /// Notes that the client gets its 101.
    fn opened<T: SecureTransport>(&mut self, cx: &mut Context<'_, T>) {
        self.trace.status = 101;
        let took = cx.net.now().since(self.trace.accepted);
        let route = cx.routes.get_mut(self.route);
        route.opened(took);
        if let Some(details) = self.trace.known_details() {
            route.tolerated(details.tolerated);
            if let Some(channel) = &details.channel {
                route.channel_opened(channel);
            }
        }
    }

    pub(super) fn after_dial<T: SecureTransport>(&mut self, outcome: dial::Outcome, cx: &mut Context<'_, T>) -> Turn {
        match outcome {
            dial::Outcome::Stay(next) => Turn::Stay(next),
            dial::Outcome::Sent(dialled) => {
                self.trace.dials.set_unverified(dialled.unverified);
                cx.routes.get_mut(self.route).dialled(dialled.took);
                let upgrade = Upgrade::new(*dialled, cx.net.now());
                Turn::To(Stage::Upgrade(Box::new(upgrade)))
            }
            dial::Outcome::Refused(client, refusal) => self.refuse(client, refusal, cx),
            dial::Outcome::Left(client) => gone(&[client], End::LeftEarly, cx),
        }
    }

    pub(super) fn after_upgrade<T: SecureTransport>(
        &mut self,
        client: Socket,
        upstream: Socket,
        outcome: upgrade::Outcome,
        cx: &mut Context<'_, T>,
    ) -> Turn {
        match outcome {
            upgrade::Outcome::Stay(next) => Turn::Stay(next),
            upgrade::Outcome::Left => gone(&[client, upstream], End::LeftEarly, cx),
            upgrade::Outcome::Refused(refusal) => {
                cx.net.close(upstream);
                self.refuse(client, refusal, cx)
            }
            upgrade::Outcome::Malformed(shown) => {
                cx.net.close(upstream);
                self.trace.details().note = Some(Note::UpstreamSaid(shown));
                self.refuse(client, Refusal::UPSTREAM_MALFORMED, cx)
            }
            upgrade::Outcome::Declined(declined) => {
                self.trace.status = declined.status;
                Turn::To(Stage::Decline(Box::new(Decline::new(client, upstream, *declined, cx))))
            }
            upgrade::Outcome::Again(onward, refusal) => {
                cx.net.close(upstream);
                Turn::To(Stage::Dial(Box::new(Dial::again(client, *onward, refusal, cx))))
            }
            upgrade::Outcome::Switched(switched) => {
                let local = cx.routes.get(self.route);
                let escapes = switched.reserved != Reserved::None && self.is_enforced(local);
                match local.rejection_reason(self.listener, self.fingerprint()) {
                    None if !escapes => self.open(client, upstream, *switched, cx),
                    // It changed in the meantime. Nothing has been promised yet.
                    _ => {
                        cx.net.close(upstream);
                        self.refuse(client, Refusal::API_CHANGING, cx)
                    }
                }
            }
        }
    }

    fn open<T: SecureTransport>(
        &mut self,
        client: Socket,
        upstream: Socket,
        switched: Switched,
        cx: &mut Context<'_, T>,
    ) -> Turn {
        let now = cx.net.now();
        if switched.is_accept_missing {
            self.trace.details().tolerated.missing_accept = true;
        }
        self.opened(cx);
        let mut client = Leg::new(Side::Client, client, switched.reserved, switched.client_early, now);
        let upstream = Leg::new(Side::Upstream, upstream, switched.reserved, switched.upstream_early, now);
        // The 101 comes before the tunnel's first byte.
        let answered = client.outbox.send(client.socket, cx.net, &switched.answer);
        let relay = Relay::new(client, upstream);
        match answered {
            Ok(()) => Turn::To(self.tunnel_stage(relay, cx)),
            Err(fault) => closing(relay, None, End::Broken(Side::Client, fault), cx),
        }
    }

    pub(super) fn after_decline<T: SecureTransport>(
        &mut self,
        client: Socket,
        upstream: Socket,
        outcome: decline::Outcome,
        cx: &mut Context<'_, T>,
    ) -> Turn {
        match outcome {
            decline::Outcome::Stay(next) => Turn::Stay(next),
            decline::Outcome::Gone => gone(&[client, upstream], End::Declined, cx),
            decline::Outcome::Passed => {
                cx.net.close(upstream);
                linger(client, End::Declined, SideRecord::default(), cx)
            }
            decline::Outcome::Cut(reason) => {
                cx.net.close(upstream);
                self.trace.details().note = Some(Note::BodyCut(reason));
                linger(client, End::Declined, SideRecord::default(), cx)
            }
        }
    }
}
