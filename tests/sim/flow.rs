//! One direction of a connection, looked at afterwards: which bytes of what one side said came to the other.

use std::collections::HashSet;

use crate::peer::Peer;
use crate::wire::{self, CLOSE, FIN, Found, PING, PONG};

#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Bytes of the sender's frames that were sent on.
    pub(crate) bytes: u64,
    /// Messages whose last frame's header was.
    pub(crate) messages: u64,
    /// Messages whose last frame's header the sender wrote.
    pub(crate) messages_said: u64,
    /// Bytes of frames that the sender wrote and that broke no rule.
    pub(crate) bytes_said: u64,
    /// Everything it said that broke no rule was sent on, to its close frame.
    pub(crate) complete: bool,
    /// Everything before its close frame.
    pub(crate) complete_but_close: bool,
    pub(crate) ours_pings: usize,
    pub(crate) swallowed_pongs: usize,
    pub(crate) swallowed_bytes: usize,
    /// The close frame that came out, and whether it is the proxy's own.
    pub(crate) close: Option<(u16, String, bool)>,
    /// Ends between two frames.
    pub(crate) whole: bool,
    /// The code of the close frame that the sender said.
    pub(crate) close_said: Option<u16>,
    /// How far into what the sender said it went, and where frames begin in what the receiver was sent.
    pub(crate) reached: usize,
}

/// The nonces of pings of the proxy's own that this side was sent.
pub(crate) fn nonces_in(sent: &[u8], start: usize, nonces: &[[u8; 8]]) -> HashSet<Vec<u8>> {
    let (frames, _) = wire::frames(sent, start);
    let pings = frames.iter().filter(|frame| frame.opcode() == PING && frame.end - frame.payload == 8);
    pings.map(|frame| frame.body(sent)).filter(|body| nonces.iter().any(|nonce| nonce == body.as_slice())).collect()
}

fn is_close(frame: &Found) -> bool {
    frame.opcode() == CLOSE
}

/// Holds what `from` said against what was sent to the other side from `start` on.
pub(crate) fn flow(
    from: &Peer,
    sent: &[u8],
    start: usize,
    asked: &HashSet<Vec<u8>>,
    nonces: &[[u8; 8]],
) -> Result<Flow, String> {
    let said = &from.said()[..from.wrote.min(from.good_until)];
    let (frames, tail) = wire::frames(said, from.head_said.min(said.len()));
    let mut flow = Flow { reached: from.head_said, ..Flow::default() };
    flow.messages_said = frames.iter().filter(|frame| frame.is_last_of_message()).count() as u64
        + u64::from(wire::find_header(said, tail).is_some_and(|frame| frame.is_last_of_message()));
    flow.bytes_said = said.len().saturating_sub(from.head_said) as u64;
    flow.close_said = frames.iter().find(|frame| is_close(frame)).map(|frame| frame.close(said).0);
    let swallowed =
        |frame: &Found| frame.opcode() == PONG && frame.end - frame.payload == 8 && asked.contains(&frame.body(said));
    let to_upstream = !from.is_upstream;
    let side = if to_upstream { "upstream" } else { "client" };
    let mut waiting = frames.iter().peekable();
    let mut at = start;
    flow.whole = true;
    loop {
        while let Some(pong) = waiting.next_if(|frame| swallowed(frame)) {
            flow.swallowed_pongs += 1;
            flow.swallowed_bytes += pong.end - pong.start;
        }
        if at >= sent.len() {
            break;
        }
        let next_said = waiting.peek().map_or(tail, |frame| frame.start);
        let Some(out) = wire::find_header(sent, at).filter(|frame| frame.end <= sent.len()) else {
            flow.cut(said, next_said, &sent[at..])
                .map_err(|()| format!("to {side} at {at}: a cut frame that nobody said"))?;
            break;
        };
        if flow.close.is_some() {
            return Err(format!("to {side} at {at}: a frame behind a close frame"));
        }
        let bytes = out.bytes(sent);
        if waiting.peek().is_some_and(|frame| frame.bytes(said) == bytes) {
            if let Some(frame) = waiting.next() {
                flow.reached = frame.end;
            }
            flow.bytes += bytes.len() as u64;
            flow.messages += u64::from(out.is_last_of_message());
            if is_close(&out) {
                let (code, reason) = out.close(sent);
                flow.close = Some((code, reason, false));
            }
        } else {
            if out.key.is_some() != to_upstream {
                return Err(format!("to {side} at {at}: neither the other side's frame nor masked as ours must be"));
            }
            match (out.first, out.body(sent)) {
                (first, body) if first == FIN | PING && nonces.iter().any(|nonce| nonce == body.as_slice()) => {
                    flow.ours_pings += 1;
                }
                (first, _) if first == FIN | CLOSE => {
                    let (code, reason) = out.close(sent);
                    flow.close = Some((code, reason, true));
                }
                (first, body) => {
                    return Err(format!(
                        "to {side} at {at}: frame {first:#x} of {} bytes that the other side did not say next ({:?})",
                        body.len(),
                        waiting.peek()
                    ));
                }
            }
        }
        at = out.end;
    }
    flow.complete_but_close = flow.whole && waiting.peek().is_none_or(|frame| is_close(frame)) && tail == said.len();
    flow.complete = flow.complete_but_close && waiting.peek().is_none();
    Ok(flow)
}

impl Flow {
    /// Accepts `rest`, the incomplete frame at the end of the stream, if the other side said it or the proxy inserts such frames.
    fn cut(&mut self, said: &[u8], next: usize, rest: &[u8]) -> Result<(), ()> {
        self.whole = false;
        let ours = [FIN | PING, FIN | CLOSE].contains(&rest[0]);
        if ours && rest.len() < 6 {
            // Too short to tell who sent it.
            Ok(())
        } else if said[next.min(said.len())..].starts_with(rest) {
            self.bytes += rest.len() as u64;
            self.reached = next + rest.len();
            if wire::find_header(rest, 0).is_some_and(|frame| frame.is_last_of_message()) {
                self.messages += 1;
            }
            Ok(())
        } else if ours {
            // The proxy's own frame, sent in part.
            Ok(())
        } else {
            Err(())
        }
    }
}
