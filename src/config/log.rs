//! The log, as flags and in the configuration file.

use clap::{Args, Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// Format and level of the log, as the operator wrote them.
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

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Silences the resolver library: it logs several lines for each failure, some with text from outside, and the resolver
/// thread logs what matters. A filter that names `hickory_resolver`, `hickory_net` or `hickory_proto` shows them again.
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
    /// The parsed filter.
    ///
    /// # Errors
    /// The filter's fault.
    pub fn filter(&self) -> Result<EnvFilter, String> {
        EnvFilter::try_new(format!("{QUIET},{}", self.log_level))
            .map_err(|error| format!("`{}` is not a level or a filter: {error}", self.log_level))
    }
}
