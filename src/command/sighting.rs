//! Messages that break a contract, as shards report them: counted all, shown as a sample.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::routing::route::RouteLabels;
use crate::routing::validation::{Direction, Finding, Rule};

/// A message that breaks a rule, or fits several messages of the contract.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The route's labels; `None` if there is only one route.
    pub labels: Option<Arc<RouteLabels>>,
    /// The label of the channel.
    pub channel: Arc<str>,
    /// The direction of the message.
    pub direction: Direction,
    /// The client's address.
    pub client: SocketAddr,
    /// The connection's id on its shard.
    pub connection: u64,
    /// The rule, and the place.
    pub finding: Finding,
    /// The treatment of the message.
    pub action: Action,
}

/// The treatment of a message that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// The message was forwarded.
    Forwarded,
    /// The message was dropped.
    Dropped,
    /// The connection was closed.
    Closed,
}

impl Action {
    /// The label of counters and samples.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Dropped => "dropped",
            Self::Closed => "closed",
        }
    }
}

/// The label of a count of checked messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckLabel {
    /// The label of the channel.
    pub channel: Arc<str>,
    /// The direction.
    pub direction: Direction,
    /// The verdict.
    pub result: CheckResult,
    /// The treatment.
    pub action: Action,
}

/// A verdict, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CheckResult {
    /// The message is one of the contract's.
    Valid,
    /// The message breaks this rule.
    Violation(Rule),
    /// The message fits several of the contract's.
    Ambiguous,
    /// The message was not checked; the word is the reason's label.
    Unchecked(&'static str),
}
