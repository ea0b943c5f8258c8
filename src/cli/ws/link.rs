//! The socket of `ringway ws`, with TLS or without, as a stream that one task polls in both directions.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::engine::TlsFault;
use crate::tls::fault::{self, fault_of};
use crate::tls::is_server_hello;

/// The buffer for received TLS bytes: room for one record.
const WIRE_BYTES: usize = 16 * 1024;

pub(super) struct Link {
    socket: TcpStream,
    tls: Option<Box<Tls>>,
}

struct Tls {
    session: ClientConnection,
    wire: Vec<u8>,
    /// `wire[start..end]` was received and rustls has not taken it yet.
    start: usize,
    end: usize,
    /// `true` until the server's first byte comes.
    fresh: bool,
}

impl Link {
    /// A connection without TLS.
    pub(super) fn plain(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }

    /// A connection with TLS. Reads and writes drive its handshake.
    pub(super) fn secured(
        socket: TcpStream,
        config: Arc<rustls::ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        // The owner sends one message at a time: that is the limit.
        session.set_buffer_limit(None);
        let tls = Tls { session, wire: vec![0; WIRE_BYTES], start: 0, end: 0, fresh: true };
        Ok(Self { tls: Some(Box::new(tls)), ..Self::plain(socket) })
    }

    /// Sends what TLS holds: ready once that is nothing.
    fn poll_send_tls(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(tls) = &mut self.tls else { return Poll::Ready(Ok(())) };
        loop {
            if !tls.session.wants_write() {
                // What was written during the handshake waits in rustls for its end.
                return if tls.session.is_handshaking() { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            match tls.session.write_tls(&mut Pipe(&self.socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_write_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Receives; 0 bytes are the server's end. Also sends the bytes that TLS itself has to send.
    ///
    /// # Errors
    /// The socket or TLS failed. The message is a sentence for the user.
    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
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
                // Sends the answer, or the alert that names the fault. If sending fails, so does the next receive.
                let _ = self.poll_send_tls(cx);
                fed?;
                continue;
            }
            match self.socket.try_read(&mut tls.wire) {
                Ok(0) => tls.session.read_tls(&mut io::empty()).map(drop)?,
                Ok(n) => (tls.start, tls.end) = (0, n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Poll::Ready(Err(error)) = self.poll_send_tls(cx) {
                        return Poll::Ready(Err(error));
                    }
                    ready!(self.socket.poll_read_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let received = ready!(self.get_mut().poll_recv(cx, into.initialize_unfilled()))?;
        into.advance(received);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Link {
    /// With TLS, one write waits at a time; during the handshake the request does.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let link = self.get_mut();
        let sent = link.poll_send_tls(cx)?;
        match &mut link.tls {
            None => Pin::new(&mut link.socket).poll_write(cx, bytes),
            Some(tls) if sent.is_pending() && !tls.session.is_handshaking() => Poll::Pending,
            Some(tls) => Poll::Ready(tls.session.writer().write(bytes)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send_tls(cx)
    }

    /// Tells the peer's TLS that nothing more comes. Without TLS the end of the socket says so.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let link = self.get_mut();
        if let Some(tls) = &mut link.tls {
            tls.session.send_close_notify();
        }
        link.poll_send_tls(cx)
    }
}

impl Tls {
    /// Decrypted bytes; `None` if there are none for now.
    fn take(&mut self, into: &mut [u8]) -> Option<io::Result<usize>> {
        match self.session.reader().read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Some(Err(said(TlsFault::Truncated))),
            result => Some(result),
        }
    }

    /// Gives rustls some of the received bytes.
    fn feed(&mut self) -> io::Result<()> {
        let mut bytes = self.wire.get(self.start..self.end).unwrap_or_default();
        if std::mem::take(&mut self.fresh) && !bytes.first().copied().is_some_and(is_server_hello) {
            return Err(said(TlsFault::NotTls));
        }
        // Bytes after the server's close_notify do not count.
        let taken = self.session.read_tls(&mut bytes)?;
        self.start = if taken == 0 { self.end } else { self.start.saturating_add(taken) };
        self.session.process_new_packets().map(drop).map_err(|error| said(fault_of(&error)))
    }
}

fn said(fault: TlsFault) -> io::Error {
    io::Error::other(fault::explained(fault))
}

/// A socket that rustls can write to.
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
