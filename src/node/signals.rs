//! Signals that end a program or make it reload, on a thread of their own; `ringway` and the load generator use it.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Calls `heard` for each SIGINT and SIGTERM, with the number of earlier ones, until `heard` returns `false`.
///
/// # Errors
/// The handlers cannot be installed, or there is no thread for them.
pub fn watch(heard: impl FnMut(usize) -> bool + Send + 'static) -> io::Result<()> {
    start(Signals::new([SIGINT, SIGTERM])?, heard, || {})
}

/// Like [`watch`], and calls `hung_up` for each SIGHUP, which then no longer ends the process.
///
/// # Errors
/// See [`watch`].
pub fn watch_with_hangups(
    heard: impl FnMut(usize) -> bool + Send + 'static,
    hung_up: impl FnMut() + Send + 'static,
) -> io::Result<()> {
    start(Signals::new([SIGINT, SIGTERM, SIGHUP])?, heard, hung_up)
}

fn start(
    mut signals: Signals,
    mut heard: impl FnMut(usize) -> bool + Send + 'static,
    mut hung_up: impl FnMut() + Send + 'static,
) -> io::Result<()> {
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut before: usize = 0;
        for signal in signals.forever() {
            if signal == SIGHUP {
                hung_up();
                continue;
            }
            if !heard(before) {
                return;
            }
            before = before.saturating_add(1);
        }
    })?;
    Ok(())
}
