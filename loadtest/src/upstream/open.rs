//! Stage 2: an open connection. This stage checks frames and answers pings and closes; the role handles messages.

use ringway::engine::{Next, Transport};
use ringway::proto::terminated::Event;
use ringway::proxy::terminated::{Arrival, Wire};

use super::role::{Cx, Leave, Role};

/// The most receives in one step.
const RECEIVES: usize = 4;
/// With more bytes than this waiting, the stage answers only the newest ping, once there is room (RFC 6455 section
/// 5.5.3). Otherwise a client that pings and does not read would fill the memory.
const MAX_BEFORE_PONGS_WAIT: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Open<S> {
    pub(super) wire: Wire,
    pub(super) state: S,
    /// `true` if the reader holds bytes that have not been parsed.
    fresh: bool,
    told: Option<(u16, &'static str)>,
}

impl<S> Open<S> {
    /// Creates the stage for a connection whose 101 is queued. `early` holds the bytes after the request.
    pub(super) fn new(mut wire: Wire, early: &[u8], state: S) -> Self {
        wire.websocket.keep(early);
        Self { wire, state, fresh: !early.is_empty(), told: None }
    }

    /// Makes the connection leave with its next step.
    pub(super) fn tell_to_leave(&mut self, code: u16, reason: &'static str) {
        self.told.get_or_insert((code, reason));
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// Sends the waiting bytes and receives new ones.
    pub(super) fn step<T, R>(&mut self, role: &mut R, scratch: &mut [u8], cx: &mut Cx<'_, T>) -> Result<Next, Leave>
    where
        T: Transport,
        R: Role<State = S>,
    {
        if self.wire.flush(cx.net, &mut cx.kit.pool)? {
            self.wire.send_control(cx.net)?;
        }
        for _ in 0..RECEIVES {
            if let Some((code, reason)) = self.told {
                return Err(Leave::Told(code, reason));
            }
            if std::mem::take(&mut self.fresh) {
                let end = self.wire.websocket.restore(scratch);
                self.read(end, role, scratch, cx)?;
            }
            match self.wire.receive(cx.net, scratch) {
                Arrival::Bytes { end, .. } => self.read(end, role, scratch, cx)?,
                Arrival::Blocked => return Ok(Next::Wait(None)),
                Arrival::End => return Err(Leave::Ended),
                Arrival::Failed(fault) => return Err(Leave::Broken(fault)),
            }
        }
        Ok(Next::Again)
    }

    /// Parses the bytes in `scratch`.
    fn read<T, R>(&mut self, end: usize, role: &mut R, scratch: &mut [u8], cx: &mut Cx<'_, T>) -> Result<(), Leave>
    where
        T: Transport,
        R: Role<State = S>,
    {
        let (mut at, frames) = (0, cx.kit.frames);
        let bytes = scratch.get_mut(..end).unwrap_or_default();
        loop {
            match self.wire.websocket.next(bytes, &mut at, &frames) {
                Event::NeedMore => return Ok(()),
                Event::Frame(_) | Event::Pong(_) => {}
                Event::Payload(piece) => {
                    cx.kit.totals.received_bytes.add(piece.len() as u64);
                    role.payload(&mut self.state, piece);
                }
                Event::MessageEnd => {
                    cx.kit.totals.received_messages.add(1);
                    role.message(&mut self.state, &mut self.wire, cx)?;
                }
                Event::Ping(_) if self.wire.waiting() > MAX_BEFORE_PONGS_WAIT => {}
                Event::Ping(_) => self.wire.send_control(cx.net)?,
                Event::Close { .. } => {
                    self.wire.send_control(cx.net)?;
                    return Err(Leave::Closed);
                }
                Event::Violation(violation) => return Err(violation.into()),
            }
        }
    }
}
