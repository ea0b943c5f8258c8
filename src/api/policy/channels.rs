//! The policies of an API: a layer for all its channels, and a layer for each channel that has its own.
//!
//! A channel is named by its path below the base path, as the contract has it. Whether the contract has such a channel is for
//! whoever knows the contract to check.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{POLICIES, PolicyLayer, Source};
use crate::api::problem::Fault;

/// The most channels of an API that have policies of their own.
pub const MAX_CHANNELS: usize = 1_000;
/// The group that holds the layers of channels, by their paths.
pub(super) const GROUP: &str = "channels";

/// The policies that an API's definition sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// For all channels.
    pub layer: PolicyLayer,
    /// For single channels, by their paths. No layer is empty, and each has policies of channels alone.
    pub channels: BTreeMap<Box<str>, PolicyLayer>,
}

impl Policies {
    /// True if the definition sets no policy.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layer.is_empty() && self.channels.is_empty()
    }

    /// The layers of a channel from the least to the most specific; without a channel, or for one that has no policies of its
    /// own, those of the API.
    pub fn layers<'p>(&'p self, channel: Option<&str>) -> impl Iterator<Item = (Source, &'p PolicyLayer)> {
        let own = channel.and_then(|path| self.channels.get(path));
        [(Source::Api, &self.layer)].into_iter().chain(own.map(|layer| (Source::Channel, layer)))
    }

    /// The policies that are set, with their values: those of the API, then those of channels.
    #[must_use]
    pub fn named(&self) -> Vec<(String, Value)> {
        let mut named: Vec<(String, Value)> =
            self.layer.named().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for (path, layer) in &self.channels {
            named.extend(layer.named().into_iter().map(|(name, value)| (channel_name(path, name), value)));
        }
        named
    }
}

/// The name of a channel's policy.
#[must_use]
pub fn channel_name(path: &str, policy: &str) -> String {
    format!("{GROUP}.{path}.{policy}")
}

/// True if the key inside [`GROUP`] is a channel's path: policies of the group have no slash.
pub(super) fn is_path(key: &str) -> bool {
    key.starts_with('/')
}

/// The path and the policy of the name of a channel's policy; `None` for any other name. A path may have dots.
pub(super) fn split(name: &str) -> Option<(&str, &'static str)> {
    let rest = name.strip_prefix(GROUP)?.strip_prefix('.').filter(|rest| is_path(rest))?;
    let known = POLICIES.iter().filter(|policy| policy.is_of_channel);
    known.map(|policy| policy.name).find_map(|policy| Some((rest.strip_suffix(policy)?.strip_suffix('.')?, policy)))
}

/// Checks a value as the policy of this name; `None` if there is no such policy. Null checks the name alone.
///
/// # Errors
/// The rule that the value breaks.
#[must_use]
pub fn check(name: &str, value: &Value) -> Option<Result<(), Fault>> {
    let policy = split(name).map_or(name, |(_, policy)| policy);
    let checked = PolicyLayer::default().set(policy, value)?;
    Some(if value.is_null() { Ok(()) } else { checked })
}
