//! The name that a TLS upstream's certificate must have, where that is not the target's own host.

use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::PolicyValue;
use crate::api::problem::Fault;
use crate::api::units::Optional;
use crate::routing::name;

/// The most bytes of a DNS name, written with dots.
const MAX_BYTES: usize = 253;

/// A host name or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamServerName(Box<str>);

impl UpstreamServerName {
    /// The name as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a name.
    ///
    /// # Errors
    /// The rule that it breaks, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("it must have {MAX_BYTES} bytes at most"));
        }
        if text.parse::<std::net::IpAddr>().is_err() {
            name::check(text).map_err(|why| format!("it {why}"))?;
        }
        Ok(Self(text.into()))
    }
}

/// A name, or `off` for the target's own host.
impl PolicyValue for Optional<UpstreamServerName> {
    const FORM: &'static str = "a host name or an address, or `off` for the target's own host";

    fn from_json(value: &Value) -> Result<Self, Fault> {
        match value.as_str() {
            Some("off") => Ok(Self(None)),
            Some(text) => {
                UpstreamServerName::parse(text).map(|name| Self(Some(name))).map_err(|why| Fault::new("value", why))
            }
            None => Err(Fault::new("type", format!("it must be {}", Self::FORM))),
        }
    }

    fn to_json(&self) -> Value {
        self.0.as_ref().map_or("off", UpstreamServerName::as_str).into()
    }

    fn schema() -> ObjectBuilder {
        ObjectBuilder::new().schema_type(Type::String)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Optional, PolicyValue, UpstreamServerName};

    #[test]
    fn b6_a_server_name_is_a_host_an_address_or_off() {
        let read = |value: serde_json::Value| Optional::<UpstreamServerName>::from_json(&value);
        for text in ["chat.example.com", "10.0.0.7", "::1", "off"] {
            assert_eq!(read(json!(text)).unwrap().to_json(), json!(text));
        }
        let long = format!("{}.test", "x".repeat(63).as_str().repeat(5));
        for (value, rule) in [
            (json!("a b"), "value"),
            (json!(""), "value"),
            (json!(long), "value"),
            (json!(7), "type"),
            (json!(true), "type"),
        ] {
            assert_eq!(read(value.clone()).unwrap_err().rule, rule, "{value}");
        }
    }
}
