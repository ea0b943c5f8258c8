//! A peer of the proxy: a script that it says, and what it does about what it is told.

use std::collections::VecDeque;

use ringway::engine::Fault;
use tungstenite::handshake::derive_accept_key;

use crate::net::SimNet;
use crate::plain;
use crate::rng::Rng;
use crate::tls::{Goodbye, TlsPlan};
use crate::wire::{self, CLOSE, FIN, Key, PING, PONG};

#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// Whole frames.
    Say(Vec<u8>),
    /// A frame that breaks a rule, and the word for that rule. Nothing is said behind it.
    Violate(Vec<u8>, &'static str),
    Close(Option<u16>, &'static str),
    Wait(u64),
    /// Finishes sending, and goes on reading.
    End,
    Reset(Fault),
    StopReading,
    ReadAgain,
    /// Gives its socket up without a word.
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pongs {
    Now,
    /// Only the newest of those that wait is answered, after so many milliseconds (RFC 6455 section 5.5.3).
    Newest(u64),
    /// Every one, so many milliseconds late.
    Late(u64),
    Never,
}

/// An action at a byte of the stream, even inside a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    End,
    Reset,
    Leave,
    /// Says nothing more.
    Stall,
}

#[derive(Clone, Debug)]
pub(crate) struct PeerPlan {
    /// The client's request, or the upstream's answer, in which `{accept}` stands for what the key asks for.
    pub(crate) head: Vec<u8>,
    /// True if the head is a valid handshake.
    pub(crate) valid: bool,
    /// Items said right behind the head: by a client, before it has seen a 101.
    pub(crate) early: usize,
    pub(crate) items: Vec<Item>,
    pub(crate) pongs: Pongs,
    pub(crate) answers_close: bool,
    /// Milliseconds between two acts, at least and at most.
    pub(crate) pace: (u64, u64),
    pub(crate) read_max: usize,
    pub(crate) write_max: usize,
    pub(crate) cut: Option<(usize, Cut)>,
    /// Says all of its script though the other has ended.
    pub(crate) stays: bool,
    /// How it speaks TLS, if it does.
    pub(crate) tls: Option<TlsPlan>,
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) plan: PeerPlan,
    pub(crate) connection: usize,
    pub(crate) is_upstream: bool,
    rng: Rng,
    pub(crate) sock: Option<usize>,
    items: VecDeque<Item>,
    early: usize,
    pub(crate) out: Vec<u8>,
    pub(crate) wrote: usize,
    /// Bytes of the head that it said; its frames begin there.
    pub(crate) head_said: usize,
    pub(crate) given: Vec<u8>,
    /// Bytes of the head that it was given.
    pub(crate) head_given: Option<usize>,
    parsed: usize,
    open: bool,
    reading: bool,
    resume_at: u64,
    pongs: VecDeque<(u64, Vec<u8>)>,
    pub(crate) close_said: bool,
    pub(crate) close_seen: bool,
    pub(crate) violated: Option<&'static str>,
    /// Where in what it said the frame begins that broke a rule.
    pub(crate) good_until: usize,
    pub(crate) ended: bool,
    /// In TLS: it has said that it has finished.
    pub(crate) said_goodbye: bool,
    /// In TLS: a bit of what it sent is wrong.
    pub(crate) forged: bool,
    pub(crate) was_reset: bool,
    pub(crate) gone: bool,
    stalled: bool,
    pub(crate) end_seen: bool,
    pub(crate) last_act: u64,
}

impl Peer {
    pub(crate) fn new(plan: PeerPlan, connection: usize, is_upstream: bool, rng: Rng) -> Self {
        Self {
            items: plan.items.iter().cloned().collect(),
            early: plan.early,
            plan,
            connection,
            is_upstream,
            rng,
            sock: None,
            out: Vec::new(),
            wrote: 0,
            head_said: 0,
            given: Vec::new(),
            head_given: None,
            parsed: 0,
            open: false,
            reading: true,
            resume_at: 0,
            pongs: VecDeque::new(),
            close_said: false,
            close_seen: false,
            violated: None,
            good_until: usize::MAX,
            ended: false,
            said_goodbye: false,
            forged: false,
            was_reset: false,
            gone: false,
            stalled: false,
            end_seen: false,
            last_act: 0,
        }
    }

    pub(crate) fn delay(&mut self) -> u64 {
        self.rng.wait(self.plan.pace.0, self.plan.pace.1)
    }

    /// The bytes that the peer has sent, with its head.
    pub(crate) fn said(&self) -> &[u8] {
        &self.out[..self.wrote]
    }

    /// The client has its socket: it begins.
    pub(crate) fn begin(&mut self, sock: usize) {
        self.sock = Some(sock);
        self.out.clone_from(&self.plan.head);
        self.head_said = self.out.len();
    }

    fn key(&mut self) -> Key {
        (!self.is_upstream).then(|| self.rng.key())
    }

