//! A connection of `ringway ws`: a socket, with TLS on it or without, driven by one task that never waits for one direction
//! only. What is sent while the peer does not read waits here, and the owner stops sending.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::engine::TlsFault;
use crate::tls::fault::{self, fault_of};
use crate::tls::is_server_hello;

/// What is received at a time where there is TLS: a record.
const WIRE_BYTES: usize = 16 * 1024;

pub(super) struct Link {
    socket: TcpStream,
    tls: Option<Box<Tls>>,
    /// What the socket has not taken yet, where there is no TLS.
    out: Vec<u8>,
    sent: usize,
}

struct Tls {
    session: ClientConnection,
    wire: Vec<u8>,
    /// What was received and rustls has not taken yet: `wire[start..end]`.
    start: usize,
    end: usize,
    /// Whether the peer has not said anything yet.
    fresh: bool,
}

impl Link {
    /// A connection without TLS.
    pub(super) fn plain(socket: TcpStream) -> Self {
        Self { socket, tls: None, out: Vec::new(), sent: 0 }
    }

    /// One with TLS. Its handshake takes place under the first messages.
    pub(super) fn secured(
        socket: TcpStream,
        config: Arc<rustls::ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        // The owner sends nothing more until all that it sent is gone: that is the limit.
        session.set_buffer_limit(None);
        let tls = Tls { session, wire: vec![0; WIRE_BYTES], start: 0, end: 0, fresh: true };
        Ok(Self { tls: Some(Box::new(tls)), ..Self::plain(socket) })
    }

    /// Takes bytes to send, which go as the link is polled.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.session.writer().write_all(bytes),
            None => {
                self.out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Says that nothing more will be sent.
    pub(super) fn finish(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.session.send_close_notify();
        }
    }

    /// Ready once all that was sent has gone.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let socket = &self.socket;
            let written = match &mut self.tls {
                Some(tls) if tls.session.wants_write() => tls.session.write_tls(&mut Pipe(socket)),
                // What was sent during the handshake waits in rustls for its end.
                Some(tls) if tls.session.is_handshaking() => return Poll::Pending,
                Some(_) => return Poll::Ready(Ok(())),
                None => match self.out.get(self.sent..).filter(|rest| !rest.is_empty()) {
                    Some(rest) => socket.try_write(rest),
                    None => {
                        self.out.clear();
                        self.sent = 0;
                        return Poll::Ready(Ok(()));
                    }
                },
            };
            match written {
                Ok(n) if self.tls.is_none() => self.sent = self.sent.saturating_add(n),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_write_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Receives: no bytes are the peer's end. What TLS itself has to send goes meanwhile.
    ///
    /// # Errors
    /// The connection is broken, or TLS on it: a sentence for the user.
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let Some(tls) = &mut self.tls else {
                match self.socket.try_read(into) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ready!(self.socket.poll_read_ready(cx))?;
                        continue;
                    }
                    result => return Poll::Ready(result),
                }
            };
            if let Some(result) = tls.take(into) {
                return Poll::Ready(result);
            }
            if tls.start < tls.end {
                let fed = tls.feed();
                // Answers, or the alert that says what is wrong. That it cannot be sent, the next receive tells.
                let _ = self.poll_flush(cx);
                fed?;
                continue;
            }
            match self.socket.try_read(&mut tls.wire) {
                Ok(0) => tls.session.read_tls(&mut io::empty()).map(drop)?,
                Ok(n) => (tls.start, tls.end) = (0, n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                        return Poll::Ready(Err(error));
                    }
                    ready!(self.socket.poll_read_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Tls {
    /// Plaintext that is there; `None` if there is none for now.
    fn take(&mut self, into: &mut [u8]) -> Option<io::Result<usize>> {
        match self.session.reader().read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Some(Err(said(TlsFault::Truncated))),
            result => Some(result),
        }
    }

    /// Shows rustls some of what was received.
    fn feed(&mut self) -> io::Result<()> {
        let mut bytes = self.wire.get(self.start..self.end).unwrap_or_default();
        if std::mem::take(&mut self.fresh) && !bytes.first().copied().is_some_and(is_server_hello) {
            return Err(said(TlsFault::NotTls));
        }
        // Behind the peer's end nothing counts.
        let taken = self.session.read_tls(&mut bytes)?;
        self.start = if taken == 0 { self.end } else { self.start.saturating_add(taken) };
        self.session.process_new_packets().map(drop).map_err(|error| said(fault_of(&error)))
    }
}

fn said(fault: TlsFault) -> io::Error {
    io::Error::other(fault::explained(fault))
}

/// A socket as something that rustls can write to.
struct Pipe<'a>(&'a TcpStream);

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
