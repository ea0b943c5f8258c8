//! The log: tracing to standard error, as text or as JSON.

use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, reload};

use super::NodeError;
use super::log_text::{Milliseconds, Text};
use crate::config::log::{LogArgs, LogFormat};

/// Lines that may wait for standard error.
const MAX_LINES: usize = 16_384;

/// The target of the one record that a connection leaves.
pub(super) const ACCESS: &str = "ringway::access";

/// Sets up the log.
///
/// A thread of its own writes the lines to standard error: a pipe that nobody reads blocks that thread alone, and neither a
/// shard nor a shutdown waits for it. Lines that do not fit its queue are lost.
///
/// # Errors
/// The filter cannot be used.
pub(super) fn install(args: &LogArgs) -> Result<Log, NodeError> {
    let filter = args.filter().map_err(|error| NodeError::Configuration(format!("--log-level: {error}")))?;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_LINES)
        .thread_name("log")
        .finish(std::io::stderr());
    let (filter, handle) = reload::Layer::new(filter);
    // The reader of the log may have died: an error message about that would end the process.
    let lines = fmt::layer().with_writer(writer).log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(filter);
    let installed = match args.log_format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_timer(Milliseconds)).try_init(),
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            registry.with(lines.event_format(Text).with_ansi(colours)).try_init()
        }
    };
    // A program that has set up a log of its own keeps it and its filter.
    let level: SetLevel = if installed.is_ok() {
        Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string()))
    } else {
        Box::new(|_| Ok(()))
    };
    Ok(Log {
        recorded: tracing::enabled!(target: ACCESS, tracing::Level::INFO),
        level,
        guard: LogGuard { _guard: guard },
    })
}

/// A log that is set up.
pub(super) struct Log {
    /// `true` if the log shows the records of connections.
    pub(super) recorded: bool,
    /// Replaces the filter.
    pub(super) level: SetLevel,
    pub(super) guard: LogGuard,
}

/// Writes the last lines when it is dropped.
pub(super) struct LogGuard {
    _guard: WorkerGuard,
}

/// Replaces the filter of the log.
pub(super) type SetLevel = Box<dyn Fn(Targets) -> Result<(), String> + Send + Sync>;