    /// Does what it can now; says when it wants to act again.
    pub(crate) fn act(&mut self, net: &mut SimNet) -> Option<u64> {
        let Some(sock) = self.sock else {
            let sock = net.lines[self.connection].upstream.filter(|sock| net.socks[*sock].connected)?;
            if let Some(answer) = net.socks[sock].answer.clone() {
                let fresh = Self::new(answer, self.connection, true, self.rng.fork());
                *self = Self { last_act: self.last_act, ..fresh };
            }
            self.sock = Some(sock);
            self.plan.tls = net.socks[sock].tls.as_ref().map(|tls| tls.plan().clone());
            return self.act(net);
        };
        if self.is_upstream && net.lines[self.connection].upstream.is_some_and(|now| now != sock) {
            // The proxy has gone on to another endpoint: what is there begins anew.
            *self = Self {
                last_act: self.last_act,
                ..Self::new(self.plan.clone(), self.connection, true, self.rng.fork())
            };
            return self.act(net);
        }
        if self.gone {
            return None;
        }
        let before = self.progress(net, sock);
        if self.reading {
            let max = self.rng.range(1, self.plan.read_max);
            let bytes = net.peer_read(sock, max);
            self.given.extend_from_slice(&bytes);
            self.understand(net);
        }
        if net.peer_sees_reset(sock) {
            (self.gone, self.was_reset) = (true, true);
            return None;
        }
        self.answer_pings(net.now);
        self.go_on(net, sock);
        self.write(net, sock);
        self.pump(net, sock);
        self.see_end(net, sock);
        let moved = before != self.progress(net, sock);
        if moved {
            self.last_act = net.now;
        }
        if self.gone {
            return None;
        }
        let more = self.reading && net.unread_by_peer(sock) > 0;
        let waits = (!self.items.is_empty() && self.resume_at > net.now)
            .then_some(self.resume_at - net.now.min(self.resume_at));
        let pong = self.pongs.front().map(|(due, _)| due.saturating_sub(net.now).max(1));
        let again = (more || moved).then(|| self.delay());
        [again, waits, pong].into_iter().flatten().min()
    }

    /// The peer's progress, for comparison with an earlier one.
    fn progress(&self, net: &SimNet, sock: usize) -> (usize, usize, usize, Option<(usize, usize)>) {
        let tls = net.socks[sock].tls.as_ref().map(|tls| tls.progress());
        (self.given.len(), self.wrote, self.items.len(), tls)
    }

    /// Sends on what TLS made of its words, and notes what came of that.
    fn pump(&mut self, net: &mut SimNet, sock: usize) {
        if self.gone || net.socks[sock].tls.is_none() {
            return;
        }
        let max = self.rng.range(1, self.plan.write_max);
        net.peer_pump(sock, max);
        let Some(tls) = &net.socks[sock].tls else { return };
        self.forged |= tls.forged;
        self.good_until = self.good_until.min(tls.good_until.unwrap_or(usize::MAX));
        if let Some(cut) = tls.cut() {
            match cut {
                Cut::End => {
                    self.ended = true;
                    self.items.clear();
                    net.peer_fin(sock);
                }
                cut => self.cut(cut, net, sock),
            }
        } else if tls.has_given_up() {
            self.end(net, sock);
        }
    }

    fn understand(&mut self, net: &mut SimNet) {
        if self.head_given.is_none() {
            if !self.is_upstream && plain::without_interim(&self.given).is_empty() {
                // The answer itself is to come.
                return;
            }
            let Some(len) = wire::head_len(&self.given) else { return };
            self.head_given = Some(len);
            self.parsed = len;
            if self.is_upstream {
                let key = wire::header_value(&self.given[..len], "sec-websocket-key").unwrap_or_default();
                let head =
                    String::from_utf8_lossy(&self.plan.head).replace("{accept}", &derive_accept_key(key.as_bytes()));
                // A head that is no text has no place for an accept value either.
                let head = if self.plan.valid || head.is_ascii() { head.into_bytes() } else { self.plan.head.clone() };
                self.head_said = head.len();
                if self.plan.valid {
                    net.lines[self.connection].agreed_len = Some(head.len());
                }
                self.out.extend_from_slice(&head);
                self.open = true;
            } else if wire::status(&self.given) == 101 {
                self.open = true;
            } else {
                self.items.clear();
            }
        }
        while let Some(frame) =
            wire::find_header(&self.given, self.parsed).filter(|frame| frame.end <= self.given.len())
        {
            self.parsed = frame.end;
            match frame.opcode() {
                PING => {
                    let body = frame.body(&self.given);
                    match self.plan.pongs {
                        Pongs::Now => self.pongs.push_back((net.now, body)),
                        Pongs::Late(by) => self.pongs.push_back((net.now + by, body)),
                        Pongs::Newest(by) => {
                            let due = self.pongs.pop_front().map_or(net.now + by, |(due, _)| due);
                            self.pongs.clear();
                            self.pongs.push_back((due, body));
                        }
                        Pongs::Never => {}
                    }
                }
                CLOSE => self.answer_close(frame.close(&self.given).0),
                _ => {}
            }
        }
    }

