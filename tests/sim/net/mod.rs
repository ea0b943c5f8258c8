//! The network: pairs of bounded byte queues, with readiness by the contract of `ringway::engine::transport`.
//!
//! Two readings of that contract are played. [`Readiness::Kept`] does what the real transport does: readiness is kept
//! until a call proves otherwise, and only news steps the owner. [`Readiness::Asked`] does the least that the contract
//! promises: only a call that was blocked or cut short is told of.

mod checks;
mod hosts;
mod transport;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use ringway::engine::{Fault, Slot, Socket};

use crate::operator::Ask;
use crate::peer::PeerPlan;
use crate::rng::Rng;
use crate::tls::TlsPlan;
use crate::tls::configs::Config;
use crate::tls::end::TlsEnd;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Kept,
    Asked,
}

/// The outcome of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DialPlan {
    Connect(u64),
    RefusedAtOnce,
    Fails(u64, Fault),
    Never,
    NoDescriptors,
}

#[derive(Clone, Debug)]
pub(crate) struct NetPlan {
    pub(crate) readiness: Readiness,
    /// Percent of calls that do less than they could.
    pub(crate) short: usize,
    /// Percent of steps that are followed by one without a cause.
    pub(crate) spurious: usize,
    /// Bytes each queue holds.
    pub(crate) capacity: (usize, usize),
}

/// An event that is due later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    Accept(usize),
    /// A peer, twice the connection's number, one more for an upstream.
    Act(usize),
    Ready(usize, u8),
    Connected(usize),
    NotConnected(usize),
    Step(u32),
    /// The upstream's addresses change.
    Move,
    /// The validation of the one route changes.
    Revise,
    /// The channels of the one route change.
    Channels,
    /// Something happens to the keys.
    Keys(usize),
    /// The operator does something.
    Order(usize),
    /// The next page of one of the operator's listings.
    Page(usize),
    Drain,
}

pub(crate) const READ: u8 = 1;
pub(crate) const WRITE: u8 = 2;
pub(crate) const HANGUP: u8 = 4;
pub(crate) const ERROR: u8 = 8;
const ALL: u8 = READ | WRITE | HANGUP | ERROR;

/// The calendar's time when a run begins: 1 January 2026.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

#[derive(Debug, Default)]
pub(crate) struct Queue {
    bytes: VecDeque<u8>,
    capacity: usize,
}

impl Queue {
    fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    fn take_into(&mut self, into: &mut [u8]) {
        let (left, right) = self.bytes.as_slices();
        let first = left.len().min(into.len());
        let (start, rest) = into.split_at_mut(first);
        start.copy_from_slice(&left[..first]);
        rest.copy_from_slice(&right[..rest.len()]);
        self.bytes.drain(..into.len());
    }
}

#[derive(Debug)]
pub(crate) struct Sock {
    pub(crate) connection: usize,
    pub(crate) is_upstream: bool,
    owner: Option<Slot>,
    pub(crate) open: bool,
    pub(crate) connected: bool,
    to_proxy: Queue,
    to_peer: Queue,
    /// The peer has finished sending.
    peer_ended: bool,
    /// The peer finishes sending once its TLS has sent all.
    ends_when_flushed: bool,
    /// The peer does not read any more: what is sent to it comes back as a reset.
    peer_left: bool,
    broken: bool,
    error: Option<Fault>,
    flags: u8,
    asked: u8,
    pub(crate) shut: bool,
    /// The proxy closed it with bytes unread.
    pub(crate) reset_by_proxy: bool,
    /// The proxy reset it on purpose.
    pub(crate) aborted: bool,
    /// Bytes that the peer has taken, which its host acknowledges then.
    acknowledged: u64,
    /// How the peer speaks TLS, if it does. What was received and sent is counted decrypted then.
    pub(crate) tls: Option<Box<TlsEnd>>,
    /// The proxy closed the connection without a close_notify.
    pub(crate) left_untold: bool,
    /// The host that was dialled decides what is said.
    pub(crate) answer: Option<PeerPlan>,
    pub(crate) received: usize,
    pub(crate) sent: Vec<u8>,
    /// Bytes taken from this side, by how many had gone to the other: when memory was held.
    pub(crate) marks: Vec<(usize, usize)>,
}

