//! `ringway demo`: one command, and everything it says works.

#![allow(unsafe_code, reason = "system calls without a safe wrapper")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::harness::process::{PROGRAM, collect};
use crate::harness::until;

struct Demo {
    child: Child,
    /// The lines on standard output at the start.
    said: String,
    state: PathBuf,
    _stdout: BufReader<ChildStdout>,
}

impl Demo {
    fn start() -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["demo", "--any-port"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = collect(child.stderr.take().unwrap());
        let (mut stdout, mut said) = (BufReader::new(child.stdout.take().unwrap()), String::new());
        while !said.contains("Ctrl-C ends it") {
            assert_ne!(stdout.read_line(&mut said).unwrap(), 0, "{said}{}", log.lock().unwrap());
        }
        let state = said.split("removes ").nth(1).unwrap().trim().trim_end_matches('.').into();
        Self { child, said, state, _stdout: stdout }
    }

    /// The three commands that it says to try.
    fn commands(&self) -> Vec<&str> {
        let lines = self.said.lines().skip_while(|line| !line.starts_with("Try")).skip(1);
        lines.take_while(|line| !line.is_empty()).map(str::trim).collect()
    }

    /// Ends it as Ctrl-C does.
    fn interrupt(mut self) {
        let pid = i32::try_from(self.child.id()).unwrap();
        // SAFETY: the process is a child that has not been waited for, so the number is its.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
        let status = until("the demo ends", || self.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{}", self.said);
        assert!(!self.state.exists(), "its folder is removed");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody in the chat, by the command that was printed.
struct Guest {
    child: Child,
    heard: BufReader<ChildStdout>,
}

impl Guest {
    fn enter(command: &str) -> Self {
        let mut shell = Command::new("sh");
        let mut child = shell
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let heard = BufReader::new(child.stdout.take().unwrap());
        Self { child, heard }
    }

    fn say(&mut self, line: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        self.heard.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), expected);
    }

    /// Leaves, or is told to.
    fn ends(&mut self) -> i32 {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.heard.read_to_string(&mut rest).unwrap();
        until("the guest ends", || self.child.try_wait().unwrap()).code().unwrap()
    }
}

fn shell(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn all_that_a_demo_says_to_try_works_as_it_is_printed_and_nothing_is_left_of_it() {
    let demo = Demo::start();
    assert!(demo.said.starts_with("Chat App API 1.0 is published.\n  production   ws://127.0.0.1:"), "{}", demo.said);
    let commands = demo.commands();
    let [talk, show, list] = commands.as_slice() else { panic!("{commands:?}") };

    let mut ada = Guest::enter(talk);
    ada.hears("* ada is here (1 in all)");
    let mut bob = Guest::enter(&talk.replace("name=ada", "name=bob"));
    ada.hears("* bob is here (2 in all)");
    bob.hears("* bob is here (2 in all)");
    ada.say("hello");
    bob.hears("ada: hello");
    ada.hears("ada: hello");

    let shown = shell(show);
    for part in ["/default/chat-app-api/v1.0", "Published", "Chat App API", "development", "production"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let listed = shell(list);
    assert_eq!(listed.matches("default/chat-app-api:1.0  production").count(), 2, "{listed}");

    assert_eq!(ada.ends(), 0);
    bob.hears("* ada is gone (1 left)");
    demo.interrupt();
    // 1001: told that it ends, which is no failure of the guest's but is said.
    assert_eq!(bob.ends(), 1);
}

#[test]
fn two_demos_run_at_once() {
    let (one, other) = (Demo::start(), Demo::start());
    for demo in [one, other] {
        let talk = demo.commands()[0].to_owned();
        let mut guest = Guest::enter(&talk);
        guest.hears("* ada is here (1 in all)");
        assert_eq!(guest.ends(), 0);
        demo.interrupt();
    }
}
