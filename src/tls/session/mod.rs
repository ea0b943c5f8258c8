//! One connection's TLS: what its socket gives goes through rustls, and what rustls gives goes to its socket.
//!
//! Copies, all of them rustls' own: what was received into its buffer of one record, where it is decrypted; the plaintext
//! into a piece of memory, and from there to who receives; what is sent, a record at a time, into pieces that are encrypted
//! in place and given to the kernel together. None of these pieces outlives what it carries.

use std::io::{self, IoSlice, Read, Write};

use rustls::Connection;

use super::fault::fault_of;
use super::transport::Handshaking;
use super::{is_client_hello, is_server_hello};
use crate::engine::{Fault, Received, Sent, Socket, TlsFault, Transport};
use crate::invariant::Invariant;

/// Plaintext that is encrypted at a time: what a peer that does not read leaves in memory.
const MAX_SEALED_BYTES: usize = crate::engine::pool::BUFFER_BYTES;
/// Bytes that rustls may hold of a record that is not whole: received before, they come out with what is received next.
const RECORD_BYTES: usize = 17 * 1024;
/// What is received at a time where there is little room for what comes of it. Rustls must take it at once, beside any
/// part of a record (16,645 bytes at most, RFC 8446 section 5.2) in its 18,437: while it holds plaintext for which there
/// was no room it may take nothing more, and the rest would be lost.
const SMALL_RECEIVE_BYTES: usize = 1536;
/// Bytes that may come before a handshake is done: rustls joins messages of up to 64 KiB, and whoever connects may leave
/// one unfinished. A client's are its hello, and where it is asked for one its chain of certificates; an upstream was
/// chosen by us, and its chain may be long.
const MAX_CLIENT_HANDSHAKE_BYTES: usize = 32 * 1024;
const MAX_UPSTREAM_HANDSHAKE_BYTES: usize = 64 * 1024;
/// Bytes that may come behind the handshake, of messages that are part of one, without application data in between. More
/// than a record, because all of a record counts until it is whole.
const MAX_SILENT_BYTES: usize = 32 * 1024;
/// What is received at a time during the handshake.
const HANDSHAKE_RECEIVE_BYTES: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) socket: Socket,
    tls: Connection,
    /// Whether the peer has not said anything yet.
    fresh: bool,
    /// Bytes that came since the beginning, the end of the handshake, or the last application data.
    silent: usize,
    /// Why it is past all use.
    failed: Option<Fault>,
    /// The peer has said that it has finished.
    ended: bool,
    /// We have said that we have finished.
    closed: bool,
    /// Bytes that had waited and went when nobody asked: the next flush tells of them.
    went: usize,
    /// The socket is to be shut down once all is sent.
    shutting: bool,
    /// It is. What rustls still has to say, to an error behind our end, is not sent.
    shut: bool,
}

impl Session {
    /// A session that begins.
    pub(super) fn new(socket: Socket, mut tls: Connection) -> Self {
        // What it may hold is bounded here, by what it is given.
        tls.set_buffer_limit(None);
        Self {
            socket,
            tls,
            fresh: true,
            silent: 0,
            failed: None,
            ended: false,
            closed: false,
            went: 0,
            shutting: false,
            shut: false,
        }
    }