/// The network's state of a connection.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) client: Option<usize>,
    pub(crate) upstream: Option<usize>,
    pub(crate) dials: VecDeque<DialPlan>,
    pub(crate) dialled: Vec<(usize, SocketAddr)>,
    /// Client bytes that make its whole and valid request; `None` if it never sends one.
    pub(crate) request_len: Option<usize>,
    /// Upstream bytes that make its whole and valid 101.
    pub(crate) agreed_len: Option<usize>,
    /// How the client and the upstream speak TLS.
    pub(crate) tls: [Option<(TlsPlan, Config)>; 2],
    /// The client's request, where the scene has more than one API.
    pub(crate) ask: Option<Ask>,
    /// When the client was sent its first byte.
    pub(crate) answered_at: Option<u64>,
}

/// The peer at an address, for scenes in which it does not depend on the connection that dials.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// The outcome of each dial, and the longest time that it takes.
    pub(crate) dial: DialPlan,
    pub(crate) tls: Option<(TlsPlan, Config)>,
    /// The words that are said there, where that does not depend on who dials.
    pub(crate) answer: Option<PeerPlan>,
    /// The host that is there from some moment on.
    pub(crate) later: Option<(u64, Box<Host>)>,
}

#[derive(Debug)]
pub(crate) struct SimNet {
    pub(crate) now: u64,
    /// The calendar's time when the run began, as the wall clock has it now.
    pub(super) epoch: Duration,
    pub(crate) rng: Rng,
    pub(crate) plan: NetPlan,
    pub(crate) socks: Vec<Sock>,
    pub(crate) lines: Vec<Line>,
    pub(crate) line_of: HashMap<u32, usize>,
    pub(crate) ready: VecDeque<Slot>,
    pub(crate) later: Vec<(u64, Event)>,
    pub(crate) faults: Vec<String>,
    pub(crate) nonces: Vec<[u8; 8]>,
    /// Bytes moved: what tells a step that did something from one that did not.
    pub(crate) moved: u64,
    pub(crate) trace: bool,
    /// Clients are spoken to in TLS.
    pub(crate) alerts: bool,
    /// The peers by address; empty if the connection that dials decides.
    pub(crate) hosts: HashMap<SocketAddr, Host>,
}

impl SimNet {
    pub(crate) fn new(rng: Rng, plan: NetPlan, lines: Vec<Line>, trace: bool) -> Self {
        Self {
            now: 0,
            epoch: EPOCH,
            rng,
            plan,
            socks: Vec::new(),
            lines,
            line_of: HashMap::new(),
            ready: VecDeque::new(),
            later: Vec::new(),
            faults: Vec::new(),
            nonces: Vec::new(),
            moved: 0,
            trace,
            alerts: false,
            hosts: HashMap::new(),
        }
    }

