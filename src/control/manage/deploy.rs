//! Deploying, promoting and rolling back. Everything is validated first; nothing is deployed in part.

use super::change_context::{ChangeContext, Made};
use super::deployments::{changed, existing, shown};
use super::{Manager, apis as api_operations};
use crate::api::environment::RunningEnvironment;
use crate::api::etag::{Put, Tagged};
use crate::api::problem::{Code, Fault, Faults};
use crate::api::request::{NewDeployment, OwnTargets, Promotion, Rollback};
use crate::api::target;
use crate::api::view::Status;
use crate::api::{Action, Actor, ApiKey, Change, Condition, Deployment, Lifecycle, Problems, Revision, TargetUrl};
use crate::control::store::apis::ApiRow;
use crate::control::store::deployments::{self, DeploymentRow, NewRow};
use crate::control::store::revisions;

/// Deploying, promoting and rolling back.
impl Manager {
    /// Runs a revision in an environment. Nothing happens if it runs there with these targets.
    ///
    /// # Errors
    /// `fields-invalid`, `api-not-found`, `api-retired`, `environment-not-found`, `condition-failed`.
    pub async fn deploy(
        &self,
        actor: &Actor,
        key: &ApiKey,
        environment: &str,
        new: NewDeployment,
        condition: Condition,
    ) -> Result<Put<Deployment>, Problems> {
        let (key, environment) = (key.clone(), environment.to_owned());
        let (revision, targets) = (new.revision, new.own_targets()?);
        let change = Change::Deploy {
            api: key.clone(),
            environment: environment.clone(),
            revision,
            targets,
            status: Status::Running,
        };
        let show = move |context: &ChangeContext<'_>, made: &Made| shown(context, &key, &environment, made.is_new);
        self.apply_one(actor, change, condition, show).await
    }

    /// Runs another revision where one is deployed already; the environment keeps its own targets.
    ///
    /// # Errors
    /// As [`Manager::stop`], and `fields-invalid` where there is no such revision.
    pub async fn rollback(
        &self,
        actor: &Actor,
        key: &ApiKey,
        environment: &str,
        to: Rollback,
        condition: Condition,
    ) -> Result<Tagged<Deployment>, Problems> {
        let (key, environment) = (key.clone(), environment.to_owned());
        let change = Change::Rollback { api: key.clone(), environment: environment.clone(), revision: to.revision };
        self.apply_one(actor, change, condition, move |context, _| {
            let Put { value, etag, .. } = shown(context, &key, &environment, false)?;
            Ok(Tagged { value, etag })
        })
        .await
    }

    /// Runs what one environment has in the next.
    ///
    /// # Errors
    /// `fields-invalid`, `api-not-found`, `promotion-order`, `not-deployed`, `condition-failed`.
    pub async fn promote(
        &self,
        actor: &Actor,
        key: &ApiKey,
        promotion: Promotion,
        condition: Condition,
    ) -> Result<Put<Deployment>, Problems> {
        let (key, targets) = (key.clone(), promotion.own_targets()?);
        let Promotion { from, to, .. } = promotion;
        let change = Change::Promote { api: key.clone(), from, to: to.clone(), targets };
        let show = move |context: &ChangeContext<'_>, made: &Made| shown(context, &key, &to, made.is_new);
        self.apply_one(actor, change, condition, show).await
    }
}

/// The deployment that a change asks for.
pub(super) struct Wanted<'a> {
    pub(super) revision: Option<u64>,
    pub(super) targets: &'a OwnTargets,
    pub(super) status: Status,
}

/// Deploys. Whether the API was not deployed there.
pub(super) fn deploy(
    context: &mut ChangeContext<'_>,
    key: &ApiKey,
    environment: &str,
    wanted: &Wanted<'_>,
    condition: &Condition,
) -> Result<bool, Problems> {
    let api = context.api(key, condition)?;
    let place = context.environments.known(environment)?;
    refuse_retired(&api)?;
    let before = deployments::find(context.connection, api.id, environment)?;
    let revision = match wanted.revision {
        Some(number) => revision(context, &api, number)?,
        None => current(context, &api)?,
    };
    let own = match wanted.targets {
        OwnTargets::Keep => before.as_ref().and_then(|row| row.targets.clone()),
        OwnTargets::Revisions => None,
        OwnTargets::These(targets) => Some(targets.clone()),
    };
    let status = wanted.status;
    run(context, &Plan { action: Action::ApiDeploy, api, place, revision, own, status, before })
}

/// Runs another revision where one is deployed.
pub(super) fn roll_back(
    context: &mut ChangeContext<'_>,
    key: &ApiKey,
    environment: &str,
    number: u64,
    condition: &Condition,
) -> Result<(), Problems> {
    let (api, before) = existing(context, key, environment, condition)?;
    let place = context.environments.known(environment)?;
    let revision = revision(context, &api, number)?;
    let (own, status, before) = (before.targets.clone(), Status::Running, Some(before));
    run(context, &Plan { action: Action::ApiRollback, api, place, revision, own, status, before }).map(drop)
}

