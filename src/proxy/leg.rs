//! One side of a relayed connection: its socket, where its stream of frames stands, and what it has not taken yet.

use std::time::Duration;

use super::context::Context;
use super::end::{End, Side, SideRecord};
use super::plan::Farewell;
use crate::engine::outbox::Outbox;
use crate::engine::{Fault, Socket, Time, Transport};
use crate::proto::frame::{ControlFrame, Opcode, Reserved, Sender};
use crate::proto::mask;
use crate::proto::scan::{Control, Scanner};

/// In a record, the code of a close frame that has none (RFC 6455 section 7.1.5).
const NO_CODE: u16 = 1005;

/// Bytes of a ping of ours: enough that no ping of the other side has the same by chance.
const NONCE_BYTES: usize = 8;

#[derive(Debug)]
pub(super) struct Leg {
    pub(super) side: Side,
    pub(super) socket: Socket,
    /// What it sends.
    pub(super) scanner: Scanner,
    pub(super) outbox: Outbox,
    /// Received and not yet forwarded: the start of a header or control frame, or what came with the handshake.
    carry: Option<Box<[u8]>>,
    /// Whether the carried bytes have not been scanned even once.
    fresh: bool,
    pub(super) received_bytes: u64,
    /// When it last sent anything, or took bytes that had been waiting.
    last_heard: Time,
    /// When bytes of it were last forwarded.
    pub(super) last_forwarded: Time,
    probe: Option<Probe>,
    /// Pings of the other side that it has not answered.
    unanswered_pings: u8,
    pub(super) close_received: Option<u16>,
    pub(super) close_sent: Option<u16>,
}

/// A question whether the side still lives.
#[derive(Clone, Copy, Debug)]
struct Probe {
    since: Time,
    /// The payload of every ping of ours to this side: a pong that comes late is still known as an answer to one.
    /// `None` if the question could be asked without a ping.
    nonce: Option<[u8; NONCE_BYTES]>,
    /// Pings of ours whose pong has not come: as many pongs are taken out, no more.
    unanswered: u8,
    /// Whether the side has been silent since.
    open: bool,
    /// What it had not acknowledged when it was asked: less later on is a sign of life.
    unacknowledged: u32,
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

    /// Copies what is carried to the front of `scratch`: how many bytes that is, and whether they are worth a scan
    /// without any more.
    #[inline]
    pub(super) fn load_carry(&mut self, scratch: &mut [u8]) -> (usize, bool) {
        let Some(carry) = &self.carry else { return (0, false) };
        for (to, from) in scratch.iter_mut().zip(carry) {
            *to = *from;
        }
        (carry.len(), self.fresh)
    }

    /// Keeps what could not be scanned to its end.
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

    #[inline]
    pub(super) fn flush<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Result<bool, Fault> {
        if self.has_all(cx) {
            return Ok(true);
        }
        let mut progress = 0;
        let result = self.outbox.flush(self.socket, cx.net, cx.pool, &mut progress);
        if progress > 0 {
            self.heard(cx.net.now());
        }
        result
    }

    /// The side lives.
    #[inline]
    pub(super) fn heard(&mut self, now: Time) {
        self.last_heard = now;
        if let Some(probe) = &mut self.probe {
            probe.open = false;
        }
    }

    /// Sends a control frame of ours, masked towards an upstream. Only where a frame may stand.
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

    /// Sends a close frame of ours. Only where a frame may stand, and as the last one.
    pub(super) fn send_farewell<T: Transport>(
        &mut self,
        farewell: Farewell,
        cx: &mut Context<'_, T>,
    ) -> Result<(), Fault> {
        let mask = self.mask(cx);
        let frame = ControlFrame::close(farewell.code, farewell.reason, mask);
        self.close_sent = Some(farewell.code);
        self.outbox.send(self.socket, cx.net, frame.as_bytes())
    }

    fn mask<T: Transport>(&self, cx: &mut Context<'_, T>) -> Option<mask::Key> {
        match self.side {
            Side::Client => None,
            Side::Upstream => Some(cx.mask()),
        }
    }

    /// A close frame of this side was met.
    pub(super) fn note_close(&mut self, control: &Control) {
        self.close_received = Some(control.close_code.unwrap_or(NO_CODE));
    }

