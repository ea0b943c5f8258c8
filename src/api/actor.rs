//! The actor of a change: the identity that was proved, how, and the name that the client gives itself besides.

use std::fmt;
use std::sync::Arc;

use super::identity::{IdentityName, Permission, Role, Roles};
use super::problem::{Code, Problems};

/// The most characters that a client's name may have.
pub const MAX_CLIENT_CHARS: usize = 64;

/// The identity of the token file.
const TOKEN_FILE: &str = "admin";
/// The actor of changes that the program makes itself.
const NODE: &str = "ringway";

/// The proof of an actor's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// None was needed: the program itself.
    Node,
    /// The token in the state directory's file, or in `admin.token_file`.
    TokenFile,
    /// A token of the identity, by its number.
    Token(u64),
}

impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::TokenFile => f.write_str("token-file"),
            Self::Token(id) => write!(f, "token {id}"),
        }
    }
}

/// The actor of a change. As text: the identity's name, and in parentheses the name that the client gave itself. No identity
/// has a space or a parenthesis in its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    name: Arc<str>,
    roles: Roles,
    authentication: Authentication,
    client: Option<ClientName>,
}

/// The name that a client gives itself: 1 to 64 visible ASCII characters. Nothing proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientName(Arc<str>);

impl ClientName {
    /// Reads the name; `None` if it breaks the rules or is the program's own.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let is_name = (1..=MAX_CLIENT_CHARS).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        // Nobody passes for the program itself.
        (is_name && name != NODE).then(|| Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Actor {
    /// An identity of the store that has shown one of its tokens.
    #[must_use]
    pub fn identity(name: &IdentityName, roles: Roles, token: u64) -> Self {
        Self { name: name.as_str().into(), roles, authentication: Authentication::Token(token), client: None }
    }

    /// The holder of the token file.
    #[must_use]
    pub fn token_file() -> Self {
        Self {
            name: TOKEN_FILE.into(),
            roles: Role::Admin.into(),
            authentication: Authentication::TokenFile,
            client: None,
        }
    }

    /// The program itself: at its start, or on a signal.
    #[must_use]
    pub fn node() -> Self {
        Self { name: NODE.into(), roles: Role::Admin.into(), authentication: Authentication::Node, client: None }
    }

    /// Adds the name that the client gives itself.
    #[must_use]
    pub fn called(self, client: Option<ClientName>) -> Self {
        Self { client, ..self }
    }

    /// The identity's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The roles.
    #[must_use]
    pub fn roles(&self) -> Roles {
        self.roles
    }

    /// The proof of the identity.
    #[must_use]
    pub fn authentication(&self) -> &Authentication {
        &self.authentication
    }

    /// The name that the client gave itself.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.client.as_ref().map(ClientName::as_str)
    }

    /// Refuses what none of the roles allows.
    ///
    /// # Errors
    /// `role-missing`, which names the roles that would allow it.
    pub fn may(&self, permission: Permission) -> Result<(), Problems> {
        if self.roles.may(permission) {
            return Ok(());
        }
        let (needed, name, roles) = (permission.needed(), &self.name, self.roles);
        let detail =
            format!("{name} may not {}: that needs the role {needed}, and {name} has {roles}.", permission.words());
        Err(Problems::new(Code::ROLE_MISSING, detail))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.client {
            Some(client) => write!(f, "{} ({})", self.name, client.as_str()),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Actor, ClientName};
    use crate::api::identity::{Permission, Role};

    #[test]
    fn a_clients_name_is_a_word() {
        for name in ["a", "me@example.com", &"x".repeat(64)] {
            assert_eq!(ClientName::named(name).unwrap().as_str(), name);
        }
        for name in ["", "ringway", "a b", "ä", "a\nb", "\u{1b}[2J", &"x".repeat(65)] {
            assert_eq!(ClientName::named(name), None, "{name:?}");
        }
    }

    #[test]
    fn an_actor_is_shown_by_the_proved_name_first() {
        let actor = Actor::identity(&"ci".parse().unwrap(), Role::Viewer.into(), 7);
        assert_eq!((actor.to_string().as_str(), actor.authentication().to_string().as_str()), ("ci", "token 7"));
        let called = actor.clone().called(ClientName::named("admin"));
        assert_eq!((called.to_string().as_str(), called.name()), ("ci (admin)", "ci"));
        let refused = actor.may(Permission::Lifecycle).unwrap_err();
        assert_eq!((refused.code.status, refused.code.word), (403, "role-missing"));
        for part in ["publisher or admin", "ci has viewer"] {
            assert!(refused.detail.contains(part), "{}", refused.detail);
        }
        assert_eq!(Actor::token_file().may(Permission::Identities), Ok(()));
    }
}
