//! Requests as clients send them: only the JSON's shape has been checked. An unknown field is refused.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use super::definition::{NewApi, NewDefinition};
use super::lifecycle::Lifecycle;
use super::problem::{Fault, Faults, FieldError, Problems};
use super::target::TargetUrl;
use super::text::{Description, Name};
use super::written::Written;

/// The rules that a request's fields must keep beside its form, as far as the request alone can tell.
pub trait Rules {
    /// Every rule that a field breaks.
    fn broken(&self) -> Vec<FieldError> {
        Vec::new()
    }
}

fn errors<T>(checked: Result<T, Problems>) -> Vec<FieldError> {
    checked.err().map_or_else(Vec::new, |problems| problems.errors)
}

impl Rules for NewApi {
    fn broken(&self) -> Vec<FieldError> {
        errors(self.check())
    }
}

impl Rules for NewDefinition {
    fn broken(&self) -> Vec<FieldError> {
        errors(self.check())
    }
}

impl Rules for NewProject {
    fn broken(&self) -> Vec<FieldError> {
        errors(self.check())
    }
}

impl Rules for NewDeployment {
    fn broken(&self) -> Vec<FieldError> {
        errors(self.own_targets())
    }
}

impl Rules for Promotion {
    fn broken(&self) -> Vec<FieldError> {
        errors(self.own_targets())
    }
}

impl Rules for NewLifecycle {
    /// The rules that need no time and no API: an end counts as future here.
    fn broken(&self) -> Vec<FieldError> {
        let timeless = ["past", "future"];
        let errors = errors(self.check(Timestamp::UNIX_EPOCH, None));
        errors.into_iter().filter(|error| !timeless.contains(&error.rule.as_str())).collect()
    }
}

impl Rules for Rollback {}

/// A project, new or changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// The project's description: up to 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub description: String,
}

impl NewProject {
    /// Checks the request.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self) -> Result<Description, Problems> {
        self.description.parse().map_err(|fault: Fault| Problems::of_fields(vec![fault.at("description")]))
    }
}

/// The revision to run in an environment, and the environment's own targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDeployment {
    /// The revision. If left out, the current definition, which becomes a revision unless it is the latest one already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub revision: Option<u64>,
    /// The environment's own targets. If left out, the environment keeps those it has; an empty list means the revision's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16)]
    pub targets: Option<Vec<String>>,
}

/// A change of an environment's own targets. In JSON: null keeps them, an empty list removes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<Vec<TargetUrl>>", into = "Option<Vec<TargetUrl>>")]
pub enum OwnTargets {
    /// The environment keeps its own targets, if it has any.
    Keep,
    /// The environment has no targets of its own: the revision's are used.
    Revisions,
    /// The environment has these targets of its own.
    These(Vec<TargetUrl>),
}

impl From<Option<Vec<TargetUrl>>> for OwnTargets {
    fn from(targets: Option<Vec<TargetUrl>>) -> Self {
        match targets {
            None => Self::Keep,
            Some(targets) if targets.is_empty() => Self::Revisions,
            Some(targets) => Self::These(targets),
        }
    }
}

impl From<OwnTargets> for Option<Vec<TargetUrl>> {
    fn from(targets: OwnTargets) -> Self {
        match targets {
            OwnTargets::Keep => None,
            OwnTargets::Revisions => Some(Vec::new()),
            OwnTargets::These(targets) => Some(targets),
        }
    }
}

fn own_targets(texts: Option<&[String]>) -> Result<OwnTargets, Problems> {
    let mut faults = Faults::default();
    match texts {
        None => Ok(OwnTargets::Keep),
        Some([]) => Ok(OwnTargets::Revisions),
        Some(texts) => match texts.to_vec().check("targets", &mut faults) {
            Some(targets) => Ok(OwnTargets::These(targets)),
            None => Err(faults.into_problems()),
        },
    }
}

impl NewDeployment {
    /// Checks the targets.
    ///
    /// # Errors
    /// Every rule that a target breaks.
    pub fn own_targets(&self) -> Result<OwnTargets, Problems> {
        own_targets(self.targets.as_deref())
    }
}

/// A promotion: the revision that runs in one environment is deployed in the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// The environment that the revision runs in.
    #[schema(examples("development"))]
    pub from: String,
    /// The next environment in the order.
    #[schema(examples("production"))]
    pub to: String,
    /// The next environment's own targets. If left out, those in use in `from`; an empty list means the revision's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16)]
    pub targets: Option<Vec<String>>,
}

impl Promotion {
    /// Checks the targets.
    ///
    /// # Errors
    /// Every rule that a target breaks.
    pub fn own_targets(&self) -> Result<OwnTargets, Problems> {
        own_targets(self.targets.as_deref())
    }
}

