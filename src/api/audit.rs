//! Who changed what, when.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Characters of an actor's name.
pub const MAX_ACTOR_CHARS: usize = 64;

/// What the program calls itself.
const NODE: &str = "ringway";

/// Who asks for a change: 1 to 64 visible ASCII characters. It is what a client says of itself, and no proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// Reads what a client says of itself.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let is_name = (1..=MAX_ACTOR_CHARS).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        // Nobody passes for the program itself.
        (is_name && name != NODE).then(|| Self(name.to_owned()))
    }

    /// Whoever has the admin token and says nothing of itself.
    #[must_use]
    pub fn admin() -> Self {
        Self("admin".to_owned())
    }

    /// The program itself, at its start or on a signal.
    #[must_use]
    pub fn node() -> Self {
        Self(NODE.to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! actions {
    ($($name:ident = $word:literal $doc:literal;)*) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Action {
            $(#[doc = $doc] #[serde(rename = $word)] $name,)*
        }

        // Written out: utoipa does not see names that a macro gives.
        impl PartialSchema for Action {
            fn schema() -> RefOr<Schema> {
                let words = Self::ALL.iter().map(|action| action.as_str());
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
            }
        }

        impl ToSchema for Action {}

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

actions! {
    ApiCreate = "api.create" "An API was made.";
    ApiUpdate = "api.update" "An API's definition was changed.";
    ApiDelete = "api.delete" "An API was deleted, with its revisions and deployments.";
    ApiDeploy = "api.deploy" "A revision was deployed in an environment.";
    ApiPromote = "api.promote" "What runs in an environment was deployed in the next.";
    ApiUndeploy = "api.undeploy" "An API was taken out of an environment.";
    ApiStop = "api.stop" "A deployment was stopped.";
    ApiStart = "api.start" "A stopped deployment was started.";
    ApiRollback = "api.rollback" "A deployment went to a given revision.";
    ApiLifecycle = "api.lifecycle" "An API's lifecycle changed.";
    ApiApply = "api.apply" "What a document declares of an API was applied.";
    ProjectCreate = "project.create" "A project was made.";
    ProjectUpdate = "project.update" "A project's description was changed.";
    ProjectDelete = "project.delete" "A project was deleted.";
    ConnectionsClose = "connections.close" "Live connections were closed.";
    ConfigReload = "config.reload" "The configuration was read anew and is in force.";
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text).ok_or(UnknownAction)
    }
}

/// A word that is no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAction;

/// A change that was made. Entries are added and never changed; their numbers have no gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// From 1.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// Who asked for it.
    pub who: String,
    /// What was done.
    pub action: Action,
    /// To what: `default/chat-app-api:1.0`, with ` @development` where it is about an environment.
    pub subject: String,
    /// What was there before.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What is there now.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

impl fmt::Display for UnknownAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is no action")
    }
}

impl std::error::Error for UnknownAction {}

#[cfg(test)]
mod tests {
    use super::{Action, Actor};

    #[test]
    fn an_actor_is_a_word() {
        for name in ["a", "me@example.com", &"x".repeat(64)] {
            assert_eq!(Actor::named(name).unwrap().as_str(), name);
        }
        for name in ["", "ringway", "a b", "ä", "a\nb", "\u{1b}[2J", &"x".repeat(65)] {
            assert_eq!(Actor::named(name), None, "{name:?}");
        }
    }

    #[test]
    fn an_action_is_read_as_it_is_written() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(*action));
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
        assert!("api.explode".parse::<Action>().is_err());
    }
}
