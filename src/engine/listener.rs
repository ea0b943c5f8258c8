//! Listeners, and accepting when descriptors run out.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, SockAddr, Type};

use super::socket_options::SocketOptions;
use super::sys;

/// Connections that the kernel holds for a busy shard. The kernel cuts the number to net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// Binds one listener a shard to one address: the kernel spreads connections over them. For port 0 the kernel chooses a
/// port once.
///
/// # Errors
/// The address cannot be bound, or another process listens on it. That is checked first: SO_REUSEPORT, which lets
/// shards share an address, would let another process take half of the connections unnoticed.
pub fn bind(address: SocketAddr, shards: usize, options: SocketOptions) -> io::Result<(SocketAddr, Vec<OwnedFd>)> {
    if address.port() != 0 {
        let alone = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        alone.set_reuse_address(true)?;
        alone.bind(&SockAddr::from(address))?;
    }
    let first = bind_one(address, options)?;
    let bound = first.local_addr()?.as_socket().unwrap_or(address);
    let mut listeners = vec![OwnedFd::from(first)];
    while listeners.len() < shards {
        listeners.push(bind_one(bound, options)?.into());
    }
    Ok((bound, listeners))
}

fn bind_one(address: SocketAddr, options: SocketOptions) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Inherited by every accepted socket.
    socket.set_tcp_nodelay(true)?;
    options.set(&socket)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// A shard's listening socket: its share of an address's connections.
#[derive(Debug)]
pub struct Inlet {
    /// The listening socket.
    pub fd: OwnedFd,
    /// The answer to a client for whom there is no descriptor.
    pub refusal: &'static [u8],
}

/// The result of one accept.
pub(super) enum Accepted {
    /// A connection.
    Connection(OwnedFd, SocketAddr),
    /// The backlog is empty.
    Empty,
    /// A connection was turned away, because there was no descriptor for it.
    TurnedAway,
    /// There is no descriptor, not even to turn a client away: try again later.
    Exhausted,
}

/// A listener with one descriptor in reserve, so that a process without others can still answer a client.
pub(super) struct Listener {
    fd: OwnedFd,
    reserve: Option<OwnedFd>,
    refusal: &'static [u8],
}

impl Listener {
    pub(super) fn new(Inlet { fd, refusal }: Inlet) -> Self {
        Self { fd, reserve: reserve(), refusal }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn accept(&mut self) -> Accepted {
        loop {
            let error = match sys::accept(self.fd.as_fd()) {
                Ok((fd, peer)) => return Accepted::Connection(fd, peer),
                Err(error) => error,
            };
            match error.raw_os_error() {
                Some(libc::EAGAIN) => return Accepted::Empty,
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => return self.turn_away(),
                // The client left before it was accepted, or accept(2) reports a network error of the new connection.
                Some(
                    libc::EINTR
                    | libc::ECONNABORTED
                    | libc::EPROTO
                    | libc::ENETDOWN
                    | libc::ENOPROTOOPT
                    | libc::EHOSTDOWN
                    | libc::ENONET
                    | libc::EHOSTUNREACH
                    | libc::EOPNOTSUPP
                    | libc::ENETUNREACH,
                ) => {}
                // A filter forbids it, or the error is unknown: trying again at once would not help.
                _ => return Accepted::Exhausted,
            }
        }
    }

    fn turn_away(&mut self) -> Accepted {
        let had_reserve = self.reserve.take().is_some();
        let taken = sys::accept(self.fd.as_fd());
        let answer = match taken {
            Ok((fd, _)) => {
                say_and_close(fd, self.refusal);
                Accepted::TurnedAway
            }
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Accepted::Empty,
            Err(_) => Accepted::Exhausted,
        };
        if had_reserve || self.reserve.is_none() {
            self.reserve = reserve();
        }
        answer
    }
}

impl Drop for Listener {
    /// Shuts the socket down. Closing the descriptor would not be enough: the armed poll holds the file, so the address
    /// would still listen, and its connections would hang.
    fn drop(&mut self) {
        let _ = socket2::SockRef::from(&self.fd).shutdown(std::net::Shutdown::Both);
    }
}

fn reserve() -> Option<OwnedFd> {
    std::fs::File::open("/dev/null").ok().map(OwnedFd::from)
}

/// Answers and closes without waiting. Unread bytes would make the close a reset, which can destroy the answer, so what
/// has come is read before the answer and after it. Bytes that come later may still cause a reset.
fn say_and_close(fd: OwnedFd, text: &[u8]) {
    let mut stream = TcpStream::from(fd);
    let mut discarded = [0; 8192];
    let _ = stream.read(&mut discarded);
    let _ = stream.write(text);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read(&mut discarded);
}
