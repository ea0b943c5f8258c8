//! The admin API's answers about applications, subscriptions, keys and plans.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::family::ApiFamily;
use super::names::{ApplicationName, ConsumerName, PlanName, ShortApplicationName};
use super::standing::Standing;
use crate::api::key::EnvironmentName;
use crate::api::moment;
use crate::api::text::{Description, Name};

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// The plan's name.
    pub name: PlanName,
    /// The plan's description.
    pub description: Description,
    /// The plan's status. A blocked plan closes every subscription that has it.
    pub status: Standing,
    /// The number of subscriptions that have the plan.
    pub subscriptions: u64,
    /// The time of its creation.
    #[serde(with = "moment")]
    pub created_at: Timestamp,
    /// The actor of that change.
    pub created_by: String,
    /// The time of the last change of the plan itself.
    #[serde(with = "moment")]
    pub updated_at: Timestamp,
    /// The actor of that change.
    pub updated_by: String,
}

/// An application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Application {
    /// The application's number. No other application ever has it.
    pub id: u64,
    /// The consumer that the application belongs to.
    pub consumer: ConsumerName,
    /// The application's name among those of its consumer.
    pub name: ShortApplicationName,
    /// The application's description.
    pub description: Description,
    /// The application's status. The keys of a blocked application open nothing.
    pub status: Standing,
    /// The subscriptions, in the order of their APIs.
    pub subscriptions: Vec<Subscription>,
    /// The number of keys, expired ones included.
    pub keys: u64,
    /// The time of its creation.
    #[serde(with = "moment")]
    pub created_at: Timestamp,
    /// The actor of that change.
    pub created_by: String,
    /// The time of the last change of description or status.
    #[serde(with = "moment")]
    pub updated_at: Timestamp,
    /// The actor of that change.
    pub updated_by: String,
}

/// A subscription of an application: the right to connect to every minor version of a major version of an API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subscription {
    /// The versions, as `project/identifier:major`.
    pub api: ApiFamily,
    /// The plan.
    pub plan: PlanName,
    /// The subscription's own status.
    pub status: Standing,
    /// True if keys open the API: neither application nor subscription nor plan is blocked.
    pub open: bool,
    /// The time of its creation.
    #[serde(with = "moment")]
    pub created_at: Timestamp,
    /// The actor of that change.
    pub created_by: String,
}

/// A subscription after a change of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionChange {
    /// The subscription.
    #[serde(flatten)]
    pub subscription: Subscription,
    /// Things that are allowed but may be a mistake.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyStatus {
    /// The key opens what its application has subscribed to.
    Active,
    /// The key has expired.
    Expired,
}

/// A key of an application, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// The key's number. No other key ever has it.
    pub id: u64,
    /// The application that the key belongs to, as `consumer/application`.
    #[schema(value_type = String, examples("acme/mobile"))]
    pub application: ApplicationName,
    /// The key's name, for people.
    pub name: Name,
    /// The only environment that the key opens.
    pub environment: EnvironmentName,
    /// The beginning of the key's text, which tells keys apart.
    #[schema(examples("rwk_Zr3b1Q"))]
    pub prefix: String,
    /// The key's state.
    pub status: KeyStatus,
    /// The time from which on the key opens nothing; `null`: never.
    #[serde(default, with = "moment::optional")]
    pub expires_at: Option<Timestamp>,
    /// The number of the key that took the place of this one in a rotation.
    pub replaced_by: Option<u64>,
    /// The last day (UTC) on which the key opened a connection; `null`: not yet, or not known.
    #[schema(value_type = Option<String>, format = Date)]
    pub last_used_on: Option<Date>,
    /// The time of its creation.
    #[serde(with = "moment")]
    pub created_at: Timestamp,
    /// The actor of that change.
    pub created_by: String,
}

/// A key that was just made: the only answer that has its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadeKey {
    /// The key, without its secret.
    #[serde(flatten)]
    pub key: Key,
    /// The secret, which is never shown again.
    #[schema(examples("rwk_Zr3b1QBvC2mFZ0w9mO3nqJd8t7c5xkq4yTn1sVh6LgU"))]
    pub secret: String,
}

/// A key that the node made for a test: the only answer that has its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestKey {
    /// The secret, which is never shown again.
    #[schema(examples("rwk_Zr3b1QBvC2mFZ0w9mO3nqJd8t7c5xkq4yTn1sVh6LgU"))]
    pub secret: String,
    /// The time from which on the key opens nothing.
    #[serde(with = "moment")]
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for TestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestKey").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeKey").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Application {
    /// The application's whole name.
    #[must_use]
    pub fn whole_name(&self) -> ApplicationName {
        ApplicationName { consumer: self.consumer.clone(), name: self.name.clone() }
    }
}
