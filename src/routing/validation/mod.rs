//! The check of messages against a contract, as a shard needs to know it: what is asked for, who checks, and the verdicts.
//!
//! In: policies ([`Validation`]) and a checker ([`MessageChecker`]), as the control plane prepared them. Out: verdicts on
//! messages, which never hold a value of a message. Contracts implement the checker; this folder knows nothing of AsyncAPI.

mod finding;
mod policy;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

pub use self::finding::{Finding, Rule};
pub use self::policy::{ChannelValidation, CheckMode, OnViolation, OverLimit, Validation};

/// The direction of a message, seen from the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = MessageDirection)]
pub enum Direction {
    /// From the client to the upstream.
    ClientSends,
    /// From the upstream to the client.
    ClientReceives,
}

impl Direction {
    /// The other direction.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::ClientSends => Self::ClientReceives,
            Self::ClientReceives => Self::ClientSends,
        }
    }

    /// The words for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::ClientSends => "client sends",
            Self::ClientReceives => "client receives",
        }
    }

    /// The label of metrics, which is the policy's name, too.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::ClientSends => "client_sends",
            Self::ClientReceives => "client_receives",
        }
    }
}

/// The kind of a message, by its opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Binary: only its size can be checked.
    Binary,
}

/// Checks the messages of one channel. Shards share it.
pub trait MessageChecker: fmt::Debug + Send + Sync {
    /// Checks a whole message.
    fn check(&self, direction: Direction, kind: Kind, message: &[u8]) -> Checked;

    /// True if the contract does not say who sends what: violations are reported and never enforced.
    fn is_undirected(&self) -> bool;
}

/// The rules of a route's channels, by their paths below the base path as the contract has them.
#[derive(Debug, Default)]
pub struct Checkers(HashMap<Box<str>, Arc<dyn MessageChecker>>);

impl Checkers {
    /// The rules of these channels, each with its path.
    #[must_use]
    pub fn new(channels: impl IntoIterator<Item = (Box<str>, Arc<dyn MessageChecker>)>) -> Self {
        Self(channels.into_iter().collect())
    }

    /// The rules of a channel, by its path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Arc<dyn MessageChecker>> {
        self.0.get(path)
    }
}

/// The check of one channel's messages: the rules, and the policies.
#[derive(Clone, Debug)]
pub struct ChannelCheck {
    /// The rules.
    pub checker: Arc<dyn MessageChecker>,
    /// The policies, of which some direction's is on.
    pub validation: Validation,
}

/// A verdict, and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The verdict.
    pub verdict: Verdict,
    /// Looks at values of the message: a measure of the time that the check took.
    pub looks: u32,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message is one of the contract's.
    Valid,
    /// Nothing can be said, for this reason.
    Unchecked(Reason),
    /// The message breaks a rule.
    Violation(Box<Finding>),
    /// The message fits several of the contract's messages: which one it is, is not guessed.
    Ambiguous(Box<Finding>),
}

/// The reason why a message was not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A binary message.
    Binary,
    /// The contract names no message of this direction.
    NoMessage,
    /// It may be a message that cannot be checked, for this reason of the contract's.
    Message(Arc<str>),
    /// It is longer than the policy's limit.
    TooLong,
    /// Its lists and objects are nested too deep.
    TooDeep,
    /// It has too many values.
    TooManyValues,
    /// A check of it takes too long.
    TooMuchWork,
    /// The shard holds too many bytes of other messages that are not complete.
    NoRoom,
    /// The connection negotiated an extension before its route was validated.
    Extension,
}

impl Reason {
    /// True if a bound was exceeded: the policy `validation.over_limit` decides.
    #[must_use]
    pub fn is_over_limit(&self) -> bool {
        match self {
            Self::TooLong | Self::TooDeep | Self::TooManyValues | Self::TooMuchWork | Self::NoRoom => true,
            Self::Binary | Self::NoMessage | Self::Message(_) | Self::Extension => false,
        }
    }

    /// The label of counters: one word out of a small set.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::NoMessage => "no-message",
            Self::Message(_) => "message",
            Self::TooLong => "too-long",
            Self::TooDeep => "too-deep",
            Self::TooManyValues => "too-many-values",
            Self::TooMuchWork => "too-much-work",
            Self::NoRoom => "no-room",
            Self::Extension => "extension",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary => f.write_str("binary messages are not looked into"),
            Self::NoMessage => f.write_str("the contract names no message of this direction"),
            Self::Message(reason) => write!(f, "it may be a message that cannot be checked: {reason}"),
            Self::TooLong => f.write_str("it is longer than validation.max_bytes"),
            Self::TooDeep => f.write_str("it is nested too deep"),
            Self::TooManyValues => f.write_str("it has too many values"),
            Self::TooMuchWork => f.write_str("a check of it takes too long"),
            Self::NoRoom => f.write_str("too many messages are waiting for their ends"),
            Self::Extension => f.write_str("the connection uses an extension that it negotiated before"),
        }
    }
}
