//! Applications of consumers.

use std::ops::ControlFlow;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::change_context::{ChangeContext, MAX_HINTS, check};
use super::{Manager, clamp, views};
use crate::api::consumers::request::{Described, DescribedFields, NewApplication, is_for_clients};
use crate::api::consumers::{ApiFamily, Application, ApplicationName, ConsumerName, PlanName};
use crate::api::etag::{Put, Tagged};
use crate::api::problem::Code;
use crate::api::{Action, Actor, Change, Condition, Page, PageRequest, Problems, nearest};
use crate::control::page::{self, Filling, List};
use crate::control::store::applications::{self, ApplicationRow, Filter, Position};
use crate::control::store::audit::NewEntry;
use crate::control::store::{keys, subscriptions};

/// Which applications are listed; all conditions count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationFilter {
    /// Only applications of this consumer.
    pub consumer: Option<ConsumerName>,
    /// Only applications that are subscribed to this.
    pub api: Option<ApiFamily>,
    /// Only applications with a subscription that has this plan.
    pub plan: Option<PlanName>,
}

/// Applications.
impl Manager {
    /// In the order of consumer and name.
    ///
    /// # Errors
    /// `cursor-invalid`.
    pub async fn applications(
        &self,
        filter: ApplicationFilter,
        page: PageRequest,
    ) -> Result<Page<Application>, Problems> {
        self.read(move |reader| {
            let after: Option<Position> = page::read(List::Applications, page.cursor.as_deref())?;
            let filter =
                Filter { consumer: filter.consumer.as_ref(), api: filter.api.as_ref(), plan: filter.plan.as_ref() };
            let mut page = Filling::new(clamp(page.limit));
            let more = page.asks_for();
            applications::list(reader.connection, &filter, after.as_ref(), more, |row| {
                Ok::<_, Problems>(page.take(view(reader.connection, row)?))
            })?;
            Ok(page.page(|last| page::write(List::Applications, (&last.consumer, &last.name))))
        })
        .await
    }

    /// One of them.
    ///
    /// # Errors
    /// `application-not-found`.
    pub async fn application(&self, name: &ApplicationName) -> Result<Tagged<Application>, Problems> {
        let name = name.clone();
        self.read(move |reader| {
            let row = find(reader.connection, &name)?;
            let etag = row.etag();
            Ok(Tagged { value: view(reader.connection, row)?, etag })
        })
        .await
    }

    /// Makes one.
    ///
    /// # Errors
    /// `fields-invalid`, `application-exists`.
    pub async fn create_application(&self, actor: &Actor, new: NewApplication) -> Result<Put<Application>, Problems> {
        let (application, fields) = new.check()?;
        let change = Change::CreateApplication { application: application.clone(), fields };
        self.apply_one(actor, change, Condition::Always, move |context, _| shown(context, &application, true)).await
    }

    /// Changes one, or makes it.
    ///
    /// # Errors
    /// `fields-invalid`, `condition-failed`.
    pub async fn put_application(
        &self,
        actor: &Actor,
        application: ApplicationName,
        new: DescribedFields,
        condition: Condition,
    ) -> Result<Put<Application>, Problems> {
        is_for_clients(&application)?;
        let change = Change::PutApplication { application: application.clone(), fields: new.check()? };
        let show = move |context: &ChangeContext<'_>, made: &super::Made| shown(context, &application, made.is_new);
        self.apply_one(actor, change, condition, show).await
    }

    /// Deletes one, and with it its subscriptions and keys. Nothing happens if there is none.
    ///
    /// # Errors
    /// `condition-failed`.
    pub async fn delete_application(
        &self,
        actor: &Actor,
        application: &ApplicationName,
        condition: Condition,
    ) -> Result<(), Problems> {
        let change = Change::DeleteApplication { application: application.clone() };
        self.apply_one(actor, change, condition, |_, _| Ok(())).await
    }
}

/// An application as the admin API shows it.
fn view(connection: &Connection, row: ApplicationRow) -> Result<Application, Problems> {
    let subscriptions = subscriptions::of_application(connection, row.id)?;
    let ApplicationRow { id, name, fields, keys, created_at, created_by, updated_at, updated_by, .. } = row;
    Ok(Application {
        id,
        consumer: name.consumer,
        name: name.name,
        description: fields.description,
        status: fields.status,
        subscriptions,
        keys,
        created_at,
        created_by,
        updated_at,
        updated_by,
    })
}

