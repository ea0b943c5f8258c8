//! Contracts: uploaded before a definition refers to them, and shown as they were uploaded.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::task::spawn_blocking;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Admin;
use super::extract::{Body, Names, Query, RawBody, Who};
use crate::api::ContractDigest;
use crate::api::contract::{Layout, Side};
use crate::api::problem::{Code, Faults};
use crate::api::view::contract::{FetchContract, UploadedContract};
use crate::contract::sources::zip;
use crate::control::contracts::MAX_BYTES;
use crate::control::contracts::upload::{Choices, Rejected};
use crate::control::fetch::{FetchError, RemoteRefs};
use crate::control::http::problem::{REQUEST_TIMEOUT, Refused};

/// The path below the prefix of the API.
pub(super) const PATH: &str = "/contracts";
/// The longest body.
pub(super) const MAX_BODY_BYTES: usize = MAX_BYTES;

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new()
        .routes(routes!(upload))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .routes(routes!(fetch))
        .routes(routes!(show))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// The file name of the AsyncAPI document: in an archive that of its entry, else a name for the messages.
    #[param(nullable = false, max_length = 1024)]
    main: Option<String>,
    /// The side that the document is written from; inferred if not given.
    #[param(nullable = false, value_type = Option<Side>)]
    perspective: Option<String>,
    /// The way in which channels become routes; `inferred` if not given.
    #[param(nullable = false, value_type = Option<Layout>)]
    layout: Option<String>,
}

impl Asked {
    fn choices(self) -> Result<Choices, Refused> {
        let mut faults = Faults::default();
        let choices = Choices {
            main: self.main,
            perspective: self.perspective.and_then(|text| faults.keep("perspective", text.parse())),
            layout: self.layout.and_then(|text| faults.keep("layout", text.parse())).unwrap_or_default(),
        };
        faults.none()?;
        Ok(choices)
    }
}

/// Upload a contract: an AsyncAPI document or a zip archive, as it is
#[utoipa::path(post, path = "/contracts", tag = "contracts", params(Asked),
    request_body(content = Vec<u8>, content_type = "application/octet-stream",
        description = "The bytes of the document or archive. Any media type below `application/` will do."),
    responses(
        (status = 200, body = UploadedContract, description = "The node had these bytes already"),
        (status = 201, body = UploadedContract, description = "The contract is kept"),
        (status = 422, description = "`contract-invalid`, `fields-invalid`"),
        (status = 507, description = "`contracts-full`")))]
async fn upload(
    State(admin): State<Admin>,
    Who(_actor): Who,
    Query(asked): Query<Asked>,
    request: Request,
) -> Result<Response, Refused> {
    let choices = asked.choices()?;
    admin.manager().takes_changes()?;
    // One body of this length at a time is held in memory.
    let turn = admin.contract_turn().acquire().await;
    let _turn = turn.map_err(|_| ended())?;
    let RawBody(body) = RawBody::from_request(request, &admin).await?;
    if body.is_empty() {
        return Err(Refused::new(
            Code::CONTRACT_INVALID,
            "The body is empty: send the document or the archive itself.",
        ));
    }
    kept(&admin, body, choices).await
}

/// Keeps the bytes of a contract, and answers what they are.
async fn kept(admin: &Admin, bytes: Bytes, choices: Choices) -> Result<Response, Refused> {
    let contracts = admin.manager().contracts().clone();
    let taken = spawn_blocking(move || contracts.take(&bytes, choices)).await.map_err(|_| ended())?;
    let (uploaded, is_new) = taken.map_err(refused)?;
    let location = format!("{}{PATH}/{}", super::PREFIX, uploaded.contract.digest);
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [(LOCATION, location)], Json(uploaded)).into_response())
}

/// Fetch a contract from a URL that the configuration allows, and keep it like an upload
#[utoipa::path(post, path = "/contracts/fetch", tag = "contracts", params(Asked), request_body = FetchContract,
    responses(
        (status = 200, body = UploadedContract, description = "The node had these bytes already"),
        (status = 201, body = UploadedContract, description = "The contract is kept"),
        (status = 403, description = "`url-not-allowed`"),
        (status = 422, description = "`contract-invalid`, `fields-invalid`"),
        (status = 502, description = "`contract-not-fetched`"),
        (status = 507, description = "`contracts-full`")))]
async fn fetch(
    State(admin): State<Admin>,
    Who(_actor): Who,
    Query(asked): Query<Asked>,
    Body(wanted): Body<FetchContract>,
) -> Result<Response, Refused> {
    let mut choices = asked.choices()?;
    admin.manager().takes_changes()?;
    let refs = if wanted.allow_remote_refs { RemoteRefs::Fetched } else { RemoteRefs::Refused };
    let Some(fetcher) = admin.fetcher() else {
        return Err(Refused::new(Code::URL_NOT_ALLOWED, "This process fetches nothing."));
    };
    let sources = fetcher.fetch(&wanted.url, refs).await.map_err(not_fetched)?;
    let _turn = admin.contract_turn().acquire().await.map_err(|_| ended())?;
    let is_one = sources.names().count() == 1;
    let only = sources.get(sources.main()).filter(|_| is_one).map(<[u8]>::to_vec);
    let bytes = match only {
        Some(only) => {
            // An archive has its own names.
            if !zip::is_zip(&only) {
                choices.main.get_or_insert_with(|| sources.main().to_owned());
            }
            only
        }
        None => {
            choices.main = Some(sources.main().to_owned());
            let packed = spawn_blocking(move || zip::packed(sources.iter())).await.map_err(|_| ended())?;
            packed.map_err(|error| Refused::new(Code::CONTRACT_INVALID, error.to_string()))?
        }
    };
    kept(&admin, bytes.into(), choices).await
}

fn not_fetched(error: FetchError) -> Refused {
    match error {
        FetchError::Url(why) => Refused::field(Code::FIELDS_INVALID, "url", "form", why),
        FetchError::NotAllowed(why) => Refused::new(Code::URL_NOT_ALLOWED, format!("{why}.")),
        FetchError::Failed(why) => Refused::new(Code::CONTRACT_NOT_FETCHED, format!("{why}.")),
    }
}

/// Show a contract: the bytes as they were uploaded
#[utoipa::path(get, path = "/contracts/{digest}", tag = "contracts",
    params(("digest" = ContractDigest, Path, description = "The SHA-256 digest of the bytes.")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream", description = "The bytes"),
        (status = 404, description = "`contract-not-found`"),
        (status = 422, description = "`fields-invalid`")))]
async fn show(State(admin): State<Admin>, Names(digest): Names<String>) -> Result<Response, Refused> {
    let mut faults = Faults::default();
    let digest: Option<ContractDigest> = faults.keep("digest", digest.parse());
    let Some(digest) = digest else { return Err(faults.into_problems().into()) };
    let contracts = admin.manager().contracts().clone();
    let bytes = spawn_blocking(move || contracts.bytes(&digest)).await.map_err(|_| ended())?;
    let bytes = bytes.map_err(|fault| refused(fault.into()))?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))], bytes).into_response())
}

fn refused(Rejected { problems, contract }: Rejected) -> Refused {
    Refused::from(problems).with_contract(contract)
}

fn ended() -> Refused {
    Refused::new(REQUEST_TIMEOUT, "The process ends; nothing was done.")
}
