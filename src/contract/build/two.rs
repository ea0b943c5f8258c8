//! Channels of AsyncAPI 2.x: the key is the address, `publish` is what clients send and `subscribe` what they receive.

use super::context::Context;
use super::draft::{Draft, Parts};
use super::layers::Layers;
use crate::contract::document::Value;
use crate::contract::model::{Direction, Operation};
use crate::contract::problem::{Level, Problem, near, quoted};
use crate::contract::shape::two;

/// The words of 2.x, as a server's document means them.
const WORDS: [(&str, Direction); 2] = [("publish", Direction::ClientSends), ("subscribe", Direction::ClientReceives)];

/// Drafts all channels.
pub(super) fn channels<'l>(context: &mut Context<'l, '_>, parts: &mut Parts<'l>, root: Value<'l>) -> Vec<Draft<'l>> {
    let list = root.get("channels");
    list.into_iter().flat_map(Value::fields).filter_map(|(name, value)| channel(context, parts, name, value)).collect()
}

fn channel<'l>(
    context: &mut Context<'l, '_>,
    parts: &mut Parts<'l>,
    address: &str,
    written: Value<'l>,
) -> Option<Draft<'l>> {
    let place = written.name_place();
    // A channel without anything below its name is one without operations.
    let value =
        if written.is_null() { written } else { context.object(written, &two::CHANNEL, Level::BlocksRouting)? };
    let mut draft = Draft::new(context, address, value, Some(address), place);
    let servers = servers(context, parts, value);
    let mut bindings = Vec::new();
    for (word, direction) in WORDS {
        let Some(operation) = value.get(word).filter(|operation| operation.is_mapping()) else { continue };
        let layers = Layers::of(context, operation, &two::OPERATION);
        let message = layers.get("message");
        let messages = message.map_or(Vec::new(), |message| parts.messages.ids(context, &mut parts.schemas, message));
        draft.operations.push(Operation {
            name: layers.text(context, "operationId"),
            word,
            direction,
            summary: layers.text(context, "summary"),
            messages,
            reply: None,
            security: parts.schemes.requirements(context, layers.get("security")),
            pointer: context.key(operation),
        });
        bindings.push(layers);
    }
    draft.bind(context, parts, &bindings, &servers);
    Some(draft)
}

/// The names of a channel's servers that exist.
fn servers(context: &mut Context<'_, '_>, parts: &Parts<'_>, channel: Value<'_>) -> Vec<String> {
    let mut names = context.texts(channel.get("servers"));
    names.truncate(1_000);
    names.retain(|name| {
        let is_known = parts.servers.iter().any(|server| server.name == *name);
        if !is_known {
            let message = format!("there is no server {}", quoted(name));
            let place = channel.get("servers").map_or_else(|| channel.place(), Value::place);
            let known = near(name, parts.servers.iter().map(|server| server.name.as_str())).map(str::to_owned);
            context.add(Problem::new(Level::Note, "server", place, message).nearest(known.as_deref()));
        }
        is_known
    });
    names
}
