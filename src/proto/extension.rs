//! `Sec-WebSocket-Extensions` and `Sec-WebSocket-Protocol` (RFC 6455 sections 4.1, 9.1 and 11.3.4): the names offered,
//! the names agreed on, and the reserved bits that those may set.

use super::frame::Reserved;
use super::head;
use crate::invariant::Invariant;

/// The names in an extension header, in order.
///
/// # Errors
/// `None` in place of the names when the value does not fit the grammar of section 9.1: tokens with parameters whose
/// values are tokens, quoted or not.
#[must_use]
pub fn extension_names(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut names = Vec::new();
    for element in split_unquoted(value, b',')? {
        let element = element.trim_ascii();
        if element.is_empty() {
            continue;
        }
        let mut parts = split_unquoted(element, b';')?.into_iter().map(<[u8]>::trim_ascii);
        let name = parts.next().filter(|name| head::is_token(name))?;
        if !parts.all(is_parameter) {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

/// The subprotocols in a header.
///
/// # Errors
/// `None` in place of the names when one is not a token.
#[must_use]
pub fn protocol_names(value: &[u8]) -> Option<Vec<&[u8]>> {
    head::elements(value).map(|name| head::is_token(name).then_some(name)).collect()
}

/// The reserved bits that the agreed extensions may set.
#[must_use]
pub fn reserved_for<'a>(agreed: impl Iterator<Item = &'a [u8]>) -> Reserved {
    let mut reserved = Reserved::None;
    for name in agreed {
        if !name.eq_ignore_ascii_case(b"permessage-deflate") {
            return Reserved::Any;
        }
        reserved = Reserved::Deflate;
    }
    reserved
}

fn is_parameter(part: &[u8]) -> bool {
    let mut sides = part.splitn(2, |byte| *byte == b'=');
    let name = sides.next().expected_or_default().trim_ascii_end();
    let Some(value) = sides.next().map(<[u8]>::trim_ascii_start) else { return head::is_token(name) };
    let value = value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value);
    head::is_token(name) && head::is_token(value)
}

/// Splits at separators outside quotes. `None` for an open quote or a backslash: a quoted value
/// must be a token (section 9.1), so there is nothing to escape.
fn split_unquoted(value: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    if value.contains(&b'\\') {
        return None;
    }
    let mut quoted = false;
    let parts = value
        .split(|byte| {
            quoted ^= *byte == b'"';
            !quoted && *byte == separator
        })
        .collect();
    (!quoted).then_some(parts)
}
