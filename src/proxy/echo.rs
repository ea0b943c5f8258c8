//! In place of stages 2 to 5 where there is no target: an endpoint that sends every message back, frame by frame, as it
//! comes. It keeps of a message only what the client does not take yet; text is checked to be UTF-8 on its way (RFC 6455
//! section 8.1).

use super::context::Context;
use super::end::{End, Side, SideRecord};
use crate::command::Cause;
use crate::engine::outbox::Outbox;
use crate::engine::{Fault, Next, Received, Socket, Time, Transport};
use crate::proto::frame::{self, ControlFrame, Header, Opcode, Reserved, Sender};
use crate::proto::reader::{Piece, Reader};
use crate::proto::{Violation, close, utf8};

/// Receives in one step.
const RECEIVES: usize = 4;

#[derive(Debug)]
pub(super) struct Echo {
    client: Socket,
    reader: Reader,
    outbox: Outbox,
    /// Whether the reader keeps bytes that have not been looked at.
    fresh: bool,
    /// The text message that is being received.
    text: Option<utf8::Checker>,
    /// Where in the answer the frame stands that was begun last.
    frame_at: usize,
    /// The answer to a text frame that is not whole yet: were it sent, a close frame could not follow.
    partial: Vec<u8>,
    received_bytes: u64,
    last_received: Time,
    draining: bool,
    /// Until when the client may take to let us close: set once we want to.
    leave_by: Option<Time>,
    close_received: Option<u16>,
    close_sent: Option<u16>,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Stay(Next),
    /// All is said: linger, then close.
    Finished(End),
    /// The connection is past all use.
    Gone(End),
}

impl Echo {
    pub(super) fn new(client: Socket, early: &[u8], now: Time) -> Self {
        let mut reader = Reader::new(Sender::Client, Reserved::None);
        reader.keep(early);
        Self {
            client,
            reader,
            outbox: Outbox::default(),
            fresh: !early.is_empty(),
            text: None,
            frame_at: 0,
            partial: Vec::new(),
            received_bytes: 0,
            last_received: now,
            draining: false,
            leave_by: None,
            close_received: None,
            close_sent: None,
        }
    }

    pub(super) fn client(&self) -> Socket {
        self.client
    }

    pub(super) fn record(&self) -> SideRecord {
        SideRecord {
            messages: self.reader.messages(),
            bytes: self.received_bytes,
            close_received: self.close_received,
            close_sent: self.close_sent,
        }
    }

    /// A close frame goes out at the next boundary.
    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    /// Queues the answer to the handshake.
    pub(super) fn open<T: Transport>(&mut self, answer: &[u8], cx: &mut Context<'_, T>) -> Result<(), Fault> {
        self.outbox.send(self.client, cx.net, answer)
    }

