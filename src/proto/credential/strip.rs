//! Takes the credentials out of a request before it is forwarded: no upstream gets one.

use std::borrow::Cow;

use super::places::Places;
use super::subprotocol::{self, Role};
use super::{bearer, cookie};
use crate::proto::query;
use crate::proto::request::Request;

const PROTOCOL: &str = "sec-websocket-protocol";

/// Takes every credential out of the headers of a request. Returns the subprotocol to answer the client with if the upstream is
/// offered none: a browser that has offered some fails a connection without one (RFC 6455 section 4.1).
pub fn strip(request: &mut Request<'_>, places: &Places) -> Option<&'static str> {
    if let Some(header) = places.header.as_deref() {
        request.end_to_end.retain(|(name, value)| {
            let is_key = name.eq_ignore_ascii_case("authorization") && bearer(value).is_some();
            !is_key && !name.eq_ignore_ascii_case(header)
        });
    }
    if let Some(name) = places.cookie.as_deref() {
        strip_cookies(request, name);
    }
    if places.has_subprotocol { strip_subprotocols(request) } else { None }
}

fn strip_cookies(request: &mut Request<'_>, name: &str) {
    request.end_to_end.retain_mut(|(header, value)| {
        let rest = if header.eq_ignore_ascii_case("cookie") { cookie::without(value, name) } else { None };
        match rest {
            None => true,
            Some(rest) => {
                let is_left = !rest.is_empty();
                *value = Cow::Owned(rest);
                is_left
            }
        }
    });
}

fn strip_subprotocols(request: &mut Request<'_>) -> Option<&'static str> {
    let (mut kept, mut has_marker) = (Vec::with_capacity(request.protocols.len()), false);
    for (name, role) in request.protocols.iter().zip(subprotocol::roles(&request.protocols)) {
        match role {
            Role::Application => kept.push(*name),
            Role::Marker => has_marker = true,
            Role::Token(_) => {}
        }
    }
    if kept.len() == request.protocols.len() {
        return None;
    }
    let mut list = kept.join(&b", "[..]);
    // One list stands in the place of the first line.
    request.end_to_end.retain_mut(|(header, value)| {
        if !header.eq_ignore_ascii_case(PROTOCOL) {
            return true;
        }
        let is_left = !list.is_empty();
        *value = Cow::Owned(std::mem::take(&mut list));
        is_left
    });
    request.protocols = kept;
    (has_marker && request.protocols.is_empty()).then_some(subprotocol::MARKER)
}

/// A path and query without the parameters of this name; `None` if it has none of them. All others stay byte for byte, and the
/// question mark goes with the last of them.
#[must_use]
pub fn query_without(path_and_query: &str, name: &str) -> Option<String> {
    let (path, query) = path_and_query.split_once('?')?;
    let is_named = |text: &&str| query::pair(text).is_some_and(|(given, _)| given == name);
    query.split('&').any(|text| is_named(&text)).then(|| {
        let kept: Vec<&str> = query.split('&').filter(|text| !is_named(text)).collect();
        let kept = kept.join("&");
        if kept.is_empty() { path.to_owned() } else { [path, "?", &kept].concat() }
    })
}
