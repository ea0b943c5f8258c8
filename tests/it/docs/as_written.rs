//! The commands of README and docs, run as they are written: in a clean directory, with a `PATH` that lacks the binary until the page
//! installs it. `cargo` is stood in for by a script that puts the binary under test where cargo would. What is not run has a
//! reason in [`NOT_RUN`].

#![allow(unsafe_code, reason = "system calls without a safe wrapper")]

use std::path::Path;

use crate::harness::documents::document;
use crate::harness::namespace::in_namespaces;

/// Pages that are run here, and whether the reader has a node by then.
const RUN: &[(&str, Before)] = &[
    ("README.md", Before::Nothing),
    ("docs/tls.md", Before::Installed),
    ("docs/admin-api.md", Before::Node),
    ("docs/apis.md", Before::Node),
    ("docs/auth.md", Before::Node),
    ("docs/identities.md", Before::Node),
];

/// Pages whose commands [`documented_cli`](super::documented_cli) runs, with what they answer.
const RUN_WITH_ANSWERS: &[&str] = &["docs/cli.md", "docs/declarative.md"];

/// The commands that are not run: a page, the beginning of the line, and the reason.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("README.md", "cargo test", "these are the tests"),
    (
        "README.md",
        "cargo build --release --workspace",
        "ringway-load is another crate; its own tests run its scenarios",
    ),
    ("docs/admin-api.md", "ringway --admin", "the node is on another host; tests/it/node/admin_tls.rs does it"),
    ("docs/admin-api.md", "curl --cacert", "the node is on another host; tests/it/node/admin_tls.rs does it"),
    (
        "docs/applications.md",
        "ringway",
        "its API and its environment are the reader's; tests/it/cli/consumers.rs runs each of the commands",
    ),
    (
        "docs/benchmarks.md",
        "",
        "a benchmark takes minutes and wants a quiet machine; the plan and the scenarios have tests",
    ),
    ("docs/configuration.md", "ringway config", "its file is the reader's; `config check` and `show` have tests"),
    ("docs/operating.md", "sudo ", "installs into the host; .ci/package builds what is installed"),
    (
        "docs/tls.md",
        "ringway ws",
        "talks to the proxy that the line before keeps in the foreground; tests/it/tls/ws.rs does it",
    ),
    ("docs/validation.md", "ringway api", "its API has a contract and clients that break it; --follow does not end"),
];

/// The files and programs that a reader of a page has already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// A clone of the repository.
    Nothing,
    /// The binary on the `PATH`.
    Installed,
    /// A running node, too, in the directory.
    Node,
}

/// The commands of a page's blocks of shell, one a line; a line that is continued is one.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```").skip(1).step_by(2);
    let mut commands = Vec::new();
    for block in blocks {
        let (kind, block) = block.split_once('\n').unwrap_or_default();
        let block = block.replace("\\\n", " ");
        match kind {
            "sh" => commands.extend(block.lines().map(str::to_owned)),
            "console" => commands.extend(block.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned)),
            _ => {}
        }
    }
    commands.retain(|line| !line.trim().is_empty() && !line.starts_with('#'));
    commands
}

fn is_run(page: &str, command: &str) -> bool {
    !NOT_RUN.iter().any(|(of, start, _)| *of == page && command.starts_with(start))
}

#[test]
fn d15_every_command_of_the_documentation_is_run_or_has_a_reason() {
    let docs = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let docs = docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    let pages = docs.filter(|page| page.ends_with(".md")).chain(["README.md".to_owned()]);
    let mut used = vec![false; NOT_RUN.len()];
    for page in pages {
        for command in commands(&document(&page)) {
            let reasons = NOT_RUN.iter().zip(&mut used);
            for ((_, _, why), used) in reasons.filter(|((of, start, _), _)| *of == page && command.starts_with(start)) {
                assert!(!why.is_empty());
                *used = true;
            }
            let is_run_here = RUN.iter().any(|(run, _)| *run == page);
            let is_known = is_run_here || RUN_WITH_ANSWERS.contains(&page.as_str()) || !is_run(&page, &command);
            assert!(is_known, "{page}: `{command}` is not run, and has no reason in NOT_RUN");
        }
    }
    for ((page, start, _), used) in NOT_RUN.iter().zip(used) {
        assert!(used, "{page} has no command that begins with `{start}`");
    }
}

// A namespace of its own has all ports free, so that the documented ones can be used.
in_namespaces! { "true"; d15_the_commands_of_readme_and_docs_work_as_they_are_written }

