//! Policies as they are sent and kept: objects in one another, with a policy's name as the path.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::channels::{self, MAX_CHANNELS};
use super::{POLICIES, Policies, Policy, PolicyLayer};
use crate::api::nearest::nearest;
use crate::api::problem::{Fault, Faults};
use crate::api::written::Written;

/// Characters of an unknown name that a message repeats.
const MAX_REPEATED_CHARS: usize = 60;
/// Characters of a channel's path that a message repeats.
const MAX_REPEATED_PATH_CHARS: usize = 200;
/// The beginning of the names of the group that has the layers of channels.
const CHANNELS: &str = "channels.";

/// Policies as somebody wrote them, before any rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyTree(Map<String, Value>);

impl PolicyTree {
    /// Sets a policy, or takes it out with `None`. The name is not checked.
    pub fn put(&mut self, name: &str, value: Option<Value>) {
        let steps: Vec<&str> = match channels::split(name) {
            Some((path, policy)) => [channels::GROUP, path].into_iter().chain(policy.split('.')).collect(),
            None => name.split('.').collect(),
        };
        put(&mut self.0, &steps, value);
    }

    /// The values at the paths of channels.
    fn channels(&self) -> impl Iterator<Item = (&str, &Value)> {
        let group = self.0.get(channels::GROUP).and_then(Value::as_object);
        let fields = group.into_iter().flatten().map(|(key, value)| (key.as_str(), value));
        fields.filter(|(key, value)| channels::is_path(key) && !value.is_null())
    }
}

/// Sets a value at the end of these steps, or removes it together with the objects that it leaves empty.
fn put(object: &mut Map<String, Value>, steps: &[&str], value: Option<Value>) {
    let (step, rest) = match steps {
        [] => return,
        [last] => {
            match value {
                Some(value) => drop(object.insert((*last).to_owned(), value)),
                None => drop(object.remove(*last)),
            }
            return;
        }
        [step, rest @ ..] => (*step, rest),
    };
    let inner = object.entry(step).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
        if inner.is_empty() {
            object.remove(step);
        }
    }
}

impl Written<Policies> for PolicyTree {
    fn check(&self, field: &str, faults: &mut Faults) -> Option<Policies> {
        let (mut policies, mut own) = (Policies::default(), Faults::default());
        let reader = Reader { field: field.to_owned(), is_of_channel: false };
        reader.read(&self.0, "", &mut policies.layer, &mut own);
        if self.channels().count() > MAX_CHANNELS {
            let message = format!("there must be {MAX_CHANNELS} channels with policies of their own at most");
            own.add(format!("{field}.{}", channels::GROUP), Fault::new("count", message));
            faults.join(own);
            return None;
        }
        for (path, value) in self.channels() {
            let shown: String = path.escape_debug().take(MAX_REPEATED_PATH_CHARS).collect();
            let reader = Reader { field: format!("{field}.{}.{shown}", channels::GROUP), is_of_channel: true };
            let mut layer = PolicyLayer::default();
            match value {
                Value::Object(object) => reader.read(object, "", &mut layer, &mut own),
                _ => own.add(reader.field, Fault::new("type", "it must be an object of policies")),
            }
            if !layer.is_empty() {
                policies.channels.insert(path.into(), layer);
            }
        }
        if let Some((name, fault)) = policies.layer.misfit() {
            own.add(format!("{field}.{name}"), fault);
        }
        faults.join(own).then_some(policies)
    }

    fn of(policies: &Policies) -> Self {
        let mut tree = Self::default();
        for (name, value) in policies.named() {
            tree.put(&name, Some(value));
        }
        tree
    }
}

/// Reads one layer.
struct Reader {
    /// The place of the layer.
    field: String,
    /// True for a layer that has policies of channels alone.
    is_of_channel: bool,
}

