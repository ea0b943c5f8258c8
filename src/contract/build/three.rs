//! Channels and operations of AsyncAPI 3.x: operations refer to channels, and their messages to the channels' messages.
//!
//! Directions are those of a document that a server wrote; [`super::direction`] turns them if a client did.

use std::collections::{HashMap, HashSet};

use super::context::Context;
use super::draft::{Draft, Parts};
use super::layers::Layers;
use crate::contract::document::Value;
use crate::contract::library::is_reference;
use crate::contract::model::{Direction, Operation, Reply};
use crate::contract::problem::{Level, Problem, quoted};
use crate::contract::shape::three;

/// Channels by the identity of the value behind their references.
type ByValue = HashMap<(usize, u32), usize>;

/// Drafts all channels with their operations.
pub(super) fn channels<'l>(context: &mut Context<'l, '_>, parts: &mut Parts<'l>, root: Value<'l>) -> Vec<Draft<'l>> {
    let mut drafts = Vec::new();
    let mut by_value = ByValue::new();
    for (name, written) in root.get("channels").into_iter().flat_map(Value::fields) {
        let Some(draft) = channel(context, parts, name, written) else { continue };
        by_value.entry(draft.value.key()).or_insert(drafts.len());
        drafts.push(draft);
    }
    let mut layers: HashMap<usize, Vec<Layers<'l>>> = HashMap::new();
    let own: Vec<HashSet<(usize, u32)>> = drafts.iter().map(|draft| own_messages(context, draft.value)).collect();
    for (name, written) in root.get("operations").into_iter().flat_map(Value::fields) {
        let Some((at, operation, layer)) = operation(context, parts, &drafts, &by_value, &own, name, written) else {
            continue;
        };
        if let Some(draft) = drafts.get_mut(at) {
            draft.operations.push(operation);
        }
        layers.entry(at).or_default().push(layer);
    }
    for (at, draft) in drafts.iter_mut().enumerate() {
        let servers = servers(context, root, draft.value);
        draft.bind(context, parts, layers.get(&at).map_or(&[], Vec::as_slice), &servers);
    }
    drafts
}

fn channel<'l>(
    context: &mut Context<'l, '_>,
    parts: &mut Parts<'l>,
    name: &str,
    written: Value<'l>,
) -> Option<Draft<'l>> {
    let value = context.object(written, &three::CHANNEL, Level::BlocksRouting)?;
    let address = value.get("address");
    let place = address.map_or_else(|| written.name_place(), Value::place);
    let mut draft = Draft::new(context, name, value, address.and_then(Value::text), place);
    for (_, message) in value.get("messages").into_iter().flat_map(Value::fields) {
        if message.is_null() {
            continue;
        }
        draft.messages.extend(parts.messages.id(context, &mut parts.schemas, message));
    }
    Some(draft)
}

/// The identities of a channel's messages.
fn own_messages(context: &Context<'_, '_>, channel: Value<'_>) -> HashSet<(usize, u32)> {
    let messages = channel.get("messages").into_iter().flat_map(Value::fields);
    messages.filter_map(|(_, message)| context.library.follow(message).ok()).map(Value::key).collect()
}

/// The names of a channel's servers, which are references to the document's servers.
fn servers<'l>(context: &mut Context<'l, '_>, root: Value<'l>, channel: Value<'l>) -> Vec<String> {
    let all: Vec<(&str, Value<'l>)> = root.get("servers").into_iter().flat_map(Value::fields).take(1_000).collect();
    let mut names = Vec::new();
    for written in channel.get("servers").into_iter().flat_map(Value::items).take(1_000) {
        if !context.may_use(all.len().saturating_add(1)) {
            break;
        }
        let Some(found) = context.resolved(written, Level::Note) else { continue };
        let server = all.iter().find(|(_, server)| context.library.follow(*server).is_ok_and(|server| server == found));
        names.extend(server.map(|(name, _)| (*name).to_owned()));
    }
    names
}

