//! Applications of consumers: what keys and subscriptions belong to.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::etag::{self, If};
use super::extract::{Body, Names, Query, Who};
use super::filters::{self, Named};
use super::{Admin, page};
use crate::api::Page;
use crate::api::consumers::request::{DescribedFields, NewApplication};
use crate::api::consumers::{ApiFamily, Application, ApplicationName, ConsumerName, PlanName, ShortApplicationName};
use crate::api::problem::Faults;
use crate::control::http::problem::Refused;
use crate::control::manage::ApplicationFilter;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, put, delete))
}

/// The names in an application's path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Place {
    /// The consumer's name.
    #[param(value_type = ConsumerName)]
    consumer: String,
    /// The application's name.
    #[param(value_type = ShortApplicationName)]
    application: String,
}

impl Place {
    pub(super) fn name(&self) -> Result<ApplicationName, Refused> {
        Ok(ApplicationName::of(&self.consumer, &self.application)?)
    }
}

/// The path of an application.
pub(super) fn location(name: &ApplicationName) -> String {
    format!("/api/v1/applications/{}/{}", name.consumer, name.name)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Only applications of this consumer.
    #[param(nullable = false, value_type = Option<ConsumerName>)]
    consumer: Option<String>,
    /// Only applications that are subscribed to this: `project/identifier:major`.
    #[param(nullable = false, value_type = Option<ApiFamily>)]
    api: Option<String>,
    /// Only applications with a subscription that has this plan.
    #[param(nullable = false, value_type = Option<PlanName>)]
    plan: Option<String>,
    /// The most items that the page has; 100 if not given.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// The `next` of the page before; without it the first page.
    #[param(nullable = false, max_length = 1024)]
    cursor: Option<String>,
}

/// List applications, in the order of consumer and name
#[utoipa::path(get, path = "/applications", tag = "applications", params(Asked),
    responses(
        (status = 200, body = Page<Application>, description = "A page of applications"),
        (status = 422, description = "`fields-invalid`")))]
async fn list(State(admin): State<Admin>, Query(asked): Query<Asked>) -> Result<Json<Page<Application>>, Refused> {
    let mut faults = Faults::default();
    let filter = ApplicationFilter {
        consumer: asked.consumer.and_then(|text| faults.keep("consumer", text.parse())),
        api: asked.api.and_then(|text| faults.keep("api", text.parse())),
        plan: asked.plan.and_then(|text| faults.keep("plan", text.parse())),
    };
    faults.none()?;
    let page = page::asked(asked.limit, asked.cursor)?;
    let named = Named { plan: filter.plan.clone(), ..Named::default() };
    let found = admin.manager().applications(filter, page).await?;
    if found.items.is_empty() {
        filters::exist(&admin, named).await?;
    }
    Ok(Json(found))
}

/// Create an application
#[utoipa::path(post, path = "/applications", tag = "applications", request_body = NewApplication,
    responses(
        (status = 201, body = Application, description = "The application was created"),
        (status = 409, description = "`application-exists`"),
        (status = 422, description = "`fields-invalid`")))]
async fn create(
    State(admin): State<Admin>,
    Who(who): Who,
    Body(new): Body<NewApplication>,
) -> Result<Response, Refused> {
    let made = admin.manager().create_application(&who, new).await?;
    let location = location(&made.value.whole_name());
    Ok(etag::put(made, location))
}

/// Show an application
#[utoipa::path(get, path = "/applications/{consumer}/{application}", tag = "applications", params(Place),
    responses(
        (status = 200, body = Application, description = "The application"),
        (status = 404, description = "`application-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn show(State(admin): State<Admin>, Names(place): Names<Place>) -> Result<Response, Refused> {
    Ok(etag::shown(admin.manager().application(&place.name()?).await?))
}

/// Update an application, or create it. The keys of a blocked application open nothing
#[utoipa::path(put, path = "/applications/{consumer}/{application}", tag = "applications", params(Place),
    request_body = DescribedFields,
    responses(
        (status = 200, body = Application, description = "The application existed and was updated"),
        (status = 201, body = Application, description = "The application was created"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn put(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
    Body(new): Body<DescribedFields>,
) -> Result<Response, Refused> {
    let put = admin.manager().put_application(&who, place.name()?, new, condition).await?;
    let location = location(&put.value.whole_name());
    Ok(etag::put(put, location))
}

/// Revoke every key of an application, end its subscriptions and delete it
#[utoipa::path(delete, path = "/applications/{consumer}/{application}", tag = "applications", params(Place),
    responses(
        (status = 204, description = "The application was deleted, or did not exist"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn delete(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
) -> Result<StatusCode, Refused> {
    admin.manager().delete_application(&who, &place.name()?, condition).await?;
    Ok(StatusCode::NO_CONTENT)
}
