//! The error of the process's phases. The command line gives each kind an exit code.

use std::{fmt, io};

use crate::config::file::Faults;

/// Why a node does not start, or ended.
#[derive(Debug)]
pub enum NodeError {
    /// The host, the state directory or a shard failed.
    Failed(String),
    /// An option or the configuration file has a value that cannot be used.
    Configuration(String),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) | Self::Configuration(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for NodeError {}

impl From<io::Error> for NodeError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Faults> for NodeError {
    fn from(faults: Faults) -> Self {
        Self::Configuration(faults.to_string())
    }
}
