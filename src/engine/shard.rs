//! The loop: take completions, mark connections ready, accept, take commands and mail, expire deadlines, step what is
//! ready, enter the ring.
//!
//! Fairness: each turn has a bounded number of steps, accepts, commands and mails, so that none of them waits for ever
//! under any load. A connection that used up its budget goes to the end of the list.

use std::io;
use std::time::Duration;

use super::listener::{Accepted, Inlet, Listener};
use super::mailbox::Mailbox;
use super::net::{Net, arm_plain};
use super::plan::Wait;
use super::ring::Enter;
use super::time::Time;
use super::transport::{Next, Service, Transport};
use super::wheel::Wheel;
use crate::invariant::Invariant;

/// Steps in one turn.
const STEPS_PER_TURN: usize = 128;
/// Steps in one turn that use up their budget: each moves a megabyte or two.
const LONG_STEPS_PER_TURN: usize = 4;
/// Commands taken in one turn.
const COMMANDS_PER_TURN: usize = 64;
/// Mails taken in one turn.
const MAILS_PER_TURN: usize = 256;
/// Connections that each listener accepts in one turn.
const ACCEPTS_PER_TURN: usize = 64;
/// Times the loop enters the ring in one turn while it accepts connections. An enter that does not wait delivers some
/// twenty completions, and the accepts of one turn cause many more. At other times one enter is enough, and cheaper.
const ENTERS_WHILE_ACCEPTING: usize = 8;
/// A pause of the whole process (SIGSTOP, a suspended virtual machine) after which all completions are taken before any
/// deadline expires: peers may have sent in time.
const LONG_PAUSE: Duration = Duration::from_secs(1);
/// The pause of a listener that could not even turn a client away.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Tokens that are not sockets. A socket has one of these only after its generation has wrapped around.
const BELL: u64 = u64::MAX - 1;
const FIRST_LISTENER: u64 = u64::MAX - 1024;

/// A listener in the loop.
struct Source {
    listener: Listener,
    /// Connections may be waiting.
    pending: bool,
    /// The listener accepts nothing before this moment.
    paused_until: Option<Time>,
}

pub(super) struct Shard<S: Service> {
    service: S,
    net: Net,
    wheel: Wheel,
    mailbox: Mailbox<S::Command, S::Mail>,
    /// True if the bell has rung since the mailbox was emptied.
    rung: bool,
    /// True if the last turn may have left something in the mailbox.
    unread: bool,
    sources: Vec<Source>,
    /// True if any source has connections pending or is paused.
    arriving: bool,
    wait: Wait,
    /// The moment at which the last sleep should have ended.
    awake_at: Time,
    /// True if there was something to do in this turn.
    worked: bool,
    /// The moment since which there has been nothing to do.
    resting: Option<Time>,
}

impl<S: Service> Shard<S> {
    /// Makes a shard that belongs to the calling thread.
    pub(super) fn new(
        service: S,
        mut net: Net,
        listeners: Vec<Inlet>,
        mailbox: Mailbox<S::Command, S::Mail>,
        wait: Wait,
    ) -> io::Result<Self> {
        let now = net.now();
        arm_plain(&mut net.ring, mailbox.fd(), BELL);
        let mut sources = Vec::new();
        for (token, inlet) in (FIRST_LISTENER..BELL).zip(listeners) {
            let listener = Listener::new(inlet);
            arm_plain(&mut net.ring, listener.fd(), token);
            sources.push(Source { listener, pending: true, paused_until: None });
        }
        Ok(Self {
            service,
            net,
            wheel: Wheel::new(now),
            mailbox,
            rung: true,
            unread: false,
            sources,
            arriving: true,
            wait,
            awake_at: now,
            worked: true,
            resting: None,
        })
    }

    /// Runs until the service is finished.
    pub(super) fn run(&mut self) -> io::Result<()> {
        loop {
            let paused = self.look_at_the_clock();
            self.take_completions();
            while paused && self.net.ring.has_deferred() {
                self.net.ring.enter(Enter::Now)?;
                self.take_completions();
            }
            self.accept();
            self.take_commands_and_mail();
            self.expire();
            self.step_what_is_ready();
            // Clients that came before the listeners closed are still served, or refused.
            if self.service.is_finished() && self.sources.is_empty() {
                return Ok(());
            }
            self.enter()?;
        }
    }

    /// Sets the time of the turn: `true` if much more time has passed than the shard meant to sleep.
    fn look_at_the_clock(&mut self) -> bool {
        let (now, slept_until) = (Time::of_the_clock(), self.net.now().max(self.awake_at));
        self.net.set_now(now);
        if let Some(since) = self.resting.take() {
            self.net.rested(now.since(since));
        }
        now.since(slept_until) > LONG_PAUSE
    }

    fn take_completions(&mut self) {
        while let Some(completion) = self.net.ring.next_completion() {
            self.worked = true;
            match completion.token {
                BELL => {
                    self.rung = true;
                    if !completion.armed {
                        arm_plain(&mut self.net.ring, self.mailbox.fd(), BELL);
                    }
                }
                token @ FIRST_LISTENER.. => {
                    let index = usize::try_from(token.wrapping_sub(FIRST_LISTENER)).expected_or(usize::MAX);
                    // The listener may be closed by now.
                    if let Some(source) = self.sources.get_mut(index) {
                        source.pending = true;
                        self.arriving = true;
                        if !completion.armed {
                            arm_plain(&mut self.net.ring, source.listener.fd(), token);
                        }
                    }
                }
                _ => self.net.completed(completion),
            }
        }
    }

