//! The log: tracing to standard error, as text or as JSON.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
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

/// Lines that may wait for standard error.
const MAX_LINES: usize = 16_384;

/// The resolver's own lines, several for each failure, some with text of an outsider's: what matters of them is said by
/// the thread that asks. A filter that names `hickory_resolver`, `hickory_net` or `hickory_proto` still has them.
const QUIET: &str = "hickory=off";

/// The target of the one record that a connection leaves.
pub(super) const ACCESS: &str = "ringway::access";

impl LogArgs {
    /// Sets the log up: whether connections are to be recorded, and what must live until the last line is out.
    ///
    /// Lines go to standard error from a thread of their own: a pipe that nobody empties blocks that thread alone, and
    /// neither a shard nor a shutdown waits for it. What does not fit its queue is lost.
    pub(super) fn install(&self) -> Result<(bool, WorkerGuard), Failure> {
        let filter = EnvFilter::try_new(format!("{QUIET},{}", self.log_level))
            .map_err(|error| Failure::Configuration(format!("--log-level `{}`: {error}", self.log_level)))?;
        let (writer, guard) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(MAX_LINES)
            .thread_name("log")
            .finish(std::io::stderr());
        // Whoever read the log may have died: an error message about that would end the process.
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
        match self.log_format {
            Format::Json => builder.json().flatten_event(true).init(),
            Format::Text => {
                let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                builder.with_ansi(colours).init();
            }
        }
        Ok((tracing::enabled!(target: ACCESS, tracing::Level::INFO), guard))
    }
}
