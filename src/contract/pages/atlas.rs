//! The place of everything that pages link to: each channel that has a route has a page, and each schema is shown in the one
//! message or schema that uses it, or on a page of schemas that several places link to.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;

use super::head::Link;
use super::{PageName, words};
use crate::contract::model::{Channel, Message, Model, Operation, Reply, Route, Use};

/// The schemas of a page.
const OF_PAGE: usize = 50;

/// A channel with the route that it is part of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Documented<'m> {
    pub(super) channel: &'m Channel,
    pub(super) route: &'m Route,
}

/// The channels and schemas of a model, and where each is shown.
#[derive(Debug)]
pub(super) struct Atlas<'m> {
    model: &'m Model,
    /// Channels that have a route, in the document's order.
    channels: Vec<Documented<'m>>,
    /// Positions of channels by their names, and by their paths.
    by_name: HashMap<&'m str, usize>,
    by_path: HashMap<&'m str, Vec<usize>>,
    /// Operations whose replies come on a channel, by its name.
    replies: HashMap<&'m str, Vec<(&'m Operation, &'m Reply)>>,
    messages: HashMap<&'m str, (usize, &'m Message)>,
    /// Keys of schemas that several places use, in order.
    shared: Vec<&'m str>,
    positions: HashMap<&'m str, usize>,
}

impl<'m> Atlas<'m> {
    pub(super) fn new(model: &'m Model) -> Self {
        let mut uses: BTreeMap<&str, usize> = model.schemas.keys().map(|key| (key.as_str(), 0)).collect();
        let mut used = |key: &str| {
            if let Some(count) = uses.get_mut(key) {
                *count = count.saturating_add(1);
            }
        };
        for payload in model.messages.iter().filter_map(|message| message.payload.as_ref()) {
            used(&payload.schema);
        }
        for schema in model.schemas.values() {
            references(schema, &mut used);
        }
        let shared: Vec<&str> = uses.into_iter().filter(|(_, count)| *count > 1).map(|(key, _)| key).collect();
        let positions = shared.iter().zip(0..).map(|(key, position)| (*key, position)).collect();
        let messages = model.messages.iter().zip(0..).map(|(one, at)| (one.id.as_str(), (at, one))).collect();
        let routes: HashMap<&str, &Route> = model.routes.iter().map(|route| (route.path.as_str(), route)).collect();
        let documented = model.channels.iter().filter_map(|channel| match &channel.used {
            Use::Route(path) => routes.get(path.as_str()).map(|route| Documented { channel, route }),
            Use::None(_) => None,
        });
        let channels: Vec<Documented<'m>> = documented.collect();
        let by_name = channels.iter().zip(0..).map(|(one, at)| (one.channel.name.as_str(), at)).collect();
        let mut by_path: HashMap<&str, Vec<usize>> = HashMap::new();
        for (one, at) in channels.iter().zip(0..) {
            by_path.entry(one.route.path.as_str()).or_default().push(at);
        }
        let mut replies: HashMap<&str, Vec<(&Operation, &Reply)>> = HashMap::new();
        for operation in model.channels.iter().flat_map(|channel| &channel.operations) {
            if let Some(reply) = &operation.reply
                && let Some(channel) = &reply.channel
            {
                replies.entry(channel).or_default().push((operation, reply));
            }
        }
        Self { model, channels, by_name, by_path, replies, messages, shared, positions }
    }

    /// The channels that have pages, in the order of these.
    pub(super) fn channels(&self) -> &[Documented<'m>] {
        &self.channels
    }

    /// The positions of the channels at a path.
    pub(super) fn at_path(&self, path: &str) -> &[usize] {
        self.by_path.get(path).map_or(&[], Vec::as_slice)
    }

    /// The channel that a reply names, if it has a route; without one the reply comes on the channel of its request.
    pub(super) fn channel_of(&self, reply: &Reply) -> Option<&'m Channel> {
        let position = self.by_name.get(reply.channel.as_deref()?)?;
        self.channels.get(*position).map(|documented| documented.channel)
    }

    /// The operations whose replies come on a channel.
    pub(super) fn replies_in(&self, channel: &Channel) -> &[(&'m Operation, &'m Reply)] {
        self.replies.get(channel.name.as_str()).map_or(&[], Vec::as_slice)
    }

    /// A message with its position.
    pub(super) fn message(&self, id: &str) -> Option<(usize, &'m Message)> {
        self.messages.get(id).copied()
    }

    /// The schema of a key.
    pub(super) fn schema(&self, key: &str) -> Option<&'m Json> {
        self.model.schemas.get(key)
    }

    /// The link to a schema that several places use.
    pub(super) fn link(&self, key: &str) -> Option<Link> {
        let position = *self.positions.get(key)?;
        let page = PageName::Schemas(position.div_euclid(OF_PAGE)).name();
        Some(Link { href: format!("{page}#{}", anchor(position)), label: label(key), is_here: false })
    }

    /// The number of pages of schemas.
    pub(super) fn pages(&self) -> usize {
        self.shared.len().div_ceil(OF_PAGE)
    }

    /// The schemas of a page with their anchors.
    pub(super) fn page(&self, page: usize) -> Option<impl Iterator<Item = (&'m str, String)>> {
        let first = page.checked_mul(OF_PAGE).filter(|first| *first < self.shared.len())?;
        let keys = self.shared.iter().copied().zip(0..).skip(first).take(OF_PAGE);
        Some(keys.map(|(key, position)| (key, anchor(position))))
    }
}

fn anchor(position: usize) -> String {
    format!("s{}", position.saturating_add(1))
}

/// The name of a schema for people: the last step of its pointer, else the name of its file.
pub(super) fn label(key: &str) -> String {
    let (file, pointer) = key.split_once('#').unwrap_or((key, ""));
    let step = pointer.rsplit('/').next().filter(|step| !step.is_empty());
    let name = step.unwrap_or_else(|| file.rsplit('/').next().unwrap_or_default());
    words::name(&name.replace("~1", "/").replace("~0", "~"))
}

/// The key of a schema that a reference names.
pub(super) fn key(reference: &str) -> Option<String> {
    Some(reference.strip_prefix("#/schemas/")?.replace("~1", "/").replace("~0", "~"))
}

/// Tells of each reference in a schema. The depth of the document bounded that of the schema.
fn references(schema: &Json, used: &mut impl FnMut(&str)) {
    match schema {
        Json::Object(fields) => {
            if let Some(key) = fields.get("$ref").and_then(Json::as_str).and_then(key) {
                used(&key);
            }
            fields.values().for_each(|value| references(value, used));
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, used)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}
