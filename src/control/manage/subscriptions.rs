//! Subscriptions of applications to APIs. Their state is their application's: they have its entity tag.

use super::change_context::{ChangeContext, Made, check};
use super::{Manager, applications, plans, views};
use crate::api::consumers::request::SubscriptionFields;
use crate::api::consumers::view::SubscriptionChange;
use crate::api::consumers::{ApiFamily, ApplicationName, MAX_SUBSCRIPTIONS, PlanName, Standing, Subscription};
use crate::api::etag::{Put, Tagged};
use crate::api::lifecycle::Subscribing;
use crate::api::problem::Code;
use crate::api::{Action, Actor, Change, Condition, Problems};
use crate::control::store::applications::{self as application_rows, ApplicationRow};
use crate::control::store::audit::NewEntry;
use crate::control::store::{apis, subscriptions};

/// Subscriptions.
impl Manager {
    /// The subscriptions of an application, in the order of their APIs.
    ///
    /// # Errors
    /// `application-not-found`.
    pub async fn subscriptions(&self, application: &ApplicationName) -> Result<Tagged<Vec<Subscription>>, Problems> {
        let application = application.clone();
        self.read(move |reader| {
            let row = applications::find(reader.connection, &application)?;
            let value = subscriptions::of_application(reader.connection, row.id)?;
            Ok(Tagged { value, etag: row.etag() })
        })
        .await
    }

    /// One of them.
    ///
    /// # Errors
    /// `application-not-found`, `subscription-not-found`.
    pub async fn subscription(
        &self,
        application: &ApplicationName,
        api: &ApiFamily,
    ) -> Result<Tagged<Subscription>, Problems> {
        let (application, api) = (application.clone(), api.clone());
        self.read(move |reader| {
            let row = applications::find(reader.connection, &application)?;
            let found = subscriptions::find(reader.connection, row.id, &api)?;
            let value = found.ok_or_else(|| no_subscription(&application, &api))?;
            Ok(Tagged { value, etag: row.etag() })
        })
        .await
    }

    /// Subscribes an application to an API, or changes plan and status of the subscription.
    ///
    /// # Errors
    /// `fields-invalid`, `application-not-found`, `api-not-found`, `plan-not-found`, `subscription-not-allowed`,
    /// `application-full`, `condition-failed`.
    pub async fn put_subscription(
        &self,
        actor: &Actor,
        application: ApplicationName,
        api: ApiFamily,
        new: SubscriptionFields,
        condition: Condition,
    ) -> Result<Put<SubscriptionChange>, Problems> {
        let (plan, status) = new.check()?;
        let change = Change::PutSubscription { application: application.clone(), api: api.clone(), plan, status };
        self.apply_one(actor, change, condition, move |context, made| {
            let row = applications::find(context.connection, &application)?;
            let found = subscriptions::find(context.connection, row.id, &api)?;
            let subscription = found.ok_or_else(|| no_subscription(&application, &api))?;
            let value = SubscriptionChange { subscription, warnings: made.warnings.clone() };
            Ok(Put { value, etag: row.etag(), is_new: made.is_new })
        })
        .await
    }

    /// Ends a subscription. Nothing happens if there is none.
    ///
    /// # Errors
    /// `condition-failed`.
    pub async fn delete_subscription(
        &self,
        actor: &Actor,
        application: &ApplicationName,
        api: &ApiFamily,
        condition: Condition,
    ) -> Result<(), Problems> {
        let change = Change::DeleteSubscription { application: application.clone(), api: api.clone() };
        self.apply_one(actor, change, condition, |_, _| Ok(())).await
    }
}

/// Has an application be subscribed to an API.
pub(super) fn put(
    context: &mut ChangeContext<'_>,
    application: &ApplicationName,
    api: &ApiFamily,
    (plan, status): (&PlanName, Standing),
    condition: &Condition,
) -> Result<Made, Problems> {
    context.concerns_keys = true;
    let row = application_rows::find(context.connection, application)?;
    check(condition, row.as_ref().map(ApplicationRow::etag), format!("Application {application}"))?;
    let row = row.ok_or_else(|| applications::no_application(context.connection, application))?;
    let before = subscriptions::find(context.connection, row.id, api)?;
    if before.as_ref().is_some_and(|before| before.plan == *plan && before.status == status) {
        return Ok(Made::default());
    }
    let warnings = match &before {
        Some(_) => Vec::new(),
        None => may_subscribe(context, &row, api)?,
    };
    let plan = plans::of_subscription(context, plan)?;
    let new = subscriptions::NewRow { api, plan, status, now: context.now, actor: context.actor };
    subscriptions::put(context.connection, row.id, &new)?;
    application_rows::touch(context.connection, row.id)?;
    context.touched_applications.insert(row.id);
    let after = subscriptions::find(context.connection, row.id, api)?;
    let action = if before.is_none() { Action::SubscriptionCreate } else { Action::SubscriptionUpdate };
    record(context, action, application, api, before.as_ref(), after.as_ref())?;
    Ok(Made { is_new: before.is_none(), warnings })
}

