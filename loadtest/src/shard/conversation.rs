//! An open connection: what waits goes out, what comes is taken to pieces for the scenario.

use ringway::engine::{Next, Transport};
use ringway::proto::frame::Opcode;
use ringway::proto::reader::Piece;

use super::client::HEAD;
use super::post::Replies;
use super::script::{Cx, Script};
use super::wire::{Arrival, Wire};
use crate::record::Trouble;

/// Receives in one step.
const RECEIVES: usize = 4;

/// An open connection: sends what waits, takes what comes.
pub(super) fn converse<T, P>(
    wire: &mut Wire,
    state: &mut P::State,
    mut replies: Option<&mut Replies>,
    script: &mut P,
    scratch: &mut [u8],
    cx: &mut Cx<'_, T>,
) -> Result<Next, Trouble>
where
    T: Transport,
    P: Script,
{
    wire.flush(cx.net, &mut cx.kit.pool).map_err(Trouble::broken)?;
    for _ in 0..RECEIVES {
        match wire.receive(cx.net, scratch) {
            Arrival::Bytes(end) => read(end, wire, state, replies.as_deref_mut(), script, scratch, cx)?,
            Arrival::Blocked => return Ok(Next::Wait(None)),
            Arrival::End => return Err(Trouble::Broken("ended without a close frame")),
            Arrival::Failed(fault) => return Err(Trouble::broken(fault)),
        }
    }
    Ok(Next::Again)
}

/// Takes what stands in the scratch.
pub(super) fn read<T, P>(
    end: usize,
    wire: &mut Wire,
    state: &mut P::State,
    replies: Option<&mut Replies>,
    script: &mut P,
    scratch: &mut [u8],
    cx: &mut Cx<'_, T>,
) -> Result<(), Trouble>
where
    T: Transport,
    P: Script,
{
    let (mut at, frames) = (0, cx.kit.plan.frames);
    let bytes = scratch.get_mut(..end).unwrap_or_default();
    if let Some(replies) = replies {
        let used = replies.read(bytes, &HEAD)?;
        wire.reader.keep(bytes.get(used..).unwrap_or_default());
        return Ok(());
    }
    loop {
        match wire.reader.next(bytes, &mut at, &frames) {
            Piece::NeedMore => return Ok(()),
            Piece::Violation(violation) => {
                // It may be gone already.
                let _ = wire.send_close(cx.net, violation.close_code(), violation.code());
                return Err(Trouble::Violation(violation.code()));
            }
            Piece::Control { opcode: Opcode::Ping, payload, .. } => {
                wire.send_control(cx.net, Opcode::Pong, payload).map_err(Trouble::broken)?;
                continue;
            }
            Piece::Control { opcode: Opcode::Close, close_code, payload } => {
                let _ = wire.send_control(cx.net, Opcode::Close, payload.get(..2).unwrap_or_default());
                return Err(Trouble::Closed(close_code));
            }
            Piece::Control { payload, .. } => {
                script.pong(state, payload, cx);
                continue;
            }
            Piece::Frame(header) => script.frame(state, header.opcode),
            Piece::Payload(piece) => script.payload(state, piece, cx),
        }
        if wire.reader.is_message_whole() {
            script.message(state, wire, cx).map_err(Trouble::broken)?;
        }
    }
}
