//! Sends every message back, frame by frame, as it comes. A route with the service `Echo` takes this stage in place of
//! dial, upgrade and relay.
//!
//! Only bytes that the client does not take yet are kept, and text frames that are not complete: a frame whose text turns
//! out not to be UTF-8 (RFC 6455 section 8.1) must not have been begun, or no close frame could follow it.

use super::wire::{Arrival, Wire, since_boot};
use crate::command::Cause;
use crate::engine::{Fault, Next, Socket, Time, Transport};
use crate::invariant::Invariant;
use crate::proto::Violation;
use crate::proto::frame::{self, Header, Opcode};
use crate::proto::terminated::{Event, Expired, Timeouts};
use crate::proxy::context::Context;
use crate::proxy::end::{End, Side, SideRecord};
use crate::proxy::plan::CloseFrame;

/// Receives in one step.
const RECEIVES: usize = 4;

#[derive(Debug)]
pub(in crate::proxy) struct Echo {
    wire: Wire,
    /// The client's bytes that came with its request are not read yet.
    has_early: bool,
    /// The message that is being received is text.
    is_text: bool,
    /// The offset in the answer at which the incomplete text frame begins.
    frame_at: Option<usize>,
    /// The answer to a text frame that is not complete, between two receives.
    partial: Vec<u8>,
    received_bytes: u64,
    draining: Option<Cause>,
}

#[derive(Debug)]
pub(in crate::proxy) enum Outcome {
    Stay(Next),
    /// Nothing more is to be sent: linger, then close.
    Finished(End),
    /// The connection is broken.
    Gone(End),
}

impl Echo {
    /// `early` came with the client's request.
    pub(in crate::proxy) fn new(client: Socket, early: &[u8], now: Time) -> Self {
        let mut wire = Wire::server(client, now);
        wire.websocket.keep(early);
        Self {
            wire,
            has_early: !early.is_empty(),
            is_text: false,
            frame_at: None,
            partial: Vec::new(),
            received_bytes: 0,
            draining: None,
        }
    }

    pub(in crate::proxy) fn client(&self) -> Socket {
        self.wire.socket
    }

    pub(in crate::proxy) fn record(&self) -> SideRecord {
        SideRecord {
            messages: self.wire.websocket.messages(),
            bytes: self.received_bytes,
            close_received: self.wire.websocket.close_received(),
            close_sent: self.wire.websocket.close_sent(),
        }
    }

    /// Closes the connection at the next boundary between two frames.
    pub(in crate::proxy) fn drain(&mut self, cause: Cause, close: CloseFrame, now: Time) {
        self.draining.get_or_insert(cause);
        self.wire.websocket.close(close.code, close.reason, since_boot(now));
    }

    /// Sends the answer to the handshake.
    pub(in crate::proxy) fn open<T: Transport>(&mut self, answer: &[u8], cx: &mut Context<'_, T>) -> Result<(), Fault> {
        self.wire.send(cx.net, answer)
    }

