//! The real transport: the sockets of a shard, and its ring.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime};

use socket2::{Domain, Protocol, SockAddr, Type};

use super::fault::Fault;
use super::ring::{Completion, Ring};
use super::socket_options::SocketOptions;
use super::sockets::{Entry, PollEnd, Ready, Sockets, socket_of, token_of};
use super::sys;
use super::time::Time;
use super::transport::{Figures, Received, Sent, Slot, Socket, Transport};

/// The events to poll for. EPOLLOUT costs nothing: the kernel reports room only after there was none.
pub(super) const EVENTS: u32 = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP) as u32;

/// Random bytes fetched from the kernel at a time.
const RANDOM_BYTES: usize = 512;

pub(super) struct Net {
    pub(super) ring: Ring,
    sockets: Sockets,
    ready: ReadyList,
    now: Time,
    random: [u8; RANDOM_BYTES],
    random_used: usize,
    started: Time,
    idle: Duration,
    /// The options of dialled sockets.
    options: SocketOptions,
}

impl Net {
    /// Opens a ring that belongs to the calling thread.
    pub(super) fn open(completions: u32, options: SocketOptions) -> io::Result<Self> {
        let now = Time::of_the_clock();
        Ok(Self {
            ring: Ring::new(completions)?,
            sockets: Sockets::default(),
            ready: ReadyList::default(),
            now,
            started: now,
            random: [0; RANDOM_BYTES],
            random_used: RANDOM_BYTES,
            idle: Duration::ZERO,
            options,
        })
    }

    pub(super) fn set_now(&mut self, now: Time) {
        self.now = now;
    }

    /// Adds to the time in which the shard had nothing to do.
    pub(super) fn rested(&mut self, time: Duration) {
        self.idle = self.idle.saturating_add(time);
    }

    /// Adds an accepted connection. Its poll is armed by [`own`](Self::own).
    pub(super) fn adopt(&mut self, fd: OwnedFd) -> Socket {
        // A new connection has room to send: the event that says so needs no step.
        self.sockets.insert(fd, None, Ready::WRITE)
    }

    /// Gives an adopted socket its owner and arms its poll. Closes the socket if it has no owner.
    pub(super) fn own(&mut self, socket: Socket, owner: Option<Slot>) {
        let Some(entry) = self.sockets.get_mut(socket) else { return };
        entry.owner = owner;
        self.arm(socket);
        if self.sockets.is_closing(socket) {
            // The service closed it before there was a poll to cancel. The cancellation follows the poll, and frees the
            // place.
            self.ring.cancel(token_of(socket));
        } else if owner.is_none() {
            self.close(socket);
        }
    }

    /// Takes a completion of a socket's poll.
    pub(super) fn completed(&mut self, completion: Completion) {
        let socket = socket_of(completion.token);
        let came =
            completion.events.map_or_else(|_| Ready::ERROR.with(Ready::READ).with(Ready::WRITE), Ready::from_poll);
        let rearm = !completion.armed && matches!(self.sockets.poll_ended(socket), PollEnd::Rearm);
        let Some(entry) = self.sockets.get_mut(socket) else { return };
        let before = entry.ready;
        entry.ready = before.with(came);
        // The owner knows of earlier readiness: only new readiness is worth a step.
        if let (Some(owner), false) = (entry.owner, before.has(came)) {
            self.ready.push(owner);
        }
        if rearm && completion.events.is_ok() {
            self.arm(socket);
        } else if rearm {
            entry.unpolled = true;
        }
    }

    pub(super) fn next_ready(&mut self) -> Option<Slot> {
        self.ready.pop()
    }

    pub(super) fn ready_count(&self) -> usize {
        self.ready.queue.len()
    }