impl Reader {
    /// Reads the policies of an object, which stands at `prefix` in the layer.
    fn read(&self, object: &Map<String, Value>, prefix: &str, layer: &mut PolicyLayer, faults: &mut Faults) {
        let field = &self.field;
        for (key, value) in object {
            let name = format!("{prefix}{key}");
            let mut known = POLICIES.iter().filter(|policy| policy.is_of_channel || !self.is_of_channel);
            let is_group =
                known.any(|policy| policy.name.strip_prefix(&*name).is_some_and(|rest| rest.starts_with('.')));
            let is_allowed =
                !self.is_of_channel || POLICIES.iter().any(|known| known.name == name && known.is_of_channel);
            let set = if is_allowed { layer.set(&name, value) } else { None };
            match (set, value) {
                // `null` is the same as to leave the policy out.
                (Some(_), Value::Null) => {}
                (Some(set), _) => drop(faults.keep(format!("{field}.{name}"), set)),
                (None, Value::Object(inner)) if is_group => self.read(inner, &format!("{name}."), layer, faults),
                (None, _) if is_group => {
                    faults.add(format!("{field}.{name}"), Fault::new("type", "it must be an object of policies"));
                }
                // The layers of channels are read after this one.
                (None, _) if !self.is_of_channel && prefix == CHANNELS && channels::is_path(key) => {}
                (None, _) => {
                    let shown: String = name.chars().take(MAX_REPEATED_CHARS).collect();
                    let fault = if self.is_of_channel { unknown_of_channel(&shown) } else { unknown(&shown) };
                    faults.add(format!("{field}.{shown}"), fault);
                }
            }
        }
    }
}

/// The fault of a name that no policy has.
#[must_use]
pub fn unknown(name: &str) -> Fault {
    let in_channel = name.strip_prefix(CHANNELS).filter(|rest| channels::is_path(rest));
    if let Some(rest) = in_channel {
        // A path may have dots: the last two parts are a policy's name.
        let policy = rest.rmatch_indices('.').nth(1).and_then(|(at, _)| rest.get(at.saturating_add(1)..));
        return unknown_of_channel(policy.unwrap_or_default());
    }
    fault_of_unknown(name, POLICIES.iter().map(|policy| policy.name), "there is no such policy")
}

/// The fault of a name that no policy of channels has.
fn unknown_of_channel(name: &str) -> Fault {
    let names = POLICIES.iter().filter(|policy| policy.is_of_channel).map(|policy| policy.name);
    let what = if POLICIES.iter().any(|policy| policy.name == name) {
        "it is a policy of the API, which no channel has for itself"
    } else {
        "there is no such policy of a channel"
    };
    fault_of_unknown(name, names, what)
}

fn fault_of_unknown(name: &str, names: impl Iterator<Item = &'static str> + Clone, what: &str) -> Fault {
    let message = match nearest(name, names.clone()) {
        Some(name) => format!("{what}: did you mean `{name}`?"),
        None => format!("{what}; there are {}", names.collect::<Vec<_>>().join(", ")),
    };
    Fault::new("unknown", message)
}

impl Serialize for Policies {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        PolicyTree::of(self).serialize(into)
    }
}

impl<'de> Deserialize<'de> for Policies {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut faults = Faults::default();
        let checked = PolicyTree::deserialize(from)?.check("policies", &mut faults);
        checked.ok_or_else(|| serde::de::Error::custom(faults.into_problems()))
    }
}

impl PartialSchema for Policies {
    fn schema() -> RefOr<Schema> {
        let of_channel = objects(|policy| policy.is_of_channel, None);
        let of_channel = of_channel.description(Some("The policies of the channel with this path."));
        objects(|_| true, Some(&of_channel.into())).into()
    }
}

/// The object of these policies. `of_channel` is the object of a channel's policies, where channels have some.
fn objects(is_in: fn(&Policy) -> bool, of_channel: Option<&Schema>) -> ObjectBuilder {
    let mut root = group();
    let mut groups: Vec<(&str, ObjectBuilder)> = Vec::new();
    for (policy, schema) in POLICIES.iter().zip(super::schemas()).filter(|(policy, _)| is_in(policy)) {
        let Some((name, last)) = policy.name.split_once('.') else {
            root = root.property(policy.name, schema);
            continue;
        };
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, object)) => *object = std::mem::take(object).property(last, schema),
            None => groups.push((name, group().property(last, schema))),
        }
    }
    for (name, object) in groups {
        let object = match of_channel {
            Some(of_channel) if name == channels::GROUP => object.additional_properties(Some(of_channel.clone())),
            _ => object,
        };
        root = root.property(name, object.description(description(name)));
    }
    root
}

/// The description of a group of policies.
fn description(group: &str) -> Option<&'static str> {
    match group {
        "auth" => Some("The credentials of the API's clients."),
        "channels" => Some(
            "The channels of the API's contract. By its path, a channel has policies of its own, which decide over the API's.",
        ),
        "limits" => Some("Limits and deadlines of the API's connections."),
        _ => None,
    }
}

fn group() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}

impl ToSchema for Policies {}
