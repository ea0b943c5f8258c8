//! A connection as others see it: what has passed through it, and what is shown of it.

use super::{Connection, Stage};
use crate::command::ConnectionView;
use crate::engine::Time;
use crate::proxy::record::{End, SideRecord};
use crate::proxy::routes::{Counts, Routes};

impl Connection {
    /// Messages and bytes of both sides so far.
    #[inline]
    pub(in crate::proxy) fn counts(&self) -> Counts {
        match &self.stage {
            Stage::Relay(relay) => Counts {
                messages: [relay.client.scanner.messages(), relay.upstream.scanner.messages()],
                bytes: [relay.client.received_bytes, relay.upstream.received_bytes],
            },
            Stage::Closing(closing) => {
                let (client, upstream) = closing.records();
                Counts::of(&client, &upstream)
            }
            Stage::Echo(echo) => Counts::of(&echo.record(), &SideRecord::default()),
            Stage::Linger(_, _, client) => Counts::of(client, &SideRecord::default()),
            Stage::Gone(_, client, upstream) => Counts::of(client, upstream),
            _ => Counts::default(),
        }
    }

    /// Why it ended, and the code of the close frame that each side sent; `None` as long as it has not ended.
    pub(in crate::proxy) fn ended(&self) -> Option<(End, [Option<u16>; 2])> {
        match &self.stage {
            Stage::Gone(end, client, upstream) => Some((*end, [client.close_received, upstream.close_received])),
            _ => None,
        }
    }

    /// Whether the client was given a 101.
    pub(in crate::proxy) fn was_opened(&self) -> bool {
        self.trace.status == 101
    }

    /// As it is shown.
    pub(in crate::proxy) fn view(&self, routes: &Routes, now: Time) -> ConnectionView {
        let counts = self.counts();
        ConnectionView {
            number: self.number,
            peer: self.trace.peer,
            path: self.trace.path.clone(),
            subject: routes.subject(self.route).cloned(),
            stage: match self.stage {
                Stage::Relay(_) | Stage::Echo(_) => "open",
                Stage::Closing(_) | Stage::Linger(..) | Stage::Answer(..) | Stage::Gone(..) => "closing",
                _ => "handshake",
            },
            tls: self.trace.tls,
            age: now.since(self.trace.accepted),
            messages: counts.messages,
            bytes: counts.bytes,
        }
    }
}