    /// Sends `len` bytes by a system call.
    #[inline]
    fn send_by(&mut self, socket: Socket, len: usize, call: impl Fn(BorrowedFd<'_>) -> io::Result<usize>) -> Sent {
        let Some(entry) = self.sockets.get_mut(socket) else { return Sent::Failed(Fault::Reset) };
        if !entry.ready.has(Ready::WRITE) {
            return Sent::Blocked;
        }
        let Some(fd) = entry.fd() else { return Sent::Failed(Fault::Reset) };
        match retrying(|| call(fd)) {
            Ok(n) => {
                if n < len {
                    entry.ready = entry.ready.without(Ready::WRITE);
                }
                Sent::Bytes(n)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                entry.ready = entry.ready.without(Ready::WRITE);
                Sent::Blocked
            }
            Err(error) => Sent::Failed(fault_of(&error)),
        }
    }

    fn arm(&mut self, socket: Socket) {
        if let Some(entry) = self.sockets.get(socket)
            && let Some(fd) = entry.raw_fd()
        {
            self.ring.poll(fd, EVENTS, token_of(socket));
        }
    }
}

impl Transport for Net {
    fn now(&self) -> Time {
        self.now
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    #[inline]
    fn recv(&mut self, socket: Socket, into: &mut [u8]) -> Received {
        let Some(entry) = self.sockets.get_mut(socket) else { return Received::Failed(Fault::Reset) };
        if !entry.ready.has(Ready::READ) {
            return Received::Blocked;
        }
        let Some(fd) = entry.fd() else { return Received::Failed(Fault::Reset) };
        match retrying(|| sys::recv(fd, into)) {
            Ok(0) => Received::End,
            Ok(n) => {
                // A short read has emptied the queue. But a FIN that came with the data is reported only once.
                if n < into.len() && !entry.ready.is_sticky() {
                    entry.ready = entry.ready.without(Ready::READ);
                }
                Received::Bytes(n)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                entry.ready = entry.ready.without(Ready::READ);
                Received::Blocked
            }
            Err(error) => Received::Failed(fault_of(&error)),
        }
    }

    #[inline]
    fn send(&mut self, socket: Socket, bytes: &[u8]) -> Sent {
        self.send_by(socket, bytes.len(), |fd| sys::send(fd, bytes))
    }

    fn send_vectored(&mut self, socket: Socket, slices: &[IoSlice<'_>]) -> Sent {
        let len = slices.iter().fold(0, |len: usize, slice| len.saturating_add(slice.len()));
        self.send_by(socket, len, |fd| sys::send_vectored(fd, slices))
    }

    fn hung_up(&self, socket: Socket) -> bool {
        self.sockets.get(socket).is_none_or(|entry| entry.ready.is_sticky())
    }

    fn unacknowledged(&self, socket: Socket) -> usize {
        self.sockets.get(socket).and_then(Entry::fd).and_then(|fd| sys::unacknowledged(fd).ok()).unwrap_or(0)
    }

    fn acknowledged(&self, socket: Socket) -> u64 {
        self.sockets.get(socket).and_then(Entry::fd).and_then(|fd| sys::acknowledged(fd).ok()).unwrap_or(0)
    }

    fn unread(&self, socket: Socket) -> usize {
        self.sockets.get(socket).and_then(Entry::fd).and_then(|fd| sys::unread(fd).ok()).unwrap_or(0)
    }

    fn dial(&mut self, owner: Slot, from: Option<IpAddr>, to: SocketAddr) -> Result<Socket, Fault> {
        let fd = connecting(from, to, self.options).map_err(|error| fault_of(&error))?;
        let socket = self.sockets.insert(fd, Some(owner), Ready::default());
        // Armed after connect(): a poll armed before it reports a hang-up.
        self.arm(socket);
        Ok(socket)
    }

    fn shutdown(&mut self, socket: Socket) {
        if let Some(fd) = self.sockets.get(socket).and_then(Entry::fd) {
            // Fails only on a broken connection, and the next receive reports that.
            let _ = socket2::SockRef::from(&fd).shutdown(std::net::Shutdown::Write);
        }
    }

    fn close(&mut self, socket: Socket) {
        if self.sockets.close_unpolled(socket) {
            return;
        }
        if self.sockets.close(socket) {
            // The poll holds the file: the descriptor is closed after the poll's last completion, in this turn or the
            // next.
            self.ring.cancel(token_of(socket));
        }
    }

    fn abort(&mut self, socket: Socket) {
        if let Some(fd) = self.sockets.get(socket).and_then(Entry::fd) {
            // Fails if the connection is gone. Then it ends in order.
            let _ = socket2::SockRef::from(&fd).set_linger(Some(Duration::ZERO));
        }
        self.close(socket);
    }

    fn wake(&mut self, slot: Slot) {
        self.ready.push(slot);
    }

    fn figures(&self) -> Figures {
        let (enters, completions) = self.ring.counts();
        let running = self.now.since(self.started);
        Figures { running, idle: self.idle, ready: self.ready_count(), enters, completions }
    }

    fn random(&mut self, into: &mut [u8]) {
        for byte in into {
            if self.random_used >= RANDOM_BYTES {
                // The kernel's generator cannot fail once it is seeded. If it did, a mask would be predictable, which
                // is better than a shard that ends.
                let _ = getrandom::fill(&mut self.random);
                self.random_used = 0;
            }
            if let Some(fresh) = self.random.get(self.random_used) {
                *byte = *fresh;
            }
            self.random_used = self.random_used.saturating_add(1);
        }
    }
}

/// Slots to step, each listed once.
#[derive(Debug, Default)]
struct ReadyList {
    queue: std::collections::VecDeque<Slot>,
    listed: Vec<u64>,
}

impl ReadyList {
    fn push(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        if word >= self.listed.len() {
            self.listed.resize(word.saturating_add(1), 0);
        }
        if let Some(bits) = self.listed.get_mut(word)
            && *bits & bit == 0
        {
            *bits |= bit;
            self.queue.push_back(slot);
        }
    }

    fn pop(&mut self) -> Option<Slot> {
        let slot = self.queue.pop_front()?;
        let (word, bit) = place(slot);
        if let Some(bits) = self.listed.get_mut(word) {
            *bits &= !bit;
        }
        Some(slot)
    }
}

fn place(slot: Slot) -> (usize, u64) {
    ((slot.0 / 64) as usize, 1 << (slot.0 % 64))
}

fn connecting(from: Option<IpAddr>, to: SocketAddr, options: SocketOptions) -> io::Result<OwnedFd> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = socket2::Socket::new_raw(Domain::for_address(to), kind, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    options.set(&socket)?;
    if let Some(from) = from {
        // connect() chooses the port, when the peer is known: the same port may be in use towards another peer.
        sys::choose_port_at_connect(socket.as_fd())?;
        socket.bind(&SockAddr::from(SocketAddr::new(from, 0)))?;
    }
    match socket.connect(&SockAddr::from(to)) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

fn retrying(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn fault_of(error: &io::Error) -> Fault {
    match error.raw_os_error().unwrap_or_default() {
        libc::ECONNREFUSED => Fault::Refused,
        libc::ECONNRESET | libc::EPIPE | libc::ENOTCONN => Fault::Reset,
        libc::ETIMEDOUT => Fault::TimedOut,
        libc::EHOSTUNREACH | libc::ENETUNREACH => Fault::Unreachable,
        libc::EADDRNOTAVAIL => Fault::NoAddress,
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => Fault::NoDescriptors,
        errno => Fault::Other(errno),
    }
}

/// Arms a poll for a listener or a bell.
pub(super) fn arm_plain(ring: &mut Ring, fd: BorrowedFd<'_>, token: u64) {
    ring.poll(fd, libc::EPOLLIN as u32, token);
}
