//! One end of an open WebSocket: a socket, what is being read from it, and what it has not taken yet.

use ringway::engine::outbox::Outbox;
use ringway::engine::pool::Pool;
use ringway::engine::{Fault, Received, Socket, Transport};
use ringway::proto::frame::{self, ControlFrame, Opcode, Reserved, Sender};
use ringway::proto::mask::{self, Key};
use ringway::proto::reader::Reader;

/// One end of an open WebSocket.
#[derive(Debug)]
pub struct Wire {
    /// The socket.
    pub socket: Socket,
    /// What comes.
    pub reader: Reader,
    outbox: Outbox,
    sender: Sender,
}

/// What a receive gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// So many bytes stand at the start of the scratch.
    Bytes(usize),
    /// Nothing for now.
    Blocked,
    /// The peer has finished sending.
    End,
    /// The connection is broken.
    Failed(Fault),
}

impl Wire {
    /// The end that sends as `sender`.
    #[must_use]
    pub fn new(socket: Socket, sender: Sender) -> Self {
        let peer = match sender {
            Sender::Client => Sender::Server,
            Sender::Server => Sender::Client,
        };
        Self { socket, reader: Reader::new(peer, Reserved::None), outbox: Outbox::default(), sender }
    }

    /// A masking key, if this end masks.
    pub fn key<T: Transport>(&self, net: &mut T) -> Option<Key> {
        (self.sender == Sender::Client).then(|| {
            let mut key = [0; 4];
            net.random(&mut key);
            key
        })
    }

    /// Bytes of memory that hold what waits for the peer to take it: twice as much at most.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.held()
    }

    /// Sends, and keeps what the peer does not take.
    ///
    /// # Errors
    /// The connection is broken.
    #[inline]
    pub fn send<T: Transport>(&mut self, net: &mut T, bytes: &[u8]) -> Result<(), Fault> {
        self.outbox.send(self.socket, net, bytes)
    }

    /// Sends a ping, pong or close.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send_control<T: Transport>(&mut self, net: &mut T, opcode: Opcode, payload: &[u8]) -> Result<(), Fault> {
        let frame = ControlFrame::new(opcode, payload, self.key(net));
        self.send(net, frame.as_bytes())
    }

    /// Sends a whole message in one frame. Its payload is masked where it lies.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send_data<T: Transport>(&mut self, net: &mut T, opcode: Opcode, payload: &mut [u8]) -> Result<(), Fault> {
        let key = self.key(net);
        let mut frame = Vec::with_capacity(payload.len().saturating_add(frame::MAX_HEADER_BYTES));
        frame::write_header(opcode, true, 0, payload.len() as u64, key, &mut frame);
        if let Some(key) = key {
            mask::apply(payload, key, 0);
        }
        frame.extend_from_slice(payload);
        self.send(net, &frame)
    }

    /// Sends a close with a code.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send_close<T: Transport>(&mut self, net: &mut T, code: u16, reason: &str) -> Result<(), Fault> {
        let frame = ControlFrame::close(code, reason, self.key(net));
        self.send(net, frame.as_bytes())
    }

    /// Sends what waits: `true` once nothing does.
    ///
    /// # Errors
    /// The connection is broken.
    #[inline]
    pub fn flush<T: Transport>(&mut self, net: &mut T, pool: &mut Pool) -> Result<bool, Fault> {
        self.outbox.flush(self.socket, net, pool, &mut 0)
    }

    /// Receives once into the scratch, behind what the reader left over.
    #[inline]
    pub fn receive<T: Transport>(&mut self, net: &mut T, scratch: &mut [u8]) -> Arrival {
        let start = self.reader.restore(scratch);
        match net.recv(self.socket, scratch.get_mut(start..).unwrap_or_default()) {
            Received::Bytes(n) => Arrival::Bytes(start.saturating_add(n)),
            Received::Blocked => Arrival::Blocked,
            Received::End => Arrival::End,
            Received::Failed(fault) => Arrival::Failed(fault),
        }
    }

    /// Gives memory and socket up.
    pub fn close<T: Transport>(&mut self, net: &mut T, pool: &mut Pool) {
        self.outbox.discard(pool);
        net.close(self.socket);
    }

    /// The same, with a reset.
    pub fn abort<T: Transport>(&mut self, net: &mut T, pool: &mut Pool) {
        self.outbox.discard(pool);
        net.abort(self.socket);
    }
}
