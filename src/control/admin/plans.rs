//! Plans: the terms of subscriptions.

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
use super::{Admin, page};
use crate::api::Page;
use crate::api::consumers::request::{DescribedFields, NewPlan};
use crate::api::consumers::{Plan, PlanName};
use crate::api::problem::{Fault, Problems};
use crate::control::http::problem::Refused;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, put, delete))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// The most items that the page has; 100 if not given.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// The `next` of the page before; without it the first page.
    #[param(nullable = false, max_length = 1024)]
    cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct Place {
    /// The plan's name.
    #[param(value_type = PlanName)]
    plan: String,
}

impl Place {
    fn name(&self) -> Result<PlanName, Refused> {
        self.plan.parse().map_err(|fault: Fault| Problems::of_fields(vec![fault.at("plan")]).into())
    }
}

fn location(plan: &Plan) -> String {
    format!("/api/v1/plans/{}", plan.name)
}

/// List plans, in the order of their names
#[utoipa::path(get, path = "/plans", tag = "plans", params(Asked),
    responses((status = 200, body = Page<Plan>, description = "A page of plans")))]
async fn list(State(admin): State<Admin>, Query(asked): Query<Asked>) -> Result<Json<Page<Plan>>, Refused> {
    let page = page::asked(asked.limit, asked.cursor)?;
    Ok(Json(admin.manager().plans(page).await?))
}

/// Create a plan
#[utoipa::path(post, path = "/plans", tag = "plans", request_body = NewPlan,
    responses(
        (status = 201, body = Plan, description = "The plan was created"),
        (status = 409, description = "`plan-exists`"),
        (status = 422, description = "`fields-invalid`")))]
async fn create(State(admin): State<Admin>, Who(who): Who, Body(new): Body<NewPlan>) -> Result<Response, Refused> {
    let made = admin.manager().create_plan(&who, new).await?;
    let location = location(&made.value);
    Ok(etag::put(made, location))
}

/// Show a plan
#[utoipa::path(get, path = "/plans/{plan}", tag = "plans", params(Place),
    responses(
        (status = 200, body = Plan, description = "The plan"),
        (status = 404, description = "`plan-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn show(State(admin): State<Admin>, Names(place): Names<Place>) -> Result<Response, Refused> {
    Ok(etag::shown(admin.manager().plan(&place.name()?).await?))
}

/// Update a plan, or create it. A blocked plan closes every subscription that has it
#[utoipa::path(put, path = "/plans/{plan}", tag = "plans", params(Place), request_body = DescribedFields,
    responses(
        (status = 200, body = Plan, description = "The plan existed and was updated"),
        (status = 201, body = Plan, description = "The plan was created"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn put(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
    Body(new): Body<DescribedFields>,
) -> Result<Response, Refused> {
    let put = admin.manager().put_plan(&who, place.name()?, new, condition).await?;
    let location = location(&put.value);
    Ok(etag::put(put, location))
}

/// Delete a plan that no subscription has
#[utoipa::path(delete, path = "/plans/{plan}", tag = "plans", params(Place),
    responses(
        (status = 204, description = "The plan was deleted, or did not exist"),
        (status = 409, description = "`plan-in-use`"),
        (status = 412, description = "`condition-failed`"),
        (status = 422, description = "`fields-invalid`")))]
async fn delete(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
    If(condition): If,
) -> Result<StatusCode, Refused> {
    admin.manager().delete_plan(&who, &place.name()?, condition).await?;
    Ok(StatusCode::NO_CONTENT)
}
