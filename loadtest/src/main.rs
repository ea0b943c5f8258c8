//! `ringway-load`: the load generator. It has no scenario yet and says so.

use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "this is a command line's message to its user")]
fn main() -> ExitCode {
    eprintln!("ringway-load has no scenario yet; measure with any WebSocket load generator until it has");
    ExitCode::from(1)
}
