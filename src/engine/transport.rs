//! The boundary of the engine: the [`Service`] that it runs, and the [`Transport`] that the service works through.
//!
//! The real transport is a shard's sockets. The simulator's transport is a table of byte queues, with a clock that the
//! test owns. The same services run over both.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use super::fault::Fault;
use super::time::Time;

/// A place in a service's table of connections. The engine steps slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// A handle of an open socket of one shard. After [`Transport::close`] it reaches nothing: its generation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Socket {
    /// The place in the shard's table of sockets.
    pub index: u32,
    /// The number of sockets that had this place before.
    pub generation: u32,
}

/// The result of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The number of bytes received, at least one.
    Bytes(usize),
    /// The peer has finished sending.
    End,
    /// Nothing has come yet: the engine steps the connection when something has.
    Blocked,
    /// The connection is broken.
    Failed(Fault),
}

/// The result of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The number of bytes taken: all of them, or as many as there was room for. After less than all, the engine steps
    /// the connection when there is room again.
    Bytes(usize),
    /// There is no room: the engine steps the connection when there is.
    Blocked,
    /// The connection is broken.
    Failed(Fault),
}

/// The state of a connection after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The connection waits for its sockets, until this moment at the latest.
    Wait(Option<Time>),
    /// The step used up its budget: the connection goes to the end of the list of ready ones.
    Again,
    /// The connection is gone: its slot is free, and its sockets are closed.
    Done,
}

/// The network as a service sees it. No call blocks.
///
/// - Inputs of a step: [`now`](Self::now), [`wall_clock`](Self::wall_clock), [`recv`](Self::recv), [`hung_up`](Self::hung_up),
///   [`unacknowledged`](Self::unacknowledged), [`acknowledged`](Self::acknowledged), [`unread`](Self::unread),
///   [`random`](Self::random), [`figures`](Self::figures).
/// - Outputs: [`send`](Self::send) and [`send_vectored`](Self::send_vectored), [`flush`](Self::flush) and
///   [`holds`](Self::holds) for layers that keep what they took, [`dial`](Self::dial), [`shutdown`](Self::shutdown),
///   [`close`](Self::close), [`abort`](Self::abort), [`wake`](Self::wake). An address to dial from is for the load
///   generator alone.
///
/// A call that did not answer [`Received::Blocked`] or [`Sent::Blocked`] may be repeated at once. After a blocked one
/// the engine steps the socket's owner when trying again makes sense.
pub trait Transport {
    /// The time of this turn.
    fn now(&self) -> Time;

    /// The wall clock, for the validity of certificates and keys only: it may jump.
    fn wall_clock(&self) -> SystemTime;

    /// Receives the bytes that have come, as many as fit into `into`, which must not be empty.
    fn recv(&mut self, socket: Socket, into: &mut [u8]) -> Received;

    /// Sends as many bytes as there is room for.
    fn send(&mut self, socket: Socket, bytes: &[u8]) -> Sent;

    /// Sends the slices one after the other, as one send would.
    fn send_vectored(&mut self, socket: Socket, slices: &[IoSlice<'_>]) -> Sent {
        let mut sent: usize = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            match self.send(socket, slice) {
                Sent::Bytes(n) => {
                    sent = sent.saturating_add(n);
                    if n < slice.len() {
                        break;
                    }
                }
                // Earlier slices were taken; the next call reports the reason.
                Sent::Blocked | Sent::Failed(_) if sent > 0 => break,
                other => return other,
            }
        }
        Sent::Bytes(sent)
    }

    /// Passes on bytes that sends took and the transport still holds: `true` once it holds none. Adds the number of
    /// bytes passed on to `progress`. A plain socket holds none; a layer that encrypts may. While it holds any, sends
    /// are blocked.
    ///
    /// # Errors
    /// The connection is broken.
    fn flush(&mut self, _socket: Socket, _progress: &mut usize) -> Result<bool, Fault> {
        Ok(true)
    }

    /// True if the transport still holds bytes that sends took.
    fn holds(&self, _socket: Socket) -> bool {
        false
    }

