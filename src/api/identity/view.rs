//! Identities and tokens as the admin API shows them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::name::IdentityName;
use super::role::{Role, Roles};
use super::room_scope::RoomScope;
use crate::api::moment;
use crate::api::text::Description;

/// An identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// The identity's name.
    pub name: IdentityName,
    /// The roles.
    #[schema(value_type = Vec<Role>)]
    pub roles: Roles,
    /// A description of the person or program.
    pub description: Description,
    /// The scope of the role `room-publisher`; `null` without that role.
    pub room_scope: Option<RoomScope>,
    /// The tokens, the oldest first. Their secrets are not known to the node.
    pub tokens: Vec<Token>,
    /// The time of its creation.
    #[serde(with = "moment")]
    pub created_at: Timestamp,
    /// The actor of that change.
    pub created_by: String,
    /// The time of the last change of roles, scope or description.
    #[serde(with = "moment")]
    pub updated_at: Timestamp,
    /// The actor of that change.
    pub updated_by: String,
}

/// A token of an identity, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// The token's number. No other token ever has it.
    pub id: u64,
    /// The purpose of the token.
    pub description: Description,
    /// The time of its creation.
    #[serde(with = "moment")]
    pub created_at: Timestamp,
    /// The actor of that change.
    pub created_by: String,
    /// The time from which on it is refused; `null` if it does not expire.
    #[serde(with = "moment::optional")]
    pub expires_at: Option<Timestamp>,
    /// The day of its last use (UTC); `null` if it was never used.
    #[schema(value_type = Option<String>, examples("2026-12-01"))]
    pub last_used: Option<String>,
}

/// A token that was just made. The answer is the only place where its secret is ever shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadeToken {
    /// The token.
    pub token: Token,
    /// The secret, for `Authorization: Bearer`. The node keeps its digest only: it cannot be shown again.
    #[schema(examples("rwa_R3zJ9cTnVb4yqLxW0aUkP7sFhDmGeYi2oQ1tN5wXvEc"))]
    pub secret: String,
}

impl fmt::Debug for MadeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeToken").field("token", &self.token).finish_non_exhaustive()
    }
}

/// The caller, as the node knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhoAmI {
    /// The identity's name; `admin` for the token file.
    pub name: String,
    /// The proof of it: `token-file`, or `token` and the token's number.
    #[schema(examples("token 7"))]
    pub authenticated_by: String,
    /// The roles.
    #[schema(value_type = Vec<Role>)]
    pub roles: Roles,
}
