//! Sends the HTTP answer that ends a handshake: Ringway's refusal, or the upstream's response that is not a 101.

use super::context::Context;
use crate::engine::outbox::Outbox;
use crate::engine::{Next, Socket, Time, Transport};
use crate::proto::refusal::Refusal;

#[derive(Debug)]
pub(super) struct Answer {
    client: Socket,
    outbox: Outbox,
    unsent: Vec<u8>,
    deadline: Time,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    /// The answer was sent.
    Sent,
    /// The client is gone, or took too long.
    Gone,
}

impl Answer {
    pub(super) fn new(client: Socket, bytes: Vec<u8>, deadline: Time) -> Self {
        Self { client, outbox: Outbox::default(), unsent: bytes, deadline }
    }

    pub(super) fn refusal(client: Socket, refusal: &Refusal, deadline: Time) -> Self {
        let mut bytes = Vec::with_capacity(512);
        refusal.write(&mut bytes);
        Self::new(client, bytes, deadline)
    }

    /// A refusal about something that has this name in the contract.
    pub(super) fn naming(client: Socket, refusal: &Refusal, name: &str, deadline: Time) -> Self {
        let mut bytes = Vec::with_capacity(640);
        refusal.write_naming(name, &mut bytes);
        Self::new(client, bytes, deadline)
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        let unsent = std::mem::take(&mut self.unsent);
        let sent = self
            .outbox
            .send(self.client, cx.net, &unsent)
            .and_then(|()| self.outbox.flush(self.client, cx.net, cx.pool, &mut 0));
        match sent {
            Ok(true) => Outcome::Sent,
            Ok(false) if cx.net.now() < self.deadline => Outcome::Stay(Next::Wait(Some(self.deadline))),
            Ok(false) | Err(_) => {
                self.outbox.discard(cx.pool);
                Outcome::Gone
            }
        }
    }
}
