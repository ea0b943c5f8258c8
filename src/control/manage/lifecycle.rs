//! An API's life: where it is, and changes of it.

use jiff::{SignedDuration, Timestamp};

use super::change_context::{ChangeContext, no_api};
use super::{Manager, apis as api_operations, subscriptions, views};
use crate::api::etag::Tagged;
use crate::api::lifecycle::SUNSET_DAYS;
use crate::api::policy::{AuthMode, PolicyValues};
use crate::api::problem::Code;
use crate::api::request::{LifecycleChange, NewLifecycle};
use crate::api::view::LifecycleView;
use crate::api::{Action, Actor, ApiKey, Change, Condition, EnvironmentName, Lifecycle, Problems, TargetUrl};
use crate::control::store::apis::{self, ApiRow, Life};
use crate::control::store::audit;
use crate::control::store::deployments::{self, DeploymentRow};
use crate::routing::origins::Origins;

/// An API's life.
impl Manager {
    /// The lifecycle state of an API, and the states that it may change to.
    ///
    /// # Errors
    /// `api-not-found`.
    pub async fn lifecycle(&self, key: &ApiKey) -> Result<Tagged<LifecycleView>, Problems> {
        let key = key.clone();
        self.read(move |reader| {
            let api = apis::find(reader.connection, &key)?.ok_or_else(|| no_api(reader.connection, &key))?;
            let history = audit::lifecycle(reader.connection, api.id)?;
            let allowed = api.life.state.allowed().to_vec();
            let value = LifecycleView { state: api.life.state, allowed, history, warnings: None };
            Ok(Tagged { value, etag: api.etag() })
        })
        .await
    }

    /// Changes it. Nothing happens if it is there already and nothing else is asked for.
    ///
    /// # Errors
    /// `fields-invalid`, `api-not-found`, `lifecycle-not-allowed`, `targets-differ`, `condition-failed`.
    pub async fn set_lifecycle(
        &self,
        actor: &Actor,
        key: &ApiKey,
        new: NewLifecycle,
        condition: Condition,
    ) -> Result<Tagged<LifecycleView>, Problems> {
        let key = key.clone();
        let change = Change::SetLifecycle { api: key.clone(), lifecycle: new };
        self.apply_one(actor, change, condition, move |context, made| {
            let api = context.api(&key, &Condition::Always)?;
            let (state, history) = (api.life.state, audit::lifecycle(context.connection, api.id)?);
            let (allowed, warnings) = (state.allowed().to_vec(), Some(made.warnings.clone()));
            Ok(Tagged { value: LifecycleView { state, allowed, history, warnings }, etag: api.etag() })
        })
        .await
    }
}

/// Changes an API's life. What is to be warned of.
pub(super) fn set(
    context: &mut ChangeContext<'_>,
    key: &ApiKey,
    new: &NewLifecycle,
    condition: &Condition,
) -> Result<Vec<String>, Problems> {
    let end = apis::find(context.connection, key)?.and_then(|api| api.life.sunset_at);
    let change = new.check(context.now, end)?;
    let api = context.api(key, condition)?;
    let from = api.life.state;
    if from != change.state && !from.may_become(change.state) {
        return Err(not_allowed(key, from, change.state));
    }
    let warnings = match change.state {
        Lifecycle::Published => production(context, &api, change.production_targets.as_deref())?,
        _ => Vec::new(),
    };
    context.concerns_shards = true;
    let life = after(&api, change, context.now);
    if life == api.life {
        return Ok(warnings);
    }
    let mut before = views::audited_life(&api.life);
    if life.state == Lifecycle::Retired {
        api_operations::take_out(context, &api, &mut before)?;
    }
    apis::set_life(context.connection, api.id, &life, context.now, context.actor)?;
    for row in deployments::of_api(context.connection, api.id)? {
        context.refresh(row.id)?;
    }
    api_operations::record(context, Action::ApiLifecycle, &api, Some(before), Some(views::audited_life(&life)))?;
    if life.state == Lifecycle::Retired {
        subscriptions::end_if_gone(context, &key.into())?;
    }
    Ok(warnings)
}

