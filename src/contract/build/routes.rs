//! Channels to routes: those at one address share one, and those that are no paths share the server's own.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::context::Context;
use super::draft::Draft;
use crate::api::contract::Layout;
use crate::contract::model::{Channel, Direction, Message, Parameter, Route, Use};
use crate::contract::problem::{Level, Problem, quoted};
use crate::contract::url::joined;

/// The prefix of paths that are Ringway's own.
const RESERVED: &str = "/.ringway";

/// The path of a channel's route below the base path, or why it has none.
fn path(
    context: &mut Context<'_, '_>,
    draft: &Draft<'_>,
    layout: Layout,
    replies: &HashSet<String>,
) -> Result<String, String> {
    if let Some(reason) = &draft.elsewhere {
        let message = format!("the channel {} becomes no route: {reason}", quoted(&draft.name));
        context.note("channel-elsewhere", draft.place.clone(), message);
        return Err(reason.clone());
    }
    if layout == Layout::OneSocket {
        return Ok("/".to_owned());
    }
    if draft.address.is_none() {
        if replies.contains(&draft.name) {
            return Err(
                "its address is known only with each reply; its messages are on the routes of the requests".to_owned()
            );
        }
        let message = format!("the channel {} has no address and is on the server's own URL", quoted(&draft.name));
        context.note("channel-address", draft.place.clone(), message);
        return Ok("/".to_owned());
    }
    let address = &draft.handshake.path;
    if !address.starts_with('/') && !address.is_empty() {
        if layout == Layout::Inferred && !draft.handshake.has_binding {
            let message = format!(
                "the address {} does not begin with `/`: the channel is taken as one of several on the server's own URL",
                quoted(address)
            );
            context.note("channel-address", draft.place.clone(), message);
            return Ok("/".to_owned());
        }
        let message = format!("the address {} gets a slash at its beginning", quoted(address));
        context.note("channel-address", draft.place.clone(), message);
    }
    Ok(joined("", address))
}

/// Checks what no path of a route may be.
fn check(context: &mut Context<'_, '_>, draft: &Draft<'_>, path: &str) {
    let is_reserved = path.strip_prefix(RESERVED).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let has_dots = path.split('/').any(|step| matches!(step, "." | ".."));
    let is_bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '"' | '<' | '>' | '^' | '`' | '|');
    let reason = if is_reserved {
        "paths below `/.ringway/` are Ringway's own"
    } else if has_dots {
        "a path with `.` or `..` is never matched"
    } else if path.contains(is_bad) {
        "it has characters that a path cannot have"
    } else {
        return;
    };
    let message = format!("the address {} is no path of a route: {reason}", quoted(path));
    context.add(Problem::new(Level::BlocksRouting, "address", draft.place.clone(), message));
}

