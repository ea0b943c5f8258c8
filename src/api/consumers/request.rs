//! Requests about applications, subscriptions, keys and plans, as clients send them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::NODE_CONSUMER;
use super::names::{ApplicationName, PlanName};
use super::standing::Standing;
use crate::api::key::EnvironmentName;
use crate::api::problem::{Fault, Faults, FieldError, Problems};
use crate::api::request::{Rules, moment};
use crate::api::text::{Description, Name};

/// The seconds for which a rotated key stays valid, unless the request says otherwise: a day.
pub const DEFAULT_OVERLAP_S: u64 = 24 * 3600;
/// The most seconds for which a rotated key may stay valid: 90 days.
pub const MAX_OVERLAP_S: u64 = 90 * 24 * 3600;

/// A new application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApplication {
    /// The consumer that the application belongs to. It cannot be changed later.
    #[schema(examples("acme"))]
    pub consumer: String,
    /// The application's name among those of its consumer. It cannot be changed later.
    #[schema(examples("mobile"))]
    pub name: String,
    /// A description of the application: up to 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// The status; `active` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Standing>)]
    pub status: Option<String>,
}

/// The fields of an application or a plan that can be changed, whole: a field that is left out has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribedFields {
    /// A description: up to 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// The status; `active` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Standing>)]
    pub status: Option<String>,
}

/// A new plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlan {
    /// The plan's name. It cannot be changed later.
    #[schema(examples("gold"))]
    pub name: String,
    /// A description of the plan: up to 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// The status; `active` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Standing>)]
    pub status: Option<String>,
}

/// A subscription's fields, whole: a field that is left out has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionFields {
    /// The plan; `default` if left out. The first subscription with that plan creates it; any other plan must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PlanName>)]
    pub plan: Option<String>,
    /// The status; `active` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Standing>)]
    pub status: Option<String>,
}

/// A new key of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// The only environment that the key opens.
    #[schema(value_type = EnvironmentName)]
    pub environment: String,
    /// A name for people: 1 to 60 letters, digits, spaces and `-_.`; the environment's if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 60)]
    pub name: Option<String>,
    /// The time from which on the key opens nothing, in the future; if left out the key does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Timestamp>)]
    pub expires_at: Option<String>,
}

/// A rotation: a new key takes the place of one that stays valid for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRotation {
    /// The seconds for which the old key stays valid, up to 7,776,000 (90 days); 86,400 (a day) if left out. With 0 the old key
    /// ends at once, and its live connections are closed. A key that expires earlier expires then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 7776000)]
    pub overlap_s: Option<u64>,
    /// The time from which on the new key opens nothing, in the future. If left out the new key lives as long as the old one was
    /// to live when it was made, or does not expire if that one did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Timestamp>)]
    pub expires_at: Option<String>,
}

/// A checked description and status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// The description.
    pub description: Description,
    /// The status.
    pub status: Standing,
}

/// A checked [`NewKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedKey {
    /// The environment, as the client wrote it.
    pub environment: EnvironmentName,
    /// The name for people.
    pub name: Name,
    /// The end of the key.
    pub expires_at: Option<Timestamp>,
}

impl NewApplication {
    /// Checks the request.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self) -> Result<(ApplicationName, Described), Problems> {
        let mut faults = Faults::default();
        let consumer = faults.keep("consumer", self.consumer.parse());
        let name = faults.keep("name", self.name.parse());
        let described = described(self.description.as_deref(), self.status.as_deref(), &mut faults);
        match (consumer, name, described) {
            (Some(consumer), Some(name), Some(described)) => {
                let name = ApplicationName { consumer, name };
                is_for_clients(&name)?;
                Ok((name, described))
            }
            _ => Err(faults.into_problems()),
        }
    }
}

/// Refuses an application of the node's own.
///
/// # Errors
/// `fields-invalid` with the rule `reserved`.
pub fn is_for_clients(name: &ApplicationName) -> Result<(), Problems> {
    if name.consumer.as_str() != NODE_CONSUMER {
        return Ok(());
    }
    let message = format!("`{NODE_CONSUMER}` is the node itself: choose another name");
    Err(Problems::of_fields(vec![Fault::new("reserved", message).at("consumer")]))
}

impl DescribedFields {
    /// Checks the request.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self) -> Result<Described, Problems> {
        let mut faults = Faults::default();
        described(self.description.as_deref(), self.status.as_deref(), &mut faults)
            .ok_or_else(|| faults.into_problems())
    }
}

