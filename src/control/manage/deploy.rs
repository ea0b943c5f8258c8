//! How a deployment comes about: deploying, promoting, rolling back. Validation first; nothing is deployed half.

use super::change_context::ChangeContext;
use super::deployments::{changed, existing, shown};
use super::{Manager, apis as api_operations};
use crate::api::environment::Place;
use crate::api::etag::{Put, Tagged};
use crate::api::problem::{Code, Fault, Faults};
use crate::api::request::{NewDeployment, OwnTargets, Promotion, Rollback};
use crate::api::target;
use crate::api::{Action, Actor, ApiKey, Condition, Deployment, Lifecycle, Problems, Revision, TargetUrl};
use crate::control::store::apis::ApiRow;
use crate::control::store::deployments::{self, DeploymentRow, NewRow};
use crate::control::store::revisions;

/// How a deployment comes about.
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
        let targets = new.own_targets()?;
        self.change(actor, move |context| {
            let is_new = deploy(context, &key, &environment, new.revision, targets, &condition)?;
            shown(context, &key, &environment, is_new)
        })
        .await
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
        self.change(actor, move |context| {
            let (api, before) = existing(context, &key, &environment, &condition)?;
            let place = context.environments.known(&environment)?;
            let revision = revision(context, &api, to.revision)?;
            let (own, before) = (before.targets.clone(), Some(before));
            run(context, &Plan { action: Action::ApiRollback, api, place, revision, own, before })?;
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
        let key = key.clone();
        let targets = promotion.own_targets()?;
        self.change(actor, move |context| {
            let is_new = promote(context, &key, &promotion, targets, &condition)?;
            shown(context, &key, &promotion.to, is_new)
        })
        .await
    }
}

/// Deploys. Whether the API was not deployed there.
pub(super) fn deploy(
    context: &mut ChangeContext<'_>,
    key: &ApiKey,
    environment: &str,
    number: Option<u64>,
    targets: OwnTargets,
    condition: &Condition,
) -> Result<bool, Problems> {
    let api = context.api(key, condition)?;
    let place = context.environments.known(environment)?;
    refuse_retired(&api)?;
    let before = deployments::find(context.connection, api.id, environment)?;
    let revision = match number {
        Some(number) => revision(context, &api, number)?,
        None => current(context, &api)?,
    };
    let own = match targets {
        OwnTargets::Keep => before.as_ref().and_then(|row| row.targets.clone()),
        OwnTargets::Revisions => None,
        OwnTargets::These(targets) => Some(targets),
    };
    run(context, &Plan { action: Action::ApiDeploy, api, place, revision, own, before })
}

fn promote(
    context: &mut ChangeContext<'_>,
    key: &ApiKey,
    promotion: &Promotion,
    targets: OwnTargets,
    condition: &Condition,
) -> Result<bool, Problems> {
    let api = context.api(key, condition)?;
    let place = next(context, promotion)?;
    refuse_retired(&api)?;
    let Some(from) = deployments::find(context.connection, api.id, &promotion.from)? else {
        let detail = format!("{key} is not deployed in {}: there is nothing to promote from there.", promotion.from);
        return Err(Problems::new(Code::NOT_DEPLOYED, detail));
    };
    let own = match targets {
        OwnTargets::Keep => from.targets,
        OwnTargets::Revisions => None,
        OwnTargets::These(targets) => Some(targets),
    };
    let revision = revision(context, &api, from.revision)?;
    let before = deployments::find(context.connection, api.id, &promotion.to)?;
    run(context, &Plan { action: Action::ApiPromote, api, place, revision, own, before })
}

/// Where a promotion leads: to the environment behind the one it comes from.
fn next<'a>(context: &ChangeContext<'a>, promotion: &Promotion) -> Result<&'a Place, Problems> {
    let mut faults = Faults::default();
    for (field, name) in [("from", &promotion.from), ("to", &promotion.to)] {
        let known = context.environments.known(name);
        faults.keep(field, known.map_err(|problems| Fault::new("exists", problems.detail)));
    }
    faults.none()?;
    match context.environments.after(&promotion.from) {
        Some(place) if place.name.as_str() == promotion.to => Ok(place),
        Some(place) => {
            let (from, to, next) = (&promotion.from, &promotion.to, &place.name);
            let detail =
                format!("From {from} an API is promoted to {next}, which is next in the order, and not to {to}.");
            Err(Problems::new(Code::PROMOTION_ORDER, detail))
        }
        None => {
            let detail =
                format!("{} is the last environment in the order: there is none to promote to.", promotion.from);
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

/// What is to run where.
struct Plan<'a> {
    action: Action,
    api: ApiRow,
    place: &'a Place,
    revision: Revision,
    /// The environment's own targets.
    own: Option<Vec<TargetUrl>>,
    /// What is deployed there.
    before: Option<DeploymentRow>,
}

impl Plan<'_> {
    fn targets(&self) -> &[TargetUrl] {
        self.own.as_deref().unwrap_or(&self.revision.definition.targets)
    }

    /// Whether there is nothing to do.
    fn is_so(&self) -> bool {
        let same =
            |row: &DeploymentRow| row.revision == self.revision.number && row.targets == self.own && !row.stopped;
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
    let new = NewRow { revision, targets, now: context.now, actor: context.actor };
    deployments::put(context.connection, plan.api.id, &plan.place.name, &new)?;
    changed(context, &plan.api, plan.action, &plan.place.name, plan.before.as_ref())?;
    Ok(plan.before.is_none())
}

/// Checks targets with a place's variables filled in.
fn check_targets(place: &Place, targets: &[TargetUrl]) -> Result<(), Problems> {
    let mut faults = Faults::default();
    let mut seen = Vec::with_capacity(targets.len());
    for (at, written) in targets.iter().enumerate() {
        let field = format!("targets[{at}]");
        let in_place = |fault: Fault| Fault { message: format!("in {}: {}", place.name, fault.message), ..fault };
        let Some(expanded) = faults.keep(field.as_str(), written.expand(&place.variables).map_err(in_place)) else {
            continue;
        };
        if seen.iter().any(|before| target::is_same(before, &expanded)) {
            faults.add(field, in_place(target::twice()));
        }
        seen.push(expanded);
    }
    faults.none()
}
