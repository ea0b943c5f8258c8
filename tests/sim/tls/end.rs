//! A peer's end of TLS. What the proxy sends is decrypted the moment it is sent, so that it can be checked; the peer gets
//! to know it, and answers it, when it reads that far.

use std::collections::VecDeque;
use std::io::{Read, Write};

use rustls::{Connection, Error};

use super::configs::{self, Config};
use super::{Misdeed, TlsPlan};
use crate::peer::Cut;
use crate::rng::Rng;

const HEADER: usize = 5;
const HANDSHAKE: u8 = 22;
/// The longest record (RFC 5246 section 6.2.3).
const LONGEST: usize = HEADER + 16_384 + 2048;

#[derive(Debug)]
pub(crate) struct TlsEnd {
    /// `None` if it speaks no TLS at all.
    session: Option<Connection>,
    plan: TlsPlan,
    rng: Rng,
    /// The received part of an incomplete record.
    partial: Vec<u8>,
    sent: usize,
    arriving: VecDeque<Arrival>,
    read: usize,
    /// Bytes that wait to be sent.
    out: VecDeque<u8>,
    queued: usize,
    pub(crate) pushed: usize,
    /// Where its records end, in what it sends and in what it says.
    records: VecDeque<(usize, usize)>,
    said: usize,
    taken: (usize, usize),
    goodbye: bool,
    /// The proxy has said that it has finished.
    pub(crate) was_told_end: bool,
    /// A bit of what it sent is wrong, and where what it said ends that counts.
    pub(crate) forged: bool,
    pub(crate) good_until: Option<usize>,
    /// The received byte at which the session failed.
    failed_at: Option<usize>,
    /// The rule that the proxy broke.
    pub(crate) fault: Option<String>,
}

/// A record of the proxy's.
#[derive(Debug)]
struct Arrival {
    end: usize,
    plain: Vec<u8>,
    reply: Vec<u8>,
}

impl TlsEnd {
    pub(crate) fn new(plan: TlsPlan, config: &Config, rng: Rng) -> Self {
        let banner = plan.misdeed == Some(Misdeed::Banner);
        let mut end = Self {
            session: (!banner).then(|| config.begin()),
            plan,
            rng,
            partial: Vec::new(),
            sent: 0,
            arriving: VecDeque::new(),
            read: 0,
            out: VecDeque::new(),
            queued: 0,
            pushed: 0,
            records: VecDeque::new(),
            said: 0,
            taken: (0, 0),
            goodbye: false,
            was_told_end: false,
            forged: false,
            good_until: None,
            failed_at: None,
            fault: None,
        };
        end.out.extend(&end.plan.preface);
        end.queued = end.out.len();
        let first = if banner { b"220 mail.test ESMTP\r\n".to_vec() } else { end.written() };
        let first = match end.plan.fragment {
            Some(size) if first.first() == Some(&HANDSHAKE) => fragmented(&first, size),
            _ => first,
        };
        end.queue(&first);
        end
    }

    /// The bytes that the session wants to send.
    fn written(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(session) = &mut self.session {
            while session.wants_write() {
                session.write_tls(&mut bytes).unwrap();
            }
        }
        bytes
    }

    fn queue(&mut self, bytes: &[u8]) {
        let start = self.queued;
        self.out.extend(bytes);
        self.queued += bytes.len();
        if let Some(Misdeed::Forge(at)) = self.plan.misdeed
            && (start..self.queued).contains(&at)
        {
            // The version in a record's header is looked at by nobody (RFC 8446 section 5.1).
            let at = match at - start {
                _ if self.said == 0 => at,
                offset if offset % 4 == 0 => start + 3 + offset / 4 % 2,
                _ => self.queued - 1,
            };
            let at = self.out.len() - (self.queued - at);
            self.out[at] ^= 1 << self.rng.below(8);
            self.forged = true;
        }
    }

    /// The proxy sent this: what of plaintext has become whole by it.
    pub(crate) fn observe(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.sent += bytes.len();
        self.partial.extend_from_slice(bytes);
        let mut plain = Vec::new();
        while let [kind, major, _, high, low, ..] = *self.partial {
            let end = HEADER + usize::from(u16::from_be_bytes([high, low]));
            if !(20..=23).contains(&kind) || major != 3 || end > LONGEST {
                self.fault = Some("what was sent to a peer that speaks TLS is none".to_owned());
                break;
            }
            if self.partial.len() < end {
                break;
            }
            let record: Vec<u8> = self.partial.drain(..end).collect();
            let decrypted = self.decrypt(&record);
            let reply = self.written();
            plain.extend_from_slice(&decrypted);
            self.arriving.push_back(Arrival { end: self.sent - self.partial.len(), plain: decrypted, reply });
        }
        plain
    }

    fn decrypt(&mut self, mut record: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        let Some(session) = self.session.as_mut().filter(|_| self.failed_at.is_none()) else { return plain };
        while !record.is_empty() {
            session.read_tls(&mut record).unwrap();
        }
        match session.process_new_packets() {
            Ok(state) => self.was_told_end |= state.peer_has_closed(),
            Err(error) => {
                self.failed_at = Some(self.sent - self.partial.len());
                let refuses = !self.plan.trusts || self.plan.asks_for_certificate;
                let expected = matches!(error, Error::AlertReceived(_)) || refuses || self.forged;
                if !expected {
                    self.fault = Some(format!("the proxy broke TLS: {error}"));
                }
            }
        }
        // It ends where nothing more is there, and at the proxy's end.
        let _ = session.reader().read_to_end(&mut plain);
        plain
    }

