//! The guard of a router: the checks that every request must pass before a handler sees it.
//!
//! A page in the operator's browser can send requests here, to this address or to a name of its own that it points
//! here. It must neither change nor read anything, and several things keep it from that: it does not have the token;
//! its requests name its own site as `Origin`, or as `Host`; it cannot send JSON to another site without asking, and
//! nobody here says that it may.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName,
    ORIGIN, SEC_WEBSOCKET_PROTOCOL, TRANSFER_ENCODING, UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tokio::time::timeout;
use tracing::warn;

use super::arrival::{CameFrom, CameIn, Lane};
use super::problem::{self, Refused, in_our_words};
use super::token::Token;
use crate::control::repeat_limit::RepeatLimit;
use crate::proto::authority::Authority;

/// Bytes of the longest body on a route that has no limit of its own.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;
/// The longest time from the head of a request to its answer. Each step within has a shorter limit of its own.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// A subprotocol that begins so goes on with the token in base64url.
const BEARER_PROTOCOL: &str = "ringway.bearer.";
/// The paths that need no token: they say only whether the process is alive, and whether it takes new clients.
const OPEN: [&str; 3] = ["/api/v1/health/live", "/health/live", "/health/ready"];
/// The time between two warnings about wrong tokens from one address.
const WARN_EVERY: Duration = Duration::from_secs(10);
const NOT_FOR_BROWSERS: [(HeaderName, HeaderValue); 3] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
];

/// The rules that a listener has for its clients.
#[derive(Clone, Debug)]
pub(crate) struct Guard(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    /// `None` on a listener that is open to whoever reaches it.
    token: Option<Token>,
    /// Names that it may be called by; `None` for any.
    hosts: Option<AllowedHosts>,
    /// Paths whose bodies have a limit or a form of their own.
    bodies: Vec<(String, BodyLimit, BodyForm)>,
    wrong_tokens: WrongTokens,
}

/// Requests that showed a wrong token or none. Clones count together.
#[derive(Clone, Debug)]
pub struct WrongTokens(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    requests: AtomicU64,
    warnings: Mutex<RepeatLimit<IpAddr>>,
}

impl Default for WrongTokens {
    fn default() -> Self {
        Self(Arc::new(Counted { requests: AtomicU64::new(0), warnings: Mutex::new(RepeatLimit::new(WARN_EVERY)) }))
    }
}

impl WrongTokens {
    /// Their number since the start.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    fn count(&self, from: Option<&CameFrom>) {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        let Some(CameFrom(client)) = from else { return };
        let mut warnings = self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = warnings.count(&client.ip(), Instant::now()) {
            warn!(%client, requests, "a client of the admin listener has shown a wrong token, or none");
        }
    }
}

/// Bytes of the longest body that a request may have. The guard notes it in each request that it lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyLimit(pub(crate) usize);

impl Default for BodyLimit {
    fn default() -> Self {
        Self(MAX_BODY_BYTES)
    }
}

/// The form of a body. Neither is one that a page may send to another site without asking first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BodyForm {
    /// JSON.
    #[default]
    Json,
    /// Bytes of a file: any media type below `application/`, but not that of a form.
    File,
}

/// Names that a listener may be called by besides the usual ones of its host. They may change; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Arc<ArcSwap<Vec<String>>>);

impl AllowedHosts {
    /// These, from now on.
    pub fn replace(&self, hosts: Vec<String>) {
        self.0.store(Arc::new(hosts));
    }
}

impl From<Vec<String>> for AllowedHosts {
    fn from(hosts: Vec<String>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(hosts)))
    }
}

impl Guard {
    /// For the admin listener: the token, and besides the usual names of this host only those given.
    #[must_use]
    pub(crate) fn new(token: Token, hosts: impl Into<AllowedHosts>, wrong_tokens: WrongTokens) -> Self {
        Self(Arc::new(Rules { token: Some(token), hosts: Some(hosts.into()), bodies: Vec::new(), wrong_tokens }))
    }

    /// For a listener that asks for no token: figures alone. Whoever scrapes calls it by a name of his own.
    #[must_use]
    pub(crate) fn open() -> Self {
        let wrong_tokens = WrongTokens::default();
        Self(Arc::new(Rules { token: None, hosts: None, bodies: Vec::new(), wrong_tokens }))
    }

