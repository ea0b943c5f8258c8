//! Environments: the ordered places that APIs run in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::definition::Access;
use super::key::EnvironmentName;
use super::nearest::nearest;
use super::policy::{Effective, Policies, PolicyLayer, PolicyValues, Source};
use super::problem::{Code, Problems};

/// An environment with the addresses that its listeners are bound to.
#[derive(Clone, PartialEq, Eq)]
pub struct RunningEnvironment {
    /// The environment's name.
    pub name: EnvironmentName,
    /// The external listener's address, as `host:port`.
    pub external: String,
    /// The internal listener's address, as `host:port`.
    pub internal: String,
    /// The beginning of every URL of the external listener, without a slash at the end: `wss://chat.example.com`.
    pub external_url: String,
    /// The beginning of every URL of the internal listener.
    pub internal_url: String,
    /// The host names that the environment answers to; if there are none, to any.
    pub hosts: Vec<String>,
    /// The values of `${NAME}` in targets. They may be secrets.
    pub variables: BTreeMap<String, String>,
    /// The policies that the environment's configuration names.
    pub policies: PolicyLayer,
}

impl std::fmt::Debug for RunningEnvironment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let variables: Vec<_> = self.variables.keys().collect();
        f.debug_struct("RunningEnvironment")
            .field("name", &self.name)
            .field("variables", &variables)
            .finish_non_exhaustive()
    }
}

/// All environments, in their order: an API is promoted from one to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environments {
    /// The node's value of every policy.
    policies: PolicyValues,
    list: Vec<RunningEnvironment>,
}

impl Environments {
    /// Environments in their order, with the node's policies. The configuration has checked that each name is there once.
    #[must_use]
    pub fn new(policies: PolicyValues, list: Vec<RunningEnvironment>) -> Self {
        Self { policies, list }
    }

    /// The policies in effect for an API that names these, or for one of its channels: in an environment, or before it is
    /// deployed anywhere.
    #[must_use]
    pub fn effective(
        &self,
        api: &Policies,
        channel: Option<&str>,
        environment: Option<&RunningEnvironment>,
    ) -> Effective {
        let environment = environment.map(|environment| (Source::Environment, &environment.policies));
        Effective::of(&self.policies, api.layers(channel).chain(environment))
    }

    /// The environments, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &RunningEnvironment> {
        self.list.iter()
    }

    /// The environment of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&RunningEnvironment> {
        self.list.iter().find(|place| place.name.as_str() == name)
    }

    /// The environment of this name, for operations that need it.
    ///
    /// # Errors
    /// `environment-not-found`, with the names that there are.
    pub fn known(&self, name: &str) -> Result<&RunningEnvironment, Problems> {
        self.find(name).ok_or_else(|| {
            let names: Vec<&str> = self.list.iter().map(|place| place.name.as_str()).collect();
            let meant = nearest(name, names.iter().copied()).map(|name| format!(": did you mean `{name}`?"));
            let meant = meant.as_deref().unwrap_or(".");
            let detail = format!("There is no environment of that name{meant} There are: {}.", names.join(", "));
            Problems::new(Code::ENVIRONMENT_NOT_FOUND, detail)
        })
    }

    /// The environment after this one in the order.
    #[must_use]
    pub fn after(&self, name: &str) -> Option<&RunningEnvironment> {
        self.list.iter().skip_while(|place| place.name.as_str() != name).nth(1)
    }

    /// The last environment: publishing an API concerns it.
    #[must_use]
    pub fn last(&self) -> Option<&RunningEnvironment> {
        self.list.last()
    }

    /// The environments as the admin API shows them.
    #[must_use]
    pub fn views(&self) -> Vec<Environment> {
        self.list.iter().zip(0..).map(|(place, order)| place.view(order)).collect()
    }
}

impl RunningEnvironment {
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

    /// The URL of a base path, for consumers.
    #[must_use]
    pub fn url(&self, access: Access, base_path: &str) -> String {
        let begin = match access {
            Access::External => &self.external_url,
            Access::Internal => &self.internal_url,
        };
        format!("{begin}{base_path}")
    }
}

/// An environment. Variables are shown by name only, because their values may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Environment {
    /// The environment's name.
    pub name: EnvironmentName,
    /// The environment's place in the order, from 0.
    pub order: u32,
    /// The external listener's address.
    #[schema(examples("127.0.0.1:8081"))]
    pub external: String,
    /// The internal listener's address.
    #[schema(examples("127.0.0.1:8091"))]
    pub internal: String,
    /// The host names that the environment answers to; if there are none, to any.
    pub hosts: Vec<String>,
    /// The names of the variables that targets may use as `${NAME}`.
    pub variables: Vec<String>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Environments, RunningEnvironment};
    use crate::api::policy::tests::defaults;
    use crate::api::{Access, PolicyLayer};

    fn place(name: &str) -> RunningEnvironment {
        RunningEnvironment {
            name: name.parse().unwrap(),
            external: "127.0.0.1:8081".to_owned(),
            internal: "127.0.0.1:8091".to_owned(),
            external_url: "wss://chat.example.com".to_owned(),
            internal_url: "ws://127.0.0.1:8091".to_owned(),
            hosts: vec!["chat.example.com".to_owned()],
            variables: BTreeMap::from([("TOKEN".to_owned(), "secret".to_owned())]),
            policies: PolicyLayer::default(),
        }
    }

    #[test]
    fn environments_have_an_order() {
        let all = Environments::new(defaults(), ["development", "staging", "production"].map(place).to_vec());
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
        let shown = serde_json::to_string(&Environments::new(defaults(), vec![place.clone()]).views()).unwrap();
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