fn shown(
    context: &ChangeContext<'_>,
    application: &ApplicationName,
    is_new: bool,
) -> Result<Put<Application>, Problems> {
    let row = find(context.connection, application)?;
    let etag = row.etag();
    Ok(Put { value: view(context.connection, row)?, etag, is_new })
}

/// The application that a name names.
pub(super) fn find(connection: &Connection, name: &ApplicationName) -> Result<ApplicationRow, Problems> {
    applications::find(connection, name)?.ok_or_else(|| no_application(connection, name))
}

pub(super) fn create(
    context: &mut ChangeContext<'_>,
    application: &ApplicationName,
    fields: &Described,
) -> Result<(), Problems> {
    if applications::find(context.connection, application)?.is_some() {
        let detail = format!("There is an application {application} already: choose another name, or change that one.");
        return Err(Problems::new(Code::APPLICATION_EXISTS, detail));
    }
    put(context, application, fields, &Condition::Always).map(drop)
}

/// Has an application be as a client wants it. Returns `true` if it was not there.
pub(super) fn put(
    context: &mut ChangeContext<'_>,
    application: &ApplicationName,
    fields: &Described,
    condition: &Condition,
) -> Result<bool, Problems> {
    context.concerns_keys = true;
    let before = applications::find(context.connection, application)?;
    check(condition, before.as_ref().map(ApplicationRow::etag), format!("Application {application}"))?;
    match &before {
        None => {
            applications::insert(context.connection, application, fields, context.now, context.actor)?;
            let id = find(context.connection, application)?.id;
            context.touched_applications.insert(id);
            record(context, Action::ApplicationCreate, application, None, Some(json!(fields)))?;
        }
        Some(row) if row.fields != *fields => {
            applications::update(context.connection, row.id, fields, context.now, context.actor)?;
            context.touched_applications.insert(row.id);
            let (before, after) = (json!(row.fields), json!(fields));
            record(context, Action::ApplicationUpdate, application, Some(before), Some(after))?;
        }
        Some(_) => {}
    }
    Ok(before.is_none())
}

pub(super) fn delete(
    context: &mut ChangeContext<'_>,
    application: &ApplicationName,
    condition: &Condition,
) -> Result<(), Problems> {
    context.concerns_keys = true;
    let before = applications::find(context.connection, application)?;
    check(condition, before.as_ref().map(ApplicationRow::etag), format!("Application {application}"))?;
    let Some(row) = before else { return Ok(()) };
    let audited = audited_whole(context.connection, &row)?;
    applications::delete(context.connection, row.id)?;
    context.touched_applications.insert(row.id);
    record(context, Action::ApplicationDelete, application, Some(audited), None)
}

/// An application with its subscriptions and keys, as the audit keeps it.
fn audited_whole(connection: &Connection, row: &ApplicationRow) -> Result<Value, Problems> {
    let subscriptions = subscriptions::of_application(connection, row.id)?;
    let subscriptions: Vec<Value> = subscriptions.iter().map(views::audited_subscription).collect();
    let mut all = Vec::new();
    let filter = keys::Filter { application: Some(&row.name), ..keys::Filter::default() };
    keys::list(connection, &filter, 0, u64::MAX, |key| {
        all.push(views::audited_key(&key));
        Ok::<_, Problems>(ControlFlow::Continue(()))
    })?;
    Ok(json!({
        "description": row.fields.description,
        "status": row.fields.status,
        "subscriptions": subscriptions,
        "keys": all,
    }))
}

fn record(
    context: &ChangeContext<'_>,
    action: Action,
    application: &ApplicationName,
    before: Option<Value>,
    after: Option<Value>,
) -> Result<(), Problems> {
    context.record(&NewEntry { action, subject: application.to_string(), api: None, before, after })
}

pub(super) fn no_application(connection: &Connection, name: &ApplicationName) -> Problems {
    let mut names: Vec<String> = Vec::new();
    let take = |row: ApplicationRow| {
        names.push(row.name.to_string());
        Ok::<_, rusqlite::Error>(ControlFlow::Continue(()))
    };
    // The hint is worth no more than these, and no failure.
    let _ = applications::list(connection, &Filter::default(), None, MAX_HINTS, take);
    let meant = nearest(&name.to_string(), names.iter().map(String::as_str));
    let meant = meant.map(|meant| format!("did you mean {meant}?"));
    let advice = meant.unwrap_or_else(|| "see the list of applications for those that there are.".to_owned());
    Problems::new(Code::APPLICATION_NOT_FOUND, format!("There is no application {name}: {advice}"))
}