    /// Gives the bodies of a path a limit and a form of their own.
    #[must_use]
    pub(crate) fn with_body(self, path: String, bytes: usize, form: BodyForm) -> Self {
        let Rules { token, hosts, bodies, wrong_tokens } = &*self.0;
        let mut bodies = bodies.clone();
        bodies.push((path, BodyLimit(bytes), form));
        let (token, hosts, wrong_tokens) = (token.clone(), hosts.clone(), wrong_tokens.clone());
        Self(Arc::new(Rules { token, hosts, bodies, wrong_tokens }))
    }

    fn body(&self, path: &str) -> (BodyLimit, BodyForm) {
        let own = self.0.bodies.iter().find(|(of, ..)| of == path);
        own.map_or_else(Default::default, |(_, limit, form)| (*limit, *form))
    }

    fn check(&self, request: &Request) -> Result<(), Refused> {
        let headers = request.headers();
        let host = self.host(request)?;
        same_origin(headers, host)?;
        if !is_open(request) {
            if request.extensions().get::<Lane>() == Some(&Lane::Probes) {
                return Err(Refused::new(
                    problem::TOO_MANY_CONNECTIONS,
                    "This listener is at its limit of connections.",
                ));
            }
            self.knows(headers).inspect_err(|_| self.0.wrong_tokens.count(request.extensions().get()))?;
        }
        body(headers, self.body(request.uri().path()))
    }

    fn host<'a>(&self, request: &'a Request) -> Result<Authority<'a>, Refused> {
        let bad = |detail| Refused::new(problem::HOST_INVALID, detail);
        let mut given = request.headers().get_all(HOST).iter();
        let (Some(host), None) = (given.next(), given.next()) else {
            return Err(bad("The request must have one Host header (RFC 9112 section 3.2)."));
        };
        let Some(host) = host.to_str().ok().and_then(|host| Authority::parse(host).ok()) else {
            return Err(bad("The Host header is not a host with an optional port (RFC 9110 section 7.2)."));
        };
        let target = request.uri().authority().map(|target| Authority::parse(target.as_str())).transpose();
        let Ok(target) = target else {
            return Err(bad("The request's target does not name a host with an optional port."));
        };
        let came_in = request.extensions().get::<CameIn>().map(|CameIn(address)| address.ip());
        // A target in absolute form counts before the header (RFC 9112 section 3.2.2): both must be right.
        for named in std::iter::once(host).chain(target) {
            if !self.0.hosts.as_ref().is_none_or(|AllowedHosts(hosts)| is_ours(named, &hosts.load(), came_in)) {
                return Err(Refused::new(
                    problem::HOST_NOT_ALLOWED,
                    "This listener is not called by the name in the Host header: call it by the address it listens on, \
                     or add the name to `allowed_hosts` of the configuration.",
                ));
            }
        }
        Ok(host)
    }

    fn knows(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let Some(token) = &self.0.token else { return Ok(()) };
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let is_known = match (given.next(), given.next()) {
            (Some(credentials), None) => {
                let bearer = credentials.to_str().ok().and_then(|text| text.split_once(' '));
                bearer.is_some_and(|(scheme, given)| {
                    scheme.eq_ignore_ascii_case("bearer") && token.is(given.trim_matches(' '))
                })
            }
            (None, _) if headers.contains_key(UPGRADE) => {
                bearer_protocol(headers).is_some_and(|given| token.is(&given))
            }
            _ => {
                return Err(Refused::new(
                    problem::TOKEN,
                    "Every call needs `Authorization: Bearer TOKEN`, once; TOKEN is in the file admin-token of the state directory.",
                ));
            }
        };
        if is_known {
            return Ok(());
        }
        Err(Refused::new(
            problem::TOKEN,
            "This is not the token: it is in the file admin-token of the state directory.",
        ))
    }
}

/// True if a request needs no token.
fn is_open(request: &Request) -> bool {
    OPEN.contains(&request.uri().path()) && matches!(*request.method(), Method::GET | Method::HEAD)
}

/// The token in the subprotocol of a WebSocket's handshake: a page in a browser cannot send `Authorization` with one.
fn bearer_protocol(headers: &HeaderMap) -> Option<String> {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    let token = offered.flat_map(|line| line.split(',')).find_map(|name| name.trim().strip_prefix(BEARER_PROTOCOL))?;
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

/// True if a client may call the listener by this name: a usual name of this host, the address that the client has reached, or
/// by one of `hosts`. An address in a URL belongs to no site, so its port is not looked at.
fn is_ours(named: Authority<'_>, hosts: &[String], came_in: Option<IpAddr>) -> bool {
    let address = named.address();
    let is_usual = named.host().eq_ignore_ascii_case("localhost")
        || matches!(address, Some(IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST)));
    is_usual
        || (address.is_some() && address.map(|address| address.to_canonical()) == came_in.map(|ip| ip.to_canonical()))
        || hosts.iter().any(|allowed| is_allowed(named, allowed))
}

