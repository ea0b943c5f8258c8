//! Other people's programs that tests call.

use std::io::{self, Write};

/// Whether a program is there. If not, that is said, and is an error if `RINGWAY_REQUIRE_TOOLS=1` asks for it.
#[track_caller]
pub(crate) fn has(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&folders).any(|folder| folder.join(program).is_file()) {
        return true;
    }
    let required = std::env::var_os("RINGWAY_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(!required, "there is no {program}, and RINGWAY_REQUIRE_TOOLS=1 asks for it");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    // Past the test's capture: a skipped test is to be seen.
    let _ = writeln!(io::stderr(), "skipped: {test}: there is no {program} here");
    false
}
