//! An API's version: `major.minor`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::problem::Fault;

/// The greatest value of either number.
pub const MAX_NUMBER: u16 = 9999;

/// `major.minor`: two numbers from 0 to 9999, without zeros before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// Increased by changes that break consumers.
    pub major: u16,
    /// Increased by changes that do not break consumers.
    pub minor: u16,
}

impl PartialSchema for Version {
    fn schema() -> RefOr<Schema> {
        let form = r"^(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$";
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(form)).examples(["1.0"]).into()
    }
}

impl ToSchema for Version {}

impl FromStr for Version {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let (major, minor) = text.split_once('.').ok_or_else(form)?;
        Ok(Self { major: number(major)?, minor: number(minor)? })
    }
}

fn form() -> Fault {
    Fault::new("form", "it must be `major.minor`, as in `1.0`")
}

fn number(text: &str) -> Result<u16, Fault> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(form());
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(Fault::new("leading-zero", "its numbers must have no zeros before them: `1.2` and not `01.02`"));
    }
    let number = text.parse().ok().filter(|number| *number <= MAX_NUMBER);
    number.ok_or_else(|| Fault::new("range", format!("its numbers must be from 0 to {MAX_NUMBER}")))
}

impl TryFrom<String> for Version {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Version;

    #[test]
    fn a_version_is_two_numbers() {
        for (text, major, minor) in [("1.0", 1, 0), ("0.0", 0, 0), ("9999.9999", 9999, 9999), ("2026.11", 2026, 11)] {
            assert_eq!(text.parse(), Ok(Version { major, minor }));
        }
        for (text, rule) in [
            ("", "form"),
            ("1", "form"),
            ("1.", "form"),
            (".1", "form"),
            ("v1.0", "form"),
            ("1.0.0", "form"),
            ("1.0 ", "form"),
            ("+1.0", "form"),
            ("1.-0", "form"),
            ("\u{661}.0", "form"),
            ("1,0", "form"),
            ("01.0", "leading-zero"),
            ("1.00", "leading-zero"),
            ("10000.0", "range"),
            ("1.10000", "range"),
            ("99999999999999999999.0", "range"),
        ] {
            assert_eq!(text.parse::<Version>().unwrap_err().rule, rule, "{text:?}");
        }
    }

    #[test]
    fn versions_are_in_the_order_of_their_numbers() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(version("1.10") > version("1.9"));
        assert!(version("2.0") > version("1.9999"));
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(text in "[0-9v]{0,5}[.]?[0-9]{0,5}") {
            if let Ok(version) = text.parse::<Version>() {
                prop_assert_eq!(version.to_string(), text);
            }
        }
    }
}
