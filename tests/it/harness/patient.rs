//! Reads that a stop of the process does not end. A read with a deadline returns EINTR when the process was stopped and goes on
//! (signal(7), "Interruption of system calls by stop signals"). A host that freezes its containers for a moment causes that; it
//! says nothing about the peer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::Deref;

/// Repeats a call for as long as it is interrupted.
pub(crate) fn again<T>(mut does: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match does() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// A socket for libraries that take an interruption for the end of the connection, as tungstenite does.
#[derive(Debug)]
pub(crate) struct Patient(pub(crate) TcpStream);

impl Deref for Patient {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.0
    }
}

impl Read for Patient {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        again(|| self.0.read(into))
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        again(|| self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