    /// The peer has read so many bytes more: the plaintext it gets by that.
    pub(crate) fn advance(&mut self, bytes: usize) -> Vec<u8> {
        self.read += bytes;
        let mut plain = Vec::new();
        while self.arriving.front().is_some_and(|arrival| arrival.end <= self.read) {
            let Some(arrival) = self.arriving.pop_front() else { break };
            plain.extend(arrival.plain);
            self.queue(&arrival.reply);
        }
        plain
    }

    /// True if the peer may send.
    fn is_ready(&self) -> bool {
        let waiting = self.arriving.iter().any(|arrival| !arrival.reply.is_empty());
        let open = self.session.as_ref().is_some_and(|session| !session.is_handshaking());
        open && !waiting && !self.goodbye && self.out.is_empty()
    }

    /// Encrypts some of this: how much.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        if !self.is_ready() {
            return taken;
        }
        for _ in 0..self.plan.flight {
            let size = self.rng.range(self.plan.record.0, self.plan.record.1).min(bytes.len() - taken);
            if size == 0 {
                break;
            }
            let update = self.plan.key_updates > 0 && self.rng.chance(self.plan.key_updates);
            let Some(session) = &mut self.session else { break };
            if update {
                // Version 1.2 has none.
                let _ = session.refresh_traffic_keys();
            }
            // A session that was told of an error says nothing more.
            let said = session.writer().write(&bytes[taken..taken + size]).is_ok_and(|n| n == size);
            if !said {
                assert!(self.failed_at.is_some(), "rustls takes no more");
                return bytes.len();
            }
            taken += size;
            let before = (self.said, self.forged);
            self.said += size;
            let record = self.written();
            self.queue(&record);
            self.records.push_back((self.queued, self.said));
            if self.forged && !before.1 {
                self.good_until = Some(before.0);
            }
        }
        taken
    }

    /// Says that it has finished.
    pub(crate) fn say_goodbye(&mut self) {
        let handshaking = self.session.as_ref().is_none_or(|session| session.is_handshaking());
        if let (false, false, Some(session)) = (self.goodbye, handshaking, &mut self.session) {
            session.send_close_notify();
            let bytes = self.written();
            self.queue(&bytes);
        }
        self.goodbye = true;
    }

    /// The bytes that the peer can send now, at most `max`.
    pub(crate) fn next(&mut self, max: usize) -> Vec<u8> {
        let until = match self.plan.misdeed {
            Some(Misdeed::Cut(at, _)) => at.saturating_sub(self.pushed),
            _ => usize::MAX,
        };
        let count = self.out.len().min(max).min(until);
        self.pushed += count;
        self.out.drain(..count).collect()
    }

    /// True if the peer has sent everything that it will send.
    pub(crate) fn is_flushed(&self) -> bool {
        self.out.is_empty() || self.cut().is_some()
    }

    /// The action at the byte that the peer has reached.
    pub(crate) fn cut(&self) -> Option<Cut> {
        match self.plan.misdeed {
            Some(Misdeed::Cut(at, cut)) if self.pushed >= at => Some(cut),
            _ => None,
        }
    }

    /// True if the peer has noticed that its session failed, and has sent its alert.
    pub(crate) fn has_given_up(&self) -> bool {
        self.failed_at.is_some_and(|at| self.read >= at) && self.out.is_empty()
    }

    /// The proxy took so many bytes more: how much of what the peer said it has whole.
    pub(crate) fn taken(&mut self, bytes: usize) -> usize {
        self.taken.0 += bytes;
        while let Some((_, said)) = self.records.front().filter(|(end, _)| *end <= self.taken.0) {
            self.taken.1 = *said;
            self.records.pop_front();
        }
        self.taken.1
    }

    /// True if the handshake is complete on the peer's side.
    pub(crate) fn is_open(&self) -> bool {
        self.session.as_ref().is_some_and(|session| !session.is_handshaking())
    }

    /// True if the proxy could have sent close_notify, and did not.
    pub(crate) fn is_left_untold(&self) -> bool {
        self.is_open() && !self.was_told_end && self.failed_at.is_none() && !self.forged
    }

    /// Bytes of progress, to be compared.
    pub(crate) fn progress(&self) -> (usize, usize) {
        (self.read, self.pushed)
    }

    /// Which of the proxy's certificates it was shown.
    pub(crate) fn certificate(&self) -> Option<usize> {
        configs::which(self.session.as_ref()?.peer_certificates()?.first()?)
    }

    pub(crate) fn plan(&self) -> &TlsPlan {
        &self.plan
    }
}

/// Splits a handshake message into many records.
fn fragmented(record: &[u8], size: usize) -> Vec<u8> {
    let (header, message) = record.split_at(HEADER);
    let mut out = Vec::new();
    for part in message.chunks(size) {
        out.extend_from_slice(&header[..3]);
        out.extend_from_slice(&u16::try_from(part.len()).unwrap().to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}
