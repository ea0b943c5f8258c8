//! The options of a shard's sockets: the check for peers that disappear, and the sizes of the kernel's buffers.

use std::io;
use std::os::fd::AsFd;

use socket2::SockRef;

use super::keepalive::KeepAlive;

/// The options of the sockets of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// The check for peers that disappear.
    pub keepalive: KeepAlive,
    /// The sizes of the kernel's buffers.
    pub buffers: Buffers,
}

/// The sizes of a socket's buffers in the kernel, in bytes. The kernel doubles each for its own needs, and cuts them to
/// net.core.wmem_max and net.core.rmem_max (socket(7)). `None` leaves it to the kernel to let a buffer grow and shrink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    /// SO_SNDBUF.
    pub send: Option<u32>,
    /// SO_RCVBUF. It bounds the window that is offered, so it is set before the connection is made.
    pub receive: Option<u32>,
}

impl SocketOptions {
    /// Sets the options of a socket before it listens or connects. Linux copies those of a listener to each connection
    /// that it accepts, at no cost.
    ///
    /// # Errors
    /// The kernel refuses a value that is out of its range.
    pub(super) fn set<S: AsFd>(&self, socket: &S) -> io::Result<()> {
        let reference = SockRef::from(socket);
        let size = |bytes: u32| usize::try_from(bytes).map_err(io::Error::other);
        if let Some(bytes) = self.buffers.send {
            reference.set_send_buffer_size(size(bytes)?)?;
        }
        if let Some(bytes) = self.buffers.receive {
            reference.set_recv_buffer_size(size(bytes)?)?;
        }
        self.keepalive.set(socket)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use socket2::SockRef;

    use super::{Buffers, SocketOptions};
    use crate::engine::listener;

    #[test]
    fn a23_accepted_sockets_have_the_buffers_of_the_listener() {
        let buffers = Buffers { send: Some(40_000), receive: Some(30_000) };
        let accepted = |buffers| {
            let options = SocketOptions { buffers, ..SocketOptions::default() };
            let (address, mut listeners) = listener::bind("127.0.0.1:0".parse().unwrap(), 1, options).unwrap();
            let listener = TcpListener::from(listeners.remove(0));
            listener.set_nonblocking(false).unwrap();
            let _client = TcpStream::connect(address).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            let socket = SockRef::from(&accepted);
            (socket.send_buffer_size().unwrap(), socket.recv_buffer_size().unwrap())
        };
        // The kernel doubles what is asked for.
        assert_eq!(accepted(buffers), (80_000, 60_000));
        assert_ne!(accepted(Buffers::default()), (80_000, 60_000));
    }
}
