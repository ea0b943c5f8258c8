//! What becomes of a connection when it is to end in order, by the stage it is in.

use super::{Connection, Stage, Turn, gone};
use crate::command::Cause;
use crate::engine::Transport;
use crate::proto::refusal::Refusal;
use crate::proxy::context::Context;
use crate::proxy::record::End;
use crate::tls::secured::Secured;

impl Connection {
    /// What has not been answered is refused, what is open is closed in order, and what is ending goes on ending.
    pub(super) fn begin_drain<T: Transport>(&mut self, cause: Cause, cx: &mut Context<'_, Secured<'_, T>>) {
        let (client, upstream) = match &mut self.stage {
            Stage::Relay(_) => {
                if let Turn::To(stage) = self.close(End::Drained(cause), cx) {
                    self.stage = stage;
                }
                return;
            }
            Stage::Echo(stage) => {
                stage.drain();
                return;
            }
            Stage::Closing(stage) => {
                stage.hurry();
                return;
            }
            Stage::Preamble(stage) if cx.current.tls(cx.listener).is_none() => (stage.client(), None),
            Stage::Preamble(stage) => {
                if let Turn::To(stage) = gone(&[stage.client()], End::Drained(cause), cx) {
                    self.stage = stage;
                }
                return;
            }
            Stage::Secure(stage) => {
                // There is no saying why before the handshake is done.
                if let Turn::To(stage) = gone(&[stage.client()], End::Drained(cause), cx) {
                    self.stage = stage;
                }
                return;
            }
            Stage::Handshake(stage) => (stage.client(), None),
            Stage::Dial(stage) => stage.sockets(),
            Stage::Upgrade(stage) => (stage.client(), Some(stage.upstream())),
            Stage::Decline(_) | Stage::Answer(..) | Stage::Linger(..) | Stage::Gone(..) => return,
        };
        if let Some(upstream) = upstream {
            cx.net.close(upstream);
        }
        if let Turn::To(stage) =
            self.refuse(client, if cause == Cause::Shutdown { Refusal::DRAINING } else { Refusal::API_CHANGING }, cx)
        {
            self.stage = stage;
        }
    }
}
