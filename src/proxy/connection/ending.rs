//! The way to a connection's end: refused, closed in order, lingering, gone. Which of them, when it is to end whatever its
//! stage.

use super::{Connection, Stage, Turn};
use crate::command::Cause;
use crate::engine::{Socket, Time, Transport};
use crate::proto::refusal::Refusal;
use crate::proxy::answer::Answer;
use crate::proxy::closing::Closing;
use crate::proxy::context::Context;
use crate::proxy::linger::Linger;
use crate::proxy::end::{End, SideRecord};
use crate::proxy::plan::Plan;
use crate::proxy::relay::Relay;
use crate::tls::secured::Secured;

impl Connection {
    /// What has not been answered is refused, what is open is closed in order, and what is ending goes on ending.
    pub(super) fn begin_drain<T: Transport>(&mut self, cause: Cause, cx: &mut Context<'_, Secured<'_, T>>) {
        let turn = match &mut self.stage {
            Stage::Relay(_) => self.close(End::Drained(cause), cx),
            Stage::Echo(stage) => return stage.drain(),
            Stage::Closing(stage) => return stage.hurry(),
            // There is no saying why before the handshake of TLS is done.
            Stage::Preamble(stage) if cx.config.listener_tls(cx.listener).is_some() => {
                gone(&[stage.client()], End::Drained(cause), cx)
            }
            Stage::Secure(stage) => gone(&[stage.client()], End::Drained(cause), cx),
            Stage::Preamble(stage) => {
                let client = stage.client();
                self.turn_away(client, None, cause, cx)
            }
            Stage::Handshake(stage) => {
                let client = stage.client();
                self.turn_away(client, None, cause, cx)
            }
            Stage::Dial(stage) => {
                let (client, upstream) = stage.sockets();
                self.turn_away(client, upstream, cause, cx)
            }
            Stage::Upgrade(stage) => {
                let (client, upstream) = (stage.client(), stage.upstream());
                self.turn_away(client, Some(upstream), cause, cx)
            }
            Stage::Decline(_) | Stage::Answer(..) | Stage::Linger(..) | Stage::Gone(..) => return,
        };
        if let Turn::To(stage) = turn {
            self.stage = stage;
        }
    }

    fn turn_away<T: Transport>(
        &mut self,
        client: Socket,
        upstream: Option<Socket>,
        cause: Cause,
        cx: &mut Context<'_, Secured<'_, T>>,
    ) -> Turn {
        if let Some(upstream) = upstream {
            cx.net.close(upstream);
        }
        let refusal = if cause == Cause::Shutdown { Refusal::DRAINING } else { Refusal::API_CHANGING };
        self.refuse(client, refusal, cx)
    }

    pub(super) fn refuse<T: Transport>(
        &mut self,
        client: Socket,
        refusal: Refusal,
        cx: &mut Context<'_, Secured<'_, T>>,
    ) -> Turn {
        self.trace.status = refusal.status;
        let answer = Answer::refusal(client, &refusal, close_deadline(cx));
        Turn::To(Stage::Answer(Box::new(answer), End::Refused(refusal)))
    }

    pub(super) fn close<T: Transport>(&mut self, end: End, cx: &mut Context<'_, Secured<'_, T>>) -> Turn {
        let nothing = Stage::Gone(end, SideRecord::default(), SideRecord::default());
        match std::mem::replace(&mut self.stage, nothing) {
            Stage::Relay(relay) => closing(relay, end, cx),
            stage => Turn::To(stage),
        }
    }
}

pub(super) fn closing<T: Transport>(relay: Relay, end: End, cx: &mut Context<'_, Secured<'_, T>>) -> Turn {
    let patience = cx.policy().timeouts.close;
    Turn::To(Stage::Closing(Box::new(Closing::new(relay, Plan::for_end(end), cx.net.now(), patience))))
}

pub(super) fn linger<T: Transport>(
    client: Socket,
    end: End,
    record: SideRecord,
    cx: &mut Context<'_, Secured<'_, T>>,
) -> Turn {
    Turn::To(Stage::Linger(Box::new(Linger::new(client, close_deadline(cx))), end, record))
}

pub(super) fn gone<T: Transport>(sockets: &[Socket], end: End, cx: &mut Context<'_, Secured<'_, T>>) -> Turn {
    for socket in sockets {
        cx.net.close(*socket);
    }
    Turn::To(Stage::Gone(end, SideRecord::default(), SideRecord::default()))
}

pub(super) fn close_deadline<T: Transport>(cx: &Context<'_, Secured<'_, T>>) -> Time {
    cx.net.now().after(cx.policy().timeouts.close)
}
