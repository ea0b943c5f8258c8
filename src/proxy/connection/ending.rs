//! Ends a connection, whatever its stage: refuses it, or closes its tunnel in order.

use super::Connection;
use super::stage::{Stage, Turn};
use super::transition::{close_deadline, closing, gone};
use crate::command::Cause;
use crate::engine::Socket;
use crate::proto::refusal::Refusal;
use crate::proxy::answer::Answer;
use crate::proxy::context::Context;
use crate::proxy::end::{End, SideRecord};
use crate::proxy::handoff::NotTaken;
use crate::proxy::inspection::InspectedRelay;
use crate::proxy::plan::drain_close;
use crate::proxy::record::Note;
use crate::tls::SecureTransport;

impl Connection {
    /// Refuses a connection that has not been answered, and closes an open tunnel in order. One that is ending goes on.
    pub(super) fn begin_drain<T: SecureTransport>(&mut self, cause: Cause, cx: &mut Context<'_, T>) {
        let turn = match &mut self.stage {
            Stage::Relay(_) | Stage::Inspected(_) => self.close(End::Drained(cause), cx),
            Stage::Echo(stage) => return stage.drain(cause, drain_close(cause), cx.net.now()),
            Stage::Closing(stage) => return stage.hurry(),
            // Before the TLS handshake is complete the client cannot be sent a reason.
            Stage::Preamble(stage) if cx.config.listener_tls(cx.listener).is_some() => {
                gone(&[stage.client()], End::Drained(cause), cx)
            }
            Stage::Secure(stage) => gone(&[stage.client()], End::Drained(cause), cx),
            Stage::Preamble(stage) => {
                let client = stage.client();
                self.refuse_drained(client, None, cause, cx)
            }
            Stage::Handshake(stage) => {
                let client = stage.client();
                self.refuse_drained(client, None, cause, cx)
            }
            Stage::Respond(stage) => {
                let client = stage.client();
                self.refuse_drained(client, None, cause, cx)
            }
            Stage::Dial(stage) => {
                let (client, upstream) = stage.sockets();
                self.refuse_drained(client, upstream, cause, cx)
            }
            Stage::Upgrade(stage) => {
                let (client, upstream) = (stage.client(), stage.upstream());
                self.refuse_drained(client, Some(upstream), cause, cx)
            }
            Stage::Decline(_) | Stage::Answer(..) | Stage::Linger(..) | Stage::Gone(..) => return,
        };
        if let Turn::To(stage) = turn {
            self.stage = stage;
        }
    }

    fn refuse_drained<T: SecureTransport>(
        &mut self,
        client: Socket,
        upstream: Option<Socket>,
        cause: Cause,
        cx: &mut Context<'_, T>,
    ) -> Turn {
        if let Some(upstream) = upstream {
            cx.net.close(upstream);
        }
        let refusal = match cause {
            Cause::Shutdown => Refusal::DRAINING,
            Cause::Revoked | Cause::Expired => Refusal::CREDENTIAL_INVALID,
            Cause::Unsubscribed => Refusal::NOT_SUBSCRIBED,
            Cause::Undeployed
            | Cause::Stopped
            | Cause::Blocked
            | Cause::Redeployed
            | Cause::Validated
            | Cause::Closed => Refusal::API_CHANGING,
        };
        self.refuse(client, refusal, cx)
    }

    pub(super) fn refuse<T: SecureTransport>(
        &mut self,
        client: Socket,
        refusal: Refusal,
        cx: &mut Context<'_, T>,
    ) -> Turn {
        self.trace.status = refusal.status;
        let answer = Answer::refusal(client, &refusal, close_deadline(cx));
        Turn::To(Stage::Answer(Box::new(answer), End::Refused(refusal)))
    }

    /// Refuses a request that its route does not take, and names what it lacks.
    pub(super) fn not_taken<T: SecureTransport>(
        &mut self,
        client: Socket,
        why: NotTaken,
        cx: &mut Context<'_, T>,
    ) -> Turn {
        let NotTaken { refusal, channel, name, fault } = why;
        if channel.is_some() {
            self.trace.details().channel = channel;
        }
        if let Some(fault) = fault {
            self.trace.details().note = Some(Note::Entry(fault));
        }
        let Some(name) = name else { return self.refuse(client, refusal, cx) };
        self.trace.status = refusal.status;
        let answer = Answer::naming(client, &refusal, &name, close_deadline(cx));
        self.trace.details().note = Some(Note::ContractName(name));
        Turn::To(Stage::Answer(Box::new(answer), End::Refused(refusal)))
    }

    pub(super) fn close<T: SecureTransport>(&mut self, end: End, cx: &mut Context<'_, T>) -> Turn {
        let nothing = Stage::Gone(end, SideRecord::default(), SideRecord::default());
        match std::mem::replace(&mut self.stage, nothing) {
            Stage::Relay(relay) => closing(relay, None, end, cx),
            Stage::Inspected(inspected) => {
                let InspectedRelay { relay, inspectors } = *inspected;
                closing(relay, Some(inspectors), end, cx)
            }
            stage => Turn::To(stage),
        }
    }
}
