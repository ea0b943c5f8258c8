//! The log, as flags and in the configuration file.

use clap::{Args, Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// How and what is logged, as the operator wrote it.
#[derive(Args, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[command(next_help_heading = "Log")]
#[serde(deny_unknown_fields, default)]
pub struct LogArgs {
    /// Log format
    #[arg(long, value_enum, default_value = "text")]
    #[serde(rename = "format")]
    pub log_format: LogFormat,
    /// Log level: error, warn, info, debug, trace, or a filter such as `info,ringway::access=off`
    #[arg(long, value_name = "FILTER", default_value = "info")]
    #[serde(rename = "level")]
    pub log_level: String,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: an object a line.
    Json,
}

/// The resolver's own lines, several for each failure, some with text of an outsider's: what matters of them is said by
/// the thread that asks. A filter that names `hickory_resolver`, `hickory_net` or `hickory_proto` still has them.
const QUIET: &str = "hickory=off";

impl Default for LogArgs {
    fn default() -> Self {
        #[derive(Parser)]
        struct Flags {
            #[command(flatten)]
            log: LogArgs,
        }
        Flags::parse_from(["ringway"]).log
    }
}

impl LogArgs {
    /// What is logged, read.
    ///
    /// # Errors
    /// What is wrong with the filter.
    pub fn filter(&self) -> Result<EnvFilter, String> {
        EnvFilter::try_new(format!("{QUIET},{}", self.log_level))
            .map_err(|error| format!("`{}` is not a level or a filter: {error}", self.log_level))
    }
}
