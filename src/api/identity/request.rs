//! Requests about identities and their tokens as clients send them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::name::IdentityName;
use super::role::{Role, Roles};
use super::room_scope::RoomScope;
use super::token::TokenTerms;
use crate::api::problem::{Fault, Faults, FieldError, Problems};
use crate::api::request::{Rules, moment};
use crate::api::text::Description;

/// The time that a token which is replaced goes on beside its successor, unless the request says another.
pub const DEFAULT_OVERLAP_MS: u64 = 24 * 3600 * 1000;
/// The longest such time.
pub const MAX_OVERLAP_MS: u64 = 30 * 24 * 3600 * 1000;
/// The most roles that a request may list.
const MAX_ROLES: usize = 8;

/// A new identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIdentity {
    /// The identity's name.
    #[schema(value_type = IdentityName)]
    pub name: String,
    /// The roles.
    #[schema(value_type = Vec<Role>, min_items = 1, max_items = 8)]
    pub roles: Vec<String>,
    /// A description of the person or program: up to 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub description: String,
    /// The scope of the role `room-publisher`; with this role only, and then required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_scope: Option<RoomScope>,
}

/// The roles and description that an identity is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutIdentity {
    /// The roles.
    #[schema(value_type = Vec<Role>, min_items = 1, max_items = 8)]
    pub roles: Vec<String>,
    /// A description of the person or program: up to 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub description: String,
    /// The scope of the role `room-publisher`; with this role only, and then required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_scope: Option<RoomScope>,
}

/// The roles, scope and description of an identity: checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The roles; at least one.
    pub roles: Roles,
    /// The description of the person or program.
    pub description: Description,
    /// The scope of the role `room-publisher`, with that role.
    pub room_scope: Option<RoomScope>,
}

impl NewIdentity {
    /// Checks the request.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self) -> Result<(IdentityName, Grant), Problems> {
        let mut faults = Faults::default();
        let name = faults.keep("name", self.name.parse());
        let grant = grant(&self.roles, &self.description, self.room_scope.as_ref(), &mut faults);
        match (name, grant) {
            (Some(name), Some(grant)) => faults.none().map(|()| (name, grant)),
            _ => Err(faults.into_problems()),
        }
    }
}

impl PutIdentity {
    /// Checks the request.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self) -> Result<Grant, Problems> {
        let mut faults = Faults::default();
        match grant(&self.roles, &self.description, self.room_scope.as_ref(), &mut faults) {
            Some(grant) => faults.none().map(|()| grant),
            None => Err(faults.into_problems()),
        }
    }
}

fn grant(words: &[String], description: &str, room_scope: Option<&RoomScope>, faults: &mut Faults) -> Option<Grant> {
    if words.is_empty() || words.len() > MAX_ROLES {
        faults.add("roles", Fault::new("length", format!("it must have 1 to {MAX_ROLES} roles")));
    }
    let mut roles = Roles::default();
    for (at, word) in words.iter().take(MAX_ROLES).enumerate() {
        if let Some(role) = faults.keep(format!("roles[{at}]"), word.parse::<Role>()) {
            roles = roles.with(role);
        }
    }
    match (roles.has(Role::RoomPublisher), room_scope) {
        (true, None) => {
            faults.add("room_scope", Fault::new("required", "the role `room-publisher` needs a scope"));
        }
        (false, Some(_)) => {
            faults.add("room_scope", Fault::new("role", "it is given with the role `room-publisher` only"));
        }
        (true, Some(scope)) => scope.check("room_scope", faults),
        (false, None) => {}
    }
    let description = faults.keep("description", description.parse())?;
    Some(Grant { roles, description, room_scope: room_scope.cloned() })
}

/// A new token of an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// The purpose of the token: up to 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub description: String,
    /// The time from which on the token is refused. If left out, it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Timestamp>)]
    pub expires_at: Option<String>,
}

impl NewToken {
    /// Checks the request.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self, now: Timestamp) -> Result<TokenTerms, Problems> {
        let mut faults = Faults::default();
        let description = faults.keep("description", self.description.parse());
        let expires_at = self.expires_at.as_deref().and_then(|text| faults.keep("expires_at", expiry(text, now)));
        match description {
            Some(description) => faults.none().map(|()| TokenTerms { description, expires_at }),
            None => Err(faults.into_problems()),
        }
    }
}

/// The replacement of a token by a new one of the same purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The time for which the token that is replaced stays valid, in milliseconds: one day if not given, 30 days at most. An
    /// earlier expiry of its own stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 2_592_000_000_u64)]
    pub overlap_ms: Option<u64>,
    /// The time from which on the new token is refused. If left out, it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Timestamp>)]
    pub expires_at: Option<String>,
}

