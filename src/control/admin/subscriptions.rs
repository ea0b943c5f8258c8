//! Subscriptions: which APIs the keys of an application open, and on which terms.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::etag::{self, If};
use super::extract::{Body, Names, Who};
use super::{Admin, applications};
use crate::api::consumers::request::SubscriptionFields;
use crate::api::consumers::view::SubscriptionChange;
use crate::api::consumers::{ApiFamily, ApplicationName, ConsumerName, ShortApplicationName, Subscription};
use crate::api::{Identifier, Page, ProjectName};
use crate::control::http::problem::Refused;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, put, delete))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct Place {
    /// The consumer's name.
    #[param(value_type = ConsumerName)]
    consumer: String,
    /// The application's name.
    #[param(value_type = ShortApplicationName)]
    application: String,
    /// The API's project.
    #[param(value_type = ProjectName)]
    project: String,
    /// The API's identifier.
    #[param(value_type = Identifier)]
    identifier: String,
    /// The API's major version.
    #[param(value_type = u16, maximum = 9999)]
    major: String,
}

impl Place {
    fn names(&self) -> Result<(ApplicationName, ApiFamily), Refused> {
        let application = ApplicationName::of(&self.consumer, &self.application)?;
        Ok((application, ApiFamily::of(&self.project, &self.identifier, &self.major)?))
    }
}

/// List an application's subscriptions, in the order of their APIs
#[utoipa::path(get, path = "/applications/{consumer}/{application}/subscriptions", tag = "subscriptions",
    params(applications::Place),
    responses(
        (status = 200, body = Page<Subscription>, description = "All subscriptions of the application"),
        (status = 404, description = "`application-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn list(
    State(admin): State<Admin>,
    Names(place): Names<applications::Place>,
) -> Result<Json<Page<Subscription>>, Refused> {
    let items = admin.manager().subscriptions(&place.name()?).await?.value;
    Ok(Json(Page { items, next: None }))
}

/// Show a subscription
#[utoipa::path(get, path = "/applications/{consumer}/{application}/subscriptions/{project}/{identifier}/{major}",
    tag = "subscriptions", params(Place),
    responses(
        (status = 200, body = Subscription, description = "The subscription"),
        (status = 404, description = "`application-not-found`, `subscription-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn show(State(admin): State<Admin>, Names(place): Names<Place>) -> Result<Response, Refused> {
    let (application, api) = place.names()?;
    Ok(etag::shown(admin.manager().subscription(&application, &api).await?))
}

/// Subscribe an application to an API, or change plan and status of the subscription
#[utoipa::path(put, path = "/applications/{consumer}/{application}/subscriptions/{project}/{identifier}/{major}",
    tag = "subscriptions", params(Place), request_body = SubscriptionFields,
    responses(
        (status = 200, body = SubscriptionChange, description = "The subscription existed and was updated"),
        (status = 201, body = SubscriptionChange, description = "The application is now subscribed"),
        (status = 404, description = "`application-not-found`, `api-not-found`, `plan-not-found`"),
        (status = 409, description = "`subscription-not-allowed`, `application-full`"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn put(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
    Body(new): Body<SubscriptionFields>,
) -> Result<Response, Refused> {
    let (application, api) = place.names()?;
    let ApiFamily { project, identifier, major } = &api;
    let location = format!("{}/subscriptions/{project}/{identifier}/{major}", applications::location(&application));
    let put = admin.manager().put_subscription(&who, application, api, new, condition).await?;
    Ok(etag::put(put, location))
}

/// End a subscription
#[utoipa::path(delete, path = "/applications/{consumer}/{application}/subscriptions/{project}/{identifier}/{major}",
    tag = "subscriptions", params(Place),
    responses(
        (status = 204, description = "The subscription was ended, or did not exist"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn delete(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
) -> Result<StatusCode, Refused> {
    let (application, api) = place.names()?;
    admin.manager().delete_subscription(&who, &application, &api, condition).await?;
    Ok(StatusCode::NO_CONTENT)
}
