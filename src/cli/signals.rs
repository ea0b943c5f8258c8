//! Signals that end a program, on a thread of their own: for `ringway` and the load generator alike.

use std::io;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Calls `heard` for each SIGINT and SIGTERM, with the number of those before it, until it returns `false`.
///
/// # Errors
/// The handlers cannot be installed, or there is no thread for them.
pub fn watch(mut heard: impl FnMut(usize) -> bool + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for (before, _) in signals.forever().enumerate() {
            if !heard(before) {
                return;
            }
        }
    })?;
    Ok(())
}