fn operation<'l>(
    context: &mut Context<'l, '_>,
    parts: &mut Parts<'l>,
    drafts: &[Draft<'l>],
    by_value: &ByValue,
    own: &[HashSet<(usize, u32)>],
    name: &str,
    written: Value<'l>,
) -> Option<(usize, Operation, Layers<'l>)> {
    let value = context.object(written, &three::OPERATION, Level::BlocksValidation)?;
    let layers = Layers::of(context, value, &three::OPERATION);
    let blocks = |place, message: String| Problem::new(Level::BlocksValidation, "operation", place, message);
    let action = layers.get("action");
    let (word, direction) = match action.and_then(Value::text) {
        Some("send") => ("send", Direction::ClientReceives),
        Some("receive") => ("receive", Direction::ClientSends),
        other => {
            let place = action.map_or_else(|| value.place(), Value::place);
            let message = match other {
                Some(other) => format!("the action {} is not known", quoted(other)),
                None => format!("the operation {} has no `action`", quoted(name)),
            };
            context.add(blocks(place, message).expected("`send` or `receive`"));
            return None;
        }
    };
    let Some(channel) = layers.get("channel") else {
        context.add(blocks(value.place(), format!("the operation {} has no `channel`", quoted(name))));
        return None;
    };
    let at = channel_of(context, by_value, channel)?;
    let all = || drafts.get(at).map_or(Vec::new(), |draft| draft.messages.clone());
    let messages = match layers.get("messages") {
        Some(list) => messages(context, parts, own.get(at), list),
        None if context.may_use(drafts.get(at).map_or(0, |draft| draft.messages.len())) => all(),
        None => Vec::new(),
    };
    let reply = layers.get("reply").and_then(|written| reply(context, parts, drafts, by_value, own, written));
    let operation = Operation {
        name: Some(name.to_owned()),
        word,
        direction,
        summary: layers.text(context, "summary"),
        messages,
        reply,
        security: parts.schemes.requirements(context, layers.get("security")),
        pointer: context.key(value),
    };
    Some((at, operation, layers))
}

/// The position of the channel that a reference leads to.
fn channel_of<'l>(context: &mut Context<'l, '_>, by_value: &ByValue, channel: Value<'l>) -> Option<usize> {
    let found = context.resolved(channel, Level::BlocksValidation)?;
    let at = by_value.get(&found.key()).copied();
    if at.is_none() {
        let message = if is_reference(channel) {
            "this is none of the document's channels"
        } else {
            "a channel is inside an operation, and so has no route"
        };
        let problem = Problem::new(Level::BlocksValidation, "operation-channel", channel.place(), message);
        context.add(problem.expected("a reference to `#/channels/...`"));
    }
    at
}

/// The messages of an operation or a reply. By the specification they point into the channel's messages; one that leads to
/// another message is accepted with a note, since its identity is certain.
fn messages<'l>(
    context: &mut Context<'l, '_>,
    parts: &mut Parts<'l>,
    own: Option<&HashSet<(usize, u32)>>,
    list: Value<'l>,
) -> Vec<String> {
    let mut ids = Vec::new();
    for written in list.items() {
        let Some(id) = parts.messages.id(context, &mut parts.schemas, written) else { continue };
        let found = context.library.follow(written);
        if found.is_ok_and(|found| !own.is_some_and(|own| own.contains(&found.key()))) {
            let message = format!("the message {} is none of the channel's own; it is accepted", quoted(&id));
            let problem = Problem::new(Level::Note, "operation-message", written.place(), message);
            context.add(problem.expected("a reference to `#/channels/<channel>/messages/<message>`"));
        }
        ids.push(id);
    }
    ids
}

fn reply<'l>(
    context: &mut Context<'l, '_>,
    parts: &mut Parts<'l>,
    drafts: &[Draft<'l>],
    by_value: &ByValue,
    own: &[HashSet<(usize, u32)>],
    written: Value<'l>,
) -> Option<Reply> {
    let value = context.object(written, &three::REPLY, Level::BlocksValidation)?;
    let address = value.get("address").and_then(|address| context.resolved(address, Level::Note));
    let address = address.and_then(|address| context.text(address, "location"));
    let channel = value.get("channel").filter(|channel| !channel.is_null());
    let at = channel.and_then(|channel| channel_of(context, by_value, channel));
    let draft = at.and_then(|at| drafts.get(at));
    if let (Some(_), Some(draft)) = (&address, draft)
        && draft.address.is_some()
    {
        let message =
            format!("the reply has an address of its own, and its channel {} has one as well", quoted(&draft.name));
        context.note("reply-address", value.place(), message);
    }
    let messages = match value.get("messages").filter(|list| list.is_list()) {
        Some(list) => messages(context, parts, at.and_then(|at| own.get(at)), list),
        None if context.may_use(draft.map_or(0, |draft| draft.messages.len())) => {
            draft.map_or(Vec::new(), |draft| draft.messages.clone())
        }
        None => Vec::new(),
    };
    if messages.is_empty() {
        context.note("reply", value.place(), "the messages of the reply are not known");
    }
    Some(Reply { channel: draft.map(|draft| draft.name.clone()), address, messages })
}
