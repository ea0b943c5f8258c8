//! One side of a tunnel: its socket, the state of its stream of frames, the bytes that it has not taken yet, and its
//! pings.

use std::num::NonZeroU16;
use std::time::Duration;

use super::context::Context;
use super::end::{End, Side, SideRecord};
use super::gather;
use super::plan::CloseFrame;
use crate::engine::outbox::Outbox;
use crate::engine::{Fault, Socket, Time, Transport};
use crate::invariant::Invariant;
use crate::proto::frame::{ControlFrame, Opcode, Reserved, Sender};
use crate::proto::scan::{Control, Scanner};
use crate::proto::{close, mask};

/// The payload length of our own pings: enough that no ping of the other side has the same payload by chance.
const NONCE_BYTES: usize = 8;

#[derive(Debug)]
pub(super) struct Leg {
    pub(super) side: Side,
    pub(super) socket: Socket,
    /// Scans the frames from this side.
    pub(super) scanner: Scanner,
    pub(super) outbox: Outbox,
    /// Received and not forwarded yet: the start of a header or control frame, or bytes that came with the handshake.
    carry: Option<Box<[u8]>>,
    /// `true` if the carried bytes have never been scanned.
    fresh: bool,
    pub(super) received_bytes: u64,
    /// The time of the last sign of life: this side sent bytes, or took bytes that had been waiting.
    last_heard: Time,
    /// The time when bytes from this side were last forwarded.
    pub(super) last_forwarded: Time,
    probe: Option<Probe>,
    /// Pings of the other side that this side has not answered.
    unanswered_pings: u8,
    close_received: Option<NonZeroU16>,
    close_sent: Option<NonZeroU16>,
}

/// A check whether a side is alive.
#[derive(Clone, Copy, Debug)]
struct Probe {
    since: Time,
    /// The payload of all our pings to this side, so that a late pong is still recognised. `None` if no ping was needed
    /// yet.
    nonce: Option<[u8; NONCE_BYTES]>,
    /// Our pings without a pong so far. As many pongs are taken out of the stream, and no more.
    unanswered: u8,
    /// `true` if the side has been silent since the check began.
    open: bool,
    /// The bytes that the side's host had acknowledged when the check began, modulo 2^32. More later on are a sign of
    /// life.
    acknowledged: u32,
}

/// Both sides of a tunnel.
#[derive(Debug)]
pub(super) struct Legs {
    pub(super) client: Leg,
    pub(super) upstream: Leg,
}

impl Leg {
    pub(super) fn new(side: Side, socket: Socket, reserved: Reserved, early: Vec<u8>, now: Time) -> Self {
        let sender = match side {
            Side::Client => Sender::Client,
            Side::Upstream => Sender::Server,
        };
        Self {
            side,
            socket,
            scanner: Scanner::new(sender, reserved),
            outbox: Outbox::default(),
            fresh: !early.is_empty(),
            carry: (!early.is_empty()).then(|| early.into_boxed_slice()),
            received_bytes: 0,
            last_heard: now,
            last_forwarded: now,
            probe: None,
            unanswered_pings: 0,
            close_received: None,
            close_sent: None,
        }
    }

    /// Copies the carried bytes to the front of `scratch`. Returns their number, and whether to scan them before more
    /// are received.
    #[inline]
    pub(super) fn load_carry(&mut self, scratch: &mut [u8]) -> (usize, bool) {
        let Some(carry) = &self.carry else { return (0, false) };
        (gather::restore(carry, scratch), self.fresh)
    }

    /// Carries bytes that could not be scanned to their end.
    #[inline]
    pub(super) fn store_carry(&mut self, rest: &[u8]) {
        self.fresh = false;
        if rest.is_empty() {
            if self.carry.is_some() {
                self.carry = None;
            }
        } else {
            self.carry = Some(Box::from(rest));
        }
    }

    /// Carries bytes that nobody has looked at yet.
    pub(super) fn store_unread(&mut self, rest: &[u8]) {
        self.store_carry(rest);
        self.fresh = !rest.is_empty();
    }

