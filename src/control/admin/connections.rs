//! Live connections: listed, and closed in order.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use tracing::warn;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{self, Body, Names, Query, Who};
use super::filters::{self, Named};
use super::{Admin, page};
use crate::api::problem::{Code, Fault, Faults};
use crate::api::view::connections::{Closed, Closing, Connection, Traffic};
use crate::api::{Actor, ApiKey, EnvironmentName, Page};
use crate::command::view::ConnectionView;
use crate::control::http::problem::{CONNECTION_NOT_FOUND, Refused, SHARDS_SILENT};
use crate::control::manage::NodeChange;
use crate::control::page::{self as pages, List};
use crate::control::shards::{Filter, Position, Silent};
use crate::proto::forwarded;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(close_one)).routes(routes!(close))
}

fn shown(shard: usize, view: &ConnectionView) -> Connection {
    let holder = view.consumer.as_ref().and_then(|consumer| consumer.key_holder());
    let traffic = |[from_client, from_upstream]: [u64; 2]| Traffic { from_client, from_upstream };
    Connection {
        id: format!("{shard}-{}", view.id),
        client: forwarded::shown(view.peer),
        path: view.path.as_ref().to_owned(),
        api: view.labels.as_ref().map(ToString::to_string),
        environment: view.labels.as_ref().map(|labels| labels.environment.as_ref().to_owned()),
        consumer: view.consumer.as_ref().map(ToString::to_string),
        application: holder.map(|holder| holder.application.name.as_ref().to_owned()),
        key_id: holder.map(|holder| holder.key.0),
        channel: view.channel.as_ref().map(|path| path.as_ref().to_owned()),
        endpoint: view.endpoint.as_ref().map(|endpoint| endpoint.as_ref().to_owned()),
        stage: view.stage,
        tls: view.tls.map(|version| format!("{version:?}")),
        age_ms: u64::try_from(view.age.as_millis()).unwrap_or(u64::MAX),
        messages: traffic(view.messages),
        bytes: traffic(view.bytes),
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Only connections of this API: `project/identifier:version`.
    #[param(
        nullable = false,
        pattern = r"^[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*:[0-9]{1,4}\.[0-9]{1,4}$",
        example = "default/chat-app-api:1.0"
    )]
    api: Option<String>,
    /// Only connections in this environment.
    #[param(nullable = false, value_type = Option<EnvironmentName>)]
    environment: Option<String>,
    /// Only connections from this client address.
    #[param(nullable = false, example = "192.0.2.7")]
    client: Option<String>,
    /// The most items that the page has; 100 if not given.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// The `next` of the page before; without it the first page.
    #[param(nullable = false, max_length = 1024)]
    cursor: Option<String>,
}

/// List live connections
#[utoipa::path(get, path = "/connections", tag = "connections", params(Asked),
    responses(
        (status = 200, body = Page<Connection>, description = "A page of connections. A connection that was accepted meanwhile may be missing"),
        (status = 422, description = "`fields-invalid`"),
        (status = 504, description = "`shards-silent`")))]
async fn list(State(admin): State<Admin>, Query(asked): Query<Asked>) -> Result<Json<Page<Connection>>, Refused> {
    let mut faults = Faults::default();
    let environment = asked.environment.and_then(|text| faults.keep("environment", text.parse::<EnvironmentName>()));
    let client = asked.client.and_then(|text| {
        let address = text.parse::<IpAddr>();
        faults.keep("client", address.map_err(|_| Fault::new("address", "it must be an IP address")))
    });
    faults.none()?;
    let api = extract::api(asked.api.as_deref())?;
    let named = Named { environment: environment.clone(), api: api.clone(), ..Named::default() };
    let filter = filter(api, environment);
    let page = page::asked(asked.limit, asked.cursor)?;
    let from: Position = pages::read(List::Connections, page.cursor.as_deref())?.unwrap_or_default();
    let (found, next) = admin.shards().connections(&filter, client, from, usize::from(page.limit)).await?;
    if found.is_empty() {
        filters::exist(&admin, named).await?;
    }
    let items: Vec<Connection> = found.iter().map(|(shard, view)| shown(*shard, view)).collect();
    Ok(Json(Page { items, next: next.map(|next| pages::write(List::Connections, next)) }))
}

