//! Two services on one shard: one dials, the other accepts. One CPU plays both ends of a proxy, and neither end knows the other.
//!
//! The first service's slots are the even ones, the second's the odd ones.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use ringway::engine::{Fault, Figures, Next, Received, Sent, Service, Slot, Socket, Time, Transport};

/// Both services.
#[derive(Debug)]
pub struct Pair<A, B> {
    /// The service that dials. The shard ends when this service is finished.
    first: A,
    /// The service that accepts.
    second: B,
}

/// A command for one of them.
#[derive(Clone, Copy, Debug)]
pub enum Either<A, B> {
    /// For the first.
    First(A),
    /// For the second.
    Second(B),
}

impl<A, B> Pair<A, B> {
    /// Pairs the services.
    pub fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

/// A transport whose slots are every other slot of another.
struct Half<'a, T> {
    net: &'a mut T,
    odd: u32,
}

fn outer(slot: Slot, odd: u32) -> Slot {
    Slot((slot.0 << 1) | odd)
}

fn inner(slot: Slot) -> Slot {
    Slot(slot.0 >> 1)
}

impl<T: Transport> Transport for Half<'_, T> {
    #[inline]
    fn now(&self) -> Time {
        self.net.now()
    }

    fn wall_clock(&self) -> SystemTime {
        self.net.wall_clock()
    }

    #[inline]
    fn recv(&mut self, socket: Socket, into: &mut [u8]) -> Received {
        self.net.recv(socket, into)
    }

    #[inline]
    fn send(&mut self, socket: Socket, bytes: &[u8]) -> Sent {
        self.net.send(socket, bytes)
    }

    #[inline]
    fn send_vectored(&mut self, socket: Socket, slices: &[IoSlice<'_>]) -> Sent {
        self.net.send_vectored(socket, slices)
    }

    #[inline]
    fn flush(&mut self, socket: Socket, progress: &mut usize) -> Result<bool, Fault> {
        self.net.flush(socket, progress)
    }

    #[inline]
    fn holds(&self, socket: Socket) -> bool {
        self.net.holds(socket)
    }

    fn hung_up(&self, socket: Socket) -> bool {
        self.net.hung_up(socket)
    }

    fn unacknowledged(&self, socket: Socket) -> usize {
        self.net.unacknowledged(socket)
    }

    fn acknowledged(&self, socket: Socket) -> u64 {
        self.net.acknowledged(socket)
    }

    fn dial(&mut self, owner: Slot, from: Option<IpAddr>, to: SocketAddr) -> Result<Socket, Fault> {
        self.net.dial(outer(owner, self.odd), from, to)
    }

    fn shutdown(&mut self, socket: Socket) {
        self.net.shutdown(socket);
    }

    fn close(&mut self, socket: Socket) {
        self.net.close(socket);
    }

    fn abort(&mut self, socket: Socket) {
        self.net.abort(socket);
    }

    fn wake(&mut self, slot: Slot) {
        self.net.wake(outer(slot, self.odd));
    }

    fn random(&mut self, into: &mut [u8]) {
        self.net.random(into);
    }

    fn figures(&self) -> Figures {
        self.net.figures()
    }
}

impl<A: Service, B: Service> Service for Pair<A, B> {
    type Command = Either<A::Command, B::Command>;
    type Mail = Either<A::Mail, B::Mail>;

    fn accept<T: Transport>(&mut self, net: &mut T, socket: Socket, peer: SocketAddr, listener: u16) -> Option<Slot> {
        self.second.accept(&mut Half { net, odd: 1 }, socket, peer, listener).map(|slot| outer(slot, 1))
    }

    #[inline]
    fn step<T: Transport>(&mut self, net: &mut T, slot: Slot) -> Next {
        match slot.0 & 1 {
            0 => self.first.step(&mut Half { net, odd: 0 }, inner(slot)),
            odd => self.second.step(&mut Half { net, odd }, inner(slot)),
        }
    }

    fn command<T: Transport>(&mut self, net: &mut T, command: Self::Command) {
        match command {
            Either::First(command) => self.first.command(&mut Half { net, odd: 0 }, command),
            Either::Second(command) => self.second.command(&mut Half { net, odd: 1 }, command),
        }
    }

    fn mail<T: Transport>(&mut self, net: &mut T, mail: Self::Mail) {
        match mail {
            Either::First(mail) => self.first.mail(&mut Half { net, odd: 0 }, mail),
            Either::Second(mail) => self.second.mail(&mut Half { net, odd: 1 }, mail),
        }
    }

    fn next_housekeeping(&self) -> Option<Time> {
        [self.first.next_housekeeping(), self.second.next_housekeeping()].into_iter().flatten().min()
    }

    fn housekeep<T: Transport>(&mut self, net: &mut T) {
        let now = net.now();
        if self.first.next_housekeeping().is_some_and(|at| at <= now) {
            self.first.housekeep(&mut Half { net, odd: 0 });
        }
        if self.second.next_housekeeping().is_some_and(|at| at <= now) {
            self.second.housekeep(&mut Half { net, odd: 1 });
        }
    }

    /// Stops with either service: without the first there are no clients to accept.
    fn is_accepting(&self) -> bool {
        self.first.is_accepting() && self.second.is_accepting()
    }

    /// Follows the first service: the second has no clients after it, and ends with the process.
    fn is_finished(&self) -> bool {
        self.first.is_finished()
    }
}
