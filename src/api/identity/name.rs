//! The name of an identity: what the audit records, so that it says who without a doubt.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::problem::Fault;
use crate::api::text::plain;

/// The most characters of an identity's name.
pub const MAX_NAME_CHARS: usize = 64;

/// Names that the program uses for itself: the identity of the token file, and the node.
const RESERVED: [&str; 2] = ["admin", "ringway"];

/// An identity's name: 1 to 64 of `a` to `z`, digits, and `.`, `_`, `@`, `-` between them: `ci-deploy`, `ada@example.com`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 64, pattern = "^[a-z0-9]([a-z0-9._@-]*[a-z0-9])?$",
    examples("ci-deploy"))]
pub struct IdentityName(String);

impl IdentityName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdentityName {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let chars = text.chars().count();
        if chars == 0 || chars > MAX_NAME_CHARS {
            return Err(Fault::new(
                "length",
                format!("it must have 1 to {MAX_NAME_CHARS} characters, and has {chars}"),
            ));
        }
        let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !text.bytes().all(|byte| is_alphanumeric(byte) || b"._@-".contains(&byte)) {
            return Err(Fault::new("characters", "it may hold `a` to `z`, digits, `.`, `_`, `@` and `-` only"));
        }
        let ends = [text.bytes().next(), text.bytes().next_back()];
        if !ends.into_iter().flatten().all(is_alphanumeric) {
            return Err(Fault::new("ends", "it must begin and end with a letter or digit"));
        }
        if RESERVED.contains(&text) {
            let why =
                "it is a name of the program's own: `admin` is the identity of the token file, `ringway` the node";
            return Err(Fault::new("reserved", why));
        }
        Ok(Self(text.to_owned()))
    }
}

plain! { IdentityName }

#[cfg(test)]
mod tests {
    use super::IdentityName;

    #[test]
    fn a_name_passes_for_nobody_else() {
        for name in ["a", "7", "ci-deploy", "ada@example.com", "a.b_c", &"x".repeat(64)] {
            assert_eq!(name.parse::<IdentityName>().map(|name| name.to_string()).as_deref(), Ok(name));
        }
        for (name, rule) in [
            ("", "length"),
            (&*"x".repeat(65), "length"),
            ("Ada", "characters"),
            ("a b", "characters"),
            ("ada (root)", "characters"),
            ("oidc:ada", "characters"),
            ("\u{430}da", "characters"),
            ("-a", "ends"),
            ("a.", "ends"),
            ("admin", "reserved"),
            ("ringway", "reserved"),
        ] {
            assert_eq!(name.parse::<IdentityName>().unwrap_err().rule, rule, "{name:?}");
        }
    }
}