    #[inline]
    pub(super) fn flush<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Result<bool, Fault> {
        if self.has_all(cx) {
            return Ok(true);
        }
        let mut progress = 0;
        let result = self.outbox.flush(self.socket, cx.net, cx.pool, &mut progress);
        if progress > 0 {
            // An open check goes by what the peer's host acknowledges, not by what ours takes.
            self.last_heard = cx.net.now();
        }
        result
    }

    /// Notes a sign of life.
    #[inline]
    pub(super) fn heard(&mut self, now: Time) {
        self.last_heard = now;
        if let Some(probe) = &mut self.probe {
            probe.open = false;
        }
    }

    /// Sends a control frame in Ringway's own name, masked towards an upstream. Call it only at a frame boundary.
    pub(super) fn send_control<T: Transport>(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        cx: &mut Context<'_, T>,
    ) -> Result<(), Fault> {
        let mask = self.mask(cx);
        let frame = ControlFrame::new(opcode, payload, mask);
        self.outbox.send(self.socket, cx.net, frame.as_bytes())
    }

    /// Sends a close frame in Ringway's own name. Call it only at a frame boundary; no frame may follow.
    pub(super) fn send_close<T: Transport>(&mut self, last: CloseFrame, cx: &mut Context<'_, T>) -> Result<(), Fault> {
        let mask = self.mask(cx);
        let frame = match last.code {
            close::NO_STATUS => ControlFrame::new(Opcode::Close, &[], mask),
            code => ControlFrame::close(code, last.reason, mask),
        };
        self.close_sent = NonZeroU16::new(last.code);
        self.outbox.send(self.socket, cx.net, frame.as_bytes())
    }

    fn mask<T: Transport>(&self, cx: &mut Context<'_, T>) -> Option<mask::Key> {
        match self.side {
            Side::Client => None,
            Side::Upstream => Some(cx.mask()),
        }
    }

    /// The code of the close frame from this side; 1005 for one without a code.
    pub(super) fn close_received(&self) -> Option<u16> {
        self.close_received.map(NonZeroU16::get)
    }

    /// The code of the close frame that was sent to this side; 1005 for one without a code.
    pub(super) fn close_sent(&self) -> Option<u16> {
        self.close_sent.map(NonZeroU16::get)
    }

    /// Notes a close frame from this side.
    pub(super) fn note_close(&mut self, control: &Control) {
        self.close_received = recorded_code(control);
    }

    /// Notes that the other side's close frame was forwarded to this side.
    pub(super) fn note_close_forwarded(&mut self, control: &Control) {
        self.close_sent = recorded_code(control);
    }

    /// Notes that a ping of the other side was forwarded to this side.
    pub(super) fn note_ping(&mut self) {
        self.unanswered_pings = self.unanswered_pings.saturating_add(1);
    }

    /// `true` if a pong of this side answers our own ping, and so is not forwarded. Any other pong answers the newest
    /// ping of the other side, and with it all earlier ones.
    pub(super) fn takes_pong(&mut self, frame: &[u8], control: &Control) -> bool {
        if let Some(Probe { nonce: Some(nonce), unanswered: 1.., .. }) = self.probe {
            let mut payload = [0; NONCE_BYTES];
            let body = frame.get(control.header_len..control.frame_len).expected_or_default();
            for (to, from) in payload.iter_mut().zip(body) {
                *to = *from;
            }
            if let Some(key) = control.mask {
                mask::apply(&mut payload, key, 0);
            }
            if body.len() == NONCE_BYTES && payload == nonce {
                if let Some(probe) = &mut self.probe {
                    probe.unanswered = probe.unanswered.saturating_sub(1);
                }
                return true;
            }
        }
        self.unanswered_pings = 0;
        false
    }

    /// Excuses the silence of a side that is not being read, because the other side takes no more bytes. Returns when
    /// to look again.
    pub(super) fn excuse_silence(&mut self, interval: Duration, now: Time) -> Time {
        self.heard(now);
        now.after(interval)
    }

