//! The values of the policies of validation: words, and the longest message that is checked.

use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::PolicyValue;
use super::macros::words;
use crate::api::problem::Fault;
use crate::routing::validation::{CheckMode, OnViolation, OverLimit};

words!(CheckMode, "`off`, `report` or `enforce`", [
    "off" => CheckMode::Off,
    "report" => CheckMode::Report,
    "enforce" => CheckMode::Enforce
]);
words!(OnViolation, "`drop` or `close`", ["drop" => OnViolation::Drop, "close" => OnViolation::Close]);
words!(OverLimit, "`pass`, `drop` or `close`", [
    "pass" => OverLimit::Pass,
    "drop" => OverLimit::Drop,
    "close" => OverLimit::Close
]);

/// The most bytes of a message that is checked.
const MOST: u64 = 1 << 20;

/// The longest message that is checked, in payload bytes: 1 to 1 MiB. A number counts bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedBytes(u32);

impl CheckedBytes {
    /// The node's value: 64 KiB.
    pub const USUAL: Self = Self(64 << 10);

    /// The number of bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.0 as usize
    }
}

impl PolicyValue for CheckedBytes {
    const FORM: &'static str = <u64 as PolicyValue>::FORM;

    fn from_json(value: &Value) -> Result<Self, Fault> {
        let bytes = <u64 as PolicyValue>::from_json(value)?;
        let known = u32::try_from(bytes).ok().filter(|_| bytes <= MOST);
        known.map(Self).ok_or_else(|| Fault::new("value", format!("it must be {} MiB at most", MOST >> 20)))
    }

    fn to_json(&self) -> Value {
        self.0.into()
    }

    fn schema() -> ObjectBuilder {
        ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Integer, Type::String]))
    }
}