/// True if `allowed_hosts` has this name; an entry with a port matches that port alone.
fn is_allowed(named: Authority<'_>, allowed: &str) -> bool {
    // An IPv6 address may stand there without brackets.
    if let Ok(address) = allowed.parse::<IpAddr>() {
        return named.address() == Some(address);
    }
    Authority::parse(allowed).is_ok_and(|allowed| {
        let is_same_host = match allowed.address() {
            Some(address) => named.address() == Some(address),
            None => named.host().eq_ignore_ascii_case(allowed.host()),
        };
        is_same_host && (allowed.port().is_none() || allowed.port() == named.port())
    })
}

/// A browser names the site that a request comes from. Only a page of this very listener may call it.
fn same_origin(headers: &HeaderMap, host: Authority<'_>) -> Result<(), Refused> {
    let is_own = |origin: &HeaderValue| {
        let own = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        own.is_some_and(|(scheme, site)| matches!(scheme, "http" | "https") && site.eq_ignore_ascii_case(host.as_str()))
    };
    if headers.get_all(ORIGIN).iter().all(is_own) {
        return Ok(());
    }
    Err(Refused::new(
        problem::ORIGIN_NOT_ALLOWED,
        "The Origin header names another site: web pages of other sites may not call this listener.",
    ))
}

/// Whatever has a body says that it has the form that is taken, and how long it is if it is long.
fn body(headers: &HeaderMap, (limit, form): (BodyLimit, BodyForm)) -> Result<(), Refused> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.unwrap_or(0) == 0 && !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    if length.is_some_and(|length| length > limit.0 as u64) {
        return Err(too_large(limit));
    }
    match form {
        BodyForm::Json if is_json(headers) => Ok(()),
        BodyForm::Json => Err(not_json()),
        BodyForm::File if is_file(headers) => Ok(()),
        BodyForm::File => Err(not_a_file()),
    }
}

/// 413.
pub(crate) fn too_large(BodyLimit(bytes): BodyLimit) -> Refused {
    Refused::new(problem::BODY_TOO_LARGE, format!("The body is longer than {} MiB ({bytes} bytes).", bytes >> 20))
}

/// 415.
pub(crate) fn not_json() -> Refused {
    Refused::new(problem::CONTENT_TYPE_NOT_JSON, "Bodies are JSON: send them with `Content-Type: application/json`.")
}

/// 415.
fn not_a_file() -> Refused {
    let detail = "The body is the bytes of a file: send it with `Content-Type: application/octet-stream`.";
    Refused::new(problem::CONTENT_TYPE_NOT_JSON, detail)
}

fn too_slow() -> Refused {
    let detail = format!(
        "The request was not answered within {} s. A change may have been made all the same: look before you repeat it.",
        REQUEST_TIMEOUT.as_secs()
    );
    Refused::new(problem::REQUEST_TIMEOUT, detail)
}

/// True if a body is declared as `application/json`, with no parameter but `charset=utf-8`.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (given.next(), given.next()) else { return false };
    let Ok(kind) = kind.to_str() else { return false };
    let mut parts = kind.split(';').map(str::trim);
    parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| {
            parameter.eq_ignore_ascii_case("charset=utf-8") || parameter.eq_ignore_ascii_case("charset=\"utf-8\"")
        })
}

/// True if a body is declared as an application's.
fn is_file(headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (given.next(), given.next()) else { return false };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("application/") && kind != "application/x-www-form-urlencoded"
}

/// Lets through what passes, and makes every answer one that a browser does nothing with.
pub(crate) async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    // Who shows no token gets one answer for a connection: it shall not hold a place.
    let is_probe = request.extensions().get::<Lane>() == Some(&Lane::Probes);
    let is_known = !is_probe && guard.0.token.is_some() && guard.knows(request.headers()).is_ok();
    let (limit, _) = guard.body(request.uri().path());
    request.extensions_mut().insert(limit);
    let mut response = match guard.check(&request) {
        Ok(()) => match timeout(REQUEST_TIMEOUT, next.run(request)).await {
            Ok(response) => in_our_words(response),
            Err(_) => too_slow().into_response(),
        },
        Err(problem) => problem.into_response(),
    };
    // A page of ours has a policy that is as strict, and allows its own style.
    let own_policy = response.headers_mut().remove(CONTENT_SECURITY_POLICY);
    response.headers_mut().extend(NOT_FOR_BROWSERS);
    if let Some(policy) = own_policy {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    if !is_known {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests;