/// A rollback to another revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The revision's number.
    #[schema(minimum = 1)]
    pub revision: u64,
}

/// A change of an API's lifecycle state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLifecycle {
    /// The new state.
    #[schema(value_type = Lifecycle)]
    pub state: String,
    /// The display name for consumers; only with `Published`. If left out, the one the API had, or else its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 60)]
    pub display_name: Option<String>,
    /// The end of the API; only with `Deprecated`. If left out, the end it had, or else 180 days after its deprecation. A past
    /// time is accepted only if the API has it already, or together with `deprecated_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Timestamp>)]
    pub sunset_at: Option<String>,
    /// The time of the deprecation, not in the future; only with `Deprecated`. If left out, the time it had, or else now. Used
    /// to restore an API from an export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Timestamp>)]
    pub deprecated_at: Option<String>,
    /// The targets that the client expects in the last environment; only with `Published`. If others are in use there, the
    /// change is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 16)]
    pub production_targets: Option<Vec<String>>,
}

/// A checked [`NewLifecycle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleChange {
    /// The new state.
    pub state: Lifecycle,
    /// Only with `Published`.
    pub display_name: Option<Name>,
    /// Only with `Deprecated`.
    pub sunset_at: Option<Timestamp>,
    /// Only with `Deprecated`, and not in the future.
    pub deprecated_at: Option<Timestamp>,
    /// Only with `Published`.
    pub production_targets: Option<Vec<TargetUrl>>,
}

impl NewLifecycle {
    /// Checks the request for an API that has this end, or none.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self, now: Timestamp, end: Option<Timestamp>) -> Result<LifecycleChange, Problems> {
        let mut faults = Faults::default();
        let state = faults.keep("state", self.state.parse::<Lifecycle>());
        let mut only_with = |field: &str, is_given: bool, with: Lifecycle| {
            if is_given && state.is_some_and(|state| state != with) {
                faults.add(field, Fault::new("state", format!("it is given with the state `{with}` only")));
            }
        };
        only_with("display_name", self.display_name.is_some(), Lifecycle::Published);
        only_with("production_targets", self.production_targets.is_some(), Lifecycle::Published);
        only_with("sunset_at", self.sunset_at.is_some(), Lifecycle::Deprecated);
        only_with("deprecated_at", self.deprecated_at.is_some(), Lifecycle::Deprecated);
        let display_name = self.display_name.as_deref().and_then(|name| faults.keep("display_name", name.parse()));
        let deprecated_at = self.deprecated_at.as_deref().and_then(|at| faults.keep("deprecated_at", since(at, now)));
        let sunset_at = self.sunset_at.as_deref().and_then(|at| {
            // A request with `deprecated_at` restores an API; it announces nothing new.
            let (is_told, floor) = (self.deprecated_at.is_some(), deprecated_at);
            faults.keep("sunset_at", moment(at).and_then(|at| sunset(at, now, is_told || end == Some(at), floor)))
        });
        let production_targets =
            self.production_targets.as_ref().and_then(|texts| texts.check("production_targets", &mut faults));
        match (state, faults.none()) {
            (Some(state), Ok(())) => {
                Ok(LifecycleChange { state, display_name, sunset_at, deprecated_at, production_targets })
            }
            (None, Ok(())) => Err(Problems::of_fields(Vec::new())),
            (_, Err(problems)) => Err(problems),
        }
    }
}

/// Reads a time (RFC 3339) and rounds it to the millisecond, as the store keeps it.
///
/// # Errors
/// The text is not a time.
pub fn moment(text: &str) -> Result<Timestamp, Fault> {
    let at: Option<Timestamp> = text.parse().ok();
    let kept = at.and_then(|at| Timestamp::from_millisecond(at.as_millisecond()).ok());
    kept.ok_or_else(|| Fault::new("time", "it must be a time (RFC 3339), as in `2027-06-30T00:00:00Z`"))
}

fn since(text: &str, now: Timestamp) -> Result<Timestamp, Fault> {
    let at = moment(text)?;
    if at > now { Err(Fault::new("future", "it must not be in the future")) } else { Ok(at) }
}

/// Checks the end of an API: not past unless `may_be_past`, and not before `floor`.
fn sunset(at: Timestamp, now: Timestamp, may_be_past: bool, floor: Option<Timestamp>) -> Result<Timestamp, Fault> {
    if at <= now && !may_be_past {
        let message = "it must not be in the past, but with `deprecated_at`, which says since when it is deprecated";
        return Err(Fault::new("past", message));
    }
    if floor.is_some_and(|floor| at < floor) {
        return Err(Fault::new("order", "it must not be before `deprecated_at`"));
    }
    Ok(at)
}

#[cfg(test)]
mod tests;
