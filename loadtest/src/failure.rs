//! The reasons why a command of the load generator has no result.

use std::fmt;
use std::io;

/// The reason why there is no report.
#[derive(Debug)]
pub enum Failure {
    /// The requested configuration is not possible.
    Configuration(String),
    /// The run failed.
    Failed(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
