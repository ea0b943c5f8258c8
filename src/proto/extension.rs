//! `Sec-WebSocket-Extensions` and `Sec-WebSocket-Protocol` (RFC 6455 sections 4.1, 9.1 and 11.3.4): the names offered,
//! the names agreed on, and the reserved bits that those may set.
//!
//! A relay needs to know no more of an extension than its name, which tells the reserved bits. So any quoted string passes as it
//! is, though section 9.1 asks for a token in it, and empty parameters are ignored, as RFC 9110 section 5.6.6 says of parameters.

use super::frame::Reserved;
use super::head;
use crate::invariant::Invariant;

/// An element of the list in an extension header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// The extension of this name, with parameters.
    Extension {
        /// The name.
        name: &'a [u8],
        /// The whole element.
        text: &'a [u8],
        /// True if a parameter is empty, which section 9.1 does not allow: the extension is passed on without it.
        has_empty_parameters: bool,
    },
    /// No extension: nobody can know what it means.
    Malformed,
}

/// The elements of an extension header's value, in order, without the empty ones (RFC 9110 section 5.6.1.2).
pub fn elements(value: &[u8]) -> impl Iterator<Item = Element<'_>> {
    split(value, b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()).map(element)
}

/// Appends the extensions of the values to a list: `", "` between two, malformed elements and empty parameters left out.
pub fn write_extensions<'a>(values: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let start = out.len();
    for element in values.flat_map(elements) {
        let Element::Extension { text, has_empty_parameters, .. } = element else { continue };
        if out.len() > start {
            out.extend(b", ");
        }
        if has_empty_parameters {
            let parts = split(text, b';').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty());
            let parts: Vec<&[u8]> = parts.collect();
            out.extend(parts.join(&b"; "[..]));
        } else {
            out.extend(text);
        }
    }
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

fn element(text: &[u8]) -> Element<'_> {
    let mut parts = split(text, b';').map(<[u8]>::trim_ascii);
    let Some(name) = parts.next().filter(|name| head::is_token(name)) else { return Element::Malformed };
    let mut has_empty_parameters = false;
    for part in parts {
        if part.is_empty() {
            has_empty_parameters = true;
        } else if !is_parameter(part) {
            return Element::Malformed;
        }
    }
    Element::Extension { name, text, has_empty_parameters }
}

fn is_parameter(part: &[u8]) -> bool {
    let mut sides = part.splitn(2, |byte| *byte == b'=');
    let name = sides.next().expected_or_default().trim_ascii_end();
    let value = sides.next().map(<[u8]>::trim_ascii_start);
    head::is_token(name) && value.is_none_or(|value| head::is_token(value) || is_quoted_string(value))
}

/// True if a text is one quoted string (RFC 9110 section 5.6.4), from its first byte to its last.
fn is_quoted_string(text: &[u8]) -> bool {
    let mut quotes = Quotes::default();
    let Some((last, before)) = text.split_last() else { return false };
    let is_open = !before.is_empty() && text.starts_with(b"\"") && before.iter().all(|byte| quotes.is_quoted(*byte));
    is_open && !quotes.is_quoted(*last)
}

/// Follows the quotes in a text, byte by byte.
#[derive(Debug, Default)]
struct Quotes {
    is_open: bool,
    is_escaped: bool,
}

impl Quotes {
    /// True if the next byte opens a quoted string or stands in one; the quote that closes it does not.
    fn is_quoted(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.is_open => self.is_escaped = true,
            b'"' => self.is_open = !self.is_open,
            _ => {}
        }
        self.is_open
    }
}

/// Splits at separators outside quotes. An open quote holds everything behind it.
fn split(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quotes = Quotes::default();
    value.split(move |byte| !quotes.is_quoted(*byte) && *byte == separator)
}
