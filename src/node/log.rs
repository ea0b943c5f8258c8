//! The log: tracing to standard error, as text or as JSON.

use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::NodeError;
use crate::config::log::{LogArgs, LogFormat};

/// Lines that may wait for standard error.
const MAX_LINES: usize = 16_384;

/// The target of the one record that a connection leaves.
pub(super) const ACCESS: &str = "ringway::access";

/// Sets the log up: whether connections are to be recorded, and what must live until the last line is out.
///
/// Lines go to standard error from a thread of their own: a pipe that nobody empties blocks that thread alone, and
/// neither a shard nor a shutdown waits for it. What does not fit its queue is lost.
pub(super) fn install(args: &LogArgs) -> Result<Log, NodeError> {
    let filter = args.filter().map_err(|error| NodeError::Configuration(format!("--log-level {error}")))?;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_LINES)
        .thread_name("log")
        .finish(std::io::stderr());
    // Whoever read the log may have died: an error message about that would end the process.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    let (level, installed): (SetLevel, _) = match args.log_format {
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            (Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())), builder.try_init())
        }
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let builder = builder.with_ansi(colours).with_filter_reloading();
            let handle = builder.reload_handle();
            (Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())), builder.try_init())
        }
    };
    // A program that has a log of its own keeps it, and decides what is in it.
    let level = if installed.is_ok() { level } else { Box::new(|_| Ok(())) };
    Ok(Log {
        recorded: tracing::enabled!(target: ACCESS, tracing::Level::INFO),
        level,
        guard: LogGuard { _guard: guard },
    })
}

/// The log, as long as this lives.
pub(super) struct Log {
    /// Whether connections are to be recorded.
    pub(super) recorded: bool,
    /// Sets what is logged from now on.
    pub(super) level: SetLevel,
    pub(super) guard: LogGuard,
}

/// Writes the last lines when it is dropped.
pub(super) struct LogGuard {
    _guard: WorkerGuard,
}

/// Sets what is logged.
pub(super) type SetLevel = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;
