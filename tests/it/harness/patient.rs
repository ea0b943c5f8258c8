//! Reading that a stop of the process does not end. A read with a deadline comes back with EINTR when the process was
//! stopped and goes on (signal(7), "Interruption of system calls by stop signals"), and a host that freezes its containers
//! for a moment does that to it: it says nothing of the other end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::Deref;

/// Does it again for as long as it is interrupted.
pub(crate) fn again<T>(mut does: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match does() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// A socket for who takes an interruption for an end, as tungstenite does.
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
