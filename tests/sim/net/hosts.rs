//! The far ends of the sockets: what peers do, and what their hosts do for them.

use ringway::engine::Fault;

use super::{ALL, HANGUP, READ, Readiness, SimNet, WRITE};

impl SimNet {
    pub(crate) fn peer_write(&mut self, sock: usize, bytes: &[u8]) -> usize {
        let this = &mut self.socks[sock];
        if !this.open {
            // The host answers for a socket that is gone: with a reset.
            this.broken = true;
            return bytes.len();
        }
        if this.broken {
            return bytes.len();
        }
        if let Some(tls) = &mut this.tls {
            return tls.say(bytes);
        }
        self.write_raw(sock, bytes)
    }

    fn write_raw(&mut self, sock: usize, bytes: &[u8]) -> usize {
        let this = &mut self.socks[sock];
        let n = this.to_proxy.room().min(bytes.len());
        this.to_proxy.bytes.extend(&bytes[..n]);
        if n > 0 {
            self.say(|| format!("{} writes {n}", self.name(sock)));
            self.happened(sock, READ);
        }
        n
    }

    /// Passes on what the peer's TLS has to send, up to `max` bytes, and the end behind it.
    pub(crate) fn peer_pump(&mut self, sock: usize, max: usize) {
        let this = &mut self.socks[sock];
        let Some(tls) = &mut this.tls else { return };
        let gone = !this.open || this.broken;
        let max = max.max(tls.plan().min_piece);
        let bytes = tls.next(if gone { usize::MAX } else { this.to_proxy.room().min(max) });
        let finished = tls.is_flushed() && this.ends_when_flushed && !this.peer_ended;
        if gone {
            this.broken = true;
        } else if !bytes.is_empty() {
            self.write_raw(sock, &bytes);
        }
        if finished {
            self.peer_fin(sock);
        }
    }

    /// Finishes sending: with a word in TLS, and without the end of the connection if that comes later.
    pub(crate) fn peer_end(&mut self, sock: usize, says_so: bool) {
        let this = &mut self.socks[sock];
        let Some(tls) = &mut this.tls else { return self.peer_fin(sock) };
        if says_so {
            tls.say_goodbye();
        }
        if tls.plan().ends_at_once || !says_so {
            this.ends_when_flushed = true;
        }
        self.peer_pump(sock, usize::MAX);
    }

    /// True if the peer's TLS session has sent everything.
    pub(crate) fn is_pumped(&self, sock: usize) -> bool {
        let this = &self.socks[sock];
        !this.open || this.broken || this.tls.as_ref().is_none_or(|tls| tls.is_flushed())
    }

    pub(crate) fn peer_read(&mut self, sock: usize, max: usize) -> Vec<u8> {
        let this = &mut self.socks[sock];
        let max = this.tls.as_ref().map_or(max, |tls| max.max(tls.plan().min_piece));
        let n = this.to_peer.bytes.len().min(max);
        let mut out = vec![0; n];
        this.to_peer.take_into(&mut out);
        this.acknowledged += n as u64;
        if let Some(tls) = &mut this.tls {
            out = tls.advance(n);
        }
        if n > 0 {
            self.say(|| format!("{} reads {n}", self.name(sock)));
            // The kernel tells of room once there is a good deal of it.
            let this = &self.socks[sock];
            if self.plan.readiness == Readiness::Asked || this.to_peer.room() * 3 >= this.to_peer.capacity {
                self.happened(sock, WRITE);
            }
        }
        out
    }

    /// True if the peer has read everything that will ever come.
    pub(crate) fn peer_sees_end(&self, sock: usize) -> bool {
        let this = &self.socks[sock];
        this.to_peer.bytes.is_empty() && (this.shut || !this.open || this.broken)
    }

    pub(crate) fn peer_sees_reset(&self, sock: usize) -> bool {
        let this = &self.socks[sock];
        this.to_peer.bytes.is_empty() && (this.broken || this.reset_by_proxy)
    }

    pub(crate) fn unread_by_peer(&self, sock: usize) -> usize {
        self.socks[sock].to_peer.bytes.len()
    }

    pub(crate) fn peer_fin(&mut self, sock: usize) {
        self.say(|| format!("{} ends", self.name(sock)));
        self.socks[sock].peer_ended = true;
        self.happened(sock, READ | HANGUP);
    }

    pub(crate) fn peer_reset(&mut self, sock: usize, fault: Fault) {
        self.say(|| format!("{} resets: {fault:?}", self.name(sock)));
        let keep = self.rng.chance(50);
        let this = &mut self.socks[sock];
        if !keep {
            this.to_proxy.bytes.clear();
        }
        this.to_peer.bytes.clear();
        this.broken = true;
        this.error = Some(fault);
        self.happened(sock, ALL);
    }

    /// The peer gives its socket up: what it has not read, or is sent later, makes it a reset.
    pub(crate) fn peer_close(&mut self, sock: usize) {
        self.say(|| format!("{} closes", self.name(sock)));
        let this = &mut self.socks[sock];
        this.peer_left = true;
        if !this.to_peer.bytes.is_empty() {
            self.peer_reset(sock, Fault::Reset);
        } else if !self.socks[sock].peer_ended {
            self.peer_fin(sock);
        }
    }

    pub(crate) fn connected(&mut self, sock: usize) {
        if self.socks[sock].open {
            self.socks[sock].connected = true;
            self.happened(sock, WRITE);
            self.poke(sock);
        }
    }

    pub(crate) fn not_connected(&mut self, sock: usize) {
        if self.socks[sock].open {
            self.socks[sock].broken = true;
            self.happened(sock, ALL);
        }
    }
}
