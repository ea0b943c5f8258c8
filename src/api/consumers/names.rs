//! The names of consumers, of their applications, and of plans.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::NODE_CONSUMER;
use crate::api::key::short_names;
use crate::api::problem::{Fault, Faults, Problems};
use crate::api::text::plain;

/// The most characters of a consumer's name.
const MAX_CONSUMER_CHARS: usize = 60;

short_names! {
    /// An application's name among those of its consumer: 1 to 60 of `a` to `z`, digits, and single hyphens between them.
    ShortApplicationName
    /// A plan's name: 1 to 60 of `a` to `z`, digits, and single hyphens between them.
    PlanName
}

/// The plan of a subscription that does not name one.
pub const DEFAULT_PLAN: &str = "default";

impl Default for PlanName {
    fn default() -> Self {
        Self(DEFAULT_PLAN.to_owned())
    }
}

impl PlanName {
    /// The plan of the node's own test keys. The store may have one of this name, which has nothing to do with it.
    #[must_use]
    pub fn of_tests() -> Self {
        Self("test".to_owned())
    }
}

/// The name of a consumer, the person or organisation that an application belongs to: 1 to 60 of `a` to `z`, digits and `-._@+`,
/// the first and the last of which is a letter or digit. The name may be an address of e-mail.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 60, pattern = "^[a-z0-9]([a-z0-9._@+-]*[a-z0-9])?$",
    examples("acme"))]
pub struct ConsumerName(String);

impl ConsumerName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConsumerName {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let chars = text.chars().count();
        if chars == 0 || chars > MAX_CONSUMER_CHARS {
            let message = format!("it must have 1 to {MAX_CONSUMER_CHARS} characters, and has {chars}");
            return Err(Fault::new("length", message));
        }
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !text.bytes().all(|byte| is_plain(byte) || b"-._@+".contains(&byte)) {
            return Err(Fault::new("characters", "it may hold `a` to `z`, digits and `-._@+` only"));
        }
        let ends = [text.bytes().next(), text.bytes().next_back()];
        if !ends.into_iter().flatten().all(is_plain) {
            return Err(Fault::new("ends", "it must begin and end with a letter or digit"));
        }
        Ok(Self(text.to_owned()))
    }
}

plain! { ConsumerName }

/// An application by its consumer and its own name. As text: `acme/mobile`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApplicationName {
    /// The consumer.
    pub consumer: ConsumerName,
    /// The application's name among those of its consumer.
    pub name: ShortApplicationName,
}

impl ApplicationName {
    /// The application of the node's own test keys.
    #[must_use]
    pub fn of_tests() -> Self {
        Self { consumer: ConsumerName(NODE_CONSUMER.to_owned()), name: ShortApplicationName("test".to_owned()) }
    }

    /// Reads the two parts of a path.
    ///
    /// # Errors
    /// Every rule that one of the parts breaks.
    pub fn of(consumer: &str, name: &str) -> Result<Self, Problems> {
        let mut faults = Faults::default();
        let consumer = faults.keep("consumer", consumer.parse());
        let name = faults.keep("application", name.parse());
        match (consumer, name) {
            (Some(consumer), Some(name)) => Ok(Self { consumer, name }),
            _ => Err(faults.into_problems()),
        }
    }
}

impl fmt::Display for ApplicationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.consumer, self.name)
    }
}

impl FromStr for ApplicationName {
    type Err = Problems;

    /// Reads `consumer/application`.
    fn from_str(text: &str) -> Result<Self, Problems> {
        let Some((consumer, name)) = text.split_once('/') else {
            let fault = Fault::new("form", "it must be `consumer/application`, as in `acme/mobile`");
            return Err(Problems::of_fields(vec![fault.at("application")]));
        };
        Self::of(consumer, name)
    }
}

impl TryFrom<String> for ApplicationName {
    type Error = Problems;

    fn try_from(text: String) -> Result<Self, Problems> {
        text.parse()
    }
}

impl From<ApplicationName> for String {
    fn from(name: ApplicationName) -> Self {
        name.to_string()
    }
}