    fn accept(&mut self) {
        // A node has several listeners, and in nearly every turn none of them has connections.
        if !self.arriving && self.service.is_accepting() {
            return;
        }
        let now = self.net.now();
        for (index, source) in (0..).zip(&mut self.sources) {
            if source.paused_until.is_some_and(|until| until > now) {
                continue;
            }
            source.paused_until = None;
            let mut left = if source.pending { ACCEPTS_PER_TURN } else { 0 };
            while left > 0 {
                left = left.saturating_sub(1);
                match source.listener.accept() {
                    Accepted::Connection(fd, peer) => {
                        let socket = self.net.adopt(fd);
                        let owner = self.service.accept(&mut self.net, socket, peer, index);
                        self.net.own(socket, owner);
                        if let Some(slot) = owner {
                            // The first step names the first deadline.
                            self.net.wake(slot);
                        }
                    }
                    Accepted::TurnedAway => {}
                    Accepted::Empty => {
                        source.pending = false;
                        left = 0;
                    }
                    Accepted::Exhausted => {
                        source.paused_until = Some(now.after(ACCEPT_PAUSE));
                        left = 0;
                    }
                }
            }
        }
        // A listener closes only once its backlog is empty: until then the kernel gives it a share of the address's
        // connections, which would hang.
        if !self.service.is_accepting() && self.sources.iter().all(|source| !source.pending) {
            self.sources.clear();
        }
        self.arriving = self.sources.iter().any(|source| source.pending || source.paused_until.is_some());
    }

    fn take_commands_and_mail(&mut self) {
        if !self.rung && !self.unread {
            return;
        }
        self.worked = true;
        if std::mem::take(&mut self.rung) {
            self.mailbox.silence();
        }
        let (mut commands, mut mails) = (0, 0);
        while commands < COMMANDS_PER_TURN
            && let Some(command) = self.mailbox.command()
        {
            commands = usize::saturating_add(commands, 1);
            self.service.command(&mut self.net, command);
        }
        while mails < MAILS_PER_TURN
            && let Some(mail) = self.mailbox.mail()
        {
            mails = usize::saturating_add(mails, 1);
            self.service.mail(&mut self.net, mail);
        }
        self.unread = commands == COMMANDS_PER_TURN || mails == MAILS_PER_TURN;
        if !self.service.is_accepting() {
            // Each backlog is looked at once more before the listeners close.
            for source in &mut self.sources {
                source.pending = true;
            }
            self.arriving = true;
        }
    }

    fn expire(&mut self) {
        let now = self.net.now();
        let net = &mut self.net;
        self.wheel.expire(now, |slot| net.wake(slot));
        if self.service.next_housekeeping().is_some_and(|at| at <= now) {
            self.worked = true;
            self.service.housekeep(net);
        }
    }

    fn step_what_is_ready(&mut self) {
        let batch = self.net.ready_count().min(STEPS_PER_TURN);
        let mut long = 0;
        for _ in 0..batch {
            if long >= LONG_STEPS_PER_TURN {
                return;
            }
            let Some(slot) = self.net.next_ready() else { return };
            self.worked = true;
            match self.service.step(&mut self.net, slot) {
                Next::Wait(Some(deadline)) => self.wheel.arm(slot, deadline),
                Next::Wait(None) => {}
                Next::Again => {
                    self.net.wake(slot);
                    long = usize::saturating_add(long, 1);
                }
                Next::Done => self.wheel.disarm(slot),
            }
        }
    }

    fn enter(&mut self) -> io::Result<()> {
        let now = self.net.now();
        let arriving = if self.arriving { self.sources.as_slice() } else { &[] };
        let busy = self.unread
            || self.net.ready_count() > 0
            || arriving.iter().any(|source| source.pending && source.paused_until.is_none());
        if !busy {
            let pauses = arriving.iter().filter_map(|source| source.paused_until);
            let wake = pauses.chain(self.wheel.next()).chain(self.service.next_housekeeping()).min();
            // Without a deadline no sleep is too long.
            self.awake_at = wake.unwrap_or(Time::MAX);
            return self.rest(wake);
        }
        self.awake_at = now;
        let accepting = arriving.iter().any(|source| source.pending);
        for _ in 0..if accepting { ENTERS_WHILE_ACCEPTING } else { 1 } {
            if !self.net.ring.has_deferred() && !self.net.ring.has_unsubmitted() {
                break;
            }
            self.net.ring.enter(Enter::Now)?;
        }
        Ok(())
    }

    /// Waits for work, until `until` at the latest.
    fn rest(&mut self, until: Option<Time>) -> io::Result<()> {
        // If the turn found nothing to do, the rest began with the turn.
        let from = if std::mem::take(&mut self.worked) { Time::of_the_clock() } else { self.net.now() };
        self.resting = Some(from);
        match self.wait {
            Wait::Sleep => self.net.ring.enter(Enter::Wait(until.map(|at| at.since(from)))),
            // The kernel sets a flag in shared memory when it has completions.
            Wait::Poll if self.net.ring.has_deferred() || self.net.ring.has_unsubmitted() => {
                self.net.ring.enter(Enter::Now)
            }
            Wait::Poll => {
                std::hint::spin_loop();
                Ok(())
            }
        }
    }
}
