//! The policies of validation.

use std::collections::HashMap;

/// The policies of a route: those of all its channels, and those of single channels by their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelValidation {
    all: Validation,
    channels: HashMap<Box<str>, Validation>,
}

impl ChannelValidation {
    /// Policies that all channels share.
    #[must_use]
    pub fn of_all(all: Validation) -> Self {
        Self { all, channels: HashMap::new() }
    }

    /// Gives a channel policies of its own.
    pub fn set(&mut self, channel: Box<str>, own: Validation) {
        self.channels.insert(channel, own);
    }

    /// The policies of a channel.
    #[must_use]
    pub fn of(&self, channel: &str) -> Validation {
        self.channels.get(channel).copied().unwrap_or(self.all)
    }

    /// True if messages of some channel are checked.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.all.is_on() || self.channels.values().any(Validation::is_on)
    }
}

/// The policies of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// For messages from the client to the upstream.
    pub client_sends: CheckMode,
    /// For messages from the upstream to the client.
    pub client_receives: CheckMode,
    /// The treatment of a message that breaks a rule where rules are enforced.
    pub on_violation: OnViolation,
    /// The longest message that is checked, in payload bytes.
    pub max_bytes: usize,
    /// The treatment of a message that exceeds a bound where rules are enforced.
    pub over_limit: OverLimit,
}

impl Validation {
    /// True if messages of some direction are checked.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.client_sends != CheckMode::Off || self.client_receives != CheckMode::Off
    }

    /// True if rules are enforced in some direction.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.client_sends == CheckMode::Enforce || self.client_receives == CheckMode::Enforce
    }
}

/// The mode of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckMode {
    /// Messages are not looked into.
    #[default]
    Off,
    /// Messages are forwarded as they come, and violations are counted and reported.
    Report,
    /// Messages are held until they are complete, and those that break a rule are not forwarded.
    Enforce,
}

/// The treatment of a message that breaks a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnViolation {
    /// The message is dropped.
    #[default]
    Drop,
    /// The connection is closed with 1008.
    Close,
}

/// The treatment of a message that exceeds a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverLimit {
    /// The message is forwarded unchecked.
    #[default]
    Pass,
    /// The message is dropped.
    Drop,
    /// The connection is closed with 1009.
    Close,
}
