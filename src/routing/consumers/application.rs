//! Applications, and the APIs that they subscribe to.

use std::fmt;
use std::sync::Arc;

/// The identity of an application in the store. Never given to another application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApplicationId(pub u64);

/// All minor versions of an API's major version. As text: `project/identifier:1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiFamily {
    /// The project.
    pub project: Box<str>,
    /// The API's identifier.
    pub identifier: Box<str>,
    /// The major version.
    pub major: u16,
}

impl fmt::Display for ApiFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.project, self.identifier, self.major)
    }
}

/// A plan: the terms of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// The plan's name.
    pub name: Box<str>,
}

/// An application's right to use an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The API.
    pub family: Arc<ApiFamily>,
    /// The plan that was chosen.
    pub plan: Arc<Plan>,
    /// `false` if the subscription exists and must not be used: its plan is blocked, or the lifecycle of the API closed it.
    pub is_open: bool,
}

/// An application: immutable, and shared by all its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The application's identity.
    pub id: ApplicationId,
    /// The application's name.
    pub name: Box<str>,
    /// The consumer that it belongs to.
    pub consumer: Box<str>,
    subscriptions: Box<[Subscription]>,
}

impl Application {
    /// Makes an application. Of several subscriptions to one API the first counts.
    #[must_use]
    pub fn new(
        id: ApplicationId,
        name: impl Into<Box<str>>,
        consumer: impl Into<Box<str>>,
        mut subscriptions: Vec<Subscription>,
    ) -> Self {
        subscriptions.sort_by(|one, other| one.family.cmp(&other.family));
        subscriptions.dedup_by(|later, earlier| later.family == earlier.family);
        Self { id, name: name.into(), consumer: consumer.into(), subscriptions: subscriptions.into() }
    }

    /// The subscription to an API, open or not.
    #[must_use]
    pub fn subscription(&self, family: &ApiFamily) -> Option<&Subscription> {
        let place = self.subscriptions.binary_search_by(|one| (*one.family).cmp(family)).ok()?;
        self.subscriptions.get(place)
    }

    /// All subscriptions, in the order of their APIs.
    #[must_use]
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ApiFamily, Application, ApplicationId, Plan, Subscription};

    fn family(identifier: &str, major: u16) -> ApiFamily {
        ApiFamily { project: "default".into(), identifier: identifier.into(), major }
    }

    #[test]
    fn an_application_knows_its_subscriptions_in_whatever_order_they_came() {
        let plan = |name: &str| Arc::new(Plan { name: name.into() });
        let to = |identifier, major, name| Subscription {
            family: Arc::new(family(identifier, major)),
            plan: plan(name),
            is_open: true,
        };
        let given = vec![to("quotes", 2, "gold"), to("chat", 1, "free"), to("chat", 10, "gold"), to("chat", 1, "none")];
        let application = Application::new(ApplicationId(7), "desk", "acme", given);
        let plan_of = |identifier, major| {
            application.subscription(&family(identifier, major)).map(|subscription| &*subscription.plan.name)
        };
        assert_eq!(plan_of("chat", 1), Some("free"));
        assert_eq!(plan_of("chat", 10), Some("gold"));
        assert_eq!(plan_of("quotes", 2), Some("gold"));
        assert_eq!((plan_of("chat", 2), plan_of("quote", 2), plan_of("", 0)), (None, None, None));
        assert_eq!(application.subscriptions().len(), 3);
        assert_eq!(family("chat", 1).to_string(), "default/chat:1");
    }
}
