//! Other people's programs that tests call.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// True if a program is installed. If not, the test says so, and fails if `RINGWAY_REQUIRE_TOOLS=1` requires it.
#[track_caller]
pub(crate) fn has(program: &str) -> bool {
    find(program).is_some()
}

/// Like [`has`], with the program's path: in `PATH`, or in the folders of servers, which not every `PATH` has.
#[track_caller]
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let servers = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut places = std::env::split_paths(&folders).chain(servers).map(|folder| folder.join(program));
    let found = places.find(|path| Path::is_file(path));
    if found.is_none() {
        skip(&format!("there is no {program} here"));
    }
    found
}

/// Packages of npm, installed once into a folder of this name. Returns the folder that `NODE_PATH` must name; `None` if there is
/// no Node, or no registry in reach.
#[track_caller]
pub(crate) fn npm_packages(folder: &str, packages: &[&str]) -> Option<PathBuf> {
    if !has("node") || !has("npm") {
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let (modules, mark) = (folder.join("node_modules"), folder.join("installed"));
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Some(modules);
    }
    std::fs::create_dir_all(&folder).unwrap();
    let output = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--prefix"])
        .arg(&folder)
        .args(packages)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if !output.status.success() {
        skip(&format!("npm cannot install {packages:?}: {}", String::from_utf8_lossy(&output.stderr)));
        return None;
    }
    std::fs::write(&mark, wanted).unwrap();
    Some(modules)
}

/// Says that a test is skipped; with `RINGWAY_REQUIRE_TOOLS=1` that is a failure.
#[track_caller]
fn skip(why: &str) {
    let required = std::env::var_os("RINGWAY_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(!required, "{why}, and RINGWAY_REQUIRE_TOOLS=1 requires it");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    // Past the test's capture, so that a skipped test is seen.
    let _ = writeln!(io::stderr(), "skipped: {test}: {why}");
}
