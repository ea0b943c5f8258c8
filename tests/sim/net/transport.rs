//! The calls that the proxy makes, and the rules of the contract for whoever makes them.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use ringway::engine::{Fault, Figures, Received, Sent, Slot, Socket, Time, Transport};

use super::{DialPlan, ERROR, Event, HANGUP, READ, Readiness, SimNet, WRITE};

impl Transport for SimNet {
    fn now(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.epoch + Duration::from_millis(self.now)
    }

    fn recv(&mut self, socket: Socket, into: &mut [u8]) -> Received {
        let Some(sock) = self.check_open(socket, "recv") else { return Received::Failed(Fault::Reset) };
        if into.is_empty() {
            self.fault("recv into nothing");
            return Received::Blocked;
        }
        let short = self.rng.chance(self.plan.short);
        let share = self.rng.range(1, into.len().min(2000));
        let reluctant = self.plan.readiness == Readiness::Asked && short && share.is_multiple_of(5);
        let kept = self.plan.readiness == Readiness::Kept;
        let this = &mut self.socks[sock];
        if (kept && this.flags & READ == 0) || !(this.connected || this.broken) {
            this.asked |= READ;
            return Received::Blocked;
        }
        let there = this.to_proxy.bytes.len();
        if there > 0 {
            if reluctant {
                this.asked |= READ;
                self.soon(Event::Ready(sock, READ));
                return Received::Blocked;
            }
            let n = there.min(into.len()).min(if short { share } else { usize::MAX });
            this.to_proxy.take_into(&mut into[..n]);
            match &mut this.tls {
                Some(tls) => this.received = tls.taken(n),
                None => this.received += n,
            }
            if kept && n < into.len() && this.flags & (HANGUP | ERROR) == 0 {
                this.flags &= !READ;
                if n < there {
                    // As if these had come just behind.
                    self.soon(Event::Ready(sock, READ));
                }
            }
            self.moved += n as u64;
            self.mark(sock);
            self.poke(sock);
            self.say(|| format!("  recv {} {n} of {there}", self.name(sock)));
            return Received::Bytes(n);
        }
        if let Some(fault) = this.error.take() {
            self.say(|| format!("  recv {} fails: {fault:?}", self.name(sock)));
            return Received::Failed(fault);
        }
        if this.peer_ended || this.broken {
            self.say(|| format!("  recv {} end", self.name(sock)));
            return Received::End;
        }
        this.flags &= !READ;
        this.asked |= READ;
        Received::Blocked
    }

    fn send(&mut self, socket: Socket, bytes: &[u8]) -> Sent {
        let Some(sock) = self.check_open(socket, "send") else { return Sent::Failed(Fault::Reset) };
        if bytes.is_empty() {
            self.fault("send of nothing");
            return Sent::Blocked;
        }
        if self.socks[sock].shut {
            let name = self.name(sock);
            self.fault(format!("send to {name} after shutdown"));
        }
        let short = self.rng.chance(self.plan.short);
        let share = self.rng.range(1, bytes.len().min(3000));
        let reluctant = self.plan.readiness == Readiness::Asked && short && share.is_multiple_of(5);
        let kept = self.plan.readiness == Readiness::Kept;
        let this = &mut self.socks[sock];
        if kept && this.flags & WRITE == 0 {
            return Sent::Blocked;
        }
        if this.broken {
            let fault = this.error.take().unwrap_or(Fault::Reset);
            self.say(|| format!("  send {} fails: {fault:?}", self.name(sock)));
            return Sent::Failed(fault);
        }
        if !this.connected {
            this.asked |= WRITE;
            return Sent::Blocked;
        }
        let room = this.to_peer.room();
        if room == 0 || reluctant {
            this.flags &= !WRITE;
            this.asked |= WRITE;
            if room > 0 {
                self.soon(Event::Ready(sock, WRITE));
            }
            return Sent::Blocked;
        }
        let n = room.min(bytes.len()).min(if short { share } else { usize::MAX });
        self.account(sock, bytes, n);
        let this = &mut self.socks[sock];
        this.to_peer.bytes.extend(&bytes[..n]);
        let left = this.peer_left;
        if n < bytes.len() {
            this.flags &= !WRITE;
            this.asked |= WRITE;
            if n < room {
                self.soon(Event::Ready(sock, WRITE));
            }
        }
        self.moved += n as u64;
        self.say(|| format!("  send {} {n} of {}", self.name(sock), bytes.len()));
        if left {
            self.peer_reset(sock, Fault::Reset);
        }
        self.poke(sock);
        Sent::Bytes(n)
    }

    fn hung_up(&self, socket: Socket) -> bool {
        let sock = &self.socks[socket.index as usize];
        assert!(sock.open, "hung_up after close");
        sock.flags & (HANGUP | ERROR) != 0
    }

