//! The TLS session of one socket, between the socket and rustls.
//!
//! All copies are made by rustls. Received bytes are copied into its buffer of one record and decrypted there; the
//! plaintext is copied into a piece of memory, and from there to the receiver. Bytes to send are copied a record at a
//! time into pieces, which are encrypted in place and given to the kernel together. No piece outlives its contents.

use std::io::{self, IoSlice, Read, Write};

use rustls::Connection;

use super::fault::fault_of;
use super::transport::Handshaking;
use super::{is_client_hello, is_server_hello};
use crate::engine::{Fault, Received, Sent, Socket, TlsFault, Transport};
use crate::invariant::Invariant;

/// The most plaintext that is encrypted at a time. A peer that does not read leaves as much in memory.
const MAX_SEALED_BYTES: usize = crate::engine::pool::BUFFER_BYTES;
/// The most bytes of an incomplete record that rustls may hold. They come out together with the bytes that are received
/// next.
const RECORD_BYTES: usize = 17 * 1024;
/// The size of a receive if there is little room for its plaintext. Rustls must take all of it at once, beside a part
/// of a record (16,645 bytes at most, RFC 8446 section 5.2) in its buffer of 18,437: while rustls holds plaintext that
/// found no room, it may take nothing more, and the rest would be lost.
const SMALL_RECEIVE_BYTES: usize = 1536;
/// The most bytes that a peer may send before the handshake is complete. Rustls joins messages of up to 64 KiB, and any
/// client may leave one unfinished. A client sends its hello, and its certificate chain if it is asked for one. An
/// upstream was chosen by the operator, and its chain may be long.
const MAX_CLIENT_HANDSHAKE_BYTES: usize = 32 * 1024;
const MAX_UPSTREAM_HANDSHAKE_BYTES: usize = 64 * 1024;
/// The most bytes of handshake messages after the handshake, without application data in between. More than a record,
/// because all bytes of a record count until it is complete.
const MAX_SILENT_BYTES: usize = 32 * 1024;
/// The size of a receive during the handshake.
const HANDSHAKE_RECEIVE_BYTES: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) socket: Socket,
    tls: Connection,
    /// `true` until the peer has sent its first byte.
    fresh: bool,
    /// Bytes that came since the start, the end of the handshake, or the last application data.
    silent: usize,
    /// The fault that ended the session.
    failed: Option<Fault>,
    /// The peer has sent close_notify.
    ended: bool,
    /// We have sent close_notify.
    closed: bool,
    /// Buffered bytes that were sent outside `flush`. The next one reports them.
    went: usize,
    /// The socket must be shut down once everything is sent.
    shutting: bool,
    /// The write side is shut down. Anything rustls still wants to send is discarded.
    shut: bool,
}

