//! Tests that need a network, or files of the host's, of their own: this test binary, started once more in namespaces
//! where it may do as it likes. Where they may not be made that is said, past the test's capture, and is an error if
//! `RINGWAY_REQUIRE_NETNS=1` asks for it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Said when the namespace is there and set up: what goes wrong before is the host's doing, what comes after the test's.
const READY: &str = "the namespace is ready";

/// Tests of the module `inside` beside them, each in a namespace that a script sets up.
macro_rules! in_namespaces {
    ($setup:expr; $($name:ident)*) => {
        $(#[test]
        fn $name() {
            $crate::harness::namespace::run(concat!(module_path!(), "::inside::", stringify!($name)), $setup);
        })*
    };
}
pub(crate) use in_namespaces;

/// Runs an ignored test, by its path with the crate, as root of namespaces with nothing in them but a loopback device
/// and what a shell script puts there.
#[track_caller]
pub(crate) fn run(test: &str, setup: &str) {
    let (_, test) = test.split_once("::").unwrap();
    let mut inner = Command::new("unshare");
    let script = format!("ip link set lo up && {setup} && echo '{READY}' && exec \"$0\" \"$@\"");
    inner.args(["--map-root-user", "--net", "--mount", "sh", "-c", &script]);
    inner.arg(std::env::current_exe().unwrap());
    inner.args(["--exact", test, "--ignored", "--nocapture"]);
    // Tools of the system are not in everyone's path.
    let path = std::env::var("PATH").unwrap_or_default();
    let output = inner.env("PATH", format!("{path}:/usr/sbin:/sbin")).output();
    let (success, text) = match output {
        Ok(output) => (output.status.success(), [output.stdout, output.stderr].concat()),
        Err(error) => (false, format!("unshare: {error}").into_bytes()),
    };
    let text = String::from_utf8_lossy(&text);
    if !text.contains(READY) {
        let required = std::env::var_os("RINGWAY_REQUIRE_NETNS").is_some_and(|value| value == "1");
        assert!(!required, "RINGWAY_REQUIRE_NETNS=1 asks for a namespace, and it cannot be made: {text}");
        let _ = writeln!(io::stderr(), "skipped: {test}: a network namespace cannot be made here: {}", text.trim());
        return;
    }
    assert!(success && text.contains("1 passed"), "{text}");
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

    /// Writes it anew, in one go and over what was there: nobody finds it empty, or half the one and half the other.
    pub(crate) fn write(&self, text: &str) {
        let length = usize::try_from(fs::metadata(&self.0).unwrap().len()).unwrap().max(text.len());
        let lines = format!("{text}{}", "\n".repeat(length - text.len()));
        let mut file = fs::File::options().write(true).open(&self.0).unwrap();
        assert_eq!(file.write(lines.as_bytes()).unwrap(), length);
        file.set_len(text.len() as u64).unwrap();
    }
}

impl Drop for HostFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