/// The name in a connection's path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct Place {
    /// The connection's id.
    #[param(pattern = "^[0-9]{1,5}-[0-9]{1,20}$")]
    id: String,
}

/// Close a connection, with 1001 on both sides
#[utoipa::path(delete, path = "/connections/{id}", tag = "connections", params(Place),
    responses(
        (status = 204, description = "The connection is closing"),
        (status = 404, description = "`connection-not-found`"),
        (status = 504, description = "`shards-silent`")))]
async fn close_one(
    State(admin): State<Admin>,
    Who(who): Who,
    Names(place): Names<Place>,
) -> Result<StatusCode, Refused> {
    admin.manager().takes_changes()?;
    let id = place.id.split_once('-').and_then(|(shard, number)| Some((shard.parse().ok()?, number.parse().ok()?)));
    let Some((shard, number)) = id else { return Err(no_connection()) };
    run_to_completion(async move {
        if !admin.shards().close_one(shard, number).await? {
            return Err(no_connection());
        }
        record(&admin, &who, format!("connection {}", place.id), 1).await;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Close the connections of an API or an environment, with 1001 on both sides, spread over their drain window
#[utoipa::path(post, path = "/connections/close", tag = "connections", request_body = Closing,
    responses(
        (status = 200, body = Closed, description = "The number of connections that will close"),
        (status = 422, description = "`fields-invalid`"),
        (status = 504, description = "`shards-silent`")))]
async fn close(
    State(admin): State<Admin>,
    Who(who): Who,
    Body(closing): Body<Closing>,
) -> Result<Json<Closed>, Refused> {
    let mut faults = Faults::default();
    let environment = closing.environment.and_then(|text| faults.keep("environment", text.parse::<EnvironmentName>()));
    let api = closing.api.and_then(|text| {
        let key = text.parse::<ApiKey>();
        faults.keep("api", key.map_err(|problems| Fault::new("api", problems.detail)))
    });
    faults.none()?;
    let named = Named { environment: environment.clone(), api: api.clone(), ..Named::default() };
    let filter = filter(api, environment);
    if filter == Filter::default() {
        let asked = "it must name an API, an environment, or both";
        return Err(Refused::field(Code::FIELDS_INVALID, "api", "required", asked));
    }
    admin.manager().takes_changes()?;
    run_to_completion(async move {
        let answers = admin.shards().close(&filter).await?;
        let closing = answers.sum();
        if closing == 0 {
            filters::exist(&admin, named).await?;
        }
        let environment = filter.environment.map(|name| format!("@{name}"));
        let subject = filter.api.into_iter().chain(environment).collect::<Vec<_>>().join(" ");
        record(&admin, &who, subject, closing).await;
        answers.all()?;
        Ok(Json(Closed { closing }))
    })
    .await
}

/// Runs `work` even if the HTTP client disconnects, so that the audit entry is always written.
async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refused>> + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|_| {
        Err(Refused::new(SHARDS_SILENT, "The process is ending. The connections may be closed all the same."))
    })
}

fn no_connection() -> Refused {
    Refused::new(CONNECTION_NOT_FOUND, "There is no such connection: it may have ended already.")
}

impl From<Silent> for Refused {
    fn from(silent: Silent) -> Self {
        Self::new(SHARDS_SILENT, format!("In this process {silent}. The connections may be closed all the same."))
    }
}

fn filter(api: Option<ApiKey>, environment: Option<EnvironmentName>) -> Filter {
    Filter { api: api.map(|key| key.to_string()), environment: environment.map(String::from) }
}

/// Adds the audit entry of closed connections. A store that cannot take the entry does not reopen them.
async fn record(admin: &Admin, who: &Actor, subject: String, closing: u64) {
    let note = NodeChange::NoteClosing { subject, closing };
    if let Err(problems) = admin.manager().change_node(who, note).await {
        warn!(%who, closing, why = problems.detail, "connections were closed, but the audit entry could not be written");
    }
}
