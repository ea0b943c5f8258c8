//! One end of a WebSocket on a shard: a socket, the protocol, and bytes that the peer has not taken yet.

use std::time::Duration;

use crate::engine::outbox::Outbox;
use crate::engine::pool::Pool;
use crate::engine::{Fault, Received, Socket, Time, Transport};
use crate::invariant::Invariant;
use crate::proto::frame::{ControlFrame, Opcode};
use crate::proto::mask::Key;
use crate::proto::terminated::WebSocket;

/// One end of a WebSocket on a shard.
///
/// Order of calls for each receive: [`receive`](Self::receive), then [`WebSocket::next`] on the received bytes until it
/// returns `NeedMore`, with [`send_control`](Self::send_control) after each event that makes a control frame due.
#[derive(Debug)]
pub struct Wire {
    /// The peer's socket.
    pub socket: Socket,
    /// The protocol.
    pub websocket: WebSocket,
    is_client: bool,
    outbox: Outbox,
}

/// The result of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Bytes came.
    Bytes {
        /// Number of bytes that came.
        received: usize,
        /// Number of bytes at the start of the scratch that are to be read: these, after those left over before.
        end: usize,
    },
    /// Nothing is there for now.
    Blocked,
    /// The peer has finished sending.
    End,
    /// The connection is broken.
    Failed(Fault),
}

impl Wire {
    /// The server's end of a WebSocket.
    #[must_use]
    pub fn server(socket: Socket, now: Time) -> Self {
        Self { socket, websocket: WebSocket::server(since_boot(now)), is_client: false, outbox: Outbox::default() }
    }

    /// The client's end of a WebSocket.
    #[must_use]
    pub fn client(socket: Socket, now: Time) -> Self {
        Self { socket, websocket: WebSocket::client(since_boot(now)), is_client: true, outbox: Outbox::default() }
    }

    /// A masking key, if this end masks: for an owner that writes whole frames itself.
    #[inline]
    pub fn key<T: Transport>(&self, net: &mut T) -> Option<Key> {
        self.is_client.then(|| fresh_key(net))
    }

    /// Bytes of memory that wait for the peer to take them.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.held()
    }

    /// Receives once into the scratch, after the bytes that the last receive left over.
    #[inline]
    pub fn receive<T: Transport>(&mut self, net: &mut T, scratch: &mut [u8]) -> Arrival {
        let start = self.websocket.restore(scratch);
        match net.recv(self.socket, scratch.get_mut(start..).expected_or_default()) {
            Received::Bytes(received) => {
                self.websocket.received(since_boot(net.now()));
                Arrival::Bytes { received, end: start.saturating_add(received) }
            }
            Received::Blocked => Arrival::Blocked,
            Received::End => Arrival::End,
            Received::Failed(fault) => Arrival::Failed(fault),
        }
    }

    /// Sends bytes and keeps those that the peer does not take.
    ///
    /// # Errors
    /// The connection is broken.
    #[inline]
    pub fn send<T: Transport>(&mut self, net: &mut T, bytes: &[u8]) -> Result<(), Fault> {
        self.outbox.send(self.socket, net, bytes)
    }

    /// Sends the control frames that are due. The owner's own frames must be complete.
    ///
    /// # Errors
    /// The connection is broken.
    #[inline]
    pub fn send_control<T: Transport>(&mut self, net: &mut T) -> Result<(), Fault> {
        while let Some(frame) = self.websocket.take_control(|| fresh_key(net)) {
            self.outbox.send(self.socket, net, frame.as_bytes())?;
        }
        Ok(())
    }

    /// Sends a ping.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send_ping<T: Transport>(&mut self, net: &mut T, payload: &[u8]) -> Result<(), Fault> {
        let frame = ControlFrame::new(Opcode::Ping, payload, self.key(net));
        self.send(net, frame.as_bytes())
    }

    /// Sends a whole message in one frame.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send_message<T: Transport>(&mut self, net: &mut T, opcode: Opcode, payload: &[u8]) -> Result<(), Fault> {
        let mut frame = Vec::new();
        self.websocket.write_message(opcode, payload, || fresh_key(net), &mut frame);
        self.send(net, &frame)
    }

    /// Starts the closing handshake.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send_close<T: Transport>(&mut self, net: &mut T, code: u16, reason: &str) -> Result<(), Fault> {
        self.websocket.close(code, reason, since_boot(net.now()));
        self.send_control(net)
    }

    /// Sends bytes that wait: `true` once none do.
    ///
    /// # Errors
    /// The connection is broken.
    #[inline]
    pub fn flush<T: Transport>(&mut self, net: &mut T, pool: &mut Pool) -> Result<bool, Fault> {
        self.outbox.flush(self.socket, net, pool, &mut 0)
    }

    /// Drops the bytes that wait. The socket stays open.
    pub fn discard(&mut self, pool: &mut Pool) {
        self.outbox.discard(pool);
    }

    /// Closes the socket and drops the bytes that wait.
    pub fn close<T: Transport>(&mut self, net: &mut T, pool: &mut Pool) {
        self.discard(pool);
        net.close(self.socket);
    }

    /// Resets the connection and drops the bytes that wait.
    pub fn abort<T: Transport>(&mut self, net: &mut T, pool: &mut Pool) {
        self.discard(pool);
        net.abort(self.socket);
    }
}

/// The shard's time as the protocol counts it.
#[inline]
pub(super) fn since_boot(time: Time) -> Duration {
    time.since(Time::default())
}

/// A masking key that the peer cannot foresee (RFC 6455 section 5.3).
fn fresh_key<T: Transport>(net: &mut T) -> Key {
    let mut key = [0; 4];
    net.random(&mut key);
    key
}