    fn answer_pings(&mut self, now: u64) {
        while self.pongs.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, body)) = self.pongs.pop_front() else { return };
            if self.may_speak() {
                let key = self.key();
                self.out.extend(wire::frame(FIN | PONG, key, &body));
            }
        }
    }

    fn may_speak(&self) -> bool {
        !self.close_said && !self.ended && self.violated.is_none()
    }

    fn answer_close(&mut self, code: u16) {
        self.close_seen = true;
        if !self.plan.answers_close {
            return;
        }
        self.items.clear();
        if self.may_speak() {
            let key = self.key();
            self.out.extend(wire::close_frame(key, (code != 1005).then_some(code), ""));
            self.close_said = true;
        }
        if self.is_upstream {
            // RFC 6455 section 7.1.1: the server ends the connection first.
            self.items.push_back(Item::End);
        }
    }

    fn go_on(&mut self, net: &mut SimNet, sock: usize) {
        while self.wrote == self.out.len() || (self.early > 0 && self.may_speak() && self.head_said > 0) {
            if net.now < self.resume_at || self.stalled || !(self.open || self.early > 0) || self.head_said == 0 {
                return;
            }
            let Some(item) = self.items.pop_front() else { return };
            self.early = self.early.saturating_sub(1);
            match item {
                Item::Say(bytes) if self.may_speak() => self.out.extend_from_slice(&bytes),
                Item::Violate(bytes, word) if self.may_speak() => {
                    self.good_until = self.out.len();
                    self.out.extend_from_slice(&bytes);
                    self.violated = Some(word);
                }
                Item::Close(code, reason) if self.may_speak() => {
                    let key = self.key();
                    self.out.extend(wire::close_frame(key, code, reason));
                    self.close_said = true;
                }
                Item::Say(_) | Item::Violate(..) | Item::Close(..) => {}
                Item::Wait(wait) => self.resume_at = net.now + wait,
                Item::End => {
                    if self.wrote < self.out.len() {
                        self.items.push_front(Item::End);
                        return;
                    }
                    self.end(net, sock);
                }
                Item::Reset(fault) => {
                    (self.gone, self.was_reset) = (true, true);
                    net.peer_reset(sock, fault);
                    return;
                }
                Item::StopReading => self.reading = false,
                Item::ReadAgain => self.reading = true,
                Item::Leave => return self.leave(net, sock),
            }
        }
    }

    fn write(&mut self, net: &mut SimNet, sock: usize) {
        if self.gone || self.ended || self.stalled {
            return;
        }
        let limit = self.plan.cut.map_or(self.out.len(), |(at, _)| at.min(self.out.len()));
        let limit = limit.min(self.wrote + self.rng.range(1, self.plan.write_max));
        if self.wrote < limit {
            self.wrote += net.peer_write(sock, &self.out[self.wrote..limit]);
        }
        match self.plan.cut {
            Some((at, cut)) if self.wrote >= at => self.cut(cut, net, sock),
            _ => {}
        }
    }

    fn cut(&mut self, cut: Cut, net: &mut SimNet, sock: usize) {
        match cut {
            Cut::End => self.end(net, sock),
            Cut::Reset => {
                (self.gone, self.was_reset) = (true, true);
                net.peer_reset(sock, Fault::Reset);
            }
            Cut::Leave => self.leave(net, sock),
            Cut::Stall => self.stalled = true,
        }
    }

    fn end(&mut self, net: &mut SimNet, sock: usize) {
        if !self.ended {
            self.ended = true;
            self.items.clear();
            self.said_goodbye = self.plan.tls.as_ref().is_some_and(|tls| match tls.goodbye {
                Goodbye::Said => true,
                Goodbye::UnlessClosed => !self.close_said,
                Goodbye::Unsaid => false,
            });
            net.peer_end(sock, self.said_goodbye);
        }
    }

    fn leave(&mut self, net: &mut SimNet, sock: usize) {
        self.gone = true;
        self.ended = true;
        net.peer_close(sock);
    }

    fn see_end(&mut self, net: &mut SimNet, sock: usize) {
        if self.gone || !self.reading || !net.peer_sees_end(sock) {
            return;
        }
        if !self.end_seen {
            self.end_seen = true;
            self.pongs.clear();
            if !self.plan.stays {
                self.items.clear();
            }
        }
        let all_said = self.wrote == self.out.len() && (self.items.is_empty() || self.close_said);
        let shaking_hands = net.socks[sock].tls.as_ref().is_some_and(|tls| !tls.is_open());
        if self.stalled || shaking_hands {
            self.leave(net, sock);
        } else if all_said || self.ended {
            self.end(net, sock);
            if net.is_pumped(sock) {
                self.leave(net, sock);
            }
        }
    }
}
