//! JSON Pointer (RFC 6901) in the fragment of a reference.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

/// The reason why a fragment is not a JSON Pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerFault {
    /// The fragment neither is empty nor begins with `/`.
    NoSlash,
    /// The percent-encoded bytes are not UTF-8.
    NotUtf8,
}

impl fmt::Display for PointerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSlash => "the part after `#` must be empty or begin with `/`",
            Self::NotUtf8 => "the part after `#` is not UTF-8 once its percent-encoding is undone",
        })
    }
}

/// The steps of a fragment: percent-encoding is undone first, then `~1` becomes `/` and `~0` becomes `~` (RFC 6901 sections 4
/// and 6).
///
/// # Errors
/// The fragment is not a pointer.
pub fn steps(fragment: &str) -> Result<Vec<String>, PointerFault> {
    let decoded = percent_decode_str(fragment).decode_utf8().map_err(|_| PointerFault::NotUtf8)?;
    if decoded.is_empty() {
        return Ok(Vec::new());
    }
    let below = decoded.strip_prefix('/').ok_or(PointerFault::NoSlash)?;
    Ok(below.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

/// A name as a step of a pointer.
#[must_use]
pub fn escaped(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { name.replace('~', "~0").replace('/', "~1").into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{PointerFault, escaped, steps};

    #[test]
    fn both_encodings_are_undone_in_order() {
        for (fragment, expected) in [
            ("", vec![]),
            ("/", vec![""]),
            ("/a/b", vec!["a", "b"]),
            ("/channels/~1ws", vec!["channels", "/ws"]),
            ("/content/application~1json", vec!["content", "application/json"]),
            ("/a~01", vec!["a~1"]),
            ("/channels/%2Fws", vec!["channels", "", "ws"]),
            ("/channels/~1rooms~1%7Bid%7D", vec!["channels", "/rooms/{id}"]),
            ("/a.b/c%20d", vec!["a.b", "c d"]),
        ] {
            assert_eq!(steps(fragment).unwrap(), expected, "{fragment}");
        }
        assert_eq!(steps("anchor"), Err(PointerFault::NoSlash));
        assert_eq!(steps("/%ff"), Err(PointerFault::NotUtf8));
    }

    proptest! {
        #[test]
        fn a_name_survives_its_escape(name in "[~/a%. ]{0,8}") {
            let encoded = escaped(&name).replace('%', "%25");
            prop_assert_eq!(steps(&format!("/{encoded}")).unwrap(), vec![name]);
        }
    }
}
