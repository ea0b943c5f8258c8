//! Listeners, and accepting when descriptors run out.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, SockAddr, Type};

use super::keepalive::KeepAlive;
use super::sys;

/// Connections the kernel holds for a shard that is busy. The kernel cuts it to net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// One listener a shard, all on the same address: the kernel spreads connections over them. Port 0 is chosen once.
///
/// # Errors
/// The address cannot be bound, or another process listens on it: the option that lets shards share it would let that
/// process share it too, and take half of the connections without a word.
pub fn bind(address: SocketAddr, shards: usize, keepalive: KeepAlive) -> io::Result<(SocketAddr, Vec<OwnedFd>)> {
    if address.port() != 0 {
        let alone = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        alone.set_reuse_address(true)?;
        alone.bind(&SockAddr::from(address))?;
    }
    let first = bind_one(address, keepalive)?;
    let bound = first.local_addr()?.as_socket().unwrap_or(address);
    let mut listeners = vec![OwnedFd::from(first)];
    while listeners.len() < shards {
        listeners.push(bind_one(bound, keepalive)?.into());
    }
    Ok((bound, listeners))
}

fn bind_one(address: SocketAddr, keepalive: KeepAlive) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Inherited by every accepted socket.
    socket.set_tcp_nodelay(true)?;
    keepalive.set(&socket)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// A shard's share of an address: where connections come in.
#[derive(Debug)]
pub struct Inlet {
    /// The listening socket.
    pub fd: OwnedFd,
    /// What is sent to who comes when there is no descriptor.
    pub refusal: &'static [u8],
}

/// What accepting once gave.
pub(super) enum Accepted {
    /// A connection.
    Connection(OwnedFd, SocketAddr),
    /// The backlog is empty.
    Empty,
    /// A connection was there, no descriptor for it, and it was turned away.
    TurnedAway,
    /// No descriptor, and nothing to turn anyone away with: try again later.
    Exhausted,
}

/// A listener with a descriptor in reserve, so that a process that has no other left can still say so.
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
                // The connection was gone before it was taken, or a network error of it was reported early (accept(2)).
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
                // A filter that forbids it, or something that should never be: it will not be better at once.
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
    /// The armed poll still holds the file, so closing the descriptor alone would leave the address listening and
    /// its connections hanging.
    fn drop(&mut self) {
        let _ = socket2::SockRef::from(&self.fd).shutdown(std::net::Shutdown::Both);
    }
}

fn reserve() -> Option<OwnedFd> {
    std::fs::File::open("/dev/null").ok().map(OwnedFd::from)
}

/// There is no descriptor to wait with: what can be read is read before the answer and after it, so that closing does
/// not reset the connection and destroy the answer, and the rest is left to luck.
fn say_and_close(fd: OwnedFd, text: &[u8]) {
    let mut stream = TcpStream::from(fd);
    let mut discarded = [0; 8192];
    let _ = stream.read(&mut discarded);
    let _ = stream.write(text);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read(&mut discarded);
}
