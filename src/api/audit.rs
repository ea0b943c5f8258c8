//! The audit: who changed what, and when.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::moment;

macro_rules! actions {
    ($($name:ident = $word:literal $doc:literal;)*) => {
        /// The action that was taken.
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

            /// The action's word in JSON and in filters.
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
    ApiCreate = "api.create" "An API was created.";
    ApiUpdate = "api.update" "An API's definition was changed.";
    ApiDelete = "api.delete" "An API was deleted, with its revisions and deployments.";
    ApiDeploy = "api.deploy" "A revision was deployed to an environment.";
    ApiPromote = "api.promote" "The revision of one environment was deployed to the next.";
    ApiUndeploy = "api.undeploy" "An API was removed from an environment.";
    ApiStop = "api.stop" "A deployment was stopped.";
    ApiStart = "api.start" "A stopped deployment was started.";
    ApiRollback = "api.rollback" "A deployment was rolled back to another revision.";
    ApiLifecycle = "api.lifecycle" "An API's lifecycle changed.";
    ApiApply = "api.apply" "What a document declares of an API was applied.";
    ProjectCreate = "project.create" "A project was created.";
    ProjectUpdate = "project.update" "A project's description was changed.";
    ProjectDelete = "project.delete" "A project was deleted.";
    PlanCreate = "plan.create" "A plan was created.";
    PlanUpdate = "plan.update" "A plan was changed.";
    PlanDelete = "plan.delete" "A plan was deleted.";
    ApplicationCreate = "application.create" "An application was created.";
    ApplicationUpdate = "application.update" "An application was changed.";
    ApplicationDelete = "application.delete" "An application was deleted, with its subscriptions and keys.";
    SubscriptionCreate = "subscription.create" "An application was subscribed to an API.";
    SubscriptionUpdate = "subscription.update" "A subscription was changed.";
    SubscriptionDelete = "subscription.delete" "A subscription was ended.";
    KeyCreate = "key.create" "A key was made.";
    KeyRotate = "key.rotate" "Another key took the place of a key, which ends after a while.";
    KeyTest = "key.test" "The node made a key for a test.";
    KeyRevoke = "key.revoke" "A key was revoked.";
    ConnectionsClose = "connections.close" "Live connections were closed.";
    ConfigReload = "config.reload" "The configuration was reloaded.";
    IdentityCreate = "identity.create" "An identity was created.";
    IdentityUpdate = "identity.update" "An identity's roles, scope or description were changed.";
    IdentityRevoke = "identity.revoke" "An identity was revoked, with its tokens.";
    TokenCreate = "token.create" "A token of an identity was created.";
    TokenRotate = "token.rotate" "A token of an identity was replaced by a new one.";
    TokenRevoke = "token.revoke" "A token of an identity was revoked.";
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

/// The error for a word that names no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAction;

/// An entry of the audit. Entries are added and never changed; their numbers have no gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// The entry's number, from 1.
    pub id: u64,
    /// The time of the change.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// The identity that asked for the change: `admin` is that of the token file, `ringway` the node itself.
    pub who: String,
    /// The proof of the identity: `token-file`, `node`, or `token` and the token's number; `null` in entries of a version that
    /// had no identities, where `who` is the name that the client gave itself.
    pub authenticated_by: Option<String>,
    /// The name that the client gave itself in `Ringway-Actor`. Nothing proves it.
    pub client_name: Option<String>,
    /// The action that was taken.
    pub action: Action,
    /// The subject: `default/chat-app-api:1.0`, followed by ` @development` if the change concerns one environment; or an
    /// application, `acme/mobile`, followed by ` default/chat-app-api:1` for a subscription and by ` key 17` for a key.
    pub subject: String,
    /// The subject before the change; `null` if it did not exist.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// The subject after the change; `null` if it no longer exists.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

impl fmt::Display for UnknownAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such action")
    }
}

impl std::error::Error for UnknownAction {}

#[cfg(test)]
mod tests {
    use super::Action;

    #[test]
    fn an_action_is_read_as_it_is_written() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(*action));
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
        assert!("api.explode".parse::<Action>().is_err());
    }
}