    /// True if the peer has finished sending or is gone, as far as is known. Bytes may still be unread.
    fn hung_up(&self, socket: Socket) -> bool;

    /// The number of sent bytes that the peer has not acknowledged yet; 0 if unknown.
    fn unacknowledged(&self, socket: Socket) -> usize;

    /// The number of bytes that the peer's host has acknowledged since the connection began; 0 if unknown.
    fn acknowledged(&self, _socket: Socket) -> u64 {
        0
    }

    /// The number of bytes that the kernel has received and nobody has read; 0 if unknown. For figures: it costs a system
    /// call.
    fn unread(&self, _socket: Socket) -> usize {
        0
    }

    /// Begins to connect on behalf of `owner`, from the given address of this host, or from one that the kernel
    /// chooses. The first send reports whether it worked.
    ///
    /// # Errors
    /// The dial failed at once.
    fn dial(&mut self, owner: Slot, from: Option<IpAddr>, to: SocketAddr) -> Result<Socket, Fault>;

    /// Ends the sending direction: the peer reads an end after the bytes that were sent.
    fn shutdown(&mut self, socket: Socket);

    /// Closes the socket. If bytes are unread, the peer gets a reset.
    fn close(&mut self, socket: Socket);

    /// Closes the socket with a reset, even if bytes are on their way. Nothing stays in the kernel, not even a
    /// TIME-WAIT.
    fn abort(&mut self, socket: Socket);

    /// Has the engine step `slot` in this turn or the next.
    fn wake(&mut self, slot: Slot);

    /// Unpredictable bytes, for keys and masks.
    fn random(&mut self, into: &mut [u8]);

    /// Figures of the shard. Without a shard, as in a simulation, all are zero.
    fn figures(&self) -> Figures;
}

/// Figures of a shard since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The time it has been running.
    pub running: Duration,
    /// The part of that time in which it had nothing to do.
    pub idle: Duration,
    /// The connections that are ready now.
    pub ready: usize,
    /// Times the ring was entered.
    pub enters: u64,
    /// Completions that were taken.
    pub completions: u64,
}

/// The program of a shard: it owns the connections, and the engine calls it.
///
/// Order of calls: any number of [`accept`](Self::accept), [`step`](Self::step), [`command`](Self::command) and
/// [`mail`](Self::mail) in any order, until [`is_finished`](Self::is_finished).
pub trait Service {
    /// The commands of the control plane.
    type Command: Send + 'static;
    /// The mail that services of this kind send each other from shard to shard, through the
    /// [`Peers`](super::mailbox::Peers) that each is started with. A service that sends none names
    /// [`Infallible`](std::convert::Infallible).
    type Mail: Send + 'static;

    /// Takes a new connection and returns its slot. After `None` the engine closes the connection. `listener` is the
    /// index of its listener among the shard's.
    fn accept<T: Transport>(&mut self, net: &mut T, socket: Socket, peer: SocketAddr, listener: u16) -> Option<Slot>;

    /// Does what a connection can do now. The engine calls this when one of its sockets has changed, when its deadline
    /// has passed, when it was woken, and sometimes without a cause.
    fn step<T: Transport>(&mut self, net: &mut T, slot: Slot) -> Next;

    /// Carries out a command.
    fn command<T: Transport>(&mut self, net: &mut T, command: Self::Command);

    /// Takes mail from a shard of the same process. The mail of one sender comes in the order in which it was sent.
    fn mail<T: Transport>(&mut self, net: &mut T, mail: Self::Mail);

    /// The moment at which the engine must call [`housekeep`](Self::housekeep), even if nothing else happens.
    fn next_housekeeping(&self) -> Option<Time>;

    /// Does work of the whole service that is due.
    fn housekeep<T: Transport>(&mut self, net: &mut T);

    /// True as long as the shard must accept. Once `false`, connections in the backlog are still accepted; then the listeners
    /// close.
    fn is_accepting(&self) -> bool;

    /// True if the shard may end.
    fn is_finished(&self) -> bool;
}
