//! A shard's table of sockets: the descriptor, owner and readiness of each.
//!
//! The place of a closed socket is reused only after the last completion of its poll. Until then a completion may still
//! come, and must find neither another socket in that place nor another file under that descriptor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::transport::{Slot, Socket};
use crate::invariant::Invariant;

/// Readiness, kept until a call proves otherwise. A hang-up and an error are never cleared: their event comes only
/// once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ready(u8);

impl Ready {
    pub(super) const READ: Self = Self(1);
    pub(super) const WRITE: Self = Self(2);
    /// The peer has finished sending.
    pub(super) const HANGUP: Self = Self(4);
    /// An error is pending.
    pub(super) const ERROR: Self = Self(8);

    pub(super) fn from_poll(events: u32) -> Self {
        let has = |flag: libc::c_int| events & u32::try_from(flag).expected_or(0) != 0;
        let mut ready = Self(0);
        if has(libc::EPOLLIN) {
            ready = ready.with(Self::READ);
        }
        if has(libc::EPOLLOUT) {
            ready = ready.with(Self::WRITE);
        }
        if has(libc::EPOLLRDHUP) {
            ready = ready.with(Self::READ).with(Self::HANGUP);
        }
        if has(libc::EPOLLHUP) {
            ready = ready.with(Self::READ).with(Self::WRITE).with(Self::HANGUP);
        }
        if has(libc::EPOLLERR) {
            ready = ready.with(Self::READ).with(Self::WRITE).with(Self::ERROR);
        }
        ready
    }

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// True if the readiness stays after a short read or write.
    pub(super) fn is_sticky(self) -> bool {
        self.0 & (Self::HANGUP.0 | Self::ERROR.0) != 0
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    fd: Option<OwnedFd>,
    pub(super) owner: Option<Slot>,
    generation: u32,
    pub(super) ready: Ready,
    closing: bool,
    /// The poll ended with an error: no completion will come.
    pub(super) unpolled: bool,
}

impl Entry {
    /// The descriptor, while the socket is open.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        if self.closing { None } else { self.raw_fd() }
    }

    /// The descriptor, open or closing.
    pub(super) fn raw_fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }
}

/// The consequence of a poll's end.
pub(super) enum PollEnd {
    /// The socket is open: arm again.
    Rearm,
    /// The socket was closing, and is closed now.
    Closed,
    /// The table holds no such socket any more.
    Unknown,
}

#[derive(Debug, Default)]
pub(super) struct Sockets {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

impl Sockets {
    /// Inserts a descriptor, with the readiness that it may be assumed to have.
    pub(super) fn insert(&mut self, fd: OwnedFd, owner: Option<Slot>, ready: Ready) -> Socket {
        if let Some(index) = self.free.pop()
            && let Some(entry) = self.entries.get_mut(index as usize)
        {
            let generation = entry.generation;
            *entry = Entry { fd: Some(fd), owner, generation, ready, closing: false, unpolled: false };
            return Socket { index, generation };
        }
        // There are at most as many entries as descriptors: the count fits.
        let index = u32::try_from(self.entries.len()).expected_or(u32::MAX);
        self.entries.push(Entry { fd: Some(fd), owner, generation: 0, ready, closing: false, unpolled: false });
        Socket { index, generation: 0 }
    }

    #[inline]
    pub(super) fn get(&self, socket: Socket) -> Option<&Entry> {
        self.entries.get(socket.index as usize).filter(|entry| entry.generation == socket.generation)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, socket: Socket) -> Option<&mut Entry> {
        self.entries.get_mut(socket.index as usize).filter(|entry| entry.generation == socket.generation)
    }

    /// Closes an open socket: `true` if the caller must cancel its poll now.
    pub(super) fn close(&mut self, socket: Socket) -> bool {
        match self.get_mut(socket) {
            Some(entry) if !entry.closing => {
                entry.closing = true;
                entry.owner = None;
                true
            }
            _ => false,
        }
    }

    pub(super) fn is_closing(&self, socket: Socket) -> bool {
        self.get(socket).is_some_and(|entry| entry.closing)
    }

    /// Closes a socket at once if no poll holds it: `false` if one does.
    pub(super) fn close_unpolled(&mut self, socket: Socket) -> bool {
        let unpolled = self.get(socket).is_some_and(|entry| entry.unpolled && !entry.closing);
        if unpolled {
            self.close(socket);
            self.poll_ended(socket);
        }
        unpolled
    }

    /// Notes the end of a socket's poll.
    pub(super) fn poll_ended(&mut self, socket: Socket) -> PollEnd {
        let Some(entry) = self.get_mut(socket) else { return PollEnd::Unknown };
        if !entry.closing {
            return PollEnd::Rearm;
        }
        entry.fd = None;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(socket.index);
        PollEnd::Closed
    }
}

/// The token of a socket's poll.
pub(super) fn token_of(socket: Socket) -> u64 {
    (u64::from(socket.generation) << 32) | u64::from(socket.index)
}

/// The socket of a poll's token.
pub(super) fn socket_of(token: u64) -> Socket {
    let [a, b, c, d, e, f, g, h] = token.to_be_bytes();
    Socket { generation: u32::from_be_bytes([a, b, c, d]), index: u32::from_be_bytes([e, f, g, h]) }
}

#[cfg(test)]
mod tests {
    use super::{PollEnd, Ready, Sockets, socket_of, token_of};
    use std::os::fd::OwnedFd;

    fn fd() -> OwnedFd {
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into()
    }

    #[test]
    fn a_late_completion_meets_no_reused_place() {
        let mut sockets = Sockets::default();
        let first = sockets.insert(fd(), None, Ready::WRITE);
        assert!(sockets.close(first));
        assert!(!sockets.close(first), "closed twice");
        let second = sockets.insert(fd(), None, Ready::WRITE);
        assert_ne!(first.index, second.index, "the place is not free before the poll's last completion");
        assert!(matches!(sockets.poll_ended(first), PollEnd::Closed));
        let third = sockets.insert(fd(), None, Ready::WRITE);
        assert_eq!(third.index, first.index);
        assert!(sockets.get(first).is_none(), "the old handle reaches the new socket");
        assert!(matches!(sockets.poll_ended(first), PollEnd::Unknown));
        assert!(matches!(sockets.poll_ended(third), PollEnd::Rearm));
    }

    #[test]
    fn an_end_once_seen_stays() {
        let ready = Ready::from_poll((libc::EPOLLIN | libc::EPOLLRDHUP) as u32);
        assert!(ready.has(Ready::READ) && ready.is_sticky());
        assert!(!Ready::READ.is_sticky());
        assert!(Ready::from_poll(libc::EPOLLERR as u32).has(Ready::WRITE));
    }

    #[test]
    fn a_token_names_its_socket() {
        let socket = super::Socket { index: 77, generation: u32::MAX - 1 };
        assert_eq!(socket_of(token_of(socket)), socket);
    }
}
