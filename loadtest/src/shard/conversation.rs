//! An open connection: sends waiting bytes, and gives the scenario the events of the received ones.

use ringway::engine::{Next, Transport};
use ringway::proto::terminated::Event;
use ringway::proxy::terminated::{Arrival, Wire};

use super::post::Replies;
use super::script::Script;
use super::state::{Cx, HEAD};
use crate::record::Trouble;

/// Receives in one step.
const RECEIVES: usize = 4;

/// Sends waiting bytes, receives, and reads.
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
    wire.flush(cx.net, &mut cx.shard.pool).map_err(Trouble::broken)?;
    for _ in 0..RECEIVES {
        match wire.receive(cx.net, scratch) {
            Arrival::Bytes { end, .. } => read(end, wire, state, replies.as_deref_mut(), script, scratch, cx)?,
            Arrival::Blocked => return Ok(Next::Wait(None)),
            Arrival::End => return Err(Trouble::Broken("ended without a close frame")),
            Arrival::Failed(fault) => return Err(Trouble::broken(fault)),
        }
    }
    Ok(Next::Again)
}

/// Reads the first `end` bytes of the scratch.
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
    let (mut at, frames) = (0, cx.shard.plan.frames);
    let bytes = scratch.get_mut(..end).unwrap_or_default();
    if let Some(replies) = replies {
        let used = replies.read(bytes, &HEAD)?;
        wire.websocket.keep(bytes.get(used..).unwrap_or_default());
        return Ok(());
    }
    loop {
        match wire.websocket.next(bytes, &mut at, &frames) {
            Event::NeedMore => return Ok(()),
            Event::Frame(header) => script.frame(state, header.opcode),
            Event::Payload(piece) => script.payload(state, piece, cx),
            Event::MessageEnd => script.message(state, wire, cx).map_err(Trouble::broken)?,
            Event::Ping(_) => wire.send_control(cx.net).map_err(Trouble::broken)?,
            Event::Pong(payload) => script.pong(state, payload, cx),
            Event::Close { code, .. } => {
                // The connection is lost, whether or not the server takes the answer.
                let _ = wire.send_control(cx.net);
                return Err(Trouble::Closed(code));
            }
            Event::Violation(violation) => {
                let _ = wire.send_control(cx.net);
                return Err(Trouble::Violation(violation.code()));
            }
        }
    }
}
