//! The change between a plain tunnel and one whose messages are inspected, when it opens and when its route changes.

use std::sync::Arc;

use super::Connection;
use super::stage::Stage;
use crate::command::Cause;
use crate::engine::Transport;
use crate::proto::frame::Reserved;
use crate::proxy::context::Context;
use crate::proxy::end::{End, SideRecord};
use crate::proxy::inspection::{InspectedRelay, Inspectors, Subject};
use crate::proxy::relay::Relay;
use crate::proxy::routes::LocalRoute;

impl Connection {
    /// The stage of a tunnel: inspected if its route asks for it and its channel has rules.
    pub(super) fn tunnel_stage<T: Transport>(&self, relay: Relay, cx: &Context<'_, T>) -> Stage {
        let local = cx.routes.get(self.route);
        let Some(check) = local.check_of(self.checked_path()) else { return Stage::Relay(relay) };
        let is_opaque = relay.client.scanner.reserved() != Reserved::None;
        let subject = Subject {
            check: Some(check),
            channel: self.channel().map_or_else(|| Arc::from(""), |channel| Arc::clone(&channel.label)),
            client: self.trace.peer,
            connection: self.id,
            is_opaque,
        };
        let inspectors = Inspectors::new(&relay, subject);
        Stage::Inspected(Box::new(InspectedRelay { relay, inspectors }))
    }

    /// Begins or ends the inspection of an open tunnel, or gives it the new rules, after its route has changed. A message that
    /// has begun is treated as it was.
    pub(super) fn inspect_or_not<T: Transport>(&mut self, cx: &Context<'_, T>) {
        if !matches!(self.stage, Stage::Relay(_) | Stage::Inspected(_)) {
            return;
        }
        // The stage is replaced below, whatever it is.
        let nothing = Stage::Gone(End::Drained(Cause::Closed), SideRecord::default(), SideRecord::default());
        self.stage = match std::mem::replace(&mut self.stage, nothing) {
            Stage::Relay(relay) => self.tunnel_stage(relay, cx),
            Stage::Inspected(mut inspected) => {
                let check = cx.routes.get(self.route).check_of(self.checked_path());
                let is_off = check.is_none();
                inspected.inspectors.update(check.as_ref());
                if is_off && inspected.inspectors.is_idle() {
                    Stage::Relay(inspected.relay)
                } else {
                    Stage::Inspected(inspected)
                }
            }
            other => other,
        };
    }

    /// The path of the connection's channel below the base path, as the contract has it; empty without a channel.
    fn checked_path(&self) -> &str {
        self.channel().map_or("", |channel| &channel.path)
    }

    /// True if the tunnel's messages should be enforced and cannot be looked into, because of an extension that was negotiated
    /// before. A new handshake negotiates none.
    pub(in crate::proxy) fn escapes_enforcement(&self, local: &LocalRoute) -> bool {
        let scanner = match &self.stage {
            Stage::Relay(relay) => &relay.client.scanner,
            Stage::Inspected(inspected) => &inspected.relay.client.scanner,
            _ => return false,
        };
        scanner.reserved() != Reserved::None && self.is_enforced(local)
    }

    /// True if the rules of the connection's channel are enforced in some direction.
    pub(super) fn is_enforced(&self, local: &LocalRoute) -> bool {
        local.check_of(self.checked_path()).is_some_and(|check| check.validation.is_enforced())
    }
}
