//! An application as the data plane needs to know it: its subscriptions and its keys.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::family::ApiFamily;
use super::names::{ApplicationName, PlanName};
use super::secret::KeyDigest;
use crate::api::key::EnvironmentName;

/// An application with everything that decides what its keys open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationState {
    /// The application's number. No other application ever has it.
    pub id: u64,
    /// The application's name.
    pub name: ApplicationName,
    /// The subscriptions, in the order of their families.
    pub subscriptions: Vec<SubscriptionState>,
    /// The keys, in the order of their numbers. Expired ones may be among them.
    pub keys: Vec<KeyState>,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionState {
    /// The versions that the application may connect to.
    pub api: ApiFamily,
    /// The plan.
    pub plan: PlanName,
    /// False if the application, the subscription or the plan is blocked.
    pub is_open: bool,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyState {
    /// The key's number. No other key ever has it.
    pub id: u64,
    /// The only environment that the key opens.
    pub environment: EnvironmentName,
    /// The digest of the key's text.
    pub digest: KeyDigest,
    /// The time from which on the key opens nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}
