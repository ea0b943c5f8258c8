//! Environments: ordered places to run in, with what differs from one to the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::definition::Access;
use super::key::EnvironmentName;
use super::problem::{Code, Problems};

/// An environment as the program runs it.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: EnvironmentName,
    /// Where its external listener is reached, as `host:port`.
    pub external: String,
    /// Where its internal listener is reached, as `host:port`.
    pub internal: String,
    /// Where consumers begin, without a slash at the end: `wss://chat.example.com`.
    pub external_url: String,
    /// The same of the internal listener.
    pub internal_url: String,
    /// The host names that it is served at; none: at any.
    pub hosts: Vec<String>,
    /// What `${NAME}` in a target stands for. Values may be secrets.
    pub variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let variables: Vec<_> = self.variables.keys().collect();
        f.debug_struct("Place").field("name", &self.name).field("variables", &variables).finish_non_exhaustive()
    }
}

/// The environments that there are, in their order: an API is promoted from one to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environments(Vec<Place>);

impl Environments {
    /// In the order given; each name once, which the configuration has checked.
    #[must_use]
    pub fn new(places: Vec<Place>) -> Self {
        Self(places)
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &Place> {
        self.0.iter()
    }

    /// The one with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Place> {
        self.0.iter().find(|place| place.name.as_str() == name)
    }

    /// The same, where it must be there.
    ///
    /// # Errors
    /// It is not, and which there are.
    pub fn known(&self, name: &str) -> Result<&Place, Problems> {
        self.find(name).ok_or_else(|| {
            let names: Vec<&str> = self.0.iter().map(|place| place.name.as_str()).collect();
            let detail = format!("There is no environment of that name; there are: {}.", names.join(", "));
            Problems::new(Code::ENVIRONMENT_NOT_FOUND, detail)
        })
    }

    /// The one after this one in the order.
    #[must_use]
    pub fn after(&self, name: &str) -> Option<&Place> {
        self.0.iter().skip_while(|place| place.name.as_str() != name).nth(1)
    }

    /// The last: what publishing is about.
    #[must_use]
    pub fn last(&self) -> Option<&Place> {
        self.0.last()
    }

    /// As others are shown them.
    #[must_use]
    pub fn views(&self) -> Vec<Environment> {
        self.0.iter().zip(0..).map(|(place, order)| place.view(order)).collect()
    }
}

impl Place {
    fn view(&self, order: u32) -> Environment {
        Environment {
            name: self.name.clone(),
            order,
            external: self.external.clone(),
            internal: self.internal.clone(),
            hosts: self.hosts.clone(),
            variables: self.variables.keys().cloned().collect(),
        }
    }

    /// Where consumers reach what is served at a base path.
    #[must_use]
    pub fn url(&self, access: Access, base_path: &str) -> String {
        let begin = match access {
            Access::External => &self.external_url,
            Access::Internal => &self.internal_url,
        };
        format!("{begin}{base_path}")
    }
}

/// An environment as others are shown it: names of variables only, because values may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// Its place in the order, from 0.
    pub order: u32,
    /// Where its external listener is reached.
    #[schema(examples("127.0.0.1:8081"))]
    pub external: String,
    /// Where its internal listener is reached.
    #[schema(examples("127.0.0.1:8091"))]
    pub internal: String,
    /// The host names that it is served at; none: at any.
    pub hosts: Vec<String>,
    /// What `${NAME}` may name in a target.
    pub variables: Vec<String>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Environments, Place};
    use crate::api::Access;

    fn place(name: &str) -> Place {
        Place {
            name: name.parse().unwrap(),
            external: "127.0.0.1:8081".to_owned(),
            internal: "127.0.0.1:8091".to_owned(),
            external_url: "wss://chat.example.com".to_owned(),
            internal_url: "ws://127.0.0.1:8091".to_owned(),
            hosts: vec!["chat.example.com".to_owned()],
            variables: BTreeMap::from([("TOKEN".to_owned(), "secret".to_owned())]),
        }
    }

    #[test]
    fn environments_have_an_order() {
        let all = Environments::new(["development", "staging", "production"].map(place).to_vec());
        let after = |name| all.after(name).map(|place| place.name.as_str());
        assert_eq!(after("development"), Some("staging"));
        assert_eq!(after("staging"), Some("production"));
        assert_eq!(after("production"), None);
        assert_eq!(after("elsewhere"), None);
        assert_eq!(all.last().map(|place| place.name.as_str()), Some("production"));
        let orders: Vec<u32> = all.views().iter().map(|view| view.order).collect();
        assert_eq!(orders, [0, 1, 2]);
        let detail = all.known("elsewhere").unwrap_err().detail;
        assert!(detail.contains("development, staging, production"), "{detail}");
    }

    #[test]
    fn nobody_is_shown_what_a_variable_is() {
        let place = place("development");
        let shown = serde_json::to_string(&Environments::new(vec![place.clone()]).views()).unwrap();
        assert!(shown.contains("TOKEN") && !shown.contains("secret"), "{shown}");
        assert!(!format!("{place:?}").contains("secret"));
    }

    #[test]
    fn consumers_go_where_the_access_mode_says() {
        let place = place("development");
        assert_eq!(place.url(Access::External, "/a/b/v1.0"), "wss://chat.example.com/a/b/v1.0");
        assert_eq!(place.url(Access::Internal, "/a/b/v1.0"), "ws://127.0.0.1:8091/a/b/v1.0");
    }
}
