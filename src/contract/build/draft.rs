//! A channel on its way to a route, as both generations draft it.

use super::context::Context;
use super::layers::Layers;
use super::messages::Messages;
use super::parameters::{self, Handshake};
use super::schemas::Schemas;
use super::security::Schemes;
use crate::contract::document::Value;
use crate::contract::model::{Operation, Server};
use crate::contract::problem::{Place, listed};

/// The parts of the model that channels use.
#[derive(Debug)]
pub(super) struct Parts<'l> {
    pub(super) schemas: Schemas<'l>,
    pub(super) messages: Messages,
    pub(super) schemes: Schemes<'l>,
    pub(super) servers: Vec<Server>,
    /// The bindings of servers.
    pub(super) server_bindings: Vec<Layers<'l>>,
}

/// A channel.
#[derive(Debug)]
pub(super) struct Draft<'l> {
    pub(super) name: String,
    pub(super) address: Option<String>,
    /// The place of the address.
    pub(super) place: Place,
    pub(super) pointer: String,
    pub(super) description: Option<String>,
    pub(super) operations: Vec<Operation>,
    /// The messages of the channel itself, by id.
    pub(super) messages: Vec<String>,
    pub(super) handshake: Handshake,
    /// Why the channel is none of a WebSocket.
    pub(super) elsewhere: Option<String>,
    /// The value that the channel is, behind references.
    pub(super) value: Value<'l>,
}

impl<'l> Draft<'l> {
    /// A channel without operations.
    pub(super) fn new(
        context: &mut Context<'l, '_>,
        name: &str,
        value: Value<'l>,
        address: Option<&str>,
        place: Place,
    ) -> Self {
        let handshake = parameters::handshake(context, value, address, &place);
        let description = context.text(value, "description");
        Self {
            name: name.to_owned(),
            address: address.map(str::to_owned),
            pointer: context.key(value),
            place,
            description,
            operations: Vec::new(),
            messages: Vec::new(),
            handshake,
            elsewhere: None,
            value,
        }
    }

    /// Reads the bindings of the channel, of its operations and of the servers, and decides whether WebSockets are meant.
    /// `servers` are the names of the channel's servers; none for all.
    pub(super) fn bind(
        &mut self,
        context: &mut Context<'l, '_>,
        parts: &Parts<'l>,
        operations: &[Layers<'l>],
        servers: &[String],
    ) {
        let mut protocols = Vec::new();
        let channel = Layers::plain(self.value).below(context, "bindings");
        let of_operations: Vec<Layers<'l>> =
            operations.iter().map(|operation| operation.below(context, "bindings")).collect();
        for bindings in [channel].iter().chain(&of_operations) {
            protocols.extend(bindings.names());
            parameters::bind(context, &mut self.handshake, bindings);
        }
        for bindings in &parts.server_bindings {
            if context.may_use(1) {
                parameters::bind(context, &mut self.handshake, bindings);
            }
        }
        parameters::claim(&mut self.handshake, &parts.schemes);
        let named: Vec<&Server> = parts.servers.iter().filter(|server| servers.contains(&server.name)).collect();
        self.elsewhere = if !named.is_empty() && !named.iter().any(|server| server.protocol.may_be_websocket()) {
            let spoken = listed(named.iter().map(|server| server.protocol_written.as_str()));
            Some(format!("its servers speak {spoken}"))
        } else if !protocols.is_empty() && !protocols.contains(&"ws") {
            Some(format!("its bindings are those of {}", listed(protocols)))
        } else {
            None
        };
    }
}
