//! A connection of the admin listener, bounded where hyper bounds nothing: a client that takes no bytes, and one that
//! still sends what nobody will read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// The bounds of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The longest time that a client may take no byte of its answer.
    pub(super) write: Duration,
    /// The longest time that a client may take for all of its answer, once it does not take it at once.
    pub(super) answer: Duration,
    /// The time and the bytes that are read and dropped after the last answer. A socket that is closed with something
    /// unread is reset, and that destroys the answer on its way.
    pub(super) linger: Duration,
    pub(super) linger_bytes: usize,
}

/// The bounds on every listener.
pub(super) const BOUNDS: Bounds = Bounds {
    write: Duration::from_secs(20),
    answer: Duration::from_secs(60),
    linger: Duration::from_secs(1),
    linger_bytes: 8 << 20,
};

/// The socket with its deadlines.
#[derive(Debug)]
pub(super) struct Bounded {
    stream: TcpStream,
    bounds: Bounds,
    /// Runs while the client takes nothing.
    stuck: Option<Pin<Box<Sleep>>>,
    /// Runs from the first time it did so until its next request.
    slow: Option<Pin<Box<Sleep>>>,
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Bounded {
    pub(super) fn new(stream: TcpStream, bounds: Bounds) -> Self {
        Self { stream, bounds, stuck: None, slow: None, lingering: None }
    }

    /// The outcome of a write, or a timeout if the client has taken nothing for too long.
    fn bound(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stuck = None;
            if self.slow.is_none() {
                return written;
            }
        }
        let bounds = self.bounds;
        let slow = self.slow.get_or_insert_with(|| Box::pin(sleep(bounds.answer)));
        if slow.as_mut().poll(context).is_pending() {
            if written.is_ready() {
                return written;
            }
            let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(bounds.write)));
            ready!(stuck.as_mut().poll(context));
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Bounded {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if read.is_ready() && into.filled().len() > before {
            self.slow = None;
        }
        read
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bound(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.bound(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, bounds, lingering, .. } = &mut *self;
        if lingering.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
        }
        let (deadline, left) = lingering.get_or_insert_with(|| (Box::pin(sleep(bounds.linger)), bounds.linger_bytes));
        let mut dropped = [0; 8192];
        while *left > 0 && deadline.as_mut().poll(context).is_pending() {
            let mut into = ReadBuf::new(&mut dropped);
            match ready!(Pin::new(&mut *stream).poll_read(context, &mut into)) {
                Ok(()) if !into.filled().is_empty() => *left = left.saturating_sub(into.filled().len()),
                // Its end, or its connection's.
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
