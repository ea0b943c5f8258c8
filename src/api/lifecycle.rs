//! The lifecycle of an API: its states, the changes between them that are allowed, and what each means for traffic.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Fault;
use super::spelling::spelled;

/// Days from an API's deprecation to its end, unless the request gives another end.
pub const SUNSET_DAYS: i64 = 180;

/// An API's lifecycle state. It applies to the API in all environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Lifecycle {
    /// The API is being made.
    Created,
    /// Early consumers may use the API.
    #[serde(rename = "Pre-released")]
    PreReleased,
    /// All consumers may use the API.
    Published,
    /// The API is served, and consumers are told when it ends.
    Deprecated,
    /// New handshakes are refused for the time being.
    Blocked,
    /// The API has ended.
    Retired,
}

/// The meaning of a state for new subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscribing {
    /// Every consumer may subscribe.
    Open,
    /// An operator may subscribe an application, to test the API. Consumers are not offered it.
    OperatorOnly,
    /// Nobody may subscribe.
    Closed,
}

/// The meaning of a state for traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtRunTime {
    /// The API is served.
    Served,
    /// The API is served, and each 101 says that it is deprecated and when it ends.
    ServedWithNotice,
    /// New handshakes are refused (503 `api-blocked`), live connections drained.
    Refused,
    /// The API is deployed nowhere, and its key is free.
    Gone,
}

impl Lifecycle {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::PreReleased, Self::Published, Self::Deprecated, Self::Blocked, Self::Retired];

    /// The states that may follow this one.
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

    /// True if `to` may follow this state.
    #[must_use]
    pub fn may_become(self, to: Self) -> bool {
        self.allowed().contains(&to)
    }

    /// The state's meaning for traffic.
    #[must_use]
    pub const fn at_run_time(self) -> AtRunTime {
        match self {
            Self::Created | Self::PreReleased | Self::Published => AtRunTime::Served,
            Self::Deprecated => AtRunTime::ServedWithNotice,
            Self::Blocked => AtRunTime::Refused,
            Self::Retired => AtRunTime::Gone,
        }
    }

    /// The state's meaning for new subscriptions. Those that there are stay, until the API is retired or deleted.
    #[must_use]
    pub const fn subscribing(self) -> Subscribing {
        match self {
            Self::Created => Subscribing::OperatorOnly,
            Self::PreReleased | Self::Published => Subscribing::Open,
            Self::Deprecated | Self::Blocked | Self::Retired => Subscribing::Closed,
        }
    }

    /// The state's word in JSON, YAML and on the command line.
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
        spelled(text, &Self::ALL.map(|state| (state.as_str(), state))).ok_or_else(|| {
            let all = Self::ALL.map(|state| format!("`{state}`")).join(", ");
            Fault::new("one-of", format!("it must be one of {all}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AtRunTime, Lifecycle, Subscribing};

    /// Which state (column) may follow which (line); columns are in the order of the lines.
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
    fn an_api_that_ends_takes_no_new_subscriptions_and_one_that_is_being_made_takes_an_operators() {
        let meanings = Lifecycle::ALL.map(Lifecycle::subscribing);
        let [created, pre_released, published, deprecated, blocked, retired] = meanings;
        assert_eq!(created, Subscribing::OperatorOnly);
        assert_eq!([pre_released, published], [Subscribing::Open; 2]);
        assert_eq!([deprecated, blocked, retired], [Subscribing::Closed; 3]);
    }

    #[test]
    fn a_state_is_read_as_it_is_written() {
        for state in Lifecycle::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for text in ["published", "PUBLISHED"] {
            assert_eq!(text.parse(), Ok(Lifecycle::Published));
        }
        for text in ["", "live", "Published "] {
            assert_eq!(text.parse::<Lifecycle>().unwrap_err().rule, "one-of", "{text}");
        }
    }
}
