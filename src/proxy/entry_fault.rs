//! The reason why a client may not enter its route, for the record: more than the client is told, and never a credential.

use std::fmt;
use std::sync::Arc;

use crate::proto::credential::Place;
use crate::routing::consumers::{ApiFamily, Application, KeyHash, KeyId, Plan};

/// The most characters of an origin that a record shows.
const MAX_ORIGIN_CHARS: usize = 128;

/// The reason. Texts that a peer has chosen are escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryFault {
    /// The origin of the page is none that the route takes; `None` if it is no text.
    Origin(Option<Box<str>>),
    /// There are credentials in two places.
    Several([Place; 2]),
    /// The credential in this place does not have the form of a key.
    NoKey(Place),
    /// No key has this hash.
    Unknown(Place, KeyHash),
    /// The key has expired.
    Expired(KeyId),
    /// The key belongs to this other environment.
    OtherEnvironment(KeyId, Arc<str>),
    /// The application of the key has no subscription to the API.
    NotSubscribed(KeyId, Arc<Application>, Arc<ApiFamily>),
    /// The subscription of the key's application, with this plan, is closed.
    Closed(KeyId, Arc<Application>, Arc<Plan>),
}

impl EntryFault {
    /// The fault of a request whose first `Origin` line has this value.
    pub(super) fn origin(value: Option<&[u8]>) -> Self {
        let text = value.and_then(|value| std::str::from_utf8(value).ok());
        Self::Origin(text.map(|text| text.chars().take(MAX_ORIGIN_CHARS).collect()))
    }
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(Some(origin)) => write!(f, "origin \"{}\"", origin.escape_debug()),
            Self::Origin(None) => f.write_str("the origin is no text"),
            Self::Several([one, other]) if one == other => write!(f, "credentials: two in the {one}"),
            Self::Several([one, other]) => write!(f, "credentials: one in the {one}, one in the {other}"),
            Self::NoKey(place) => write!(f, "the credential in the {place} does not have the form of a key"),
            Self::Unknown(place, hash) => {
                let [a, b, c, d, ..] = hash.as_bytes();
                write!(f, "no key is as the one in the {place}, whose SHA-256 begins with {a:02x}{b:02x}{c:02x}{d:02x}")
            }
            Self::Expired(KeyId(key)) => write!(f, "key {key} has expired"),
            Self::OtherEnvironment(KeyId(key), environment) => write!(f, "key {key} is for {environment}"),
            Self::NotSubscribed(KeyId(key), application, family) => {
                let Application { name, consumer, .. } = &**application;
                write!(f, "key {key}: application {name} of {consumer} has no subscription to {family}")
            }
            Self::Closed(KeyId(key), application, plan) => {
                let Application { name, consumer, .. } = &**application;
                write!(
                    f,
                    "key {key}: the subscription of application {name} of {consumer}, plan {}, is closed",
                    plan.name
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::EntryFault;
    use crate::proto::credential::Place;
    use crate::routing::consumers::{KeyHash, key_text};

    #[test]
    fn an_origin_is_escaped_and_cut() {
        let shown = |value: &[u8]| EntryFault::origin(Some(value)).to_string();
        assert_eq!(shown(b"https://a.test"), "origin \"https://a.test\"");
        assert_eq!(shown(b"a\"\tb"), "origin \"a\\\"\\tb\"");
        assert_eq!(shown(&[b'x'; 500]).len(), "origin \"\"".len() + 128);
        assert_eq!(shown(b"\xff"), "the origin is no text");
    }

    #[test]
    fn a_key_that_nobody_knows_is_shown_by_its_hash() {
        let text = key_text(&[0; 32]);
        let shown = EntryFault::Unknown(Place::Header, KeyHash::of(text.as_bytes()).unwrap()).to_string();
        assert!(shown.ends_with("SHA-256 begins with f8a7d340"), "{shown}");
        let several = [Place::Header, Place::Query];
        assert_eq!(EntryFault::Several(several).to_string(), "credentials: one in the header, one in the query");
    }
}
