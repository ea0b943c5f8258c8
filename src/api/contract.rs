//! The contract of an API, as a definition names it: by the digest of its bytes, with the operator's choices of how it is read.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::problem::{Fault, Faults};
use super::spelling::spelled;
use super::written::Written;

/// The longest name of a contract's main document, in bytes.
const MAX_MAIN_BYTES: usize = 1_024;
/// Bytes of a SHA-256 digest.
const DIGEST_BYTES: usize = 32;
/// The digits of its text.
const DIGITS: usize = 64;

/// A reference to a contract. Two equal references read the same model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractRef {
    /// The SHA-256 digest of the uploaded bytes.
    pub digest: ContractDigest,
    /// The file name of the AsyncAPI document: in an archive that of its entry, else that of the upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024, examples("asyncapi.yaml"))]
    pub main: Option<String>,
    /// The side that the document is written from; left out where Ringway infers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perspective: Option<Side>,
    /// The way in which channels become routes.
    #[serde(default)]
    pub layout: Layout,
}

/// The SHA-256 digest of a contract's bytes. Its text is 64 hexadecimal digits in lower case, which is also the name of the
/// file that keeps the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{64}$",
    examples("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"))]
pub struct ContractDigest([u8; DIGEST_BYTES]);

/// A side of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The application that accepts connections.
    Server,
    /// The application that opens them.
    Client,
}

/// The way in which channels become routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// An address that begins with `/` or has a ws binding is a path; other channels share the server's own URL.
    #[default]
    Inferred,
    /// All channels share one WebSocket at the server's own URL.
    OneSocket,
    /// Every address is a path.
    ByAddress,
}

impl ContractDigest {
    /// The digest of a contract's bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut sum = [0; DIGEST_BYTES];
        for (to, from) in sum.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
            *to = *from;
        }
        Self(sum)
    }
}

impl FromStr for ContractDigest {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let form = || Fault::new("form", "it must be a SHA-256 digest: 64 hexadecimal digits");
        if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(form());
        }
        let mut sum = [0; DIGEST_BYTES];
        for (byte, digits) in sum.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
            let digits = std::str::from_utf8(digits).map_err(|_| form())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| form())?;
        }
        Ok(Self(sum))
    }
}

impl fmt::Display for ContractDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContractDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContractDigest({self})")
    }
}

impl TryFrom<String> for ContractDigest {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        text.parse()
    }
}

impl From<ContractDigest> for String {
    fn from(digest: ContractDigest) -> Self {
        digest.to_string()
    }
}

impl Side {
    /// The word in JSON, YAML and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

impl FromStr for Side {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        spelled(text, &[Self::Server, Self::Client].map(|side| (side.as_str(), side)))
            .ok_or_else(|| Fault::new("one-of", "it must be `server` or `client`"))
    }
}

impl Layout {
    /// The word in JSON, YAML and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inferred => "inferred",
            Self::OneSocket => "one-socket",
            Self::ByAddress => "by-address",
        }
    }
}

impl FromStr for Layout {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        spelled(text, &[Self::Inferred, Self::OneSocket, Self::ByAddress].map(|layout| (layout.as_str(), layout)))
            .ok_or_else(|| Fault::new("one-of", "it must be `inferred`, `one-socket` or `by-address`"))
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The contract as a request or a document gives it: an object, or empty text for none. In a document that `ringway apply` reads,
/// text is the path of the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NewContractRef {
    /// No contract.
    #[default]
    None,
    /// A contract.
    Given(ContractFields),
}

/// The fields of a contract, before any rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractFields {
    /// The path of the contract, relative to the document that names it. Whoever reads the document replaces it by the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The digest of the uploaded bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The file name of the AsyncAPI document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main: Option<String>,
    /// The side that the document is written from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perspective: Option<String>,
    /// The way in which channels become routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
}

impl Written<Option<ContractRef>> for NewContractRef {
    fn check(&self, field: &str, faults: &mut Faults) -> Option<Option<ContractRef>> {
        let Self::Given(fields) = self else { return Some(None) };
        let at = |name: &str| format!("{field}.{name}");
        let mut own = Faults::default();
        if fields.path.is_some() {
            let advice = "a path is for the files of `ringway apply`: upload the contract, and give its `digest`";
            own.add(field, Fault::new("path", advice));
        }
        let digest = match &fields.digest {
            Some(text) => own.keep(at("digest"), text.parse()),
            None if fields.path.is_some() => None,
            None => {
                own.add(
                    at("digest"),
                    Fault::new("required", "it must be the digest that the upload was answered with"),
                );
                None
            }
        };
        let main = fields.main.as_deref().and_then(|name| own.keep(at("main"), file_name(name)));
        let perspective = fields.perspective.as_deref().and_then(|text| own.keep(at("perspective"), text.parse()));
        let layout = match &fields.layout {
            Some(text) => own.keep(at("layout"), text.parse()),
            None => Some(Layout::default()),
        };
        let is_checked = faults.join(own);
        let (Some(digest), Some(layout), true) = (digest, layout, is_checked) else { return None };
        Some(Some(ContractRef { digest, main, perspective, layout }))
    }

