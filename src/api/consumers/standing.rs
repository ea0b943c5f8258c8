//! Active or blocked: an application, a subscription or a plan that is blocked opens nothing until it is active again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::problem::Fault;
use crate::api::spelling::spelled;

/// The status of an application, a subscription or a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Keys open what is subscribed to.
    #[default]
    Active,
    /// Keys open nothing by this, and live connections that they opened are closed.
    Blocked,
}

impl Standing {
    /// The word in JSON, YAML and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Blocked => "blocked",
        }
    }

    /// True for [`Active`](Self::Active).
    #[must_use]
    pub fn is_active(self) -> bool {
        self == Self::Active
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Standing {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        spelled(text, &[Self::Active, Self::Blocked].map(|standing| (standing.as_str(), standing)))
            .ok_or_else(|| Fault::new("one-of", "it must be `active` or `blocked`"))
    }
}
