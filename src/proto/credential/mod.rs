//! The credential in a client's request: where it rides, and the request without it.
//!
//! In: a parsed request, and the [`Places`] that its route takes a credential from. Out: the one [`Credential`]
//! ([`find`]), or the [`Misuse`] that keeps a request from having one; then the request as the upstream may see it
//! ([`strip`], [`query_without`]). A text in any other place, or of another kind, belongs to the upstream and is not touched.
//!
//! | place | a credential of ours |
//! |---|---|
//! | header | `Authorization: Bearer rwk_..` (RFC 6750 section 2.1), and any value of the key's own header |
//! | query | the parameter of the key's name, whatever its value and however it is encoded |
//! | subprotocol | the word after `ringway.bearer`; a word that begins with `rwk_`; Kubernetes' `base64url.bearer.authorization.k8s.io.` with such a word in base64url |
//! | cookie | the cookie of the key's name, whatever its value |
//!
//! The words of a credential are compared with nothing here, and no error holds one.

mod cookie;
mod places;
mod strip;
mod subprotocol;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use self::places::{Place, Places};
pub use self::strip::{query_without, strip};
pub use self::subprotocol::MARKER;
use super::query;
use super::request::Request;

/// The first characters of every key, by which people and programs recognise one.
pub const KEY_PREFIX: &str = "rwk_";

/// A credential, with its place. The text has any form: a caller that finds none in it refuses the request.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential<'a> {
    /// The place.
    pub place: Place,
    /// The text, decoded.
    pub text: Cow<'a, [u8]>,
}

impl std::fmt::Debug for Credential<'_> {
    /// The text is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({})", self.place)
    }
}

/// A request that presents credentials in a way that none of them counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// More than one credential (RFC 6750 section 2), in these places.
    Several([Place; 2]),
    /// A key in the query of a route that takes none there: queries are logged by proxies and kept by browsers (RFC 9700 section
    /// 4.3.2).
    InQuery,
}

/// The credential of a request; `None` if it has none.
///
/// # Errors
/// The request has several, or one where it must not be.
pub fn find<'r>(request: &'r Request<'_>, places: &Places) -> Result<Option<Credential<'r>>, Misuse> {
    let mut found = None;
    for (name, value) in &request.end_to_end {
        if let Some(header) = places.header.as_deref() {
            if name.eq_ignore_ascii_case("authorization") {
                bearer(value).into_iter().try_for_each(|text| add(&mut found, Place::Header, text.into()))?;
            } else if name.eq_ignore_ascii_case(header) {
                add(&mut found, Place::Header, Cow::Borrowed(value))?;
            }
        }
        if let Some(cookie) = places.cookie.as_deref()
            && name.eq_ignore_ascii_case("cookie")
        {
            cookie::values(value, cookie).try_for_each(|text| add(&mut found, Place::Cookie, text.into()))?;
        }
    }
    if places.has_subprotocol {
        subprotocol::tokens(&request.protocols).try_for_each(|text| add(&mut found, Place::Subprotocol, text))?;
    }
    if let Some((_, query)) = request.path_and_query.split_once('?') {
        in_query(query, places, &mut found)?;
    }
    Ok(found)
}

fn add<'r>(found: &mut Option<Credential<'r>>, place: Place, text: Cow<'r, [u8]>) -> Result<(), Misuse> {
    match found {
        Some(first) => Err(Misuse::Several([first.place, place])),
        None => {
            *found = Some(Credential { place, text });
            Ok(())
        }
    }
}

/// The key in an `Authorization` header; `None` if it has another scheme, or a token that is no key.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer".len())?;
    let token = rest.strip_prefix(b" ").or_else(|| rest.strip_prefix(b"\t"))?.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer") && is_ours(token)).then_some(token)
}

fn in_query<'r>(query: &'r str, places: &Places, found: &mut Option<Credential<'r>>) -> Result<(), Misuse> {
    for text in query.split('&') {
        let Some((name, value)) = query::pair(text) else { continue };
        if places.query.as_deref() == Some(&*name) {
            add(found, Place::Query, value.map_or(Cow::Borrowed(&[]), into_bytes))?;
        } else if value.is_some_and(|value| is_ours(value.as_bytes())) {
            return Err(Misuse::InQuery);
        }
    }
    Ok(())
}

fn into_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// A path for logs: of each key in it only the first characters are left. Clients that are configured wrongly put keys there.
#[must_use]
pub fn redacted(path: &str) -> Cow<'_, str> {
    // Every handshake comes by, and few paths have this byte.
    if memchr::memchr(b'_', path.as_bytes()).is_none() {
        return Cow::Borrowed(path);
    }
    let mut parts = path.split(KEY_PREFIX);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_of_key = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
        let rest = part.trim_start_matches(is_of_key);
        shown.push_str(KEY_PREFIX);
        if rest.len() < part.len() {
            shown.push_str("..");
        }
        shown.push_str(rest);
    }
    Cow::Owned(shown)
}

/// True if a text is a key by its first characters.
fn is_ours(text: &[u8]) -> bool {
    text.starts_with(KEY_PREFIX.as_bytes())
}