/// Refuses a new subscription that the API or the application has no room for. Returns what is worth a warning.
fn may_subscribe(
    context: &ChangeContext<'_>,
    application: &ApplicationRow,
    api: &ApiFamily,
) -> Result<Vec<String>, Problems> {
    let count = subscriptions::count(context.connection, application.id)?;
    if count >= u64::try_from(MAX_SUBSCRIPTIONS).unwrap_or(u64::MAX) {
        let name = &application.name;
        let detail = format!("{name} has {MAX_SUBSCRIPTIONS} subscriptions, which is the most: end one of them first.");
        return Err(Problems::new(Code::APPLICATION_FULL, detail));
    }
    let states = apis::states_of_family(context.connection, api)?;
    let meaning = |meaning| states.iter().any(|state| state.subscribing() == meaning);
    if states.is_empty() {
        let detail = format!("There is no API {api}: create one of its versions first, and see the list of APIs.");
        return Err(Problems::new(Code::API_NOT_FOUND, detail));
    }
    if meaning(Subscribing::Open) {
        return Ok(Vec::new());
    }
    if meaning(Subscribing::OperatorOnly) {
        let what = "is Created: the subscription serves tests, and consumers are not offered the API before it is Pre-released or Published";
        return Ok(vec![format!("{api} {what}.")]);
    }
    let states = states.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(", ");
    let detail = format!(
        "{api} takes no new subscriptions: no version of it is Pre-released or Published, but {states}. Those that it has stay."
    );
    Err(Problems::new(Code::SUBSCRIPTION_NOT_ALLOWED, detail))
}

/// Ends a subscription, if there is one.
pub(super) fn delete(
    context: &mut ChangeContext<'_>,
    application: &ApplicationName,
    api: &ApiFamily,
    condition: &Condition,
) -> Result<(), Problems> {
    context.concerns_keys = true;
    let row = application_rows::find(context.connection, application)?;
    check(condition, row.as_ref().map(ApplicationRow::etag), format!("Application {application}"))?;
    match row {
        Some(row) => end(context, row.id, application, api),
        None => Ok(()),
    }
}

fn end(
    context: &mut ChangeContext<'_>,
    id: u64,
    application: &ApplicationName,
    api: &ApiFamily,
) -> Result<(), Problems> {
    let Some(before) = subscriptions::find(context.connection, id, api)? else { return Ok(()) };
    subscriptions::delete(context.connection, id, api)?;
    application_rows::touch(context.connection, id)?;
    context.touched_applications.insert(id);
    record(context, Action::SubscriptionDelete, application, api, Some(&before), None)
}

/// Ends every subscription to a family that has no API left: whoever takes the free key begins without subscribers.
pub(super) fn end_if_gone(context: &mut ChangeContext<'_>, api: &ApiFamily) -> Result<(), Problems> {
    if !apis::states_of_family(context.connection, api)?.is_empty() {
        return Ok(());
    }
    for (id, application) in subscriptions::subscribers(context.connection, api)? {
        context.concerns_keys = true;
        end(context, id, &application, api)?;
    }
    Ok(())
}

fn record(
    context: &ChangeContext<'_>,
    action: Action,
    application: &ApplicationName,
    api: &ApiFamily,
    before: Option<&Subscription>,
    after: Option<&Subscription>,
) -> Result<(), Problems> {
    let subject = format!("{application} {api}");
    let (before, after) = (before.map(views::audited_subscription), after.map(views::audited_subscription));
    context.record(&NewEntry { action, subject, api: None, before, after })
}

fn no_subscription(application: &ApplicationName, api: &ApiFamily) -> Problems {
    let detail = format!("{application} is not subscribed to {api}: see its list of subscriptions.");
    Problems::new(Code::SUBSCRIPTION_NOT_FOUND, detail)
}