    /// The other side's close frame was forwarded to this one.
    pub(super) fn note_close_forwarded(&mut self, control: &Control) {
        self.close_sent = Some(control.close_code.unwrap_or(NO_CODE));
    }

    /// A ping of the other side was forwarded to this one.
    pub(super) fn note_ping(&mut self) {
        self.unanswered_pings = self.unanswered_pings.saturating_add(1);
    }

    /// Whether a pong of this side answers our own ping, and so is not for the other side. Any other pong answers the
    /// other side's newest ping, and with it all before it.
    pub(super) fn takes_pong(&mut self, frame: &[u8], control: &Control) -> bool {
        if let Some(Probe { nonce: Some(nonce), unanswered: 1.., .. }) = self.probe {
            let mut payload = [0; NONCE_BYTES];
            let body = frame.get(control.header_len..control.frame_len).unwrap_or_default();
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

    /// Whether it has taken all that it was sent, and owes no answer to a question of ours.
    #[inline]
    pub(super) fn is_unasked<T: Transport>(&self, cx: &Context<'_, T>) -> bool {
        self.has_all(cx) && !matches!(self.probe, Some(Probe { open: true, .. }))
    }

    /// Asks a silent side whether it lives, and gives it up if it does not say so in time. `may_insert` tells whether
    /// a frame of ours may stand at the end of what was sent to it, `is_read` whether what it says is being read: while
    /// the other side does not take it, it is not, and silence means nothing. Says when to look again.
    pub(super) fn keep_alive<T: Transport>(
        &mut self,
        interval: Duration,
        patience: Duration,
        may_insert: bool,
        is_read: bool,
        cx: &mut Context<'_, T>,
    ) -> Result<Time, End> {
        let now = cx.net.now();
        if !is_read {
            self.heard(now);
            return Ok(now.after(interval));
        }
        if let Some(probe) = self.probe.filter(|probe| probe.open) {
            let given_up = probe.since.after(patience);
            if now < given_up {
                return Ok(given_up);
            }
            if self.send_queue(cx) >= probe.unacknowledged {
                return Err(End::Silent(self.side));
            }
            // A slow reader: there is room to send only once it has taken a good part of what the kernel holds.
            self.heard(now);
        }
        let due = self.last_heard.after(interval);
        if now < due {
            return Ok(due);
        }
        // Bytes that it does not take, or a ping of the other side that it does not answer, ask as well as a ping of
        // ours; and a peer may answer only the newest of several pings (RFC 6455 section 5.5.3).
        let asked = !self.has_all(cx) || self.unanswered_pings > 0;
        if !asked && !may_insert {
            return Ok(now.after(patience));
        }
        let known = self.probe.map(|probe| (probe.nonce, probe.unanswered)).unwrap_or_default();
        let (nonce, unanswered) = if asked {
            known
        } else {
            let nonce = known.0.unwrap_or_else(|| cx.nonce());
            self.send_control(Opcode::Ping, &nonce, cx).map_err(|fault| End::Broken(self.side, fault))?;
            (Some(nonce), known.1.saturating_add(1))
        };
        let unacknowledged = self.send_queue(cx);
        self.probe = Some(Probe { since: now, nonce, unanswered, open: true, unacknowledged });
        Ok(now.after(patience))
    }

    /// Whether the socket took all that was sent.
    #[inline]
    pub(super) fn has_all<T: Transport>(&self, cx: &Context<'_, T>) -> bool {
        self.outbox.is_empty() && !cx.net.holds(self.socket)
    }

    /// Bytes that the side has not acknowledged, 0 if it has taken all that we have for it.
    pub(super) fn send_queue<T: Transport>(&self, cx: &Context<'_, T>) -> u32 {
        if self.has_all(cx) {
            return 0;
        }
        u32::try_from(cx.net.unacknowledged(self.socket)).unwrap_or(u32::MAX)
    }

    /// When it last gave a sign of life.
    #[inline]
    pub(super) fn last_heard(&self) -> Time {
        self.last_heard
    }

    pub(super) fn to_record(&self) -> SideRecord {
        SideRecord {
            messages: self.scanner.messages(),
            bytes: self.received_bytes,
            close_received: self.close_received,
            close_sent: self.close_sent,
        }
    }
}