    /// Sets the wall clock by so many seconds, forward or back.
    pub(crate) fn jump(&mut self, by: i64) {
        let seconds = Duration::from_secs(by.unsigned_abs());
        self.epoch = if by < 0 { self.epoch - seconds } else { self.epoch + seconds };
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>8} {}", self.now, text());
        }
    }

    fn fault(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.say(|| format!("FAULT {text}"));
        self.faults.push(text);
    }

    fn name(&self, sock: usize) -> String {
        let this = &self.socks[sock];
        format!("{}{}", if this.is_upstream { "upstream" } else { "client" }, this.connection)
    }

    pub(crate) fn open(&mut self, connection: usize, is_upstream: bool, owner: Option<Slot>) -> usize {
        let mut queue = || {
            let (low, high) = self.plan.capacity;
            Queue { bytes: VecDeque::new(), capacity: self.rng.range(low, high) }
        };
        let (to_proxy, to_peer) = (queue(), queue());
        let own = self.lines[connection].dialled.last().filter(|_| is_upstream);
        let (tls, answer) = match own.and_then(|(_, address)| self.host(*address)) {
            Some(host) => (host.tls.clone(), host.answer.clone()),
            None => (self.lines[connection].tls[usize::from(is_upstream)].clone(), None),
        };
        let tls = tls.map(|(plan, config)| Box::new(TlsEnd::new(plan, &config, self.rng.fork())));
        self.socks.push(Sock {
            connection,
            is_upstream,
            owner,
            open: true,
            connected: !is_upstream,
            to_proxy,
            to_peer,
            peer_ended: false,
            ends_when_flushed: false,
            peer_left: false,
            broken: false,
            error: None,
            flags: if is_upstream { 0 } else { WRITE },
            asked: READ,
            shut: false,
            reset_by_proxy: false,
            aborted: false,
            acknowledged: 0,
            tls,
            left_untold: false,
            answer,
            received: 0,
            sent: Vec::new(),
            marks: Vec::new(),
        });
        self.socks.len() - 1
    }

    /// The host that is at an address now.
    fn host(&self, address: SocketAddr) -> Option<&Host> {
        let host = self.hosts.get(&address)?;
        host.later.as_ref().filter(|(at, _)| *at <= self.now).map_or(Some(host), |(_, later)| Some(later))
    }

    pub(crate) fn handle(sock: usize) -> Socket {
        Socket { index: u32::try_from(sock).unwrap_or(0), generation: 7 }
    }

    pub(crate) fn own(&mut self, sock: usize, owner: Slot) {
        self.socks[sock].owner = Some(owner);
        // Nothing was told before there was someone to tell.
        let flags = self.socks[sock].flags & (READ | HANGUP | ERROR);
        if flags != 0 {
            self.push(owner);
        }
    }

    pub(crate) fn push(&mut self, slot: Slot) {
        if !self.ready.contains(&slot) {
            self.ready.push_back(slot);
        }
    }

    /// Something came about for a socket: its owner is stepped if the contract says so.
    pub(crate) fn happened(&mut self, sock: usize, what: u8) {
        let readiness = self.plan.readiness;
        let this = &mut self.socks[sock];
        if !this.open {
            return;
        }
        let news = match readiness {
            Readiness::Kept => this.flags & what != what,
            Readiness::Asked => this.asked & what != 0 || (what & !this.flags) & (HANGUP | ERROR) != 0,
        };
        this.flags |= what;
        this.asked &= !what;
        if let (true, Some(owner)) = (news, this.owner) {
            self.push(owner);
        }
    }

    fn soon(&mut self, event: Event) {
        let at = self.now + self.rng.wait(0, 2);
        self.later.push((at, event));
    }

    fn poke(&mut self, sock: usize) {
        let this = &self.socks[sock];
        let peer = this.connection * 2 + usize::from(this.is_upstream);
        self.later.push((self.now, Event::Act(peer)));
    }

    /// Notes what is sent: the first `n` of these bytes, or what they are decrypted.
    fn account(&mut self, sock: usize, bytes: &[u8], n: usize) {
        let in_tls = self.socks[sock].is_upstream || self.alerts;
        let Some(tls) = self.socks[sock].tls.as_mut().filter(|_| in_tls) else {
            self.check_send(sock, bytes);
            self.socks[sock].sent.extend_from_slice(&bytes[..n]);
            return;
        };
        let plain = tls.observe(&bytes[..n]);
        if let Some(fault) = tls.fault.take() {
            self.fault(fault);
        }
        if !plain.is_empty() {
            self.check_send(sock, &plain);
            self.socks[sock].sent.extend_from_slice(&plain);
        }
    }

    fn check_open(&mut self, socket: Socket, call: &str) -> Option<usize> {
        let sock = socket.index as usize;
        if socket.generation != 7 || sock >= self.socks.len() {
            self.fault(format!("{call} on a socket that never was"));
            return None;
        }
        if !self.socks[sock].open {
            let name = self.name(sock);
            self.fault(format!("{call} on {name} after close"));
            return None;
        }
        Some(sock)
    }
}