    pub(super) fn step<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        for _ in 0..RECEIVES {
            match self.outbox.flush(self.client, cx.net, cx.pool, &mut 0) {
                Ok(true) => {}
                Ok(false) if self.may_hear_more(cx) => {}
                Ok(false) => return self.wait(cx),
                Err(fault) => return Outcome::Gone(End::Broken(Side::Client, fault)),
            }
            if self.close_sent.is_some() {
                return Outcome::Finished(self.end());
            }
            if self.draining && self.reader.at_boundary() {
                self.say_close(close::GOING_AWAY, "shutting down", cx);
                continue;
            }
            if let Some(outcome) = self.receive(cx) {
                return outcome;
            }
        }
        Outcome::Stay(Next::Again)
    }

    /// Whether to receive though the client has not taken all it was sent. A client may send the whole of a message
    /// before it reads any of it: to wait for it then would be to wait for each other.
    fn may_hear_more<T: Transport>(&self, cx: &Context<'_, T>) -> bool {
        let held = u64::try_from(self.outbox.held()).unwrap_or(u64::MAX);
        self.close_sent.is_none() && !self.reader.between_messages() && held < cx.policy().frames.max_message_bytes
    }

    fn wait<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Outcome {
        let now = cx.net.now();
        let idle = cx.policy().timeouts.idle.map(|idle| self.last_received.after(idle));
        if self.draining || self.close_sent.is_some() {
            let leave_by = *self.leave_by.get_or_insert(now.after(cx.policy().timeouts.close));
            if now >= leave_by {
                return Outcome::Finished(self.end());
            }
        }
        if idle.is_some_and(|idle| now >= idle) {
            return Outcome::Finished(End::Idle);
        }
        Outcome::Stay(Next::Wait(idle.into_iter().chain(self.leave_by).min()))
    }

    fn end(&self) -> End {
        if self.draining { End::Drained(Cause::Shutdown) } else { End::Closed(Side::Client) }
    }

    fn receive<T: Transport>(&mut self, cx: &mut Context<'_, T>) -> Option<Outcome> {
        let carried = self.reader.restore(cx.scratch);
        let mut received = 0;
        if !self.fresh {
            match cx.net.recv(self.client, cx.scratch.get_mut(carried..).unwrap_or_default()) {
                Received::Bytes(n) => received = n,
                Received::Blocked => return Some(self.wait(cx)),
                Received::End => return Some(Outcome::Finished(End::Ended(Side::Client))),
                Received::Failed(fault) => return Some(Outcome::Gone(End::Broken(Side::Client, fault))),
            }
        }
        self.fresh = false;
        self.received_bytes = self.received_bytes.saturating_add(received as u64);
        let before = self.reader.messages();
        self.last_received = cx.net.now();
        let resumed = !self.partial.is_empty();
        let mut out = std::mem::take(if resumed { &mut self.partial } else { cx.answer });
        let scanned = self.echo(carried.saturating_add(received), &mut out, cx);
        let messages = self.reader.messages().saturating_sub(before);
        cx.routes.get_mut(cx.route).passed(Side::Client, messages, received);
        let sent = self.outbox.send(self.client, cx.net, &out);
        if !resumed {
            out.clear();
            *cx.answer = out;
        }
        match (scanned, sent) {
            (_, Err(fault)) => Some(Outcome::Gone(End::Broken(Side::Client, fault))),
            (Ok(()), Ok(())) => None,
            (Err(violation), Ok(())) => {
                self.say_close(violation.close_code(), violation.code(), cx);
                // What the client does not take of it now, it will not get.
                Some(Outcome::Finished(End::Violated(Side::Client, violation)))
            }
        }
    }

    /// Turns what was received into what goes back.
    fn echo<T: Transport>(&mut self, end: usize, out: &mut Vec<u8>, cx: &mut Context<'_, T>) -> Result<(), Violation> {
        let limits = cx.policy().frames;
        let mut at = 0_usize;
        let received = cx.scratch.get_mut(..end).unwrap_or_default();
        loop {
            match self.reader.next(received, &mut at, &limits) {
                Piece::NeedMore => {
                    if self.text.is_some() && !self.reader.at_boundary() {
                        self.hold(out);
                    }
                    return Ok(());
                }
                Piece::Violation(violation) => return Err(violation),
                Piece::Frame(header) => self.begin(&header, out)?,
                Piece::Payload(payload) => {
                    self.check(payload, out)?;
                    out.extend_from_slice(payload);
                }
                Piece::Control { opcode, close_code, payload } => {
                    if self.control(opcode, close_code, payload, out)? {
                        self.reader.keep(&[]);
                        return Ok(());
                    }
                }
            }
        }
    }

    fn begin(&mut self, header: &Header, out: &mut Vec<u8>) -> Result<(), Violation> {
        match header.opcode {
            Opcode::Text => self.text = Some(utf8::Checker::default()),
            Opcode::Binary => self.text = None,
            _ => {}
        }
        self.frame_at = out.len();
        frame::write_header(header.opcode, header.fin, 0, header.payload_len, None, out);
        // An empty last frame ends the text too.
        self.check(&[], out)
    }

    /// Takes the frame that has begun out of the answer, until the rest of it is here.
    #[expect(clippy::disallowed_methods, reason = "the frame begins within the answer")]
    fn hold(&mut self, out: &mut Vec<u8>) {
        self.partial = if self.frame_at == 0 { std::mem::take(out) } else { out.split_off(self.frame_at) };
        self.frame_at = 0;
    }

    /// Text that is not UTF-8 takes its frame with it.
    fn check(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        let Some(text) = &mut self.text else { return Ok(()) };
        let whole = self.reader.is_message_whole();
        if text.push(payload) && (!whole || text.is_complete()) {
            return Ok(());
        }
        out.truncate(self.frame_at);
        Err(Violation::NotUtf8)
    }

    /// Answers a control frame: `true` if nothing behind it counts.
    fn control(
        &mut self,
        opcode: Opcode,
        close_code: Option<u16>,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Violation> {
        match opcode {
            Opcode::Ping => {
                out.extend_from_slice(ControlFrame::new(Opcode::Pong, payload, None).as_bytes());
                Ok(false)
            }
            Opcode::Close => {
                let reason = payload.get(2..).unwrap_or_default();
                std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
                self.close_received = Some(close_code.unwrap_or(1005));
                self.close_sent = self.close_received;
                out.extend_from_slice(ControlFrame::new(Opcode::Close, payload, None).as_bytes());
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn say_close<T: Transport>(&mut self, code: u16, reason: &str, cx: &mut Context<'_, T>) {
        self.close_sent = Some(code);
        let frame = ControlFrame::close(code, reason, None);
        // A failure shows at the next flush.
        let _ = self.outbox.send(self.client, cx.net, frame.as_bytes());
    }

    /// Gives its memory back.
    pub(super) fn discard<T: Transport>(&mut self, cx: &mut Context<'_, T>) {
        self.outbox.discard(cx.pool);
    }
}
