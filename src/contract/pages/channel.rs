//! The page of a channel: its URL in each environment, what the handshake needs, and the messages that it carries. Channels at
//! one address share a route and so a WebSocket; their pages link to each other.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;

use super::atlas::Documented;
use super::environments::{ChannelState, Environment, RunningContract};
use super::head::{Head, Link};
use super::room::Room;
use super::schema::{Row, table};
use super::traffic::Traffic;
use super::{PageName, Site, message, words};
use crate::contract::model::{Channel, Direction, Parameter, Route};
use crate::contract::url::joined;

/// The most other channels at the path that are named on a page.
const MAX_CHANNELS: usize = 200;
/// The most changes of a channel that are shown for an environment.
const MAX_CHANGES: usize = 50;

#[derive(Template)]
#[template(path = "contract/channel.html")]
struct Page {
    head: Head,
    path: String,
    pointer: String,
    text: Option<String>,
    others: Vec<Link>,
    others_left_out: usize,
    places: Vec<Place>,
    handshake: Vec<Table>,
    security: String,
    directions: Vec<Messages>,
    messages: Vec<message::Shown>,
    messages_left_out: usize,
}

/// The channel in an environment.
struct Place {
    name: String,
    /// `None` if the path is not there.
    url: Option<String>,
    contract: String,
    is_other: bool,
    changes: Vec<String>,
    changes_left_out: usize,
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

/// Draws the page of a channel.
pub(super) fn draw(site: &Site<'_>, position: usize, documented: Documented<'_>) -> Result<String, askama::Error> {
    let Documented { channel, route } = documented;
    let traffic = Traffic::new(&site.atlas, channel);
    let mut room = Room::default();
    let (messages, messages_left_out) = messages(site, &traffic, &mut room)?;
    let here: BTreeSet<String> = messages.iter().map(|message| message.anchor.clone()).collect();
    let directions = [Direction::ClientSends, Direction::ClientReceives];
    // The lists have room of their own, so that a long message hides no other.
    let mut room = Room::default();
    let directions = directions.map(|direction| list(route, &traffic, direction, &here, &mut room));
    let others: Vec<Link> = others(site, position, route).take(MAX_CHANNELS).collect();
    let environments = site.documentation.environments.iter();
    Page {
        head: Head::new(site, PageName::Channel(position), words::name(&channel.name)),
        path: words::name(&route.path),
        pointer: words::name(&channel.pointer),
        text: channel.description.as_deref().map(words::text),
        others_left_out: site.atlas.at_path(&route.path).len().saturating_sub(others.len().saturating_add(1)),
        others,
        places: environments.map(|environment| place(environment, route, &traffic)).collect(),
        handshake: handshake(route)?,
        security: security(channel),
        directions: directions.into(),
        messages,
        messages_left_out,
    }
    .render()
}

/// Links to the other channels at the path of a route.
fn others(site: &Site<'_>, position: usize, route: &Route) -> impl Iterator<Item = Link> {
    let at_path = site.atlas.at_path(&route.path).iter().filter(move |at| **at != position);
    at_path.filter_map(|at| {
        let other = site.atlas.channels().get(*at)?;
        Some(Link { href: PageName::Channel(*at).name(), label: words::name(&other.channel.name), is_here: false })
    })
}

/// The URL of a channel in an environment, and the state of its contract there.
fn place(environment: &Environment, route: &Route, traffic: &Traffic<'_>) -> Place {
    let (state, changes) = environment.channel(&route.path, |direction, id| traffic.carries(direction, id));
    let contract = match (&environment.contract, state) {
        (RunningContract::Unreadable(why), _) => format!("its contract cannot be read: {}", words::name(why)),
        (_, ChannelState::Missing) => "the path is no channel there".to_owned(),
        (_, ChannelState::Unchecked) => "it has no contract: the path is passed on, and nothing is checked".to_owned(),
        (_, state) => state.words().to_owned(),
    };
    let shown = changes.iter().take(MAX_CHANGES).map(|change| words::name(&change.to_string()));
    Place {
        name: words::name(&environment.name),
        url: (state != ChannelState::Missing).then(|| joined(&environment.url, &words::name(&route.path))),
        contract: format!("Revision {}: {contract}", environment.revision),
        is_other: !matches!(state, ChannelState::Same),
        changes_left_out: changes.len().saturating_sub(MAX_CHANGES),
        changes: shown.collect(),
    }
}

/// All messages of the channel, each once, as long as there is room; and the number of the others.
fn messages(
    site: &Site<'_>,
    traffic: &Traffic<'_>,
    room: &mut Room,
) -> Result<(Vec<message::Shown>, usize), askama::Error> {
    let mut ways: BTreeMap<usize, Vec<Direction>> = BTreeMap::new();
    for direction in [Direction::ClientSends, Direction::ClientReceives] {
        for carried in traffic.of(direction) {
            ways.entry(carried.position).or_default().push(direction);
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

/// The list of a direction's messages.
fn list(
    route: &Route,
    traffic: &Traffic<'_>,
    direction: Direction,
    here: &BTreeSet<String>,
    room: &mut Room,
) -> Messages {
    let (anchor, heading, by) = match direction {
        Direction::ClientSends => ("sends", "Client sends", &route.client_sends_by),
        Direction::ClientReceives => ("receives", "Client receives", &route.client_receives_by),
    };
    let carried = traffic.of(direction);
    let mut items = Vec::new();
    for one in carried {
        let anchor = message::anchor(one.position);
        let summary = one.message.summary.as_deref().or(one.message.title.as_deref()).unwrap_or_default();
        let item = Item {
            is_here: here.contains(&anchor),
            anchor,
            name: words::name(&one.message.id),
            words: one.words.join(", "),
            summary: words::name(summary),
        };
        if !room.take([&*item.name, &*item.words, &*item.summary]) {
            break;
        }
        items.push(item);
    }
    let note = match by {
        _ if traffic.is_undirected => Some("The document does not say who sends what.".to_owned()),
        Some(by) => Some(format!("Messages are told apart by the property {}.", words::name(by))),
        None if carried.len() > 1 => Some("No property tells these messages apart.".to_owned()),
        None => None,
    };
    Messages { anchor, heading, count: carried.len(), note, left_out: carried.len().saturating_sub(items.len()), items }
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
fn security(channel: &Channel) -> String {
    let alternatives: BTreeSet<String> = channel
        .operations
        .iter()
        .flat_map(|operation| &operation.security)
        .take(1_000)
        .map(|together| together.iter().take(10).map(|name| words::name(name)).collect::<Vec<_>>().join(" and "))
        .filter(|together| !together.is_empty())
        .collect();
    alternatives.into_iter().take(20).collect::<Vec<_>>().join(", or ")
}
