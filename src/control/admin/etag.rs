//! In which state an answer shows a thing, and in which state a change asks it to be (RFC 9110 section 13.1).

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::api::etag::{Put, Tagged};
use crate::api::{Condition, ETag};
use crate::control::http::problem::{HEADER_INVALID, Refused};

/// Bytes of the longest condition that is looked at.
const MAX_CONDITION_BYTES: usize = 4096;

/// `If-Match`, or `If-None-Match: *`, of a request that changes something.
#[derive(Clone, Debug)]
pub(super) struct If(pub(super) Condition);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    /// Each with whether it is weak.
    These(Vec<(bool, String)>),
}

impl<S: Sync> FromRequestParts<S> for If {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        condition(&parts.headers).map(Self)
    }
}

/// The thing with its entity tag.
pub(super) fn shown<T: Serialize>(tagged: Tagged<T>) -> Response {
    (header(tagged.etag), Json(tagged.value)).into_response()
}

/// The thing that was put, with its entity tag; if it is new, as 201 and with where it is.
pub(super) fn put<T: Serialize>(put: Put<T>, location: String) -> Response {
    let Put { value, etag, is_new } = put;
    let mut response = shown(Tagged { value, etag });
    if is_new {
        *response.status_mut() = StatusCode::CREATED;
        // Names in it are of letters that a header may hold.
        response.headers_mut().extend(HeaderValue::try_from(location).ok().map(|location| (LOCATION, location)));
    }
    response
}

/// An entity tag as a header.
fn header(etag: ETag) -> [(HeaderName, HeaderValue); 1] {
    // Digits and a dash in quotation marks always are a value.
    [(ETAG, HeaderValue::try_from(etag.to_string()).unwrap_or(HeaderValue::from_static("\"\"")))]
}

fn condition(headers: &HeaderMap) -> Result<Condition, Refused> {
    match (tags(headers, &IF_MATCH)?, tags(headers, &IF_NONE_MATCH)?) {
        (None, None) => Ok(Condition::Always),
        (Some(Tags::Any), None) => Ok(Condition::Exists),
        // A weak tag matches none here (RFC 9110 section 13.1.1), and neither does one that is not ours.
        (Some(Tags::These(tags)), None) => {
            let strong = tags.iter().filter(|(is_weak, _)| !is_weak);
            Ok(Condition::Matches(strong.filter_map(|(_, tag)| tag.parse().ok()).collect()))
        }
        (None, Some(Tags::Any)) => Ok(Condition::Missing),
        // Nothing is both there, as If-Match asks, and not there.
        (Some(_), Some(Tags::Any)) => Ok(Condition::Matches(Vec::new())),
        (_, Some(Tags::These(_))) => {
            let asked = "with a change it is `*` if anything";
            Err(Refused::field(HEADER_INVALID, IF_NONE_MATCH.as_str(), "condition", asked))
        }
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Refused> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let text = lines.join(&b", "[..]);
    let parsed = (text.len() <= MAX_CONDITION_BYTES).then(|| std::str::from_utf8(&text).ok().and_then(parse)).flatten();
    let asked = "it must be `*`, or entity tags in double quotes with commas between, in 4096 bytes at most";
    parsed.map(Some).ok_or_else(|| Refused::field(HEADER_INVALID, name.as_str(), "entity-tags", asked))
}

fn parse(text: &str) -> Option<Tags> {
    let mut rest = text.trim_matches([' ', '\t']);
    if rest == "*" {
        return Some(Tags::Any);
    }
    let mut tags = Vec::new();
    loop {
        let (is_weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |rest| (true, rest));
        let (tag, after) = quoted.strip_prefix('"')?.split_once('"')?;
        if tag.bytes().any(|byte| byte <= b' ' || byte == 0x7F) {
            return None;
        }
        tags.push((is_weak, format!("\"{tag}\"")));
        rest = after.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some(Tags::These(tags));
        }
        rest = rest.strip_prefix(',')?.trim_start_matches([' ', '\t']);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    use super::condition;
    use crate::api::{Condition, ETag};

    const IT: ETag = ETag { id: 7, generation: 3 };

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_change_says_in_which_state_the_thing_must_be() {
        let old = ETag { generation: 2, ..IT };
        for (lines, expected) in [
            (&[][..], Condition::Always),
            (&[("if-match", "\"7-3\"")], Condition::Matches(vec![IT])),
            (&[("if-match", "\"7-2\", \"7-3\"")], Condition::Matches(vec![old, IT])),
            (&[("if-match", "\"7-2\""), ("if-match", "\"7-3\"")], Condition::Matches(vec![old, IT])),
            (&[("if-match", "W/\"7-3\"")], Condition::Matches(vec![])),
            (&[("if-match", "\"theirs\"")], Condition::Matches(vec![])),
            (&[("if-match", "*")], Condition::Exists),
            (&[("if-none-match", "*")], Condition::Missing),
            (&[("if-none-match", "*"), ("if-match", "*")], Condition::Matches(vec![])),
        ] {
            assert_eq!(condition(&headers(lines)).unwrap(), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_condition_of_a_change_is_refused() {
        let long = format!("\"{}\"", "x".repeat(5000));
        for value in
            ["", "7-3", "\"7-3", "7-3\"", "\"a\" \"b\"", "\"a\",", ",\"a\"", "*, \"a\"", "w/\"a\"", "\"a b\"", &long]
        {
            let refused = condition(&headers(&[("if-match", value)])).unwrap_err();
            assert_eq!((refused.code().status, refused.errors()[0].field.as_str()), (400, "if-match"), "{value}");
        }
        let refused = condition(&headers(&[("if-none-match", "\"7-3\"")])).unwrap_err();
        assert_eq!(refused.errors()[0].rule, "condition");
    }
}
