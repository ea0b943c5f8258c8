//! The guard of a router: the checks that every request must pass before a handler sees it.
//!
//! A page in the operator's browser can send requests here, to this address or to a name of its own that it points
//! here. It must neither change nor read anything, and several things keep it from that: it does not have the token;
//! its requests name its own site as `Origin`, or as `Host`; it cannot send JSON to another site without asking, and
//! nobody here says that it may.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName,
    ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use tokio::time::timeout;

use super::arrival::{CameFrom, CameIn, Lane};
use super::problem::{self, Refused, in_our_words};
use crate::api::Actor;
use crate::api::problem::Code;
use crate::control::identity::authenticator::{Authenticator, Rejection};
use crate::proto::authority::Authority;

/// Bytes of the longest body on a route that has no limit of its own.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;
/// The longest time from the head of a request to its answer. Each step within has a shorter limit of its own.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// A subprotocol that begins so goes on with the token in base64url.
const BEARER_PROTOCOL: &str = "ringway.bearer.";
/// The paths that need no token: they say only whether the process is alive, and whether it takes new clients.
const OPEN: [&str; 3] = ["/api/v1/health/live", "/health/live", "/health/ready"];
/// The challenge to a caller whose token is not accepted (RFC 6750 section 3.1).
const INVALID_TOKEN: HeaderValue = HeaderValue::from_static("Bearer realm=\"ringway\", error=\"invalid_token\"");
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
    /// Decides who callers are; `None` on a listener that is open to whoever reaches it.
    callers: Option<Authenticator>,
    /// Names that it may be called by; `None` for any.
    hosts: Option<AllowedHosts>,
    /// Paths whose bodies have a limit or a form of their own.
    bodies: Vec<(String, BodyLimit, BodyForm)>,
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
    /// For the admin listener: callers with a credential, and besides the usual names of this host only those given.
    #[must_use]
    pub(crate) fn new(callers: Authenticator, hosts: impl Into<AllowedHosts>) -> Self {
        Self(Arc::new(Rules { callers: Some(callers), hosts: Some(hosts.into()), bodies: Vec::new() }))
    }

    /// For a listener that asks for no token: figures alone. Whoever scrapes calls it by a name of his own.
    #[must_use]
    pub(crate) fn open() -> Self {
        Self(Arc::new(Rules { callers: None, hosts: None, bodies: Vec::new() }))
    }

    /// Gives the bodies of a path a limit and a form of their own.
    #[must_use]
    pub(crate) fn with_body(self, path: String, bytes: usize, form: BodyForm) -> Self {
        let Rules { callers, hosts, bodies } = &*self.0;
        let mut bodies = bodies.clone();
        bodies.push((path, BodyLimit(bytes), form));
        Self(Arc::new(Rules { callers: callers.clone(), hosts: hosts.clone(), bodies }))
    }

    fn body(&self, path: &str) -> (BodyLimit, BodyForm) {
        let own = self.0.bodies.iter().find(|(of, ..)| of == path);
        own.map_or_else(Default::default, |(_, limit, form)| (*limit, *form))
    }

    /// The caller of a request, or the reason why the credential is not accepted. `None` on a listener that asks for none.
    fn caller(&self, request: &Request) -> Option<Result<Actor, Rejection>> {
        let callers = self.0.callers.as_ref()?;
        Some(callers.authenticate(credential(request.headers()).as_deref(), Timestamp::now()))
    }

    fn check(&self, request: &Request, caller: Option<&Result<Actor, Rejection>>) -> Result<(), Refused> {
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
            if let (Some(Err(rejection)), Some(callers)) = (caller, &self.0.callers) {
                let from = request.extensions().get::<CameFrom>().map(|CameFrom(client)| client.ip());
                return Err(rejected(callers.reject(*rejection, from)));
            }
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
}

/// The credential that a request shows in the one place for it; `None` if there is none, or more than one.
fn credential(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    match (given.next(), given.next()) {
        (Some(credentials), None) => {
            let (scheme, given) = credentials.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| given.trim_matches(' ').into())
        }
        (None, _) if headers.contains_key(UPGRADE) => bearer_protocol(headers).map(Cow::Owned),
        _ => None,
    }
}

/// The answer to a caller whose credential is not accepted.
fn rejected(rejection: Rejection) -> Refused {
    match rejection {
        Rejection::Missing => Refused::new(
            problem::TOKEN,
            "Every call needs `Authorization: Bearer TOKEN`, once: TOKEN is a token of an identity, or the one in the file \
             admin-token of the state directory.",
        ),
        Rejection::Wrong => Refused::new(
            problem::TOKEN,
            "This is no token of this node, or it was revoked: a token of an identity is asked for, or the one in the file \
             admin-token of the state directory.",
        )
        .with_header(WWW_AUTHENTICATE, INVALID_TOKEN),
        Rejection::Expired => Refused::new(
            problem::TOKEN,
            "This token has expired: an administrator makes a new one with `ringway identity token create`.",
        )
        .with_header(WWW_AUTHENTICATE, INVALID_TOKEN),
        Rejection::Limited(wait) => {
            let seconds = wait.as_secs().saturating_add(1);
            let detail = format!(
                "This address has shown too many wrong tokens: it is asked again in {seconds} s. A valid token passes at any time."
            );
            Refused::new(problem::TOO_MANY_FAILURES, detail).with_header(RETRY_AFTER, HeaderValue::from(seconds))
        }
        Rejection::Unavailable => Refused::new(
            Code::STORE_UNAVAILABLE,
            "The tokens of identities are in the store, which cannot be used: meanwhile the token in the file admin-token of \
             the state directory lets in.",
        ),
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

/// Lets through what passes, with the caller noted in the request, and makes every answer one that a browser does nothing with.
pub(crate) async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    // Who shows no token gets one answer for a connection: it shall not hold a place.
    let is_probe = request.extensions().get::<Lane>() == Some(&Lane::Probes);
    let caller = if is_probe { None } else { guard.caller(&request) };
    let is_known = matches!(caller, Some(Ok(_)));
    let (limit, _) = guard.body(request.uri().path());
    request.extensions_mut().insert(limit);
    let checked = guard.check(&request, caller.as_ref());
    if let Some(Ok(actor)) = caller {
        request.extensions_mut().insert(actor);
    }
    let mut response = match checked {
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