    pub(super) fn tls(&self) -> &Connection {
        &self.tls
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether encrypted bytes wait for room.
    pub(super) fn holds(&self) -> bool {
        self.tls.wants_write() && !self.shut
    }

    /// Shows rustls what was received before there was a session.
    pub(super) fn begin<T: Transport>(&mut self, early: &[u8], net: &mut T) {
        if self.feed(early, &mut []).is_err() {
            // The alert. The failure is told when it is asked for.
            let _ = self.flush(net, &mut 0);
        }
    }

    /// Takes the handshake further: `None` if there is more to do at once.
    pub(super) fn shake_hands<T: Transport>(&mut self, net: &mut T, wire: &mut [u8]) -> Option<Handshaking> {
        if let Some(fault) = self.failed {
            return Some(Handshaking::Failed(fault));
        }
        if !self.tls.is_handshaking() {
            return Some(Handshaking::Done);
        }
        // A peer that refuses and closes may still be heard, though it does not hear us any more.
        let sent = self.push(net);
        let room = wire.len().min(HANDSHAKE_RECEIVE_BYTES);
        let received = match (net.recv(self.socket, wire.get_mut(..room).expected_or_default()), sent) {
            (Received::Bytes(n), _) => n,
            (_, Err(fault)) | (Received::Failed(fault), _) => return Some(Handshaking::Failed(fault)),
            (Received::Blocked, _) => return Some(Handshaking::Blocked),
            (Received::End, _) => return Some(self.fail(TlsFault::Truncated)),
        };
        if let Err(fault) = self.feed(wire.get(..received).expected_or_default(), &mut []) {
            // The alert says why to the peer, who may not take it.
            let _ = self.flush(net, &mut 0);
            return Some(Handshaking::Failed(fault));
        }
        None
    }

    /// Receives: `None` if what came was nothing for the receiver, and there may be more.
    #[inline]
    pub(super) fn recv<T: Transport>(&mut self, net: &mut T, wire: &mut [u8], into: &mut [u8]) -> Option<Received> {
        let waiting = self.take(into);
        if waiting > 0 {
            return Some(Received::Bytes(waiting));
        }
        if let Some(fault) = self.failed {
            return Some(Received::Failed(fault));
        }
        if self.ended {
            return Some(Received::End);
        }
        // What comes out of what is received must have room: it cannot wait in `wire`.
        let room = into.len().saturating_sub(RECORD_BYTES).max(SMALL_RECEIVE_BYTES).min(wire.len());
        match net.recv(self.socket, wire.get_mut(..room).expected_or_default()) {
            Received::Bytes(n) => {
                let waited = self.holds();
                let fed = self.feed(wire.get(..n).expected_or_default(), into);
                if !waited && self.holds() {
                    // An answer of rustls' own, or its alert: nobody else knows that there is something to send.
                    let _ = self.push(net);
                }
                match fed {
                    Ok(0) => None,
                    Ok(n) => Some(Received::Bytes(n)),
                    Err(fault) => Some(Received::Failed(fault)),
                }
            }
            // The handshake's last words may wait still.
            Received::Blocked => Some(match self.push(net) {
                Ok(_) => Received::Blocked,
                Err(fault) => Received::Failed(fault),
            }),
            Received::End => {
                self.failed = Some(Fault::Tls(TlsFault::Truncated));
                Some(Received::Failed(Fault::Tls(TlsFault::Truncated)))
            }
            Received::Failed(fault) => Some(Received::Failed(fault)),
        }
    }

    /// Encrypts and sends. What the socket does not take stays here, and blocks the next send.
    #[inline]
    pub(super) fn send<T: Transport>(&mut self, net: &mut T, bytes: &[u8]) -> Sent {
        if let Some(fault) = self.failed.filter(|fault| *fault != Fault::Tls(TlsFault::Truncated)) {
            return Sent::Failed(fault);
        }
        let mut taken: usize = 0;
        loop {
            let before = self.went;
            let flushed = self.push(net);
            if taken > 0 {
                // What goes at once did not wait.
                self.went = before;
            }
            match flushed {
                Ok(true) => {}
                Ok(false) if taken == 0 => return Sent::Blocked,
                Ok(false) => return Sent::Bytes(taken),
                Err(fault) => return Sent::Failed(fault),
            }
            let end = bytes.len().min(taken.saturating_add(MAX_SEALED_BYTES));
            let Some(next) = bytes.get(taken..end).filter(|next| !next.is_empty()) else { return Sent::Bytes(taken) };
            // Without a limit it takes all; what it cannot encrypt any more is a session at its end.
            match self.tls.writer().write(next) {
                Ok(n) if n > 0 => taken = taken.saturating_add(n),
                _ => return Sent::Failed(Fault::Tls(TlsFault::Internal)),
            }
        }
    }

    /// Encrypts and sends slices one after the other, as [`send`](Self::send) does: small ones share a record.
    pub(super) fn send_vectored<T: Transport>(&mut self, net: &mut T, mut slices: &[IoSlice<'_>]) -> Sent {
        let mut taken: usize = 0;
        while let Some((first, _)) = slices.split_first() {
            let (group, len) = group_of(slices);
            let sent = match group {
                [] | [_] => self.send(net, first),
                many => self.send_group(net, many),
            };
            match sent {
                Sent::Bytes(n) => {
                    taken = taken.saturating_add(n);
                    if n < len {
                        break;
                    }
                }
                // What went before it went; the next call says what is the matter.
                Sent::Blocked | Sent::Failed(_) if taken > 0 => break,
                other => return other,
            }
            slices = slices.get(group.len()..).expected_or_default();
        }
        Sent::Bytes(taken)
    }

    /// Sends what may be encrypted at a time.
    fn send_group<T: Transport>(&mut self, net: &mut T, group: &[IoSlice<'_>]) -> Sent {
        if let Some(fault) = self.failed.filter(|fault| *fault != Fault::Tls(TlsFault::Truncated)) {
            return Sent::Failed(fault);
        }
        match self.push(net) {
            Ok(true) => {}
            Ok(false) => return Sent::Blocked,
            Err(fault) => return Sent::Failed(fault),
        }
        // Without a limit it takes all; what it cannot encrypt any more is a session at its end.
        let Ok(taken @ 1..) = self.tls.writer().write_vectored(group) else {
            return Sent::Failed(Fault::Tls(TlsFault::Internal));
        };
        // What goes at once did not wait.
        let before = self.went;
        let pushed = self.push(net);
        self.went = before;
        pushed.map_or_else(Sent::Failed, |_| Sent::Bytes(taken))
    }

    /// Sends what is encrypted: `true` once all is sent.
    #[inline]
    pub(super) fn flush<T: Transport>(&mut self, net: &mut T, progress: &mut usize) -> Result<bool, Fault> {
        let flushed = self.push(net);
        *progress = progress.saturating_add(std::mem::take(&mut self.went));
        flushed
    }

    #[inline]
    fn push<T: Transport>(&mut self, net: &mut T) -> Result<bool, Fault> {
        while self.holds() {
            let mut pipe = Pipe { net, socket: self.socket, fault: None };
            match self.tls.write_tls(&mut pipe) {
                Ok(n) => self.went = self.went.saturating_add(n),
                Err(_) => return pipe.fault.map_or(Ok(false), Err),
            }
        }
        if self.shutting {
            self.shutting = false;
            self.shut = true;
            net.shutdown(self.socket);
        }
        Ok(true)
    }

    /// Says that we have finished, and ends our sending behind it.
    pub(super) fn shutdown<T: Transport>(&mut self, net: &mut T) {
        self.say_goodbye();
        self.shutting = true;
        // Where it fails the connection is gone, which its next receive will tell.
        let _ = self.flush(net, &mut 0);
    }

    /// Says that we have finished, as far as that can be done at once.
    pub(super) fn last_words<T: Transport>(&mut self, net: &mut T) {
        if !self.closed {
            self.say_goodbye();
            let _ = self.flush(net, &mut 0);
        }
    }

    /// A session that failed has sent its alert; one that is shaking hands still has nothing to protect.
    fn say_goodbye(&mut self) {
        let truncated = self.failed == Some(Fault::Tls(TlsFault::Truncated));
        if !self.closed && (self.failed.is_none() || truncated) && !self.tls.is_handshaking() {
            self.tls.send_close_notify();
        }
        self.closed = true;
    }

    /// Shows rustls what was received, and takes what it makes of it: how much that is.
    #[inline]
    fn feed(&mut self, mut bytes: &[u8], into: &mut [u8]) -> Result<usize, Fault> {
        if let (true, Some(first)) = (self.fresh, bytes.first()) {
            self.fresh = false;
            let is_tls = match self.tls {
                Connection::Server(_) => is_client_hello(*first),
                Connection::Client(_) => is_server_hello(*first),
            };
            if !is_tls {
                self.failed = Some(Fault::Tls(TlsFault::NotTls));
                return Err(Fault::Tls(TlsFault::NotTls));
            }
        }
        let mut filled: usize = 0;
        while !bytes.is_empty() {
            let was_handshaking = self.tls.is_handshaking();
            let allowed = bytes.len().min(self.max_silent().saturating_sub(self.silent));
            let mut shown = bytes.get(..allowed).expected_or_default();
            // It takes 4 KiB at a time, and of what is not whole no more than the longest record, or message.
            while !shown.is_empty() && matches!(self.tls.read_tls(&mut shown), Ok(1..)) {}
            let taken = allowed.saturating_sub(shown.len());
            bytes = bytes.get(taken..).expected_or_default();
            let processed = self.tls.process_new_packets();
            filled = filled.saturating_add(self.take(into.get_mut(filled..).expected_or_default()));
            let fault = match processed {
                Err(error) => fault_of(&error),
                // Behind its end nothing counts.
                Ok(state) if taken == 0 && (self.ended || state.peer_has_closed()) => break,
                // There must have been room for all that came out.
                Ok(state) if taken == 0 && state.plaintext_bytes_to_read() > 0 => TlsFault::Internal,
                // It has been shown all that it may hold, or holds all that it would.
                Ok(_) if taken == 0 => TlsFault::TooLarge,
                Ok(state) => {
                    let has_ended = was_handshaking && !self.tls.is_handshaking();
                    let is_silent = !has_ended && state.plaintext_bytes_to_read() == 0;
                    self.silent = if is_silent { self.silent.saturating_add(taken) } else { 0 };
                    continue;
                }
            };
            self.failed = Some(Fault::Tls(fault));
            // What was right before it still counts.
            return if filled > 0 { Ok(filled) } else { Err(Fault::Tls(fault)) };
        }
        Ok(filled)
    }

    /// How many bytes may come that bring nothing.
    fn max_silent(&self) -> usize {
        match &self.tls {
            tls if !tls.is_handshaking() => MAX_SILENT_BYTES,
            Connection::Server(_) => MAX_CLIENT_HANDSHAKE_BYTES,
            Connection::Client(_) => MAX_UPSTREAM_HANDSHAKE_BYTES,
        }
    }

    /// Takes plaintext that is there, and notices the peer's end behind it.
    #[inline]
    fn take(&mut self, into: &mut [u8]) -> usize {
        if into.is_empty() {
            return 0;
        }
        match self.tls.reader().read(into) {
            Ok(0) => {
                self.ended = true;
                0
            }
            Ok(n) => n,
            Err(_) => 0,
        }
    }

    fn fail(&mut self, fault: TlsFault) -> Handshaking {
        self.failed = Some(Fault::Tls(fault));
        Handshaking::Failed(Fault::Tls(fault))
    }
}

/// The slices at the start that may be encrypted at a time, and how long they are together. At least one.
fn group_of<'s, 'a>(slices: &'s [IoSlice<'a>]) -> (&'s [IoSlice<'a>], usize) {
    let (mut count, mut len): (usize, usize) = (0, 0);
    for slice in slices {
        let longer = len.saturating_add(slice.len());
        if count > 0 && longer > MAX_SEALED_BYTES {
            break;
        }
        (count, len) = (count.saturating_add(1), longer);
    }
    (slices.get(..count).expected_or_default(), len)
}

/// A socket as something that rustls can write to.
struct Pipe<'a, T> {
    net: &'a mut T,
    socket: Socket,
    fault: Option<Fault>,
}

impl<T: Transport> Pipe<'_, T> {
    fn result(&mut self, sent: Sent) -> io::Result<usize> {
        match sent {
            Sent::Bytes(n) => Ok(n),
            Sent::Blocked => Err(io::ErrorKind::WouldBlock.into()),
            Sent::Failed(fault) => {
                self.fault = Some(fault);
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
    }
}

impl<T: Transport> Write for Pipe<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.net.send(self.socket, bytes);
        self.result(sent)
    }

    #[inline]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // One record is the rule, and the plainer call is the cheaper one.
        let sent = match slices {
            [one] => self.net.send(self.socket, one),
            all => self.net.send_vectored(self.socket, all),
        };
        self.result(sent)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
