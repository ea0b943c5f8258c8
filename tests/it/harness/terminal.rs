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
    pub(crate) fn run(mut self, arguments: &[&str], typed: &str) -> (i32, String) {
        let end = || Stdio::from(self.slave.try_clone().unwrap());
        let mut command = Command::new(PROGRAM);
        let mut child = command.args(arguments).stdin(end()).stderr(end()).stdout(Stdio::null()).spawn().unwrap();
        let mut shown = Vec::new();
        while !shown.ends_with(b"[y/N] ") {
            let mut byte = [0];
            self.master.read_exact(&mut byte).unwrap();
            shown.push(byte[0]);
        }
        self.master.write_all(typed.as_bytes()).unwrap();
        let status = until("it ends", || child.try_wait().unwrap());
        (status.code().unwrap(), String::from_utf8(shown).unwrap())
    }
}