    fn unacknowledged(&self, socket: Socket) -> usize {
        let sock = &self.socks[socket.index as usize];
        assert!(sock.open, "unacknowledged after close");
        sock.to_peer.bytes.len()
    }

    fn acknowledged(&self, socket: Socket) -> u64 {
        let sock = &self.socks[socket.index as usize];
        assert!(sock.open, "acknowledged after close");
        sock.acknowledged
    }

    fn dial(&mut self, owner: Slot, _from: Option<IpAddr>, to: SocketAddr) -> Result<Socket, Fault> {
        let Some(connection) = self.line_of.get(&owner.0).copied() else {
            self.fault("a dial by nobody");
            return Err(Fault::Unreachable);
        };
        let host = self.host(to).map(|host| host.dial);
        let line = &mut self.lines[connection];
        let received = line.client.map_or(0, |client| self.socks[client].received);
        let whole = line.request_len.is_some_and(|len| received >= len);
        let plan = match host {
            None => line.dials.pop_front().unwrap_or(DialPlan::RefusedAtOnce),
            Some(DialPlan::Connect(most)) => DialPlan::Connect(self.rng.wait(0, most)),
            Some(DialPlan::Fails(most, fault)) => DialPlan::Fails(self.rng.wait(0, most), fault),
            Some(plan) => plan,
        };
        let sock = self.socks.len();
        line.dialled.push((sock, to));
        let early = line.upstream.is_some_and(|upstream| !self.socks[upstream].sent.is_empty());
        let answered = line.client.is_some_and(|client| !self.socks[client].sent.is_empty());
        self.say(|| format!("  dial {to}: {plan:?}"));
        if !whole {
            self.fault("dialled before the request was whole and valid");
        }
        if early && self.hosts.is_empty() {
            self.fault("the one endpoint was dialled again after the request had begun");
        }
        if answered {
            self.fault("dialled after the client was answered");
        }
        let event = match plan {
            DialPlan::RefusedAtOnce => return Err(Fault::Refused),
            DialPlan::NoDescriptors => return Err(Fault::NoDescriptors),
            DialPlan::Never => None,
            DialPlan::Connect(wait) => Some((self.now + wait, Event::Connected(sock))),
            DialPlan::Fails(wait, _) => Some((self.now + wait, Event::NotConnected(sock))),
        };
        self.later.extend(event);
        let sock = self.open(connection, true, Some(owner));
        if let DialPlan::Fails(_, fault) = plan {
            self.socks[sock].error = Some(fault);
        }
        self.lines[connection].upstream = Some(sock);
        Ok(Self::handle(sock))
    }

    fn shutdown(&mut self, socket: Socket) {
        let Some(sock) = self.check_open(socket, "shutdown") else { return };
        self.say(|| format!("  shutdown {}", self.name(sock)));
        if self.socks[sock].tls.as_ref().is_some_and(|tls| tls.is_left_untold()) {
            let name = self.name(sock);
            self.fault(format!("the end of {name}'s connection without close_notify"));
        }
        self.socks[sock].shut = true;
        self.poke(sock);
    }

    fn abort(&mut self, socket: Socket) {
        let Some(sock) = self.check_open(socket, "abort") else { return };
        self.say(|| format!("  abort {}", self.name(sock)));
        if !self.socks[sock].to_peer.bytes.is_empty() {
            let name = self.name(sock);
            self.fault(format!("a reset that destroys what {name} has not taken yet"));
        }
        let this = &mut self.socks[sock];
        (this.open, this.aborted, this.reset_by_proxy) = (false, true, true);
        self.poke(sock);
    }

    fn close(&mut self, socket: Socket) {
        let Some(sock) = self.check_open(socket, "close") else { return };
        self.say(|| format!("  close {}", self.name(sock)));
        let this = &mut self.socks[sock];
        this.open = false;
        this.left_untold = this.tls.as_ref().is_some_and(|tls| tls.is_left_untold()) && !this.broken && !this.peer_left;
        if !this.to_proxy.bytes.is_empty() {
            // As harsh as a host may be: what was on its way is lost.
            this.reset_by_proxy = true;
            this.to_peer.bytes.clear();
        }
        self.poke(sock);
    }

    fn wake(&mut self, slot: Slot) {
        self.push(slot);
    }

    fn random(&mut self, into: &mut [u8]) {
        for byte in into.iter_mut() {
            *byte = self.rng.byte();
        }
        if let Ok(nonce) = <[u8; 8]>::try_from(&*into) {
            self.nonces.push(nonce);
        }
    }

    fn figures(&self) -> Figures {
        Figures::default()
    }
}
