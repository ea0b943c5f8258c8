//! Tests that need a network, or files of the host's, of their own: this test binary, started once more in namespaces
//! where it may do as it likes.

#![allow(clippy::print_stderr, reason = "a test's output is shown when it fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs an ignored test, by its path, with nothing but a loopback device and the addresses 10.77.0.0/24 and fd77::1 to
/// fd77::3 on it. Where namespaces are not allowed it says so and does nothing, unless RINGWAY_REQUIRE_NETNS is 1.
#[track_caller]
pub(crate) fn run(test: &str) {
    const SETUP: &str = "ip link set lo up && ip addr add 10.77.0.1/24 dev lo && \
        for n in 1 2 3; do ip addr add fd77::$n/128 dev lo || exit 1; done && exec \"$0\" \"$@\"";
    let mut inner = Command::new("unshare");
    inner.args(["--map-root-user", "--net", "--mount", "sh", "-c", SETUP]);
    inner.arg(std::env::current_exe().unwrap());
    inner.args(["--exact", test, "--ignored", "--nocapture"]);
    let output = inner.output().expect("unshare of util-linux");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    if text.contains("unshare failed") {
        let required = std::env::var("RINGWAY_REQUIRE_NETNS").is_ok_and(|value| value == "1");
        assert!(!required, "namespaces are required and may not be made here: {text}");
        eprintln!("not run: a network namespace may not be made here");
        return;
    }
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// A file of the host's that is the test's own for as long as its namespace lives.
pub(crate) struct HostFile(PathBuf);

impl HostFile {
    /// Puts a file in the place of one that exists.
    pub(crate) fn replace(path: &str, text: &str) -> Self {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        let own = std::env::temp_dir().join(format!("ringway-{}-{name}", std::process::id()));
        fs::write(&own, text).unwrap();
        let done = Command::new("mount").arg("--bind").arg(&own).arg(path).status().unwrap();
        assert!(done.success(), "mount --bind on {path}");
        Self(own)
    }

    /// Writes it anew.
    pub(crate) fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }
}

impl Drop for HostFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
