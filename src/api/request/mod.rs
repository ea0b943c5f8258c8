//! What somebody asks for, as they wrote it: nothing in here has been checked but its shape. An unknown field is refused.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use super::definition::{NewApi, NewDefinition, Written};
use super::lifecycle::Lifecycle;
use super::problem::{Fault, Faults, Problems};
use super::target::TargetUrl;
use super::text::{Description, Name};

/// What is to be changed of a project, or what a new one is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// Up to 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub description: String,
}

impl NewProject {
    /// Reads it.
    ///
    /// # Errors
    /// Every rule that a field breaks.
    pub fn check(&self) -> Result<Description, Problems> {
        self.description.parse().map_err(|fault: Fault| Problems::of_fields(vec![fault.at("description")]))
    }
}

/// What to run in an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDeployment {
    /// The revision; without it the definition as it is now, which becomes a revision if it is not the latest already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub revision: Option<u64>,
    /// The environment's own targets; without them it keeps its own if it has any. An empty list goes back to the revision's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16)]
    pub targets: Option<Vec<String>>,
}

/// What an environment's own targets are to be. In JSON: null keeps them, an empty list removes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<Vec<TargetUrl>>", into = "Option<Vec<TargetUrl>>")]
pub enum OwnTargets {
    /// As they are.
    Keep,
    /// None: the revision's count.
    Revisions,
    /// These.
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
    /// Reads the targets.
    ///
    /// # Errors
    /// Every rule that one breaks.
    pub fn own_targets(&self) -> Result<OwnTargets, Problems> {
        own_targets(self.targets.as_deref())
    }
}

/// What runs in one environment is to run in the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// The environment it runs in.
    #[schema(examples("development"))]
    pub from: String,
    /// The one behind it in the order.
    #[schema(examples("production"))]
    pub to: String,
    /// The next environment's own targets; without them those in use in `from` are kept. An empty list stands for the revision's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16)]
    pub targets: Option<Vec<String>>,
}

impl Promotion {
    /// Reads the targets.
    ///
    /// # Errors
    /// Every rule that one breaks.
    pub fn own_targets(&self) -> Result<OwnTargets, Problems> {
        own_targets(self.targets.as_deref())
    }
}

/// A revision to go back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Its number.
    #[schema(minimum = 1)]
    pub revision: u64,
}

/// A change of an API's lifecycle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLifecycle {
    /// The state to be in.
    #[schema(value_type = Lifecycle)]
    pub state: String,
    /// For consumers, with `Published` only: the one it had, or the name if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 60)]
    pub display_name: Option<String>,
    /// When it will be gone, with `Deprecated` only: the time it had, or 180 days after its deprecation if not given. A past one
    /// is taken if it is the one it had, or comes with `deprecated_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Timestamp>)]
    pub sunset_at: Option<String>,
    /// Since when it has been deprecated, with `Deprecated` only and not in the future: the time it had, or now if not given. For
    /// an API that is put back as it was elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Timestamp>)]
    pub deprecated_at: Option<String>,
    /// With `Published` only: the targets that are meant to be in use in the last environment. Others there refuse the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 16)]
    pub production_targets: Option<Vec<String>>,
}

/// The same, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleChange {
    /// The state to be in.
    pub state: Lifecycle,
    /// With `Published` only.
    pub display_name: Option<Name>,
    /// With `Deprecated` only.
    pub sunset_at: Option<Timestamp>,
    /// With `Deprecated` only, and not in the future.
    pub deprecated_at: Option<Timestamp>,
    /// With `Published` only.
    pub production_targets: Option<Vec<TargetUrl>>,
}

impl NewLifecycle {
    /// Reads it, for an API that has this end already, or none.
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
            // Who says since when it is deprecated puts back what was, and does not announce what is to come.
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

/// A time, as it is kept: to the millisecond.
///
/// # Errors
/// It is none.
pub fn moment(text: &str) -> Result<Timestamp, Fault> {
    let at: Option<Timestamp> = text.parse().ok();
    let kept = at.and_then(|at| Timestamp::from_millisecond(at.as_millisecond()).ok());
    kept.ok_or_else(|| Fault::new("time", "it must be a time (RFC 3339), as in `2027-06-30T00:00:00Z`"))
}

fn since(text: &str, now: Timestamp) -> Result<Timestamp, Fault> {
    let at = moment(text)?;
    if at > now { Err(Fault::new("future", "it must not be in the future")) } else { Ok(at) }
}

/// `may_be_past` where it is no news; it is not before `floor`.
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