/// Makes routes of drafts, and channels that say which route each is part of.
pub(super) fn routes(
    context: &mut Context<'_, '_>,
    drafts: &[Draft<'_>],
    layout: Layout,
) -> (Vec<Route>, Vec<Channel>) {
    let replies: HashSet<String> = drafts
        .iter()
        .flat_map(|draft| &draft.operations)
        .filter_map(|operation| operation.reply.as_ref()?.channel.clone())
        .collect();
    let mut routes: Vec<Growing> = Vec::new();
    let mut by_path: HashMap<String, usize> = HashMap::new();
    let mut shapes: HashMap<String, usize> = HashMap::new();
    let mut places: Vec<Option<usize>> = Vec::new();
    let mut channels = Vec::new();
    for draft in drafts {
        let path = path(context, draft, layout, &replies);
        let used = match &path {
            Ok(path) => Use::Route(path.clone()),
            Err(reason) => Use::None(reason.clone()),
        };
        places.push(path.ok().map(|path| {
            check(context, draft, &path);
            let at = *by_path.entry(path.clone()).or_insert_with(|| {
                routes.push(Growing::new(path.clone()));
                routes.len().saturating_sub(1)
            });
            let other = *shapes.entry(shape(&path)).or_insert(at);
            if let Some(other) = routes.get(other).filter(|_| other != at) {
                let message = format!("{} and {} are the same path", quoted(&other.route.path), quoted(&path));
                context.add(Problem::new(Level::BlocksRouting, "address-twice", draft.place.clone(), message));
            }
            at
        }));
        channels.push(channel(draft, used));
    }
    // Names are keys of one mapping, so each is there once.
    let by_name: HashMap<&str, usize> = drafts.iter().zip(0..).map(|(draft, at)| (draft.name.as_str(), at)).collect();
    for (at, draft) in drafts.iter().enumerate() {
        let own = places.get(at).copied().flatten();
        if let Some(route) = own.and_then(|own| routes.get_mut(own)) {
            route.channel(draft, replies.contains(&draft.name));
        }
        for operation in &draft.operations {
            if let Some(route) = own.and_then(|own| routes.get_mut(own)) {
                route.messages(operation.direction, &operation.messages);
            }
            let Some(reply) = &operation.reply else { continue };
            let of_reply = reply.channel.as_deref().and_then(|name| by_name.get(name)).copied();
            let of_reply = of_reply.and_then(|at| places.get(at).copied().flatten()).or(own);
            if let Some(route) = of_reply.and_then(|at| routes.get_mut(at)) {
                route.messages(operation.direction.opposite(), &reply.messages);
            }
        }
    }
    (routes.into_iter().map(Growing::grown).collect(), channels)
}

/// A path without the names of its parameters: two paths of one shape match the same requests.
fn shape(path: &str) -> String {
    let mut shape = String::new();
    for (index, part) in path.split('{').enumerate() {
        shape.push_str(if index == 0 { part } else { part.split_once('}').map_or(part, |(_, rest)| rest) });
        shape.push('{');
    }
    shape
}

fn channel(draft: &Draft<'_>, used: Use) -> Channel {
    Channel {
        name: draft.name.clone(),
        address: draft.address.clone(),
        description: draft.description.clone(),
        used,
        operations: draft.operations.clone(),
        messages: draft.messages.clone(),
        pointer: draft.pointer.clone(),
    }
}

/// A route to which channels are added.
struct Growing {
    route: Route,
    seen: [HashSet<String>; 2],
    channels_with_operations: usize,
}

impl Growing {
    fn new(path: String) -> Self {
        let route = Route {
            path,
            channels: Vec::new(),
            parameters: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            client_sends: Vec::new(),
            client_receives: Vec::new(),
            client_sends_by: None,
            client_receives_by: None,
            is_undirected: false,
        };
        Self { route, seen: [HashSet::new(), HashSet::new()], channels_with_operations: 0 }
    }

    fn channel(&mut self, draft: &Draft<'_>, is_reply: bool) {
        self.route.channels.push(draft.name.clone());
        // Of one path they are the same but for what each channel says of them: the first counts.
        merge(&mut self.route.parameters, &draft.handshake.parameters);
        merge(&mut self.route.query, &draft.handshake.query);
        merge(&mut self.route.headers, &draft.handshake.headers);
        if !draft.operations.is_empty() || is_reply {
            self.channels_with_operations = self.channels_with_operations.saturating_add(1);
        } else {
            self.messages(Direction::ClientSends, &draft.messages);
            self.messages(Direction::ClientReceives, &draft.messages);
        }
    }

    fn messages(&mut self, direction: Direction, ids: &[String]) {
        let [sent, received] = &mut self.seen;
        let (seen, list) = match direction {
            Direction::ClientSends => (sent, &mut self.route.client_sends),
            Direction::ClientReceives => (received, &mut self.route.client_receives),
        };
        list.extend(ids.iter().filter(|id| seen.insert((*id).clone())).cloned());
    }

    fn grown(mut self) -> Route {
        self.route.is_undirected = self.channels_with_operations == 0;
        self.route
    }
}

fn merge(into: &mut Vec<Parameter>, from: &[Parameter]) {
    for parameter in from {
        match into.iter_mut().find(|known| known.name == parameter.name) {
            Some(known) => known.is_required = known.is_required && parameter.is_required,
            None => into.push(parameter.clone()),
        }
    }
}

/// Finds for each route and direction the property by which its messages are told apart, if there is one, and notes where
/// there is none: a message that fits several is reported and never guessed.
pub(super) fn tell_apart(context: &mut Context<'_, '_>, routes: &mut [Route], messages: &[Message]) {
    let by_id: HashMap<&str, &Message> = messages.iter().map(|message| (message.id.as_str(), message)).collect();
    for route in routes {
        let path = route.path.clone();
        for direction in [Direction::ClientSends, Direction::ClientReceives] {
            let (ids, found) = match direction {
                Direction::ClientSends => (&route.client_sends, &mut route.client_sends_by),
                Direction::ClientReceives => (&route.client_receives, &mut route.client_receives_by),
            };
            let of_route: Vec<&Message> = ids.iter().filter_map(|id| by_id.get(id.as_str()).copied()).collect();
            if of_route.len() < 2 || !context.may_use(of_route.len()) {
                continue;
            }
            *found = discriminator(&of_route);
            if found.is_none() {
                let message = format!(
                    "no property tells the {} messages apart that the {} at {}: each is checked against all of them, and \
                     one that fits several is reported",
                    of_route.len(),
                    direction.words(),
                    quoted(&path)
                );
                context.note("indistinct-messages", context.library.place(), message);
            }
        }
    }
}

/// The property that all messages fix, each to values of its own.
fn discriminator(messages: &[&Message]) -> Option<String> {
    // For each property the values so far, and the number of messages that have it.
    let mut properties: BTreeMap<&str, (HashSet<String>, usize, bool)> = BTreeMap::new();
    for message in messages {
        for (name, values) in &message.discriminators {
            let (seen, count, is_distinct) = properties.entry(name).or_insert_with(|| (HashSet::new(), 0, true));
            *count = count.saturating_add(1);
            for value in values {
                *is_distinct = seen.insert(value.to_string()) && *is_distinct;
            }
        }
    }
    let found = properties.into_iter().find(|(_, (_, count, is_distinct))| *count == messages.len() && *is_distinct);
    found.map(|(name, _)| name.to_owned())
}
