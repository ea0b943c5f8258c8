//! The helpers that the tests share: the program under test as a process, servers that are not ours, and reports as readers see
//! them.
//!
//! - [`process`] starts `ringway-load`, [`report`] reads what it wrote, [`server`] is the other end of its connections.
//! - `framing`, `patient` and `wait` are the files of Ringway's own tests (`tests/it/harness`).

mod process;
mod report;
mod server;

#[path = "../../../../tests/it/harness/framing.rs"]
#[allow(dead_code, reason = "these tests only write a server's frames")]
mod framing;
#[path = "../../../../tests/it/harness/patient.rs"]
mod patient;
#[path = "../../../../tests/it/harness/wait.rs"]
mod wait;

use std::net::TcpStream;
use std::time::Duration;

use tempfile::TempDir;

pub(crate) use patient::Patient;
pub(crate) use process::{Done, Load, PROGRAM, echo, run, start};
pub(crate) use report::Seen;
pub(crate) use server::{Server, Socket, each_message, head, header, nobody, send_raw, swallow, switching, unlimited};
pub(crate) use wait::{PATIENCE, until};

/// A frame as a server sends it.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    framing::frame(first, None, payload)
}

/// A socket that a stop of the process does not interrupt, with this deadline for each read and write.
pub(crate) fn patient(stream: TcpStream, deadline: Duration) -> Patient {
    stream.set_read_timeout(Some(deadline)).unwrap();
    stream.set_write_timeout(Some(deadline)).unwrap();
    Patient(stream)
}

/// A folder for the files of a test, removed at its end.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }
}