    /// The time until which this side need not be checked: it was heard, has taken all bytes, and no check is open. `None`
    /// if it must be checked.
    #[inline]
    pub(super) fn is_lively_until<T: Transport>(&self, interval: Duration, cx: &Context<'_, T>) -> Option<Time> {
        let until = self.last_heard.after(interval);
        let is_checked = matches!(self.probe, Some(Probe { open: true, .. }));
        (cx.net.now() < until && !is_checked && self.has_all(cx)).then_some(until)
    }

    /// Checks whether a silent side is alive, with a ping if need be. A side whose host acknowledges what it is sent is
    /// alive, even if it answers no ping: a program may only send, or read nothing for long. `sent` scans the frames that are sent to this
    /// side: a ping fits in only at their boundary. Returns when to look again.
    ///
    /// # Errors
    /// [`End::Silent`] if the side has not answered for `pong_timeout`, and its host has acknowledged nothing;
    /// [`End::Broken`] if it cannot be sent a ping.
    pub(super) fn keep_alive<T: Transport>(
        &mut self,
        sent: &Scanner,
        interval: Duration,
        pong_timeout: Duration,
        cx: &mut Context<'_, T>,
    ) -> Result<Time, End> {
        let now = cx.net.now();
        if let Some(probe) = self.probe.filter(|probe| probe.open) {
            let given_up = probe.since.after(pong_timeout);
            if now < given_up {
                return Ok(given_up);
            }
            let has_acknowledged_all = self.has_all(cx) && cx.net.unacknowledged(self.socket) == 0;
            if !has_acknowledged_all && self.acknowledged(cx) == probe.acknowledged {
                return Err(End::Silent(self.side));
            }
            self.heard(now);
        }
        let due = self.last_heard.after(interval);
        if now < due {
            return Ok(due);
        }
        // Bytes that the side has not taken, or an unanswered ping of the other side, are as good a check as a ping of
        // ours. A peer may answer only the newest of several pings (RFC 6455 section 5.5.3), so ours must not come
        // after another.
        let is_asked = !self.has_all(cx) || self.unanswered_pings > 0;
        if !is_asked && !sent.at_boundary() {
            return Ok(now.after(pong_timeout));
        }
        let known = self.probe.map(|probe| (probe.nonce, probe.unanswered)).unwrap_or_default();
        let (nonce, unanswered) = if is_asked {
            known
        } else {
            let nonce = known.0.unwrap_or_else(|| cx.nonce());
            self.send_control(Opcode::Ping, &nonce, cx).map_err(|fault| End::Broken(self.side, fault))?;
            (Some(nonce), known.1.saturating_add(1))
        };
        let acknowledged = self.acknowledged(cx);
        self.probe = Some(Probe { since: now, nonce, unanswered, open: true, acknowledged });
        Ok(now.after(pong_timeout))
    }

    fn acknowledged<T: Transport>(&self, cx: &Context<'_, T>) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "two values are compared, and seconds lie between them")]
        let low = cx.net.acknowledged(self.socket) as u32;
        low
    }

    /// `true` if the socket has taken all bytes that were sent.
    #[inline]
    pub(super) fn has_all<T: Transport>(&self, cx: &Context<'_, T>) -> bool {
        self.outbox.is_empty() && !cx.net.holds(self.socket)
    }

    /// The bytes that the side has not acknowledged; 0 if nothing waits for room.
    pub(super) fn send_queue<T: Transport>(&self, cx: &Context<'_, T>) -> u32 {
        if self.has_all(cx) {
            return 0;
        }
        u32::try_from(cx.net.unacknowledged(self.socket)).unwrap_or(u32::MAX)
    }

    /// The time of the last sign of life.
    #[inline]
    pub(super) fn last_heard(&self) -> Time {
        self.last_heard
    }

    pub(super) fn to_record(&self) -> SideRecord {
        SideRecord {
            messages: self.scanner.messages(),
            bytes: self.received_bytes,
            close_received: self.close_received(),
            close_sent: self.close_sent(),
        }
    }
}

/// The code of a valid close frame, for the record. The scanner has refused codes below 1000.
fn recorded_code(control: &Control) -> Option<NonZeroU16> {
    NonZeroU16::new(control.close_code.unwrap_or(close::NO_STATUS))
}