    fn of(contract: &Option<ContractRef>) -> Self {
        let Some(ContractRef { digest, main, perspective, layout }) = contract else { return Self::None };
        Self::Given(ContractFields {
            path: None,
            digest: Some(digest.to_string()),
            main: main.clone(),
            perspective: perspective.map(|side| side.to_string()),
            layout: Some(layout.to_string()),
        })
    }
}

impl Serialize for NewContractRef {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => into.serialize_str(""),
            Self::Given(fields) => fields.serialize(into),
        }
    }
}

impl<'de> Deserialize<'de> for NewContractRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ContractVisitor)
    }
}

struct ContractVisitor;

impl<'de> Visitor<'de> for ContractVisitor {
    type Value = NewContractRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("struct ContractFields")
    }

    fn visit_unit<E>(self) -> Result<NewContractRef, E> {
        Ok(NewContractRef::None)
    }

    fn visit_str<E>(self, text: &str) -> Result<NewContractRef, E> {
        if text.is_empty() {
            return Ok(NewContractRef::None);
        }
        Ok(NewContractRef::Given(ContractFields { path: Some(text.to_owned()), ..ContractFields::default() }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<NewContractRef, A::Error> {
        ContractFields::deserialize(MapAccessDeserializer::new(map)).map(NewContractRef::Given)
    }
}

/// A file name of an upload. [`Sources`](crate::contract::Sources) decides if the upload has such a file.
fn file_name(name: &str) -> Result<String, Fault> {
    if name.is_empty() || name.len() > MAX_MAIN_BYTES {
        return Err(Fault::new("length", format!("it must have 1 to {MAX_MAIN_BYTES} bytes")));
    }
    if name.chars().any(char::is_control) {
        return Err(Fault::new("characters", "it must not hold control characters"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ContractDigest, ContractRef, Layout, NewContractRef, Side};
    use crate::api::problem::Faults;
    use crate::api::written::Written;
    use crate::api::{Definition, NewDefinition};

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn checked(value: Value) -> Result<Option<ContractRef>, Vec<(String, String)>> {
        let mut faults = Faults::default();
        let checked = serde_json::from_value::<NewContractRef>(value).unwrap().check("contract", &mut faults);
        checked.ok_or_else(|| {
            let errors = faults.into_problems().errors;
            errors.into_iter().map(|error| (error.field, error.rule)).collect()
        })
    }

    #[test]
    fn a_digest_is_the_sha_256_of_the_bytes() {
        assert_eq!(ContractDigest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<ContractDigest>().unwrap(), ContractDigest::of(b""));
        assert_eq!(EMPTY.to_uppercase().parse::<ContractDigest>().unwrap(), ContractDigest::of(b""));
        for text in ["", "e3b0", &EMPTY[1..], &EMPTY.replace('e', "g"), &format!("{EMPTY}0"), &"é".repeat(32)] {
            assert_eq!(text.parse::<ContractDigest>().unwrap_err().rule, "form", "{text}");
        }
    }

    #[test]
    fn a_reference_is_read_as_it_is_written_and_every_fault_is_told() {
        let whole = ContractRef {
            digest: ContractDigest::of(b""),
            main: Some("a/asyncapi.yaml".to_owned()),
            perspective: Some(Side::Client),
            layout: Layout::OneSocket,
        };
        let written = serde_json::to_value(NewContractRef::of(&Some(whole.clone()))).unwrap();
        assert_eq!(written, serde_json::to_value(&whole).unwrap());
        assert_eq!(checked(written), Ok(Some(whole)));
        for none in [Value::Null, json!(""), serde_json::to_value(NewContractRef::of(&None)).unwrap()] {
            assert_eq!(checked(none), Ok(None));
        }
        let told = |field: &str, rule: &str| Err(vec![(field.to_owned(), rule.to_owned())]);
        assert_eq!(checked(json!({})), told("contract.digest", "required"));
        assert_eq!(checked(json!("chat.yaml")), told("contract", "path"));
        assert!(serde_json::from_value::<NewContractRef>(json!(1)).is_err());
        let only_digest = checked(json!({ "digest": EMPTY })).unwrap().unwrap();
        assert_eq!((only_digest.main, only_digest.perspective, only_digest.layout), (None, None, Layout::Inferred));
        let wrong = json!({ "digest": "x", "main": "a\nb", "perspective": "both", "layout": "wide" });
        let rules = [("digest", "form"), ("main", "characters"), ("perspective", "one-of"), ("layout", "one-of")];
        let expected = rules.map(|(field, rule)| (format!("contract.{field}"), rule.to_owned()));
        assert_eq!(checked(wrong), Err(expected.to_vec()));
    }

    #[test]
    fn a_revision_that_was_stored_before_contracts_has_none() {
        let stored = r#"{"name":"Chat","description":"","access":"external","targets":["ws://a"],"type":"WebSocket"}"#;
        let before: Definition = serde_json::from_str(stored).unwrap();
        assert_eq!(before.contract, None);
        let mut new = NewDefinition::from(&before);
        new.contract = serde_json::from_value(json!({ "digest": EMPTY, "perspective": "client" })).unwrap();
        let after = new.check().unwrap();
        assert_eq!(after.differences(&before), ["contract"]);
        let again: Definition = serde_json::from_value(serde_json::to_value(&after).unwrap()).unwrap();
        assert_eq!((again, NewDefinition::from(&after).check().unwrap()), (after.clone(), after));
    }
}
