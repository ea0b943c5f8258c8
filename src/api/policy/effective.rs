//! The policies in effect: the result of merging all layers.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{POLICIES, Policy, PolicyLayer, PolicyValues};
use crate::api::units::LossCode;
use crate::proto::scan::FrameLimits;
use crate::routing::policy::{Policy as RoutePolicy, Timeouts, Tolerance};
use crate::routing::validation::{ChannelValidation, Validation};

/// The layer that decides a policy, from the least to the most specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The node's configuration, or the default that it has without a file.
    Node,
    /// The API's definition, for all channels.
    Api,
    /// The API's definition, for one channel.
    Channel,
    /// The environment's configuration.
    Environment,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Api => "api",
            Self::Channel => "channel",
            Self::Environment => "environment",
        })
    }
}

/// A value for every policy, and the layer that each comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    values: PolicyValues,
    sources: Vec<Source>,
}

/// A policy in effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectivePolicy {
    /// The policy's name.
    #[schema(examples("limits.idle_timeout_ms"))]
    pub name: String,
    /// The policy's value: a time in milliseconds, a size in bytes, `off`, or a boolean.
    pub value: Value,
    /// The layer that the value comes from.
    pub source: Source,
}

impl Effective {
    /// The node's values with layers over them. Of the layers that set a policy the last in the order of [`Source`]
    /// decides, in whatever order they are given here.
    #[must_use]
    pub fn of<'l>(node: &PolicyValues, layers: impl IntoIterator<Item = (Source, &'l PolicyLayer)>) -> Self {
        let mut effective = Self { values: node.clone(), sources: vec![Source::Node; POLICIES.len()] };
        let mut layers: Vec<_> = layers.into_iter().collect();
        layers.sort_by_key(|(source, _)| *source);
        for (source, layer) in layers {
            effective.values.take(layer, |place| {
                if let Some(known) = effective.sources.get_mut(place) {
                    *known = source;
                }
            });
        }
        effective
    }

    /// The values alone.
    #[must_use]
    pub fn values(&self) -> &PolicyValues {
        &self.values
    }

    /// Every policy with its value and source, for people and programs.
    #[must_use]
    pub fn list(&self) -> Vec<EffectivePolicy> {
        self.list_of(|_| true)
    }

    /// Every policy that a channel may have for itself, with its value and source.
    #[must_use]
    pub fn list_of_channel(&self) -> Vec<EffectivePolicy> {
        self.list_of(|policy| policy.is_of_channel)
    }

    fn list_of(&self, is_listed: fn(&Policy) -> bool) -> Vec<EffectivePolicy> {
        let values = self.values.all().into_iter().zip(&self.sources);
        let named = POLICIES.iter().zip(values).filter(|(policy, _)| is_listed(policy));
        named
            .map(|(policy, (value, source))| EffectivePolicy { name: policy.name.to_owned(), value, source: *source })
            .collect()
    }
}

impl PolicyValues {
    /// The values with those that a layer sets in their place.
    #[must_use]
    pub fn with(mut self, layer: &PolicyLayer) -> Self {
        self.take(layer, |_| {});
        self
    }

    /// The limits and deadlines of a route. Two of its times are no policies: they are the node's.
    #[must_use]
    pub fn route_policy(&self, handshake_timeout: Duration, drain_window: Duration) -> RoutePolicy {
        RoutePolicy {
            frames: FrameLimits { max_frame_bytes: self.max_frame_bytes, max_message_bytes: self.max_message_bytes },
            timeouts: Timeouts {
                handshake: handshake_timeout,
                connect: self.connect_timeout,
                idle: self.idle_timeout.0,
                ping_interval: self.ping_interval.0,
                upstream_ping_interval: self.upstream_ping_interval.0,
                pong: self.pong_timeout,
                close: self.close_timeout,
            },
            abnormal_close_code: self.abnormal_close_code.0.map(|LossCode(code)| code),
            drain_window,
            tolerance: Tolerance {
                missing_key: self.insecure_allow_missing_key,
                missing_accept: self.insecure_allow_missing_accept,
            },
            validation: ChannelValidation::of_all(self.validation()),
        }
    }

    /// The check of messages.
    #[must_use]
    pub fn validation(&self) -> Validation {
        Validation {
            client_sends: self.check_client_sends,
            client_receives: self.check_client_receives,
            on_violation: self.on_violation,
            max_bytes: self.max_checked_bytes.bytes(),
            over_limit: self.over_limit,
        }
    }
}
