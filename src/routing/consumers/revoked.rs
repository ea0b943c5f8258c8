//! The rights that a change takes away, and the connections that end with them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::application::{ApiFamily, ApplicationId};
use super::consumer::Consumer;
use super::key::KeyId;

/// The keys, applications and subscriptions that a change ends. Connections of all others are untouched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    keys: HashSet<(ApplicationId, KeyId)>,
    applications: HashSet<ApplicationId>,
    subscriptions: HashMap<ApplicationId, Vec<Arc<ApiFamily>>>,
}

/// The reason why a connection ends with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The connection's key, or the application of that key, exists no more: the client is not authenticated.
    Key,
    /// The connection's application must not use the API any more: the client is known and not allowed in.
    Subscription,
}

impl Revoked {
    /// True if no connection ends.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.applications.is_empty() && self.subscriptions.is_empty()
    }

    /// Ends the connections of a key of this application.
    pub fn key(&mut self, application: ApplicationId, key: KeyId) {
        self.keys.insert((application, key));
    }

    /// Ends the connections of an application.
    pub fn application(&mut self, application: ApplicationId) {
        self.applications.insert(application);
    }

    /// Ends the connections of an application to one API.
    pub fn subscription(&mut self, application: ApplicationId, family: Arc<ApiFamily>) {
        self.subscriptions.entry(application).or_default().push(family);
    }

    /// The keys whose connections end, with their applications.
    pub fn keys(&self) -> impl Iterator<Item = (ApplicationId, KeyId)> {
        self.keys.iter().copied()
    }

    /// The applications of which all connections end, or those to some APIs.
    pub fn applications(&self) -> impl Iterator<Item = ApplicationId> {
        self.applications.iter().chain(self.subscriptions.keys()).copied()
    }

    /// The reason why a consumer's connection ends; `None` if it goes on.
    #[must_use]
    pub fn reason_to_end(&self, consumer: &Consumer) -> Option<Revocation> {
        let holder = consumer.key_holder()?;
        let application = holder.application.id;
        if self.keys.contains(&(application, holder.key)) || self.applications.contains(&application) {
            return Some(Revocation::Key);
        }
        let families = self.subscriptions.get(&application)?;
        families.iter().any(|family| **family == *holder.family).then_some(Revocation::Subscription)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Revocation, Revoked};
    use crate::routing::consumers::{ApiFamily, Application, ApplicationId, Consumer, KeyHolder, KeyId, Plan};

    fn family(identifier: &str) -> Arc<ApiFamily> {
        Arc::new(ApiFamily { project: "default".into(), identifier: identifier.into(), major: 1 })
    }

    fn holder(key: u64, application: u64, identifier: &str) -> Consumer {
        Consumer::Key(KeyHolder {
            key: KeyId(key),
            application: Arc::new(Application::new(ApplicationId(application), "desk", "acme", Vec::new())),
            family: family(identifier),
            plan: Arc::new(Plan { name: "free".into() }),
        })
    }

    #[test]
    fn a_change_ends_the_connections_of_exactly_what_it_names() {
        let mut revoked = Revoked::default();
        assert!(revoked.is_empty());
        revoked.key(ApplicationId(10), KeyId(1));
        revoked.application(ApplicationId(20));
        revoked.subscription(ApplicationId(30), family("chat"));
        revoked.subscription(ApplicationId(30), family("quotes"));
        assert!(!revoked.is_empty());
        assert_eq!(revoked.keys().collect::<Vec<_>>(), [(ApplicationId(10), KeyId(1))]);
        let mut applications: Vec<u64> = revoked.applications().map(|application| application.0).collect();
        applications.sort_unstable();
        assert_eq!(applications, [20, 30]);
        for (consumer, reason) in [
            (holder(1, 10, "chat"), Some(Revocation::Key)),
            (holder(2, 10, "chat"), None),
            (holder(3, 20, "chat"), Some(Revocation::Key)),
            (holder(4, 30, "quotes"), Some(Revocation::Subscription)),
            (holder(5, 30, "news"), None),
            (holder(6, 31, "chat"), None),
            (Consumer::Certificate("CN=desk".into()), None),
        ] {
            assert_eq!(revoked.reason_to_end(&consumer), reason, "{consumer:?}");
        }
        assert_eq!(Revoked::default().reason_to_end(&holder(1, 20, "chat")), None);
    }
}
