//! The line between the engine and what it carries: a [`Service`] above it, a [`Transport`] below.
//!
//! The real transport is a shard's sockets. The simulator's is a table of byte queues with a clock that the test owns;
//! the same services run over both.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use super::fault::Fault;
use super::time::Time;

/// A place in a service's table of connections; the engine's name for what it steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// An open socket of one shard. A handle used after [`Transport::close`] reaches nothing: its generation is past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Socket {
    /// Place in the shard's table of sockets.
    pub index: u32,
    /// How often that place was given out before.
    pub generation: u32,
}

/// What a receive gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The peer has finished sending.
    End,
    /// Nothing yet: the connection is stepped when there is.
    Blocked,
    /// The connection is broken.
    Failed(Fault),
}

/// What a send gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// So many bytes were taken: all of them, or what there was room for. After less than all, the connection is
    /// stepped when there is room again.
    Bytes(usize),
    /// No room: the connection is stepped when there is.
    Blocked,
    /// The connection is broken.
    Failed(Fault),
}

/// What a step leaves its connection in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Waits for its sockets, and for no longer than this.
    Wait(Option<Time>),
    /// Used up its budget: to the end of the list of what is ready.
    Again,
    /// Gone: its slot is free, its sockets are closed.
    Done,
}

/// What a service may ask of the network. No call blocks.
///
/// - Inputs of a step: [`now`](Self::now), [`wall_clock`](Self::wall_clock), [`recv`](Self::recv), [`hung_up`](Self::hung_up),
///   [`unacknowledged`](Self::unacknowledged), [`random`](Self::random), [`figures`](Self::figures).
/// - Outputs: [`send`](Self::send) and [`send_vectored`](Self::send_vectored), [`flush`](Self::flush) and
///   [`holds`](Self::holds) for layers that keep what they took, [`dial`](Self::dial), [`shutdown`](Self::shutdown),
///   [`close`](Self::close), [`wake`](Self::wake). [`abort`](Self::abort) is for the load generator alone, and so is an
///   address to dial from.
///
/// A call that did not answer [`Received::Blocked`] or [`Sent::Blocked`] may be repeated at once. After a blocked one the
/// engine steps the socket's owner when trying again makes sense.
pub trait Transport {
    /// The time of this turn.
    fn now(&self) -> Time;

    /// The time of the calendar, for the validity of certificates and nothing else: it may jump.
    fn wall_clock(&self) -> SystemTime;

    /// Receives what is there, up to the length of `into`, which must not be empty.
    fn recv(&mut self, socket: Socket, into: &mut [u8]) -> Received;

    /// Sends what there is room for.
    fn send(&mut self, socket: Socket, bytes: &[u8]) -> Sent;

    /// Sends the slices one behind the other, as one send would.
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
                // What went before it went; the next call says what is the matter.
                Sent::Blocked | Sent::Failed(_) if sent > 0 => break,
                other => return other,
            }
        }
        Sent::Bytes(sent)
    }

    /// Passes on what a send took and the transport still holds: `true` once it holds nothing. Bytes passed on are added
    /// to `progress`. A plain socket takes only what it passes on; a layer that encrypts may hold more. While it holds
    /// any, sends are blocked.
    ///
    /// # Errors
    /// The connection is broken.
    fn flush(&mut self, _socket: Socket, _progress: &mut usize) -> Result<bool, Fault> {
        Ok(true)
    }

    /// Whether the transport still holds some of what sends took.
    fn holds(&self, _socket: Socket) -> bool {
        false
    }

    /// Whether the peer is known to have finished sending or to be gone, even with bytes still unread.
    fn hung_up(&self, socket: Socket) -> bool;

    /// Bytes that were sent and that the peer has not acknowledged yet; 0 if that is not known.
    fn unacknowledged(&self, socket: Socket) -> usize;

    /// Begins to connect on behalf of `owner`, from an address of this host's or from whichever fits. The first send
    /// tells whether it worked.
    ///
    /// # Errors
    /// What made it fail at once.
    fn dial(&mut self, owner: Slot, from: Option<IpAddr>, to: SocketAddr) -> Result<Socket, Fault>;

    /// Ends the sending direction: the peer reads an end behind what was sent.
    fn shutdown(&mut self, socket: Socket);

    /// Gives the socket up. Bytes that were not read make it a reset.
    fn close(&mut self, socket: Socket);

    /// Gives the socket up with a reset, whatever is on its way. Nothing of it stays in the kernel, no TIME-WAIT either.
    fn abort(&mut self, socket: Socket);

    /// Steps `slot` in this turn or the next, though none of its sockets changed.
    fn wake(&mut self, slot: Slot);

    /// Unpredictable bytes, for keys and masks.
    fn random(&mut self, into: &mut [u8]);

    /// How busy the shard is. Without a shard, as in a simulation, all figures are zero.
    fn figures(&self) -> Figures;
}

/// How a shard fares, since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How long it has been running.
    pub running: Duration,
    /// How long of that it had nothing to do.
    pub idle: Duration,
    /// Connections on the list of what is ready, now.
    pub ready: usize,
    /// Times the ring was entered.
    pub enters: u64,
    /// Completions that were taken.
    pub completions: u64,
}

/// What a shard runs: it owns the connections, the engine calls it.
///
/// Order of calls: any number of [`accept`](Self::accept), [`step`](Self::step), [`command`](Self::command) and
/// [`mail`](Self::mail) in any order, until [`is_finished`](Self::is_finished).
pub trait Service {
    /// What the control plane can ask of the service.
    type Command: Send + 'static;
    /// What services of this kind on different shards send each other, through the [`Peers`](super::mailbox::Peers) that each
    /// is started with. A service that sends none names [`Infallible`](std::convert::Infallible).
    type Mail: Send + 'static;

    /// Takes a new connection and says where it keeps it; `None` when it does not want it, and the engine closes it.
    /// `listener` is the place of the listener it came through among the shard's.
    fn accept<T: Transport>(&mut self, net: &mut T, socket: Socket, peer: SocketAddr, listener: u16) -> Option<Slot>;

    /// Does what a connection can do now. Called when a socket of its changed, its deadline passed, or it was woken;
    /// also without a cause.
    fn step<T: Transport>(&mut self, net: &mut T, slot: Slot) -> Next;

    /// Obeys a command.
    fn command<T: Transport>(&mut self, net: &mut T, command: Self::Command);

    /// Takes mail from a shard of the same process. The mail of one sender comes in the order in which it was sent.
    fn mail<T: Transport>(&mut self, net: &mut T, mail: Self::Mail);

    /// When [`housekeep`](Self::housekeep) wants to be called, whatever happens.
    fn next_housekeeping(&self) -> Option<Time>;

    /// Work of the whole service that is due.
    fn housekeep<T: Transport>(&mut self, net: &mut T);

    /// Whether to go on accepting. Once `false`, what waits in the backlog is still taken, then the listeners close.
    fn is_accepting(&self) -> bool;

    /// Whether the shard may end.
    fn is_finished(&self) -> bool;
}
