//! The policy `origins`: a word, or a list of origins.

use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::PolicyValue;
use crate::api::problem::Fault;
use crate::routing::origins::{Origin, Origins};

/// The most origins of a list.
const MAX_ORIGINS: usize = 256;

/// A word, an array of origins, or text with commas between origins.
impl PolicyValue for Origins {
    const FORM: &'static str = "`any`, `same-host`, or a list of exact origins such as `https://app.example.com`";

    fn from_json(value: &Value) -> Result<Self, Fault> {
        let form = || Fault::new("type", format!("it must be {}", Self::FORM));
        match value {
            Value::String(text) if text == "any" => Ok(Self::Any),
            Value::String(text) if text == "same-host" => Ok(Self::SameHost),
            Value::String(text) => listed(text.split(',').map(str::trim)),
            Value::Array(items) => {
                let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                listed(texts.ok_or_else(form)?.into_iter())
            }
            _ => Err(form()),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Any => "any".into(),
            Self::SameHost => "same-host".into(),
            Self::Listed(listed) => listed.iter().map(ToString::to_string).collect(),
        }
    }

    fn schema() -> ObjectBuilder {
        ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Array, Type::String]))
    }
}

fn listed<'t>(texts: impl Iterator<Item = &'t str>) -> Result<Origins, Fault> {
    let mut listed = Vec::new();
    for text in texts {
        if listed.len() == MAX_ORIGINS {
            return Err(Fault::new("value", format!("it must have {MAX_ORIGINS} origins at most")));
        }
        let origin: Origin = text.parse().map_err(|why| Fault::new("value", format!("each origin: {why}")))?;
        if !listed.contains(&origin) {
            listed.push(origin);
        }
    }
    if listed.is_empty() {
        return Err(Fault::new("value", "it must name an origin at least"));
    }
    Ok(Origins::Listed(listed.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Origins, PolicyValue};

    #[test]
    fn origins_are_a_word_or_a_list() {
        for (value, shown) in [
            (json!("any"), json!("any")),
            (json!("same-host"), json!("same-host")),
            (json!(["https://A.test", "null", "https://a.test:443"]), json!(["https://a.test", "null"])),
            (json!("https://a.test, http://b.test:8080"), json!(["https://a.test", "http://b.test:8080"])),
        ] {
            assert_eq!(Origins::from_json(&value).map(|origins| origins.to_json()), Ok(shown), "{value}");
        }
        let many: Vec<String> = (0..257).map(|number| format!("https://a{number}.test")).collect();
        for (value, rule) in [
            (json!("all"), "value"),
            (json!(""), "value"),
            (json!("Any"), "value"),
            (json!([]), "value"),
            (json!(["https://a.test/"]), "value"),
            (json!("https://a.test,"), "value"),
            (json!(["any"]), "value"),
            (json!(many), "value"),
            (json!(["https://a.test", 7]), "type"),
            (json!(true), "type"),
            (json!({}), "type"),
        ] {
            assert_eq!(Origins::from_json(&value).unwrap_err().rule, rule, "{value}");
        }
    }
}