    pub(in crate::proxy) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        for _ in 0..RECEIVES {
            match self.wire.flush(cx.net, cx.pool) {
                Ok(true) => {}
                Ok(false) if self.may_receive_more(cx) => {}
                Ok(false) => return self.wait(cx),
                Err(fault) => return broken(fault),
            }
            if self.wire.websocket.close_sent().is_some() {
                return Outcome::Finished(self.end());
            }
            if self.draining.is_some() && self.wire.websocket.at_boundary() {
                if let Err(fault) = self.wire.send_control(cx.net) {
                    return broken(fault);
                }
                continue;
            }
            if let Some(outcome) = self.receive(cx) {
                return outcome;
            }
        }
        Outcome::Stay(Next::Again)
    }

    /// `true` if a receive makes sense although the client has not taken all that it was sent. A client may send a whole message before
    /// it reads any of the answer: if we waited for it, both would wait for each other.
    fn may_receive_more<T: Transport>(&self, cx: &Context<'_, T>) -> bool {
        let held = u64::try_from(self.wire.waiting()).expected_or(u64::MAX);
        let websocket = &self.wire.websocket;
        websocket.close_sent().is_none() && !websocket.between_messages() && held < cx.policy().frames.max_message_bytes
    }

    fn wait<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        let waits = &cx.policy().timeouts;
        let timeouts = Timeouts { idle: waits.idle, close: waits.close };
        match self.wire.websocket.expired(since_boot(cx.net.now()), &timeouts) {
            Some(Expired::Close) => Outcome::Finished(self.end()),
            Some(Expired::Idle) => Outcome::Finished(End::Idle),
            None => {
                let deadline = self.wire.websocket.next_deadline(&timeouts);
                Outcome::Stay(Next::Wait(deadline.map(|deadline| Time::default().after(deadline))))
            }
        }
    }

    fn end(&self) -> End {
        self.draining.map_or(End::Closed(Side::Client), End::Drained)
    }

    fn receive<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Option<Outcome> {
        let (received, end) = if std::mem::take(&mut self.has_early) {
            (0, self.wire.websocket.restore(cx.scratch))
        } else {
            match self.wire.receive(cx.net, cx.scratch) {
                Arrival::Bytes { received, end } => (received, end),
                Arrival::Blocked => return Some(self.wait(cx)),
                Arrival::End => return Some(Outcome::Finished(End::Ended(Side::Client))),
                Arrival::Failed(fault) => return Some(broken(fault)),
            }
        };
        self.received_bytes = self.received_bytes.saturating_add(received as u64);
        let before = self.wire.websocket.messages();
        let is_resumed = !self.partial.is_empty();
        let mut out = std::mem::take(if is_resumed { &mut self.partial } else { cx.answer });
        let read = self.answer(end, &mut out, cx);
        let messages = self.wire.websocket.messages().saturating_sub(before);
        cx.routes.get_mut(cx.route).passed(Side::Client, messages, received);
        let sent = self.wire.send(cx.net, &out);
        if !is_resumed {
            out.clear();
            *cx.answer = out;
        }
        match (read, sent) {
            (_, Err(fault)) => Some(broken(fault)),
            (Ok(()), Ok(())) => None,
            (Err(violation), Ok(())) => {
                // The client does not get what it does not take of this now. A fault changes nothing then.
                let _ = self.wire.send_control(cx.net);
                Some(Outcome::Finished(End::Violated(Side::Client, violation)))
            }
        }
    }

    /// Appends the answer to the received bytes to `out`.
    fn answer<T: Transport>(
        &mut self,
        end: usize,
        out: &mut Vec<u8>,
        cx: &mut Context<'_, T>,
    ) -> Result<(), Violation> {
        let limits = cx.policy().frames;
        let mut at = 0_usize;
        let received = cx.scratch.get_mut(..end).expected_or_default();
        loop {
            match self.wire.websocket.next(received, &mut at, &limits) {
                Event::Frame(header) => self.begin(&header, out),
                Event::Payload(payload) => {
                    out.extend_from_slice(payload);
                    if self.wire.websocket.at_boundary() {
                        self.frame_at = None;
                    }
                }
                Event::Ping(_) | Event::Close { .. } => self.write_control(out),
                Event::MessageEnd | Event::Pong(_) => {}
                Event::NeedMore => {
                    self.hold(out);
                    return Ok(());
                }
                Event::Violation(violation) => {
                    if let Some(frame_at) = self.frame_at.take() {
                        out.truncate(frame_at);
                    }
                    return Err(violation);
                }
            }
        }
    }

    fn begin(&mut self, header: &Header, out: &mut Vec<u8>) {
        match header.opcode {
            Opcode::Text => self.is_text = true,
            Opcode::Binary => self.is_text = false,
            _ => {}
        }
        self.frame_at = (self.is_text && header.payload_len > 0).then_some(out.len());
        frame::write_header(header.opcode, header.fin, 0, header.payload_len, None, out);
    }

    /// Writes the pong or close frame that the last event made due; a close for a drain waits its turn.
    fn write_control(&mut self, out: &mut Vec<u8>) {
        if let Some(frame) = self.wire.websocket.take_control(Default::default) {
            out.extend_from_slice(frame.as_bytes());
        }
    }

    /// Takes the text frame that is not complete out of the answer, until the rest of it comes.
    #[expect(clippy::disallowed_methods, reason = "the frame begins within the answer")]
    fn hold(&mut self, out: &mut Vec<u8>) {
        let Some(frame_at) = self.frame_at else { return };
        self.partial = if frame_at == 0 { std::mem::take(out) } else { out.split_off(frame_at) };
        self.frame_at = Some(0);
    }

    /// Gives the memory of unsent bytes back.
    pub(in crate::proxy) fn discard<T: Transport>(&mut self, cx: &mut Context<'_, T>) {
        self.wire.discard(cx.pool);
    }
}

fn broken(fault: Fault) -> Outcome {
    Outcome::Gone(End::Broken(Side::Client, fault))
}