impl Session {
    /// Starts a session.
    pub(super) fn new(socket: Socket, mut tls: Connection) -> Self {
        // The bound on rustls's memory is the bytes that it is shown.
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

    /// `true` if encrypted bytes wait for room in the socket.
    pub(super) fn holds(&self) -> bool {
        self.tls.wants_write() && !self.shut
    }

    /// Shows rustls the bytes that were received before the session started.
    pub(super) fn begin<T: Transport>(&mut self, early: &[u8], net: &mut T) {
        if self.feed(early, &mut []).is_err() {
            // Sends the alert. The fault is reported by the next call.
            let _ = self.flush(net, &mut 0);
        }
    }

    /// Continues the handshake. Returns `None` if there is more to do at once.
    pub(super) fn shake_hands<T: Transport>(&mut self, net: &mut T, wire: &mut [u8]) -> Option<Handshaking> {
        if let Some(fault) = self.failed {
            return Some(Handshaking::Failed(fault));
        }
        if !self.tls.is_handshaking() {
            return Some(Handshaking::Done);
        }
        // A peer that refuses and closes does not receive any more, but its alert may still be read.
        let sent = self.push(net);
        let room = wire.len().min(HANDSHAKE_RECEIVE_BYTES);
        let received = match (net.recv(self.socket, wire.get_mut(..room).expected_or_default()), sent) {
            (Received::Bytes(n), _) => n,
            (_, Err(fault)) | (Received::Failed(fault), _) => return Some(Handshaking::Failed(fault)),
            (Received::Blocked, _) => return Some(Handshaking::Blocked),
            (Received::End, _) => return Some(self.fail(TlsFault::Truncated)),
        };
        if let Err(fault) = self.feed(wire.get(..received).expected_or_default(), &mut []) {
            // Sends the alert, which the peer may not take.
            let _ = self.flush(net, &mut 0);
            return Some(Handshaking::Failed(fault));
        }
        None
    }

    /// Receives plaintext. Returns `None` if no plaintext came, and there may be more.
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
        // The plaintext of all received bytes must have room: it cannot wait in `wire`.
        let room = into.len().saturating_sub(RECORD_BYTES).max(SMALL_RECEIVE_BYTES).min(wire.len());
        match net.recv(self.socket, wire.get_mut(..room).expected_or_default()) {
            Received::Bytes(n) => {
                let waited = self.holds();
                let fed = self.feed(wire.get(..n).expected_or_default(), into);
                if !waited && self.holds() {
                    // Rustls has an answer or an alert to send, which no caller knows of.
                    let _ = self.push(net);
                }
                match fed {
                    Ok(0) => None,
                    Ok(n) => Some(Received::Bytes(n)),
                    Err(fault) => Some(Received::Failed(fault)),
                }
            }
            // The last bytes of the handshake may still wait for room.
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

    /// Encrypts and sends. Bytes that the socket does not take stay here, and block the next send.
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
                // Bytes that are sent at once have not waited.
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
            // Rustls takes everything, as it has no limit. A session that can encrypt no more is at its end.
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
                // Earlier slices were sent; the next call reports the fault.
                Sent::Blocked | Sent::Failed(_) if taken > 0 => break,
                other => return other,
            }
            slices = slices.get(group.len()..).expected_or_default();
        }
        Sent::Bytes(taken)
    }

    /// Encrypts and sends as much as is encrypted at a time.
    fn send_group<T: Transport>(&mut self, net: &mut T, group: &[IoSlice<'_>]) -> Sent {
        if let Some(fault) = self.failed.filter(|fault| *fault != Fault::Tls(TlsFault::Truncated)) {
            return Sent::Failed(fault);
        }
        match self.push(net) {
            Ok(true) => {}
            Ok(false) => return Sent::Blocked,
            Err(fault) => return Sent::Failed(fault),
        }
        // Rustls takes everything, as it has no limit. A session that can encrypt no more is at its end.
        let Ok(taken @ 1..) = self.tls.writer().write_vectored(group) else {
            return Sent::Failed(Fault::Tls(TlsFault::Internal));
        };
        // Bytes that are sent at once have not waited.
        let before = self.went;
        let pushed = self.push(net);
        self.went = before;
        pushed.map_or_else(Sent::Failed, |_| Sent::Bytes(taken))
    }

    /// Sends encrypted bytes. Returns `true` once all are sent.
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

    /// Sends close_notify, and ends our sending after it.
    pub(super) fn shutdown<T: Transport>(&mut self, net: &mut T) {
        self.say_goodbye();
        self.shutting = true;
        // If this fails the connection is gone, and the next receive reports it.
        let _ = self.flush(net, &mut 0);
    }

    /// Sends close_notify, as far as that is possible at once.
    pub(super) fn last_words<T: Transport>(&mut self, net: &mut T) {
        if !self.closed {
            self.say_goodbye();
            let _ = self.flush(net, &mut 0);
        }
    }

    /// Queues close_notify. A failed session has sent its alert, and an incomplete handshake has nothing to protect.
    fn say_goodbye(&mut self) {
        let truncated = self.failed == Some(Fault::Tls(TlsFault::Truncated));
        if !self.closed && (self.failed.is_none() || truncated) && !self.tls.is_handshaking() {
            self.tls.send_close_notify();
        }
        self.closed = true;
    }

    /// Shows received bytes to rustls, and takes the plaintext. Returns its length.
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
            // Rustls takes 4 KiB at a time, and no more of an incomplete record or message than the longest one.
            while !shown.is_empty() && matches!(self.tls.read_tls(&mut shown), Ok(1..)) {}
            let taken = allowed.saturating_sub(shown.len());
            bytes = bytes.get(taken..).expected_or_default();
            let processed = self.tls.process_new_packets();
            filled = filled.saturating_add(self.take(into.get_mut(filled..).expected_or_default()));
            let fault = match processed {
                Err(error) => fault_of(&error),
                // Bytes after the peer's end do not count.
                Ok(state) if taken == 0 && (self.ended || state.peer_has_closed()) => break,
                // There must have been room for all plaintext.
                Ok(state) if taken == 0 && state.plaintext_bytes_to_read() > 0 => TlsFault::Internal,
                // Rustls was shown all that it may hold, or holds all that it takes.
                Ok(_) if taken == 0 => TlsFault::TooLarge,
                Ok(state) => {
                    let has_ended = was_handshaking && !self.tls.is_handshaking();
                    let is_silent = !has_ended && state.plaintext_bytes_to_read() == 0;
                    self.silent = if is_silent { self.silent.saturating_add(taken) } else { 0 };
                    continue;
                }
            };
            self.failed = Some(Fault::Tls(fault));
            // Valid plaintext before the fault still counts.
            return if filled > 0 { Ok(filled) } else { Err(Fault::Tls(fault)) };
        }
        Ok(filled)
    }

    /// The most bytes that may come without bringing plaintext.
    fn max_silent(&self) -> usize {
        match &self.tls {
            tls if !tls.is_handshaking() => MAX_SILENT_BYTES,
            Connection::Server(_) => MAX_CLIENT_HANDSHAKE_BYTES,
            Connection::Client(_) => MAX_UPSTREAM_HANDSHAKE_BYTES,
        }
    }

    /// Takes plaintext, and notes the peer's end after it.
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

/// The number of slices at the start that are encrypted together, at least one, and their total length.
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

/// A socket that rustls can write to.
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
        // One record is the usual case, and the plain call is cheaper.
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