mod inside {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};

    use tempfile::TempDir;

    use super::{Before, RUN, commands, is_run};
    use crate::harness::documents::document;
    use crate::harness::process::PROGRAM;
    use crate::harness::until;

    /// A reader's directory, and the processes that the reader has started.
    struct Reader {
        folder: TempDir,
        path: String,
        started: Vec<Child>,
    }

    /// Lines by which a command says that it serves.
    const SERVES: [&str; 3] = ["listening on ", "serving, with ", "Ctrl-C ends it"];

    impl Reader {
        fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            std::os::unix::fs::symlink(root.join("config"), folder.path().join("config")).unwrap();
            let bin = folder.path().join("bin");
            std::fs::create_dir(&bin).unwrap();
            let cargo = format!(
                "#!/bin/sh\ncase $1 in\nbuild) to=target/release ;;\ninstall) to=$HOME/.cargo/bin ;;\n*) exit 9 ;;\nesac\n\
                 mkdir -p \"$to\" && ln -sf '{PROGRAM}' \"$to/ringway\"\n"
            );
            std::fs::write(bin.join("cargo"), cargo).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(bin.join("cargo"), mode).unwrap();
            let own = folder.path().display();
            let path = format!("{own}/.cargo/bin:{own}/bin:/usr/local/bin:/usr/bin:/bin");
            Self { folder, path, started: Vec::new() }
        }

        fn command(&self, line: &str) -> Command {
            let mut command = Command::new("sh");
            command.args(["-c", line]).current_dir(self.folder.path()).env_clear();
            command.env("PATH", &self.path).env("HOME", self.folder.path());
            // A group of its own: a shell ends with what it started.
            command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
            command
        }

        /// Runs a command to its end, or until it serves.
        fn run(&mut self, line: &str) -> Result<(), String> {
            let line = line.trim_end().trim_end_matches('&');
            let errors: PathBuf = self.folder.path().join("stderr");
            let mut command = self.command(line);
            command.stderr(std::fs::File::create(&errors).unwrap());
            let mut child = command.spawn().unwrap();
            let mut stdout = BufReader::new(child.stdout.take().unwrap());
            let serves = ["serve", "demo", "echo --listen", "proxy"]
                .iter()
                .any(|verb| line.contains(&format!("ringway {verb}")));
            let mut said = String::new();
            while stdout.read_line(&mut said).unwrap() > 0 {
                if serves && SERVES.iter().any(|word| said.contains(word)) {
                    // Nobody reads more, and what is said is little.
                    std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
                    self.started.push(child);
                    return Ok(());
                }
            }
            let status = child.wait().unwrap();
            let errors = std::fs::read_to_string(errors).unwrap_or_default();
            if status.success() && !serves { Ok(()) } else { Err(format!("{status}\n{said}{errors}")) }
        }

        /// Ends what was started last, as Ctrl-C does.
        fn ctrl_c(&mut self) {
            let Some(mut child) = self.started.pop() else { return };
            let group = -i32::try_from(child.id()).unwrap();
            // SAFETY: the group is that of a child which has not been waited for.
            unsafe { libc::kill(group, libc::SIGINT) };
            until("it ends", || child.try_wait().unwrap());
        }
    }

    impl Drop for Reader {
        fn drop(&mut self) {
            while !self.started.is_empty() {
                self.ctrl_c();
            }
        }
    }

    #[test]
    #[ignore = "runs in a namespace"]
    fn d15_the_commands_of_readme_and_docs_work_as_they_are_written() {
        for (page, before) in RUN {
            let mut reader = Reader::new();
            assert!(reader.run("ringway --version").is_err(), "the binary is not on the path");
            if *before != Before::Nothing {
                reader.run("cargo install").unwrap();
            }
            if *before == Before::Node {
                reader.run("ringway serve").unwrap();
            }
            let mut token = String::new();
            for command in commands(&document(page)).into_iter().filter(|command| is_run(page, command)) {
                // A variable of the reader's shell.
                if command.starts_with("token=") {
                    token = format!("{command}; ");
                    continue;
                }
                let run = reader.run(&format!("{token}{command}"));
                assert!(run.is_ok(), "{page}: {command}: {}", run.unwrap_err());
                // The demo uses the ports of the node that comes after it.
                if command.ends_with("ringway demo") {
                    reader.ctrl_c();
                }
            }
        }
    }
}
