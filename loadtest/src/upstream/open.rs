//! Stage 2: an open connection. Frames are checked, pings and closes answered here; messages are the role's.

use ringway::engine::{Next, Transport};
use ringway::proto::frame::{ControlFrame, Header, Opcode};
use ringway::proto::reader::Piece;
use ringway::proto::{Violation, utf8};

use super::role::{Cx, Leave, Role};
use crate::shard::wire::{Arrival, Wire};

/// Receives in one step.
const RECEIVES: usize = 4;
/// With more than this waiting, pings are not answered one by one: only the newest is, once there is room (RFC 6455
/// section 5.5.3). Or who pings and does not read would fill our memory.
const MAX_BEFORE_PONGS_WAIT: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Open<S> {
    pub(super) wire: Wire,
    pub(super) state: S,
    /// Whether the reader keeps bytes that have not been looked at.
    fresh: bool,
    /// The text message that is being received.
    text: Option<utf8::Checker>,
    /// The answer to the newest ping that came while there was no room.
    pong: Option<Box<ControlFrame>>,
    told: Option<(u16, &'static str)>,
}

impl<S> Open<S> {
    /// A connection whose 101 is on its way. `early` came behind its request.
    pub(super) fn new(mut wire: Wire, early: &[u8], state: S) -> Self {
        wire.reader.keep(early);
        Self { wire, state, fresh: !early.is_empty(), text: None, pong: None, told: None }
    }

    /// It leaves with its next step.
    pub(super) fn tell_to_leave(&mut self, code: u16, reason: &'static str) {
        self.told.get_or_insert((code, reason));
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// Sends what waits, takes what comes.
    pub(super) fn step<T, R>(&mut self, role: &mut R, scratch: &mut [u8], cx: &mut Cx<'_, T>) -> Result<Next, Leave>
    where
        T: Transport,
        R: Role<State = S>,
    {
        if self.wire.flush(cx.net, &mut cx.kit.pool)?
            && let Some(pong) = self.pong.take()
        {
            self.wire.send(cx.net, pong.as_bytes())?;
        }
        for _ in 0..RECEIVES {
            if let Some((code, reason)) = self.told {
                return Err(Leave::Told(code, reason));
            }
            if std::mem::take(&mut self.fresh) {
                let end = self.wire.reader.restore(scratch);
                self.read(end, role, scratch, cx)?;
            }
            match self.wire.receive(cx.net, scratch) {
                Arrival::Bytes(end) => self.read(end, role, scratch, cx)?,
                Arrival::Blocked => return Ok(Next::Wait(None)),
                Arrival::End => return Err(Leave::Ended),
                Arrival::Failed(fault) => return Err(Leave::Broken(fault)),
            }
        }
        Ok(Next::Again)
    }

    /// Takes what stands in the scratch.
    fn read<T, R>(&mut self, end: usize, role: &mut R, scratch: &mut [u8], cx: &mut Cx<'_, T>) -> Result<(), Leave>
    where
        T: Transport,
        R: Role<State = S>,
    {
        let (mut at, frames) = (0, cx.kit.frames);
        let bytes = scratch.get_mut(..end).unwrap_or_default();
        loop {
            match self.wire.reader.next(bytes, &mut at, &frames) {
                Piece::NeedMore => return Ok(()),
                Piece::Violation(violation) => return Err(violation.into()),
                Piece::Control { opcode: Opcode::Ping, payload, .. } => {
                    let pong = ControlFrame::new(Opcode::Pong, payload, None);
                    if self.wire.waiting() > MAX_BEFORE_PONGS_WAIT {
                        self.pong = Some(Box::new(pong));
                    } else {
                        self.wire.send(cx.net, pong.as_bytes())?;
                    }
                    continue;
                }
                Piece::Control { opcode: Opcode::Close, payload, .. } => {
                    let (code, reason) = payload.split_at_checked(2).unwrap_or_default();
                    std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
                    self.wire.send_control(cx.net, Opcode::Close, code)?;
                    return Err(Leave::Closed);
                }
                Piece::Control { .. } => continue,
                Piece::Frame(header) => begin(&header, &mut self.text),
                Piece::Payload(piece) => {
                    if let Some(text) = &mut self.text
                        && !text.push(piece)
                    {
                        return Err(Violation::NotUtf8.into());
                    }
                    cx.kit.totals.received_bytes.add(piece.len() as u64);
                    role.payload(&mut self.state, piece);
                }
            }
            if self.wire.reader.is_message_whole() {
                if self.text.take().is_some_and(|text| !text.is_complete()) {
                    return Err(Violation::NotUtf8.into());
                }
                cx.kit.totals.received_messages.add(1);
                role.message(&mut self.state, &mut self.wire, cx)?;
            }
        }
    }
}

fn begin(header: &Header, text: &mut Option<utf8::Checker>) {
    match header.opcode {
        Opcode::Text => *text = Some(utf8::Checker::default()),
        Opcode::Binary => *text = None,
        _ => {}
    }
}
