//! Roles, and the one table of which role may do what. Every route of the admin API and every change needs one permission.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::problem::Fault;

/// A role of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads everything but identities.
    Viewer,
    /// Creates and configures APIs, and deploys them to every environment but the last.
    Developer,
    /// Deploys to every environment, promotes, changes lifecycles, closes connections.
    Publisher,
    /// Does everything, and manages identities.
    Admin,
    /// Publishes to rooms within its scope, and does nothing else.
    RoomPublisher,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Developer, Self::Publisher, Self::Admin, Self::RoomPublisher];

    /// The role's word in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Publisher => "publisher",
            Self::Admin => "admin",
            Self::RoomPublisher => "room-publisher",
        }
    }

    const fn bit(self) -> u8 {
        1_u8.wrapping_shl(self as u32)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            Fault::new("one-of", format!("there is no such role; there are {words}"))
        })
    }
}

/// A permission, which an operation needs of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Ask who one is, and what the API offers.
    Ask,
    /// Read everything but identities.
    Read,
    /// Create, change and delete projects, APIs and contracts.
    Define,
    /// Apply documents: each change that they need has its own permission besides.
    Apply,
    /// Deploy, promote, roll back, stop, start and undeploy in an environment other than the last.
    Deploy,
    /// Do these in the last environment; needed besides to delete an API that is deployed there.
    DeployLast,
    /// Change an API's lifecycle.
    Lifecycle,
    /// Create, change and delete plans, applications and subscriptions, and keys of the last environment.
    Consumers,
    /// Create, rotate and revoke keys of an environment other than the last.
    Keys,
    /// Close live connections.
    Close,
    /// Read and change identities and their tokens.
    Identities,
}

impl Permission {
    /// Every permission, in the order of the documentation's table.
    pub const ALL: [Self; 11] = [
        Self::Ask,
        Self::Read,
        Self::Define,
        Self::Apply,
        Self::Deploy,
        Self::DeployLast,
        Self::Lifecycle,
        Self::Consumers,
        Self::Keys,
        Self::Close,
        Self::Identities,
    ];

    /// The roles that have it. This is the one table: whatever is not here is refused. `admin` has every permission.
    #[must_use]
    pub const fn roles(self) -> &'static [Role] {
        use Role::{Admin, Developer, Publisher, RoomPublisher, Viewer};
        match self {
            Self::Ask => &[Viewer, Developer, Publisher, Admin, RoomPublisher],
            Self::Read => &[Viewer, Developer, Publisher, Admin],
            Self::Define => &[Developer, Admin],
            Self::Apply | Self::Deploy | Self::Keys => &[Developer, Publisher, Admin],
            Self::DeployLast | Self::Lifecycle | Self::Consumers | Self::Close => &[Publisher, Admin],
            Self::Identities => &[Admin],
        }
    }

    /// The permission in words, as the documentation's table has it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ask => "ask who one is, and for the description of the API",
            Self::Read => "read everything but identities",
            Self::Define => "create, change and delete projects, APIs and contracts",
            Self::Apply => "apply documents, each change of which needs its own permission besides",
            Self::Deploy => {
                "deploy, promote, roll back, stop, start and undeploy in an environment other than the last"
            }
            Self::DeployLast => "deploy, promote, roll back, stop, start and undeploy in the last environment",
            Self::Lifecycle => "change an API's lifecycle",
            Self::Consumers => {
                "create, change and delete plans, applications and subscriptions, and keys of the last environment"
            }
            Self::Keys => "create, rotate and revoke keys of an environment other than the last",
            Self::Close => "close live connections",
            Self::Identities => "read and change identities and their tokens",
        }
    }

    /// The roles that have it, for a sentence: `publisher or admin`.
    #[must_use]
    pub fn needed(self) -> String {
        let words: Vec<&str> = self.roles().iter().map(|role| role.as_str()).collect();
        match words.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

/// The roles of an identity, in the order of [`Role::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Role>", into = "Vec<Role>")]
pub struct Roles(u8);

impl Roles {
    /// Adds a role.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | role.bit())
    }

    /// True if the role is among them.
    #[must_use]
    pub const fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// True if there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if one of them has the permission.
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        permission.roles().iter().any(|role| self.has(*role))
    }

    /// The roles.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }
}

impl From<Vec<Role>> for Roles {
    fn from(roles: Vec<Role>) -> Self {
        roles.into_iter().fold(Self::default(), Self::with)
    }
}

impl From<Roles> for Vec<Role> {
    fn from(roles: Roles) -> Self {
        roles.iter().collect()
    }
}

impl From<Role> for Roles {
    fn from(role: Role) -> Self {
        Self::default().with(role)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Role::as_str).collect();
        f.write_str(if words.is_empty() { "none" } else { "" })?;
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Permission, Role, Roles};

    #[test]
    fn a_role_is_read_as_it_is_written() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
            assert_eq!(Roles::from(role).to_string(), role.as_str());
        }
        assert_eq!("root".parse::<Role>().unwrap_err().rule, "one-of");
        let two: Roles = serde_json::from_str(r#"["publisher", "viewer", "viewer"]"#).unwrap();
        assert_eq!(serde_json::to_string(&two).unwrap(), r#"["viewer","publisher"]"#);
        assert_eq!((two.to_string().as_str(), Roles::default().to_string().as_str()), ("viewer, publisher", "none"));
    }

    #[test]
    fn an_admin_may_do_everything_and_an_identity_without_a_role_nothing() {
        for permission in Permission::ALL {
            assert!(Roles::from(Role::Admin).may(permission), "{permission:?}");
            assert!(!Roles::default().may(permission), "{permission:?}");
        }
    }

    #[test]
    fn each_role_has_these_permissions_and_no_others() {
        use Permission::{Apply, Ask, Close, Consumers, Define, Deploy, DeployLast, Keys, Lifecycle, Read};
        for (role, expected) in [
            (Role::Viewer, &[Ask, Read][..]),
            (Role::Developer, &[Ask, Read, Define, Apply, Deploy, Keys]),
            (Role::Publisher, &[Ask, Read, Apply, Deploy, DeployLast, Lifecycle, Consumers, Keys, Close]),
            (Role::RoomPublisher, &[Ask]),
        ] {
            let has: Vec<Permission> = Permission::ALL.into_iter().filter(|it| Roles::from(role).may(*it)).collect();
            assert_eq!(has, expected, "{role}");
        }
        assert_eq!(Define.needed(), "developer or admin");
        assert_eq!(Permission::Identities.needed(), "admin");
        assert_eq!(Deploy.needed(), "developer, publisher or admin");
    }
}
