//! A connection as operators see it: its view, its totals and its end.

use std::sync::Arc;

use super::Connection;
use super::stage::Stage;
use crate::command::view::{self, ConnectionView};
use crate::engine::{Socket, Time};
use crate::proxy::end::{End, SideRecord};
use crate::proxy::routes::Routes;
use crate::routing::channels::Channel;
use crate::routing::consumers::Consumer;

impl Connection {
    /// The totals of the client and of the upstream.
    fn records(&self) -> (SideRecord, SideRecord) {
        let nothing = SideRecord::default();
        match &self.stage {
            Stage::Relay(relay) => (relay.client.to_record(), relay.upstream.to_record()),
            Stage::Inspected(inspected) => (inspected.relay.client.to_record(), inspected.relay.upstream.to_record()),
            Stage::Closing(closing) => closing.records(),
            Stage::Echo(echo) => (echo.record(), nothing),
            Stage::Linger(_, _, client) => (*client, nothing),
            Stage::Gone(_, client, upstream) => (*client, *upstream),
            _ => (nothing, nothing),
        }
    }

    /// The sockets of an open connection's client and upstream.
    pub(in crate::proxy) fn tunnel_sockets(&self) -> [Option<Socket>; 2] {
        match &self.stage {
            Stage::Relay(relay) => [Some(relay.client.socket), Some(relay.upstream.socket)],
            Stage::Inspected(inspected) => [Some(inspected.relay.client.socket), Some(inspected.relay.upstream.socket)],
            Stage::Echo(echo) => [Some(echo.client()), None],
            _ => [None, None],
        }
    }

    /// The end, and the code of the close frame that each side sent; `None` as long as the connection has not ended.
    pub(in crate::proxy) fn ended(&self) -> Option<(End, [Option<u16>; 2])> {
        match &self.stage {
            Stage::Gone(end, client, upstream) => Some((*end, [client.close_received, upstream.close_received])),
            _ => None,
        }
    }

    /// `true` if the client was given a 101.
    pub(in crate::proxy) fn was_opened(&self) -> bool {
        self.trace.status == 101
    }

    /// The channel of the request; `None` without one.
    pub(in crate::proxy) fn channel(&self) -> Option<&Arc<Channel>> {
        self.trace.known_details()?.channel.as_ref()
    }

    /// The consumer that the connection was admitted as, and when its key expires; `None` for an anonymous one.
    pub(in crate::proxy) fn consumer(&self) -> Option<(&Arc<Consumer>, Option<Time>)> {
        let details = self.trace.known_details()?;
        Some((details.consumer.as_ref()?, details.expires_at))
    }

    pub(in crate::proxy) fn view(&self, routes: &Routes, now: Time) -> ConnectionView {
        let (client, upstream) = self.records();
        ConnectionView {
            id: self.id,
            peer: self.trace.peer,
            path: if self.trace.origin.is_some() { self.trace.path.clone() } else { Box::default() },
            endpoint: self.endpoint.as_ref().map(|endpoint| endpoint.name().into()),
            labels: routes.get(self.route).labels().cloned(),
            consumer: self.consumer().map(|(consumer, _)| Arc::clone(consumer)),
            channel: self.channel().map(|channel| Arc::clone(&channel.path)),
            stage: match self.stage {
                Stage::Relay(_) | Stage::Inspected(_) | Stage::Echo(_) => view::Stage::Open,
                Stage::Closing(_) | Stage::Linger(..) | Stage::Answer(..) | Stage::Decline(_) | Stage::Gone(..) => {
                    view::Stage::Closing
                }
                _ => view::Stage::Handshake,
            },
            tls: self.trace.tls,
            age: now.since(self.trace.accepted),
            messages: [client.messages, upstream.messages],
            bytes: [client.bytes, upstream.bytes],
        }
    }
}
