//! The states of an API's life, the changes between them that are allowed, and what each means while it runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Fault;

/// Days from an API's deprecation to its end, where nobody says otherwise.
pub const SUNSET_DAYS: i64 = 180;

/// A state of an API's life. It is the API's, not an environment's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Lifecycle {
    /// Being made.
    Created,
    /// Shown to early consumers.
    #[serde(rename = "Pre-released")]
    PreReleased,
    /// For everyone.
    Published,
    /// Served, and consumers are told when it ends.
    Deprecated,
    /// Refused for the time being.
    Blocked,
    /// Over.
    Retired,
}

/// What a state means for a deployed API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtRunTime {
    /// It is served.
    Served,
    /// It is served, and each 101 says that it is deprecated and when it ends.
    ServedWithNotice,
    /// New handshakes are refused (503 `api-blocked`), live connections drained.
    Refused,
    /// It is deployed nowhere, and what it was found by is free.
    Gone,
}

impl Lifecycle {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::PreReleased, Self::Published, Self::Deprecated, Self::Blocked, Self::Retired];

    /// The states that this one may become.
    #[must_use]
    pub const fn allowed(self) -> &'static [Self] {
        match self {
            Self::Created => &[Self::PreReleased, Self::Published],
            Self::PreReleased => &[Self::Created, Self::Published],
            Self::Published => &[Self::Created, Self::PreReleased, Self::Deprecated, Self::Blocked],
            Self::Deprecated => &[Self::Published, Self::Retired],
            Self::Blocked => &[Self::Published, Self::Deprecated],
            Self::Retired => &[],
        }
    }

    /// Whether this one may become another.
    #[must_use]
    pub fn may_become(self, to: Self) -> bool {
        self.allowed().contains(&to)
    }

    /// What it means for an API that is deployed.
    #[must_use]
    pub const fn at_run_time(self) -> AtRunTime {
        match self {
            Self::Created | Self::PreReleased | Self::Published => AtRunTime::Served,
            Self::Deprecated => AtRunTime::ServedWithNotice,
            Self::Blocked => AtRunTime::Refused,
            Self::Retired => AtRunTime::Gone,
        }
    }

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::PreReleased => "Pre-released",
            Self::Published => "Published",
            Self::Deprecated => "Deprecated",
            Self::Blocked => "Blocked",
            Self::Retired => "Retired",
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Lifecycle {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(|state| format!("`{state}`")).join(", ");
            Fault::new("one-of", format!("it must be one of {all}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AtRunTime, Lifecycle};

    /// What each state (a line) may become (a column, in the order of the lines).
    const TABLE: &str = "\
        Created       . yes yes .   .   .
        Pre-released  yes . yes .   .   .
        Published     yes yes . yes yes .
        Deprecated    .   . yes .   .   yes
        Blocked       .   . yes yes .   .
        Retired       .   . .   .   .   .";

    #[test]
    fn every_change_that_is_allowed_is_in_the_table_and_no_other() {
        let lines: Vec<Vec<&str>> = TABLE.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 6);
        for (from, line) in Lifecycle::ALL.into_iter().zip(lines) {
            assert_eq!(line[0], from.as_str());
            assert_eq!(line.len(), 7);
            for (to, cell) in Lifecycle::ALL.into_iter().zip(&line[1..]) {
                assert_eq!(from.may_become(to), *cell == "yes", "{from} to {to}");
            }
        }
    }

    #[test]
    fn each_state_means_something_at_run_time() {
        let meanings = Lifecycle::ALL.map(Lifecycle::at_run_time);
        let [created, pre_released, published, deprecated, blocked, retired] = meanings;
        assert_eq!([created, pre_released, published], [AtRunTime::Served; 3]);
        assert_eq!(deprecated, AtRunTime::ServedWithNotice);
        assert_eq!(blocked, AtRunTime::Refused);
        assert_eq!(retired, AtRunTime::Gone);
    }

    #[test]
    fn a_state_is_read_as_it_is_written() {
        for state in Lifecycle::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for text in ["", "published", "PreReleased", "Pre-Released"] {
            assert_eq!(text.parse::<Lifecycle>().unwrap_err().rule, "one-of", "{text}");
        }
    }
}
