//! The treatment of paths that are no channel of an API's contract.

use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::PolicyValue;
use crate::api::problem::Fault;
use crate::api::spelling::spelled;
use crate::routing::route::UnlistedPaths;

const WORDS: [(&str, UnlistedPaths); 2] = [("refuse", UnlistedPaths::Refuse), ("pass", UnlistedPaths::Pass)];

impl PolicyValue for UnlistedPaths {
    const FORM: &'static str = "`refuse` or `pass`";

    fn from_json(value: &Value) -> Result<Self, Fault> {
        let known = value.as_str().and_then(|text| spelled(text, &WORDS));
        known.ok_or_else(|| Fault::new("one-of", format!("it must be {}", Self::FORM)))
    }

    fn to_json(&self) -> Value {
        let word = WORDS.iter().find(|(_, value)| value == self).map_or("", |(word, _)| word);
        word.into()
    }

    fn schema() -> ObjectBuilder {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(WORDS.map(|(word, _)| word)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{PolicyValue, UnlistedPaths};

    #[test]
    fn a_word_is_read_and_shown() {
        for (word, is) in [("refuse", UnlistedPaths::Refuse), ("pass", UnlistedPaths::Pass)] {
            assert_eq!(UnlistedPaths::from_json(&json!(word)), Ok(is));
            assert_eq!(is.to_json(), json!(word));
        }
        for value in [json!("drop"), json!(true), json!(null), json!("pass ")] {
            assert_eq!(UnlistedPaths::from_json(&value).unwrap_err().rule, "one-of", "{value}");
        }
    }
}
