//! Moves bytes from one side of an inspected tunnel to the other. Unlike the plain pump it looks at each part of what was
//! received, and takes no more of it in one step than others have to wait for.

use super::inspector::{Desk, Inspector};
use crate::engine::{Received, Transport};
use crate::invariant::Invariant;
use crate::proto::frame::Opcode;
use crate::proto::scan::Step;
use crate::proxy::context::Context;
use crate::proxy::leg::Leg;
use crate::proxy::pump::{Manner, Pumped};

/// The most bytes of one receive.
const RECEIVE_BYTES: usize = 16 << 10;
/// The work after which a step ends, in looks at values: about a tenth of a millisecond. One message may take more, and is then
/// the last of its step.
const MAX_LOOKS: u32 = 4_000;

/// Forwards what a side sends, one receive at most. `manner` is not [`Manner::Drop`]: nobody inspects what nobody gets.
pub(in crate::proxy) fn pump_inspected<T: Transport>(
    from: &mut Leg,
    to: &mut Leg,
    manner: Manner,
    inspector: &mut Inspector,
    cx: &mut Context<'_, T>,
) -> Pumped {
    let end = match receive(from, to, manner, cx) {
        Ok(end) => end,
        Err(pumped) => return pumped,
    };
    let mut out = std::mem::take(cx.answer);
    debug_assert!(out.is_empty(), "bytes of another step are left");
    let stop = pass_on(from, to, (manner, end), inspector, &mut out, cx);
    out.clear();
    *cx.answer = out;
    stop.unwrap_or(Pumped::More)
}

/// Receives into the scratch. Returns where the bytes end there, or why there is nothing to pass on.
fn receive<T: Transport>(
    from: &mut Leg,
    to: &mut Leg,
    manner: Manner,
    cx: &mut Context<'_, T>,
) -> Result<usize, Pumped> {
    match to.flush(cx) {
        Ok(true) => {}
        Ok(false) => return Err(Pumped::Blocked),
        Err(fault) => return Err(Pumped::Broken(to.side, fault)),
    }
    let is_finished = manner == Manner::FinishFrame && from.scanner.at_boundary();
    let (carried, fresh) = from.load_carry(cx.scratch);
    if is_finished {
        return Err(Pumped::Blocked);
    }
    if fresh {
        return Ok(carried);
    }
    let most = match manner {
        Manner::FinishFrame => usize::try_from(from.scanner.remaining()).expected_or(usize::MAX).min(RECEIVE_BYTES),
        _ => RECEIVE_BYTES,
    };
    let until = carried.saturating_add(most).min(cx.scratch.len());
    let Some(room) = cx.scratch.get_mut(carried..until).filter(|room| !room.is_empty()) else {
        return Err(Pumped::Blocked);
    };
    match cx.net.recv(from.socket, room) {
        Received::Bytes(n) => Ok(carried.saturating_add(n)),
        Received::Blocked => Err(Pumped::Blocked),
        Received::End => Err(Pumped::Ended),
        Received::Failed(fault) => Err(Pumped::Broken(from.side, fault)),
    }
}

/// Inspects the scratch and sends what may pass. Returns a result if nothing that follows counts.
fn pass_on<T: Transport>(
    from: &mut Leg,
    to: &mut Leg,
    (manner, end): (Manner, usize),
    inspector: &mut Inspector,
    out: &mut Vec<u8>,
    cx: &mut Context<'_, T>,
) -> Option<Pumped> {
    let now = cx.net.now();
    from.heard(now);
    let route = cx.routes.get_mut(cx.route);
    let mut desk = Desk { route, inspection: cx.inspection, now, out, messages: 0, looks: 0 };
    let bytes = cx.scratch.get(..end).expected_or_default();
    let (at, pause) = inspect(from, to, manner, bytes, inspector, &mut desk);
    let messages = desk.messages;
    match pause {
        Pause::NeedMore => from.store_carry(bytes.get(at..).expected_or_default()),
        Pause::Enough => from.store_unread(bytes.get(at..).expected_or_default()),
        Pause::Stop(_) => from.store_carry(&[]),
    }
    if !out.is_empty() {
        from.received_bytes = from.received_bytes.saturating_add(u64::try_from(out.len()).expected_or(0));
        from.last_forwarded = now;
        cx.routes.get_mut(cx.route).passed(from.side, messages, out.len());
        if let Err(fault) = to.outbox.send(to.socket, cx.net, out) {
            return Some(Pumped::Broken(to.side, fault));
        }
    }
    match pause {
        Pause::Stop(stop) => Some(stop),
        Pause::NeedMore | Pause::Enough => None,
    }
}

/// The reason why the inspection of some bytes pauses.
enum Pause {
    /// All is used but the start of a header or control frame.
    NeedMore,
    /// The step's work is done; the rest was not looked at.
    Enough,
    /// Nothing that follows counts.
    Stop(Pumped),
}

/// Inspects bytes part by part. Returns how many are used, and why no more.
fn inspect(
    from: &mut Leg,
    to: &mut Leg,
    manner: Manner,
    bytes: &[u8],
    inspector: &mut Inspector,
    desk: &mut Desk<'_>,
) -> (usize, Pause) {
    let limits = desk.route.policy().frames;
    let mut at = 0_usize;
    loop {
        let rest = bytes.get(at..).expected_or_default();
        let is_finished = manner == Manner::FinishFrame && from.scanner.at_boundary();
        if !rest.is_empty() && (is_finished || desk.looks >= MAX_LOOKS) {
            return (at, Pause::Enough);
        }
        let control = match from.scanner.step(rest, &limits) {
            Step::NeedMore => return (at, Pause::NeedMore),
            Step::Violation(violation) => return (at, Pause::Stop(Pumped::Violated(violation))),
            Step::Header(header) => {
                let (raw, after) = part(rest, at, usize::from(header.header_len));
                at = after;
                if let Err(violation) = inspector.header(&header, raw, desk) {
                    return (at, Pause::Stop(Pumped::Violated(violation)));
                }
                continue;
            }
            Step::Payload(length) => {
                let (raw, after) = part(rest, at, length);
                at = after;
                if let Err(violation) = inspector.payload(raw, from.scanner.at_boundary(), desk) {
                    return (at, Pause::Stop(Pumped::Violated(violation)));
                }
                continue;
            }
            Step::Control(control) => control,
        };
        let (raw, after) = part(rest, at, control.frame_len);
        at = after;
        match control.opcode {
            Opcode::Close => {
                from.note_close(&control);
                if manner == Manner::Forward {
                    to.note_close_forwarded(&control);
                    desk.out.extend_from_slice(raw);
                }
                return (at, Pause::Stop(Pumped::Closed));
            }
            Opcode::Pong if from.takes_pong(raw, &control) => {}
            opcode => {
                if opcode == Opcode::Ping {
                    to.note_ping();
                }
                desk.out.extend_from_slice(raw);
            }
        }
    }
}

/// The first bytes of the rest, and the place after them.
fn part(rest: &[u8], at: usize, length: usize) -> (&[u8], usize) {
    (rest.get(..length).expected_or_default(), at.saturating_add(length))
}
