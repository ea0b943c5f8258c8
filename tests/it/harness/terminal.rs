//! A terminal for commands that ask.

#![allow(unsafe_code, reason = "system calls without a safe wrapper")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, Stdio};

use super::process::PROGRAM;
use super::wait::until;

/// A terminal: what is typed, and what is shown.
pub(crate) struct Terminal {
    pub(crate) master: File,
    pub(crate) slave: OwnedFd,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        let (mut master, mut slave) = (-1, -1);
        let null = std::ptr::null_mut();
        // SAFETY: both numbers are live, and the rest may be null.
        let opened = unsafe { libc::openpty(&raw mut master, &raw mut slave, null, null.cast(), null.cast()) };
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: it was opened just now, and is nobody else's.
        let master = unsafe { File::from_raw_fd(master) };
        // SAFETY: the same.
        let slave = unsafe { OwnedFd::from_raw_fd(slave) };
        Self { master, slave }
    }

    /// Runs a command at it and types an answer once it asks. Its exit code, and what was shown.
    pub(crate) fn run(self, arguments: &[&str], typed: &str) -> (i32, String) {
        self.talk(arguments, &[("[y/N] ", typed)])
    }

    /// Runs a command at it and types an answer after each question, in their order. Its exit code, and what was shown.
    pub(crate) fn talk(self, arguments: &[&str], talk: &[(&str, &str)]) -> (i32, String) {
        let Self { mut master, slave } = self;
        let mut command = Command::new(PROGRAM);
        command.args(arguments).stdin(slave.try_clone().unwrap()).stderr(slave).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        // Only the command has the terminal now: when it ends, reading fails and does not wait.
        drop(command);
        let mut shown = Vec::new();
        for (question, typed) in talk {
            // Before each question ends there is nothing to type.
            while !shown.ends_with(question.as_bytes()) {
                let mut byte = [0];
                let read = master.read_exact(&mut byte);
                read.unwrap_or_else(|error| panic!("{error}: {question}: {}", String::from_utf8_lossy(&shown)));
                shown.push(byte[0]);
            }
            master.write_all(typed.as_bytes()).unwrap();
        }
        let status = until("it ends", || child.try_wait().unwrap());
        (status.code().unwrap(), String::from_utf8(shown).unwrap())
    }
}
