//! Other people's programs that tests call.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Whether a program is there. If not, that is said, and is an error if `RINGWAY_REQUIRE_TOOLS=1` asks for it.
#[track_caller]
pub(crate) fn has(program: &str) -> bool {
    find(program).is_some()
}

/// The same, and where it is: in the path, or where servers live, which not every path holds.
#[track_caller]
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let servers = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut places = std::env::split_paths(&folders).chain(servers).map(|folder| folder.join(program));
    let found = places.find(|path| Path::is_file(path));
    if found.is_none() {
        let required = std::env::var_os("RINGWAY_REQUIRE_TOOLS").is_some_and(|value| value == "1");
        assert!(!required, "there is no {program}, and RINGWAY_REQUIRE_TOOLS=1 asks for it");
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        // Past the test's capture: a skipped test is to be seen.
        let _ = writeln!(io::stderr(), "skipped: {test}: there is no {program} here");
    }
    found
}
