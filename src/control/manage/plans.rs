//! Plans: the terms of subscriptions.

use std::ops::ControlFlow;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::change_context::{ChangeContext, MAX_HINTS, check};
use super::{Manager, clamp};
use crate::api::consumers::request::{Described, DescribedFields, NewPlan};
use crate::api::consumers::{Plan, PlanName};
use crate::api::etag::{Put, Tagged};
use crate::api::problem::Code;
use crate::api::units::counted;
use crate::api::{Action, Actor, Change, Condition, Page, PageRequest, Problems, nearest};
use crate::control::page::{self, Filling, List};
use crate::control::store::audit::NewEntry;
use crate::control::store::plans::{self, PlanRow};
use crate::control::store::subscriptions;

/// Plans.
impl Manager {
    /// In the order of their names.
    ///
    /// # Errors
    /// `cursor-invalid`.
    pub async fn plans(&self, page: PageRequest) -> Result<Page<Plan>, Problems> {
        self.read(move |reader| {
            let after: Option<String> = page::read(List::Plans, page.cursor.as_deref())?;
            let mut page = Filling::new(clamp(page.limit));
            let more = page.asks_for();
            let take = |plan| Ok::<_, Problems>(page.take(plan));
            plans::list(reader.connection, &after.unwrap_or_default(), more, take)?;
            Ok(page.page(|last| page::write(List::Plans, &last.name)))
        })
        .await
    }

    /// One of them.
    ///
    /// # Errors
    /// `plan-not-found`.
    pub async fn plan(&self, name: &PlanName) -> Result<Tagged<Plan>, Problems> {
        let name = name.clone();
        self.read(move |reader| {
            let row = plans::find(reader.connection, &name)?.ok_or_else(|| no_plan(reader.connection, &name))?;
            Ok(Tagged { value: row.plan, etag: row.etag })
        })
        .await
    }

    /// Makes one.
    ///
    /// # Errors
    /// `fields-invalid`, `plan-exists`.
    pub async fn create_plan(&self, actor: &Actor, new: NewPlan) -> Result<Put<Plan>, Problems> {
        let (plan, fields) = new.check()?;
        let change = Change::CreatePlan { plan: plan.clone(), fields };
        self.apply_one(actor, change, Condition::Always, move |context, _| shown(context, &plan, true)).await
    }

    /// Changes one, or makes it.
    ///
    /// # Errors
    /// `fields-invalid`, `condition-failed`.
    pub async fn put_plan(
        &self,
        actor: &Actor,
        plan: PlanName,
        new: DescribedFields,
        condition: Condition,
    ) -> Result<Put<Plan>, Problems> {
        let change = Change::PutPlan { plan: plan.clone(), fields: new.check()? };
        self.apply_one(actor, change, condition, move |context, made| shown(context, &plan, made.is_new)).await
    }

    /// Deletes one that no subscription has. Nothing happens if there is none.
    ///
    /// # Errors
    /// `plan-in-use`, `condition-failed`.
    pub async fn delete_plan(&self, actor: &Actor, plan: &PlanName, condition: Condition) -> Result<(), Problems> {
        self.apply_one(actor, Change::DeletePlan { plan: plan.clone() }, condition, |_, _| Ok(())).await
    }
}

fn shown(context: &ChangeContext<'_>, plan: &PlanName, is_new: bool) -> Result<Put<Plan>, Problems> {
    let row = plans::find(context.connection, plan)?.ok_or_else(|| no_plan(context.connection, plan))?;
    Ok(Put { value: row.plan, etag: row.etag, is_new })
}

pub(super) fn create(context: &mut ChangeContext<'_>, plan: &PlanName, fields: &Described) -> Result<(), Problems> {
    if plans::id(context.connection, plan)?.is_some() {
        let detail = format!("There is a plan {plan} already: choose another name, or change that one.");
        return Err(Problems::new(Code::PLAN_EXISTS, detail));
    }
    put(context, plan, fields, &Condition::Always).map(drop)
}

/// Has a plan be as a client wants it. Returns `true` if it was not there.
pub(super) fn put(
    context: &mut ChangeContext<'_>,
    plan: &PlanName,
    fields: &Described,
    condition: &Condition,
) -> Result<bool, Problems> {
    context.concerns_keys = true;
    let before = plans::find(context.connection, plan)?;
    check(condition, before.as_ref().map(|row| row.etag), format!("Plan {plan}"))?;
    match &before {
        None => {
            plans::insert(context.connection, plan, fields, context.now, context.actor)?;
            record(context, Action::PlanCreate, plan, None, Some(fields))?;
        }
        Some(row) if row.described() != *fields => {
            plans::update(context.connection, row.id, fields, context.now, context.actor)?;
            if row.plan.status != fields.status {
                let applications = subscriptions::applications_of_plan(context.connection, row.id)?;
                context.touched_applications.extend(applications);
            }
            record(context, Action::PlanUpdate, plan, Some(row), Some(fields))?;
        }
        Some(_) => {}
    }
    Ok(before.is_none())
}

/// The number of the plan of a new subscription. The default plan is made if it is not there.
pub(super) fn of_subscription(context: &mut ChangeContext<'_>, plan: &PlanName) -> Result<u64, Problems> {
    if *plan == PlanName::default() && plans::id(context.connection, plan)?.is_none() {
        put(context, plan, &Described::default(), &Condition::Always)?;
    }
    plans::id(context.connection, plan)?.ok_or_else(|| no_plan(context.connection, plan))
}

pub(super) fn delete(context: &ChangeContext<'_>, plan: &PlanName, condition: &Condition) -> Result<(), Problems> {
    let before = plans::find(context.connection, plan)?;
    check(condition, before.as_ref().map(|row| row.etag), format!("Plan {plan}"))?;
    let Some(row) = &before else { return Ok(()) };
    if row.plan.subscriptions > 0 {
        let detail = format!(
            "{} the plan {plan}: give them another plan, or end them, first. To close them at once, block the plan.",
            match row.plan.subscriptions {
                1 => "1 subscription has".to_owned(),
                count => format!("{} have", counted(count, "subscription")),
            }
        );
        return Err(Problems::new(Code::PLAN_IN_USE, detail));
    }
    plans::delete(context.connection, row.id)?;
    record(context, Action::PlanDelete, plan, before.as_ref(), None)
}

fn record(
    context: &ChangeContext<'_>,
    action: Action,
    plan: &PlanName,
    before: Option<&PlanRow>,
    after: Option<&Described>,
) -> Result<(), Problems> {
    let shown = |fields: &Described| -> Value { json!(fields) };
    let before = before.map(|row| shown(&row.described()));
    context.record(&NewEntry { action, subject: plan.to_string(), api: None, before, after: after.map(shown) })
}

fn no_plan(connection: &Connection, name: &PlanName) -> Problems {
    let mut names: Vec<String> = Vec::new();
    let take = |plan: Plan| {
        names.push(plan.name.into());
        Ok::<_, rusqlite::Error>(ControlFlow::Continue(()))
    };
    // The hint is worth no more than these, and no failure.
    let _ = plans::list(connection, "", MAX_HINTS, take);
    let meant = nearest(name.as_str(), names.iter().map(String::as_str));
    let meant = meant.map(|meant| format!("did you mean {meant}?"));
    let advice = meant.unwrap_or_else(|| "see the list of plans for those that there are.".to_owned());
    Problems::new(Code::PLAN_NOT_FOUND, format!("There is no plan {name}: {advice}"))
}
