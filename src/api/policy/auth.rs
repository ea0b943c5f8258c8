//! The values of the policies of authentication: the mode, the places of a key, and its names there.

use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::PolicyValue;
use super::macros::words;
use crate::api::problem::Fault;
use crate::proto::credential::Place;
use crate::proto::head::is_token;
use crate::proto::request::is_of_handshake;

/// The credential that a client must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// None.
    #[default]
    None,
    /// A key.
    Key,
    /// A client certificate.
    Mtls,
}

words!(AuthMode, "`none`, `key` or `mtls`", [
    "none" => AuthMode::None,
    "key" => AuthMode::Key,
    "mtls" => AuthMode::Mtls
]);

/// All places, in the order in which they are shown.
const PLACES: [Place; 4] = [Place::Header, Place::Query, Place::Subprotocol, Place::Cookie];

/// The places of a request that a key is taken from: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialPlaces(Box<[Place]>);

impl CredentialPlaces {
    /// True if a place is one of them.
    #[must_use]
    pub fn has(&self, place: Place) -> bool {
        self.0.contains(&place)
    }
}

/// The places that leave no key in a log: the header, and the subprotocol for browsers.
impl Default for CredentialPlaces {
    fn default() -> Self {
        Self([Place::Header, Place::Subprotocol].into())
    }
}

/// An array of words, or text with commas between words.
impl PolicyValue for CredentialPlaces {
    const FORM: &'static str = "a list of `header`, `query`, `subprotocol` and `cookie`";

    fn from_json(value: &Value) -> Result<Self, Fault> {
        let form = || Fault::new("type", format!("it must be {}", Self::FORM));
        let words: Vec<&str> = match value {
            Value::String(text) => text.split(',').map(str::trim).collect(),
            Value::Array(items) => items.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(form)?,
            _ => return Err(form()),
        };
        let is_known = |word: &&str| PLACES.iter().any(|place| place.word() == *word);
        if words.is_empty() || !words.iter().all(is_known) {
            return Err(Fault::new("value", format!("it must be {}, with one of them at least", Self::FORM)));
        }
        Ok(Self(PLACES.into_iter().filter(|place| words.contains(&place.word())).collect()))
    }

    fn to_json(&self) -> Value {
        self.0.iter().map(|place| place.word()).collect()
    }

    fn schema() -> ObjectBuilder {
        ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Array, Type::String]))
    }
}

/// The most bytes of a name.
const MAX_NAME_BYTES: usize = 64;

macro_rules! names {
    ($($(#[doc = $doc:literal])+ $Name:ident = $default:literal, $form:literal, $is:expr;)*) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $Name(Box<str>);

        impl $Name {
            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Default for $Name {
            fn default() -> Self {
                Self($default.into())
            }
        }

        impl PolicyValue for $Name {
            const FORM: &'static str = $form;

            fn from_json(value: &Value) -> Result<Self, Fault> {
                let fault = |rule| Fault::new(rule, format!("it must be {}", Self::FORM));
                let name = value.as_str().ok_or_else(|| fault("type"))?;
                let is: fn(&str) -> bool = $is;
                let may_be = !name.is_empty() && name.len() <= MAX_NAME_BYTES && is(name);
                may_be.then(|| Self(name.into())).ok_or_else(|| fault("value"))
            }

            fn to_json(&self) -> Value {
                (*self.0).into()
            }

            fn schema() -> ObjectBuilder {
                ObjectBuilder::new().schema_type(Type::String)
            }
        }
    )*};
}

names! {
    /// The header that holds a key.
    KeyHeader = "X-API-Key",
        "the name of a header that has no other meaning, 64 characters at most",
        |name| is_token(name.as_bytes()) && !has_meaning(name);

    /// The parameter of the query that holds a key.
    KeyQuery = "apikey",
        "a name of letters, digits and `-._~`, 64 characters at most",
        |name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));

    /// The cookie that holds a key.
    KeyCookie = "ringway_key",
        "the name of a cookie, 64 characters at most",
        |name| is_token(name.as_bytes());
}

/// True if a header means something to Ringway or to browsers already.
fn has_meaning(name: &str) -> bool {
    const NAMES: [&str; 7] = ["authorization", "content-type", "cookie", "forwarded", "origin", "via", "x-real-ip"];
    const STARTS: [&str; 3] = ["sec-", "x-forwarded-", "ringway-"];
    let name = name.to_ascii_lowercase();
    is_of_handshake(&name) || NAMES.contains(&&*name) || STARTS.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{CredentialPlaces, KeyCookie, KeyHeader, KeyQuery, PolicyValue};

    fn read<T: PolicyValue>(value: &Value) -> Result<Value, &'static str> {
        T::from_json(value).map(|read| read.to_json()).map_err(|fault| fault.rule)
    }

    #[test]
    fn places_are_a_list_without_order() {
        for (value, shown) in [
            (json!(["header"]), Ok(json!(["header"]))),
            (json!(["cookie", "query", "header", "query"]), Ok(json!(["header", "query", "cookie"]))),
            (json!("subprotocol, header"), Ok(json!(["header", "subprotocol"]))),
            (json!("cookie"), Ok(json!(["cookie"]))),
            (json!([]), Err("value")),
            (json!(""), Err("value")),
            (json!("header,"), Err("value")),
            (json!(["Header"]), Err("value")),
            (json!(["body"]), Err("value")),
            (json!(["header", 1]), Err("type")),
            (json!(7), Err("type")),
        ] {
            assert_eq!(read::<CredentialPlaces>(&value), shown, "{value}");
        }
        assert_eq!(CredentialPlaces::default().to_json(), json!(["header", "subprotocol"]));
    }

    #[test]
    fn a_name_has_no_other_meaning() {
        for name in ["X-API-Key", "apikey", "x_key", "Token"] {
            assert_eq!(read::<KeyHeader>(&json!(name)), Ok(json!(name)));
        }
        for name in [
            "",
            "a b",
            "a:b",
            "Host",
            "Authorization",
            "COOKIE",
            "Origin",
            "Upgrade",
            "Connection",
            "Sec-WebSocket-Protocol",
            "Sec-Fetch-Site",
            "X-Forwarded-For",
            "Ringway-Key",
            "Via",
            "ä",
            &"x".repeat(65),
        ] {
            assert_eq!(read::<KeyHeader>(&json!(name)), Err("value"), "{name}");
        }
        assert_eq!(read::<KeyQuery>(&json!("api_key~1")), Ok(json!("api_key~1")));
        for name in ["", "a&b", "a=b", "a%62", "a b", "a+b", "ä"] {
            assert_eq!(read::<KeyQuery>(&json!(name)), Err("value"), "{name}");
        }
        assert_eq!(read::<KeyCookie>(&json!("__Host-key")), Ok(json!("__Host-key")));
        for name in ["", "a;b", "a=b", "a b", "\"a\""] {
            assert_eq!(read::<KeyCookie>(&json!(name)), Err("value"), "{name}");
        }
        assert_eq!(read::<KeyCookie>(&json!(null)), Err("type"));
    }
}