/// Promotes from one environment to another. Whether the API was not deployed there.
pub(super) fn promote(
    context: &mut ChangeContext<'_>,
    key: &ApiKey,
    (from, to): (&str, &str),
    targets: &OwnTargets,
    condition: &Condition,
) -> Result<bool, Problems> {
    let api = context.api(key, condition)?;
    let place = next(context, from, to)?;
    refuse_retired(&api)?;
    let Some(source) = deployments::find(context.connection, api.id, from)? else {
        let detail = format!("{key} is not deployed in {from}: there is nothing to promote from there.");
        return Err(Problems::new(Code::NOT_DEPLOYED, detail));
    };
    let own = match targets {
        OwnTargets::Keep => source.targets,
        OwnTargets::Revisions => None,
        OwnTargets::These(targets) => Some(targets.clone()),
    };
    let revision = revision(context, &api, source.revision)?;
    let before = deployments::find(context.connection, api.id, to)?;
    let status = Status::Running;
    run(context, &Plan { action: Action::ApiPromote, api, place, revision, own, status, before })
}

/// The environment that a promotion leads to: the one after `from`.
fn next<'a>(context: &ChangeContext<'a>, from: &str, to: &str) -> Result<&'a RunningEnvironment, Problems> {
    let mut faults = Faults::default();
    for (field, name) in [("from", from), ("to", to)] {
        let known = context.environments.known(name);
        faults.keep(field, known.map_err(|problems| Fault::new("exists", problems.detail)));
    }
    faults.none()?;
    match context.environments.after(from) {
        Some(place) if place.name.as_str() == to => Ok(place),
        Some(place) => {
            let next = &place.name;
            let detail =
                format!("From {from} an API is promoted to {next}, which is next in the order, and not to {to}.");
            Err(Problems::new(Code::PROMOTION_ORDER, detail))
        }
        None => {
            let detail = format!("{from} is the last environment in the order: there is none to promote to.");
            Err(Problems::new(Code::PROMOTION_ORDER, detail))
        }
    }
}

fn refuse_retired(api: &ApiRow) -> Result<(), Problems> {
    if api.life.state != Lifecycle::Retired {
        return Ok(());
    }
    let detail = format!("{} is retired, and is not deployed again: make a new API.", api.key);
    Err(Problems::new(Code::API_RETIRED, detail))
}

/// A revision that was asked for by its number.
fn revision(context: &ChangeContext<'_>, api: &ApiRow, number: u64) -> Result<Revision, Problems> {
    revisions::find(context.connection, api.id, number)?.ok_or_else(|| {
        let why = format!("there is no revision {number} of {}; {}", api.key, api_operations::which(api));
        Problems::of_fields(vec![Fault::new("exists", why).at("revision")])
    })
}

/// The definition as it is now: the latest revision if it is that, or else a new one.
fn current(context: &ChangeContext<'_>, api: &ApiRow) -> Result<Revision, Problems> {
    let latest = match api.latest_revision {
        Some(number) => revisions::find(context.connection, api.id, number)?,
        None => None,
    };
    if let Some(latest) = latest.filter(|latest| latest.definition == api.definition) {
        return Ok(latest);
    }
    let number = api.latest_revision.unwrap_or_default().saturating_add(1);
    revisions::insert(context.connection, api.id, number, &api.definition, context.now, context.actor)?;
    revision(context, api, number)
}

/// A revision to run in an environment.
struct Plan<'a> {
    action: Action,
    api: ApiRow,
    place: &'a RunningEnvironment,
    revision: Revision,
    /// The environment's own targets.
    own: Option<Vec<TargetUrl>>,
    status: Status,
    /// The deployment that is there now.
    before: Option<DeploymentRow>,
}

impl Plan<'_> {
    fn targets(&self) -> &[TargetUrl] {
        self.own.as_deref().unwrap_or(&self.revision.definition.targets)
    }

    fn is_stopped(&self) -> bool {
        self.status == Status::Stopped
    }

    /// True if the environment runs this already.
    fn is_so(&self) -> bool {
        let stopped = self.is_stopped();
        let same = |row: &DeploymentRow| {
            row.revision == self.revision.number && row.targets == self.own && row.stopped == stopped
        };
        self.before.as_ref().is_some_and(same)
    }
}

/// Runs it, if it does not run already. Whether nothing was deployed there.
fn run(context: &mut ChangeContext<'_>, plan: &Plan<'_>) -> Result<bool, Problems> {
    context.concerns_shards = true;
    check_targets(plan.place, plan.targets())?;
    if plan.is_so() {
        return Ok(false);
    }
    let (revision, targets) = (plan.revision.number, plan.own.as_deref());
    let new = NewRow { revision, targets, stopped: plan.is_stopped(), now: context.now, actor: context.actor };
    deployments::put(context.connection, plan.api.id, &plan.place.name, &new)?;
    changed(context, &plan.api, plan.action, &plan.place.name, plan.before.as_ref())?;
    Ok(plan.before.is_none())
}

/// Checks targets with a place's variables filled in.
fn check_targets(place: &RunningEnvironment, targets: &[TargetUrl]) -> Result<(), Problems> {
    let mut faults = Faults::default();
    let mut seen = Vec::with_capacity(targets.len());
    for (at, written) in targets.iter().enumerate() {
        let field = format!("targets[{at}]");
        let in_place = |fault: Fault| Fault { message: format!("in {}: {}", place.name, fault.message), ..fault };
        let Some(expanded) = faults.keep(field.as_str(), written.expand(&place.variables).map_err(in_place)) else {
            continue;
        };
        if seen.iter().any(|before| target::is_same(before, &expanded)) {
            faults.add(field, in_place(target::duplicate_target()));
        }
        seen.push(expanded);
    }
    faults.none()
}