impl Rotation {
    /// Checks the request. Returns the time at which the replaced token ends, and the expiry of the new one.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self, now: Timestamp) -> Result<(Timestamp, Option<Timestamp>), Problems> {
        let mut faults = Faults::default();
        let overlap = self.overlap_ms.unwrap_or(DEFAULT_OVERLAP_MS);
        if overlap > MAX_OVERLAP_MS {
            faults.add("overlap_ms", Fault::new("range", format!("it must be {MAX_OVERLAP_MS} at most")));
        }
        let expires_at = self.expires_at.as_deref().and_then(|text| faults.keep("expires_at", expiry(text, now)));
        faults.none()?;
        let overlap = SignedDuration::from_millis(i64::try_from(overlap).unwrap_or(i64::MAX));
        Ok((now.saturating_add(overlap).unwrap_or(now), expires_at))
    }
}

/// Reads the end of a token, which must be in the future.
fn expiry(text: &str, now: Timestamp) -> Result<Timestamp, Fault> {
    let at = moment(text)?;
    if at <= now { Err(Fault::new("past", "it must be in the future")) } else { Ok(at) }
}

impl Rules for NewIdentity {
    fn broken(&self) -> Vec<FieldError> {
        errors(self.check())
    }
}

impl Rules for PutIdentity {
    fn broken(&self) -> Vec<FieldError> {
        errors(self.check())
    }
}

impl Rules for NewToken {
    /// The rules that need no clock: an expiry counts as future here.
    fn broken(&self) -> Vec<FieldError> {
        errors(self.check(Timestamp::MIN))
    }
}

impl Rules for Rotation {
    /// The rules that need no clock: an expiry counts as future here.
    fn broken(&self) -> Vec<FieldError> {
        errors(self.check(Timestamp::MIN))
    }
}

fn errors<T>(checked: Result<T, Problems>) -> Vec<FieldError> {
    checked.err().map_or_else(Vec::new, |problems| problems.errors)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use serde_json::{Value, json};

    use super::{NewIdentity, NewToken, Rotation};

    fn faults(body: Value) -> Vec<(String, String)> {
        let new: NewIdentity = serde_json::from_value(body).unwrap();
        let errors = new.check().err().map(|problems| problems.errors).unwrap_or_default();
        errors.into_iter().map(|error| (error.field, error.rule)).collect()
    }

    #[test]
    fn an_identity_has_roles_and_a_scope_with_room_publisher_alone() {
        let scope = json!({ "apis": ["default/chat:1.0"], "rooms": ["*"], "messages_per_second": 1, "connections": 1 });
        assert_eq!(faults(json!({ "name": "ci", "roles": ["developer", "publisher"] })), []);
        assert_eq!(faults(json!({ "name": "bot", "roles": ["room-publisher"], "room_scope": scope })), []);
        let of = |field: &str, rule: &str| (field.to_owned(), rule.to_owned());
        assert_eq!(faults(json!({ "name": "ci", "roles": [] })), [of("roles", "length")]);
        assert_eq!(faults(json!({ "name": "ci", "roles": ["viewer", "root"] })), [of("roles[1]", "one-of")]);
        assert_eq!(faults(json!({ "name": "bot", "roles": ["room-publisher"] })), [of("room_scope", "required")]);
        let both = json!({ "name": "Admin", "roles": ["viewer"], "room_scope": scope });
        assert_eq!(faults(both), [of("name", "characters"), of("room_scope", "role")]);
    }

    #[test]
    fn a_token_ends_in_the_future_and_one_that_is_replaced_within_bounds() {
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let token = |at: &str| NewToken { expires_at: Some(at.to_owned()), ..NewToken::default() }.check(now);
        assert_eq!(token("2026-12-02T00:00:00Z").unwrap().expires_at, Some("2026-12-02T00:00:00Z".parse().unwrap()));
        assert_eq!(token("2026-12-01T00:00:00Z").unwrap_err().errors[0].rule, "past");
        assert_eq!(token("tomorrow").unwrap_err().errors[0].rule, "time");
        assert_eq!(NewToken::default().check(now).unwrap().expires_at, None);
        let rotation = |overlap_ms| Rotation { overlap_ms, expires_at: None }.check(now);
        assert_eq!(rotation(None).unwrap().0, now + SignedDuration::from_hours(24));
        assert_eq!(rotation(Some(0)).unwrap().0, now);
        assert_eq!(rotation(Some(u64::MAX)).unwrap_err().errors[0].rule, "range");
    }
}