/// The lifecycle of an API after a change that is allowed.
fn after(api: &ApiRow, change: LifecycleChange, now: Timestamp) -> Life {
    let was = &api.life;
    let (deprecated_at, sunset_at) = match change.state {
        Lifecycle::Deprecated => {
            let since = change.deprecated_at.or(was.deprecated_at).unwrap_or(now);
            // One that it had before is no end of what was deprecated after it.
            let had = was.sunset_at.filter(|end| *end >= since);
            let end = change.sunset_at.or(had).unwrap_or_else(|| sunset(since));
            (Some(since), Some(end))
        }
        // What was said of its end is kept with it.
        Lifecycle::Retired => (was.deprecated_at, was.sunset_at),
        _ => (None, None),
    };
    let display_name = match change.state {
        Lifecycle::Published => {
            change.display_name.or_else(|| was.display_name.clone()).or_else(|| Some(api.definition.name.clone()))
        }
        Lifecycle::Created | Lifecycle::PreReleased => None,
        _ => was.display_name.clone(),
    };
    Life { state: change.state, display_name, deprecated_at, sunset_at }
}

/// When an API ends that was deprecated at a time, if nobody says otherwise.
fn sunset(since: Timestamp) -> Timestamp {
    let days = SignedDuration::from_hours(SUNSET_DAYS.saturating_mul(24));
    since.checked_add(days).unwrap_or(Timestamp::MAX)
}

/// Compares what is deployed in the last environment with what is meant to be, and says what is worth a warning.
fn production(context: &ChangeContext<'_>, api: &ApiRow, meant: Option<&[TargetUrl]>) -> Result<Vec<String>, Problems> {
    let Some(place) = context.environments.last() else { return Ok(Vec::new()) };
    let row = deployments::find(context.connection, api.id, place.name.as_str())?;
    if let Some(meant) = meant
        && row.as_ref().map(DeploymentRow::effective_targets) != Some(meant)
    {
        let there = match &row {
            Some(row) => row.effective_targets().iter().map(TargetUrl::as_str).collect::<Vec<_>>().join(", "),
            None => "nothing".to_owned(),
        };
        let detail = format!(
            "`production_targets` is not what is deployed in {}, which is: {there}. Deploy what is meant, or leave the field out.",
            place.name
        );
        return Err(Problems::new(Code::TARGETS_DIFFER, detail));
    }
    let definition = row.as_ref().map_or(&api.definition, |row| &row.definition);
    let effective = context.environments.effective(&definition.policies, None, Some(place));
    let open = open_to_all(effective.values(), &place.name);
    let unreachable = match row {
        None => Some(format!("It is not deployed in {}: consumers cannot reach it there.", place.name)),
        Some(row) if row.stopped => Some(format!("It is stopped in {}: consumers cannot reach it there.", place.name)),
        Some(_) => None,
    };
    Ok(unreachable.into_iter().chain(open).collect())
}

/// The warning of an API that asks clients for nothing.
fn open_to_all(policies: &PolicyValues, environment: &EnvironmentName) -> Option<String> {
    if policies.auth_mode != AuthMode::None {
        return None;
    }
    let pages = match policies.origins {
        Origins::Any => ", and so may every web page, because `origins` is `any`",
        Origins::SameHost | Origins::Listed(_) => "",
    };
    Some(format!("Everybody may connect to it in {environment}, because `auth.mode` is `none`{pages}."))
}

fn not_allowed(key: &ApiKey, from: Lifecycle, to: Lifecycle) -> Problems {
    let allowed = from.allowed().iter().map(Lifecycle::to_string).collect::<Vec<_>>().join(", ");
    let allowed = if allowed.is_empty() { "nothing any more".to_owned() } else { allowed };
    let detail = format!("{key} is {from}, and cannot become {to}; it may become: {allowed}.");
    Problems::new(Code::LIFECYCLE_NOT_ALLOWED, detail)
}
