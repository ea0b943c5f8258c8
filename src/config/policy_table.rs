//! Policies in the configuration file, of the node or of an environment: a table a group, such as `limits`, with each policy's
//! name without the group before it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::api::policy::{POLICIES, PolicyValue};
use crate::api::{PolicyLayer, PolicyValues};

/// A group of policies.
pub trait Group {
    /// The beginning of the names of its policies.
    const PREFIX: &'static str;
}

/// The policies `limits.*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits;

impl Group for Limits {
    const PREFIX: &'static str = "limits.";
}

/// The policies `validation.*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validation;

impl Group for Validation {
    const PREFIX: &'static str = "validation.";
}

/// The policies `auth.*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Auth;

impl Group for Auth {
    const PREFIX: &'static str = "auth.";
}

/// The policies `channels.*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channels;

impl Group for Channels {
    const PREFIX: &'static str = "channels.";
}

/// The policies of a group that a table sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyTable<G>(pub PolicyLayer, PhantomData<G>);

impl<G: Group> PolicyTable<G> {
    /// All policies of the group: the table's own, and the node's for the rest.
    #[must_use]
    pub fn completed(&self, node: &PolicyValues) -> Self {
        let mut whole = self.0.clone();
        let named: Vec<&str> = self.0.named().into_iter().map(|(name, _)| name).collect();
        for (policy, value) in POLICIES.iter().zip(node.all()) {
            if policy.name.starts_with(G::PREFIX) && !named.contains(&policy.name) {
                // A value that was shown can be read.
                let is_set = whole.set(policy.name, &value);
                debug_assert!(matches!(is_set, Some(Ok(()))), "{}", policy.name);
            }
        }
        Self(whole, PhantomData)
    }
}

impl<G: Group> Serialize for PolicyTable<G> {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.collect_map(
            self.0.named().into_iter().filter_map(|(name, value)| Some((name.strip_prefix(G::PREFIX)?, value))),
        )
    }
}

impl<'de, G: Group> Deserialize<'de> for PolicyTable<G> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(TableVisitor(PhantomData))
    }
}

/// A policy outside the groups that an environment names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LonePolicy<T>(pub Option<T>);

impl<T> Default for LonePolicy<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Clone> LonePolicy<T> {
    /// The environment's own value, or the node's.
    #[must_use]
    pub fn completed(&self, node: &T) -> Self {
        Self(Some(self.0.as_ref().unwrap_or(node).clone()))
    }
}

impl<T: PolicyValue> Serialize for LonePolicy<T> {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().map(PolicyValue::to_json).serialize(into)
    }
}

impl<'de, T: PolicyValue> Deserialize<'de> for LonePolicy<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        T::from_json(&value).map(|value| Self(Some(value))).map_err(D::Error::custom)
    }
}

/// Reads names and values by seeds of their own, so that each fault has its place in the file.
struct TableVisitor<G>(PhantomData<G>);
struct NameSeed<G>(PhantomData<G>);
struct ValueSeed<'p>(&'p mut PolicyLayer, &'static str);

impl<'de, G: Group> Visitor<'de> for TableVisitor<G> {
    type Value = PolicyTable<G>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a table of {}", G::PREFIX.trim_end_matches('.'))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PolicyTable<G>, A::Error> {
        let mut policies = PolicyLayer::default();
        while let Some(name) = map.next_key_seed(NameSeed::<G>(PhantomData))? {
            map.next_value_seed(ValueSeed(&mut policies, name))?;
        }
        Ok(PolicyTable(policies, PhantomData))
    }
}

impl<'de, G: Group> DeserializeSeed<'de> for NameSeed<G> {
    /// The policy's whole name.
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<&'static str, D::Error> {
        let name = String::deserialize(from)?;
        let mut group = POLICIES.iter().filter_map(|policy| Some((policy.name, policy.name.strip_prefix(G::PREFIX)?)));
        group.find(|(_, known)| *known == name).map(|(whole, _)| whole).ok_or_else(|| unknown::<G, D::Error>(&name))
    }
}

/// The error of a name that the group does not have. Serde wants the list of those that it has for ever.
fn unknown<G: Group, E: Error>(name: &str) -> E {
    let known: Vec<&str> = POLICIES.iter().filter_map(|policy| policy.name.strip_prefix(G::PREFIX)).collect();
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    E::custom(format!("unknown field `{name}`, expected one of {}", known.join(", ")))
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        match self.0.set(self.1, &value) {
            Some(Err(fault)) => Err(D::Error::custom(fault)),
            _ => Ok(()),
        }
    }
}
