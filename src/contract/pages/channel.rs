//! The page of a channel: a route below the base path, with everything that goes over its WebSocket.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;

use super::head::Head;
use super::room::Room;
use super::schema::{Row, table};
use super::{Environment, PageName, Site, message, words};
use crate::contract::model::{Channel, Direction, Parameter, Route};
use crate::contract::url::joined;

/// The most channels of the document that are named on a page.
const MAX_CHANNELS: usize = 50;
/// The most words of the document that stand beside a message.
const MAX_WORDS: usize = 5;

#[derive(Template)]
#[template(path = "contract/channel.html")]
struct Page {
    head: Head,
    channels: Vec<OfDocument>,
    channels_left_out: usize,
    urls: Vec<Environment>,
    handshake: Vec<Table>,
    security: String,
    directions: Vec<Messages>,
    messages: Vec<message::Shown>,
    messages_left_out: usize,
}

/// A channel of the document.
struct OfDocument {
    name: String,
    pointer: String,
    text: Option<String>,
}

/// Parameters of the handshake.
struct Table {
    anchor: &'static str,
    heading: &'static str,
    /// HTML, escaped where it was drawn.
    rows: String,
}

/// The messages of a direction.
struct Messages {
    anchor: &'static str,
    heading: &'static str,
    count: usize,
    note: Option<String>,
    items: Vec<Item>,
    left_out: usize,
}

/// A message in the list of its direction.
struct Item {
    anchor: String,
    is_here: bool,
    name: String,
    words: String,
    summary: String,
}

/// Draws the page of a route.
pub(super) fn draw(site: &Site<'_>, position: usize, route: &Route) -> Result<String, askama::Error> {
    let names: BTreeSet<&str> = route.channels.iter().map(String::as_str).collect();
    let all = site.documentation.model.channels.iter();
    let channels: Vec<&Channel> = all.filter(|channel| names.contains(channel.name.as_str())).collect();
    let mut room = Room::default();
    let (messages, messages_left_out) = messages(site, route, &mut room)?;
    let here: BTreeSet<String> = messages.iter().map(|message| message.anchor.clone()).collect();
    let said = said(&channels);
    let directions = [Direction::ClientSends, Direction::ClientReceives];
    // The lists have room of their own, so that a long message hides no other.
    let mut room = Room::default();
    let directions = directions.map(|direction| list(site, route, direction, &said, &here, &mut room));
    let url = |environment: &Environment| Environment {
        name: words::name(&environment.name),
        url: joined(&environment.url, &words::name(&route.path)),
    };
    Page {
        head: Head::new(site, PageName::Channel(position), words::name(&route.path)),
        channels_left_out: channels.len().saturating_sub(MAX_CHANNELS),
        channels: channels.iter().take(MAX_CHANNELS).map(|channel| of_document(channel)).collect(),
        urls: site.documentation.environments.iter().map(url).collect(),
        handshake: handshake(route)?,
        security: security(&channels),
        directions: directions.into(),
        messages,
        messages_left_out,
    }
    .render()
}

fn of_document(channel: &Channel) -> OfDocument {
    OfDocument {
        name: words::name(&channel.name),
        pointer: words::name(&channel.pointer),
        text: channel.description.as_deref().map(words::text),
    }
}

/// All messages of the route, each once, as long as there is room; and the number of the others.
fn messages(site: &Site<'_>, route: &Route, room: &mut Room) -> Result<(Vec<message::Shown>, usize), askama::Error> {
    let mut ways: BTreeMap<usize, Vec<Direction>> = BTreeMap::new();
    let sent = route.client_sends.iter().map(|id| (id, Direction::ClientSends));
    let received = route.client_receives.iter().map(|id| (id, Direction::ClientReceives));
    for (id, direction) in sent.chain(received) {
        if let Some((position, _)) = site.atlas.message(id) {
            ways.entry(position).or_default().push(direction);
        }
    }
    let (mut messages, mut left_out) = (Vec::new(), 0_usize);
    for (position, directions) in ways {
        match site.documentation.model.messages.get(position).filter(|_| !room.is_full()) {
            Some(one) => messages.push(message::shown(site, position, one, &directions, room)?),
            None => left_out = left_out.saturating_add(1),
        }
    }
    Ok((messages, left_out))
}

/// The document's words beside a message in a direction.
type Said<'m> = BTreeMap<(Direction, &'m str), Vec<String>>;