impl NewPlan {
    /// Checks the request.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self) -> Result<(PlanName, Described), Problems> {
        let mut faults = Faults::default();
        let name = faults.keep("name", self.name.parse());
        let described = described(self.description.as_deref(), self.status.as_deref(), &mut faults);
        name.zip(described).ok_or_else(|| faults.into_problems())
    }
}

fn described(description: Option<&str>, status: Option<&str>, faults: &mut Faults) -> Option<Described> {
    let description = match description {
        Some(text) => faults.keep("description", text.parse()),
        None => Some(Description::default()),
    };
    let status = checked_status(status, faults);
    Some(Described { description: description?, status: status? })
}

fn checked_status(status: Option<&str>, faults: &mut Faults) -> Option<Standing> {
    match status {
        Some(text) => faults.keep("status", text.parse()),
        None => Some(Standing::default()),
    }
}

impl SubscriptionFields {
    /// Checks the request.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self) -> Result<(PlanName, Standing), Problems> {
        let mut faults = Faults::default();
        let plan = match &self.plan {
            Some(name) => faults.keep("plan", name.parse()),
            None => Some(PlanName::default()),
        };
        let status = checked_status(self.status.as_deref(), &mut faults);
        plan.zip(status).ok_or_else(|| faults.into_problems())
    }
}

impl NewKey {
    /// Checks the request.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self, now: Timestamp) -> Result<CheckedKey, Problems> {
        let mut faults = Faults::default();
        let environment: Option<EnvironmentName> = faults.keep("environment", self.environment.parse());
        let name = self.name.as_deref().or(environment.as_ref().map(EnvironmentName::as_str));
        let name = name.and_then(|name| faults.keep("name", name.parse()));
        let expires_at = end(self.expires_at.as_deref(), now, &mut faults);
        match (environment, name, expires_at) {
            (Some(environment), Some(name), Some(expires_at)) => Ok(CheckedKey { environment, name, expires_at }),
            _ => Err(faults.into_problems()),
        }
    }
}

impl KeyRotation {
    /// Checks the request: the time for which the old key stays valid, and the end of the new one if the request names it.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self, now: Timestamp) -> Result<(SignedDuration, Option<Timestamp>), Problems> {
        let mut faults = Faults::default();
        let overlap = self.overlap_s.unwrap_or(DEFAULT_OVERLAP_S);
        if overlap > MAX_OVERLAP_S {
            faults.add("overlap_s", Fault::new("range", "it must be from 0 to 7776000, which is 90 days"));
        }
        let expires_at = end(self.expires_at.as_deref(), now, &mut faults);
        faults.none()?;
        // The range was checked.
        let overlap = SignedDuration::from_secs(i64::try_from(overlap).unwrap_or_default());
        Ok((overlap, expires_at.flatten()))
    }
}

/// Checks the end of a new key; `None` after a fault was added.
fn end(expires_at: Option<&str>, now: Timestamp, faults: &mut Faults) -> Option<Option<Timestamp>> {
    let Some(text) = expires_at else { return Some(None) };
    let future = |at: Timestamp| {
        if at > now { Ok(at) } else { Err(Fault::new("past", "it must be in the future")) }
    };
    faults.keep("expires_at", moment(text).and_then(future)).map(Some)
}

fn errors<T>(checked: Result<T, Problems>) -> Vec<FieldError> {
    checked.err().map_or_else(Vec::new, |problems| problems.errors)
}

/// The rules that need no time: an end counts as future here.
fn timeless(errors: Vec<FieldError>) -> Vec<FieldError> {
    errors.into_iter().filter(|error| error.rule != "past").collect()
}

impl Rules for NewApplication {
    fn broken(&self) -> Vec<FieldError> {
        errors(self.check())
    }
}

impl Rules for DescribedFields {
    fn broken(&self) -> Vec<FieldError> {
        errors(self.check())
    }
}

impl Rules for NewPlan {
    fn broken(&self) -> Vec<FieldError> {
        errors(self.check())
    }
}

impl Rules for SubscriptionFields {
    fn broken(&self) -> Vec<FieldError> {
        errors(self.check())
    }
}

impl Rules for NewKey {
    fn broken(&self) -> Vec<FieldError> {
        timeless(errors(self.check(Timestamp::UNIX_EPOCH)))
    }
}

impl Rules for KeyRotation {
    fn broken(&self) -> Vec<FieldError> {
        timeless(errors(self.check(Timestamp::UNIX_EPOCH)))
    }
}
