//! Policies as they are sent and kept: objects in one another, with a policy's name as the path.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{POLICIES, Policies};
use crate::api::nearest::nearest;
use crate::api::problem::{Fault, Faults};
use crate::api::written::Written;

/// Characters of an unknown name that a message repeats.
const MAX_REPEATED_CHARS: usize = 60;

/// Policies as somebody wrote them, before any rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyTree(Map<String, Value>);

impl PolicyTree {
    /// Sets a policy, or takes it out with `None`. The name is not checked.
    pub fn put(&mut self, name: &str, value: Option<Value>) {
        let (groups, last) = name.rsplit_once('.').map_or(("", name), |(groups, last)| (groups, last));
        put(&mut self.0, groups, last, value);
    }
}

fn put(object: &mut Map<String, Value>, groups: &str, last: &str, value: Option<Value>) {
    let Some((group, rest)) = groups.split_once('.').or(Some((groups, "")).filter(|(group, _)| !group.is_empty()))
    else {
        match value {
            Some(value) => drop(object.insert(last.to_owned(), value)),
            None => drop(object.remove(last)),
        }
        return;
    };
    let inner = object.entry(group).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    if let Value::Object(inner) = inner {
        put(inner, rest, last, value);
        if inner.is_empty() {
            object.remove(group);
        }
    }
}

impl Written<Policies> for PolicyTree {
    fn check(&self, field: &str, faults: &mut Faults) -> Option<Policies> {
        let (mut policies, mut own) = (Policies::default(), Faults::default());
        read(&self.0, "", field, &mut policies, &mut own);
        faults.join(own).then_some(policies)
    }

    fn of(policies: &Policies) -> Self {
        let mut tree = Self::default();
        for (name, value) in policies.named() {
            tree.put(name, Some(value));
        }
        tree
    }
}

/// Reads the policies of an object, which stands at `prefix` below `field`.
fn read(object: &Map<String, Value>, prefix: &str, field: &str, policies: &mut Policies, faults: &mut Faults) {
    for (key, value) in object {
        let name = format!("{prefix}{key}");
        let is_group =
            POLICIES.iter().any(|policy| policy.name.strip_prefix(&*name).is_some_and(|rest| rest.starts_with('.')));
        match (policies.set(&name, value), value) {
            // `null` is the same as to leave the policy out.
            (Some(_), Value::Null) => {}
            (Some(set), _) => drop(faults.keep(format!("{field}.{name}"), set)),
            (None, Value::Object(inner)) if is_group => read(inner, &format!("{name}."), field, policies, faults),
            (None, _) if is_group => {
                faults.add(format!("{field}.{name}"), Fault::new("type", "it must be an object of policies"));
            }
            (None, _) => {
                let shown: String = name.chars().take(MAX_REPEATED_CHARS).collect();
                faults.add(format!("{field}.{shown}"), unknown(&shown));
            }
        }
    }
}

/// The fault of a name that no policy has.
#[must_use]
pub fn unknown(name: &str) -> Fault {
    let message = match nearest(name, POLICIES.iter().map(|policy| policy.name)) {
        Some(name) => format!("there is no such policy: did you mean `{name}`?"),
        None => {
            let names: Vec<&str> = POLICIES.iter().map(|policy| policy.name).collect();
            format!("there is no such policy; there are {}", names.join(", "))
        }
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
        let mut root = group();
        let mut groups: Vec<(&str, ObjectBuilder)> = Vec::new();
        for (policy, schema) in POLICIES.iter().zip(super::schemas()) {
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
            root = root.property(name, object.description(description(name)));
        }
        root.into()
    }
}

/// The description of a group of policies.
fn description(group: &str) -> Option<&'static str> {
    match group {
        "channels" => Some("The channels of the API's contract."),
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