/// The document's words for each message: those of its operations, and the requests that it replies to.
fn said<'m>(channels: &[&'m Channel]) -> Said<'m> {
    let mut said = Said::new();
    let mut say = |direction, ids: &'m [String], words: String| {
        for id in ids {
            let known: &mut Vec<String> = said.entry((direction, id.as_str())).or_default();
            if known.len() < MAX_WORDS {
                known.push(words.clone());
            }
        }
    };
    for operation in channels.iter().flat_map(|channel| &channel.operations) {
        let name = operation.name.as_deref().map(words::name).unwrap_or_default();
        say(operation.direction, &operation.messages, format!("{} {name}", operation.word).trim_end().to_owned());
        if let Some(reply) = &operation.reply {
            let words = format!("reply to {}", if name.is_empty() { operation.word } else { &name });
            say(operation.direction.opposite(), &reply.messages, words);
        }
    }
    said
}

/// The list of a direction's messages.
fn list(
    site: &Site<'_>,
    route: &Route,
    direction: Direction,
    said: &Said<'_>,
    here: &BTreeSet<String>,
    room: &mut Room,
) -> Messages {
    let (anchor, heading, ids, by) = match direction {
        Direction::ClientSends => ("sends", "Client sends", &route.client_sends, &route.client_sends_by),
        Direction::ClientReceives => ("receives", "Client receives", &route.client_receives, &route.client_receives_by),
    };
    let mut items = Vec::new();
    for (position, message) in ids.iter().filter_map(|id| site.atlas.message(id)) {
        let anchor = message::anchor(position);
        let words = said.get(&(direction, message.id.as_str())).map(|words| words.join(", "));
        let summary = message.summary.as_deref().or(message.title.as_deref()).unwrap_or_default();
        let item = Item {
            is_here: here.contains(&anchor),
            anchor,
            name: words::name(&message.id),
            words: words.unwrap_or_else(|| "in another channel, or in no operation".to_owned()),
            summary: words::name(summary),
        };
        if !room.take([&*item.name, &*item.words, &*item.summary]) {
            break;
        }
        items.push(item);
    }
    let note = match by {
        _ if route.is_undirected => Some("The document does not say who sends what.".to_owned()),
        Some(by) => Some(format!("Messages are told apart by the property {}.", words::name(by))),
        None if ids.len() > 1 => Some("No property tells these messages apart.".to_owned()),
        None => None,
    };
    Messages { anchor, heading, count: ids.len(), note, left_out: ids.len().saturating_sub(items.len()), items }
}

/// The tables of what the handshake needs; none for what it does not need.
fn handshake(route: &Route) -> Result<Vec<Table>, askama::Error> {
    let mut tables = Vec::new();
    for (anchor, heading, list) in [
        ("parameters", "Parameters of the path", &route.parameters),
        ("query", "Query parameters", &route.query),
        ("headers", "Headers", &route.headers),
    ] {
        let rows: Vec<Row> = list.iter().take(500).map(parameter).collect();
        if !rows.is_empty() {
            tables.push(Table { anchor, heading, rows: table(&rows)? });
        }
    }
    Ok(tables)
}

fn parameter(parameter: &Parameter) -> Row {
    let mut rules = Vec::new();
    if !parameter.allowed.is_empty() {
        let shown: Vec<String> = parameter.allowed.iter().take(100).map(|value| words::name(value)).collect();
        let more = parameter.allowed.len().saturating_sub(shown.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        rules.push(format!("one of {}{more}", shown.join(", ")));
    }
    rules.extend(parameter.pattern.as_deref().map(|pattern| format!("matches {}", words::name(pattern))));
    rules.extend(parameter.default.as_deref().map(|default| format!("default {}", words::name(default))));
    let claimed = parameter.claimed_by.as_deref();
    rules.extend(claimed.map(|scheme| format!("belongs to the security scheme {}", words::name(scheme))));
    let kind = parameter.kind.as_deref().map_or_else(|| "any text".to_owned(), words::name);
    let text = parameter.description.as_deref().map(words::text);
    Row::plain(words::name(&parameter.name), kind, rules, text).required(parameter.is_required)
}

/// The security of the operations; empty if they name none.
fn security(channels: &[&Channel]) -> String {
    let operations = channels.iter().flat_map(|channel| &channel.operations);
    let alternatives: BTreeSet<String> = operations
        .flat_map(|operation| &operation.security)
        .take(1_000)
        .map(|together| together.iter().take(10).map(|name| words::name(name)).collect::<Vec<_>>().join(" and "))
        .filter(|together| !together.is_empty())
        .collect();
    alternatives.into_iter().take(20).collect::<Vec<_>>().join(", or ")
}
