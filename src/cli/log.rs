//! The log: tracing to standard error, as text or as JSON.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use super::Failure;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Log")]
pub(super) struct LogArgs {
    /// How the log is written
    #[arg(long, value_enum, default_value = "text")]
    log_format: Format,
    /// What is logged: error, warn, info, debug, trace, or a filter such as `info,ringway::access=off`
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log_level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// The target of the one record that a connection leaves.
pub(super) const ACCESS: &str = "ringway::access";

impl LogArgs {
    /// Sets the log up: `true` if connections are to be recorded.
    pub(super) fn install(&self) -> Result<bool, Failure> {
        let filter = EnvFilter::try_new(&self.log_level)
            .map_err(|error| Failure::Configuration(format!("--log-level `{}`: {error}", self.log_level)))?;
        // A log that cannot be written is no reason to end: complaining on standard error would fail too, and panic.
        let builder =
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
        match self.log_format {
            Format::Json => builder.json().flatten_event(true).init(),
            Format::Text => {
                let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                builder.with_ansi(colours).init();
            }
        }
        Ok(tracing::enabled!(target: ACCESS, tracing::Level::INFO))
    }
}
