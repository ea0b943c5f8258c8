//! Moves bytes from one side to the other: receive, scan, and send from the same memory. The hot path.

use super::context::Context;
use super::end::Side;
use super::leg::Leg;
use crate::engine::{Fault, Received, Transport};
use crate::invariant::Invariant;
use crate::proto::Violation;
use crate::proto::frame::Opcode;
use crate::proto::scan::{FrameLimits, Stop};

/// The most receives in one step and direction, a megabyte in all. Then other connections have their turn.
const RECEIVES: usize = 8;

/// The use of bytes that a side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Forwarded, the close frame too.
    Forward,
    /// Forwarded, but for the close frame: the other side gets one in Ringway's own name.
    ForwardButClose,
    /// Forwarded up to the end of the frame that has begun, and not read beyond it.
    FinishFrame,
    /// Read and dropped, up to the close frame.
    Drop,
}

/// The result of a pump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pumped {
    /// Nothing more can be done now.
    Blocked,
    /// The budget is used up.
    More,
    /// The side sent its close frame. Bytes after it are dropped.
    Closed,
    /// The side has finished sending.
    Ended,
    /// The side broke a rule. The valid bytes before it were forwarded.
    Violated(Violation),
    /// The connection of this side is broken.
    Broken(Side, Fault),
}

pub(super) fn pump<T: Transport>(from: &mut Leg, to: &mut Leg, manner: Manner, cx: &mut Context<'_, T>) -> Pumped {
    for _ in 0..RECEIVES {
        let end = match receive(from, to, manner, cx) {
            Ok(end) => end,
            Err(pumped) => return pumped,
        };
        if let Some(stop) = pass_on(from, to, manner, end, cx) {
            return stop;
        }
    }
    Pumped::More
}

/// Receives into the scratch. Returns where the bytes end there, or why there is nothing to pass on.
#[inline]
fn receive<T: Transport>(
    from: &mut Leg,
    to: &mut Leg,
    manner: Manner,
    cx: &mut Context<'_, T>,
) -> Result<usize, Pumped> {
    if manner != Manner::Drop {
        match to.flush(cx) {
            Ok(true) => {}
            // Back-pressure: while one side does not take its bytes, the other is not read.
            Ok(false) => return Err(Pumped::Blocked),
            Err(fault) => return Err(Pumped::Broken(to.side, fault)),
        }
    }
    let (carried, fresh) = from.load_carry(cx.scratch);
    if fresh {
        return Ok(carried);
    }
    let until = match manner {
        Manner::FinishFrame => usize::try_from(from.scanner.remaining()).expected_or(usize::MAX),
        _ => usize::MAX,
    };
    let until = until.min(cx.scratch.len());
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

/// Scans the scratch up to `end` and sends the valid bytes. Returns a result if nothing that follows counts.
///
/// Not inlined: a side that has sent nothing does not pay for it.
#[inline(never)]
fn pass_on<T: Transport>(
    from: &mut Leg,
    to: &mut Leg,
    manner: Manner,
    mut end: usize,
    cx: &mut Context<'_, T>,
) -> Option<Pumped> {
    let now = cx.net.now();
    from.heard(now);
    let route = cx.routes.get_mut(cx.route);
    let before = from.scanner.messages();
    let passage = pass(from, to, manner, cx.scratch, &mut end, &route.policy().frames);
    // Before the send, which may take the scratch's memory.
    let rest = if passage.stop.is_none() { passage.scanned..end } else { 0..0 };
    from.store_carry(cx.scratch.get(rest).expected_or_default());
    if passage.forward > 0 {
        from.received_bytes = from.received_bytes.saturating_add(u64::try_from(passage.forward).expected_or(0));
        from.last_forwarded = now;
        let messages = from.scanner.messages().saturating_sub(before);
        route.passed(from.side, messages, passage.forward);
        if let Err(fault) = to.outbox.send_scratch(to.socket, cx.net, cx.scratch, passage.forward, cx.pool) {
            return Some(Pumped::Broken(to.side, fault));
        }
    }
    passage.stop
}

/// The result of scanning the scratch.
struct Passage {
    /// The number of bytes at the start that must be sent.
    forward: usize,
    /// The number of bytes at the start that need not be scanned again.
    scanned: usize,
    stop: Option<Pumped>,
}

/// Scans the scratch up to `end`. A pong for one of our own pings is taken out, which moves `end`.
#[inline]
fn pass(
    from: &mut Leg,
    to: &mut Leg,
    manner: Manner,
    scratch: &mut [u8],
    end: &mut usize,
    limits: &FrameLimits,
) -> Passage {
    let mut at: usize = 0;
    let stop = loop {
        let scan = from.scanner.scan(scratch.get(at..*end).expected_or_default(), limits);
        at = at.saturating_add(scan.used);
        let control = match scan.stop {
            Stop::NeedMore => break None,
            Stop::Violation(violation) => break Some(Pumped::Violated(violation)),
            Stop::Control(control) => control,
        };
        let after = at.saturating_add(control.frame_len);
        match control.opcode {
            Opcode::Close => {
                from.note_close(&control);
                if manner == Manner::Forward {
                    to.note_close_forwarded(&control);
                    at = after;
                }
                break Some(Pumped::Closed);
            }
            Opcode::Pong if from.takes_pong(scratch.get(at..after).expected_or_default(), &control) => {
                #[expect(clippy::disallowed_methods, reason = "the pong ends within what was received")]
                scratch.copy_within(after..*end, at);
                *end = end.saturating_sub(control.frame_len);
            }
            opcode => {
                if opcode == Opcode::Ping && manner != Manner::Drop {
                    to.note_ping();
                }
                at = after;
            }
        }
    };
    Passage { forward: if manner == Manner::Drop { 0 } else { at }, scanned: at, stop }
}
