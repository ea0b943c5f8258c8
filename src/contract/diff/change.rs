//! A change between two contracts: its part, its place, and the parties that it breaks something for.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::contract::model::Direction;

/// The most changes that are listed.
pub const MAX_CHANGES: usize = 1_000;

/// The parties that a change breaks something for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ContractChangeParty)]
pub enum Party {
    /// Clients that keep to the contract before.
    Clients,
    /// The upstream that keeps to the contract before.
    Upstream,
}

/// The part of a contract that a change is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ContractChangeSubject)]
pub enum Subject {
    /// A route.
    Route,
    /// A parameter of a path, a query parameter or a header.
    Parameter,
    /// A message in a direction.
    Message,
    /// The schema of a message.
    Schema,
    /// A security scheme.
    Security,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ContractChangeKind)]
pub enum Kind {
    /// Only the model after has it.
    Added,
    /// Only the model before has it.
    Removed,
    /// Both have it, in another form.
    Changed,
}

/// The position of a change, for programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractChangePosition)]
pub struct Position {
    /// The path of the route; `null` for a security scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub route: Option<String>,
    /// The direction of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub direction: Option<Direction>,
    /// The id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message: Option<String>,
}

impl Position {
    pub(super) fn route(path: &str) -> Self {
        Self { route: Some(path.to_owned()), ..Self::default() }
    }
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ContractChange)]
pub struct Change {
    /// The part.
    pub subject: Subject,
    /// The kind.
    pub kind: Kind,
    /// The place: the route, the direction, the message, the JSON Pointer in the payload, as far as each applies.
    pub place: String,
    /// The position.
    #[serde(flatten)]
    pub position: Position,
    /// The details of the change, if that is more than added or removed.
    pub detail: Option<String>,
    /// The parties that the change breaks something for; nobody if empty.
    pub breaks: BTreeSet<Party>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.kind {
            Kind::Added => '+',
            Kind::Removed => '-',
            Kind::Changed => '~',
        };
        write!(f, "{sign} {}", self.place)?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        let parties: Vec<&str> = self.breaks.iter().map(|party| party.words()).collect();
        if parties.is_empty() { Ok(()) } else { write!(f, " (breaks {})", parties.join(" and ")) }
    }
}

impl Party {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Upstream => "the upstream",
        }
    }
}

/// The effect of a change on the values that are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Neutral,
    /// Fewer values are allowed.
    Narrower,
    /// More values are allowed.
    Wider,
    /// Other values are allowed, or nobody can tell.
    Other,
}

impl Effect {
    /// The party that breaks, if the values go in a direction.
    #[must_use]
    pub fn breaks(self, direction: Direction) -> BTreeSet<Party> {
        use Direction::{ClientReceives, ClientSends};
        match (self, direction) {
            (Self::Neutral, _) => BTreeSet::new(),
            (Self::Narrower, ClientSends) | (Self::Wider, ClientReceives) => [Party::Clients].into(),
            (Self::Wider, ClientSends) | (Self::Narrower, ClientReceives) => [Party::Upstream].into(),
            (Self::Other, _) => [Party::Clients, Party::Upstream].into(),
        }
    }
}

/// Changes as they are found.
#[derive(Debug, Default)]
pub struct Changes(pub(super) Vec<Change>);

impl Changes {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a change, up to [`MAX_CHANGES`].
    pub(super) fn add(&mut self, change: Change) {
        if self.0.len() < MAX_CHANGES {
            self.0.push(change);
        }
    }
}
