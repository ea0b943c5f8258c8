//! The rules for an echo: every message comes back as it was, a pong answers every ping, an equal close frame answers a close.

use ringway::command::Cause;
use ringway::proxy::end::End;
use ringway::proxy::record::Record;

use crate::wire::{self, CLOSE, FIN, PING, PONG};
use crate::world::World;

pub(crate) fn check(world: &World, index: usize, record: &Record) -> Result<(), String> {
    let client = &world.peers[index * 2];
    let Some(sock) = world.net.lines[index].client else { return Err("no socket".to_owned()) };
    let sent = &world.net.socks[sock].sent;
    let start = wire::head_len(sent).unwrap_or(sent.len());
    let said = &client.said()[..client.wrote.min(client.good_until)];
    let (frames, tail) = wire::frames(said, client.head_said.min(said.len()));
    let mut expected = Vec::new();
    for frame in &frames {
        let first = match frame.opcode() {
            PONG => continue,
            PING => FIN | PONG,
            _ => frame.first,
        };
        expected.extend(wire::raw_frame(first, None, &frame.body(said)));
    }
    if let Some(frame) = wire::find_header(said, tail).filter(|frame| frame.opcode() < CLOSE) {
        wire::header(frame.first, None, (frame.end - frame.payload) as u64, &mut expected);
        let mut part = said[frame.payload..].to_vec();
        wire::unmask(&mut part, frame.key);
        expected.extend(part);
    }
    let body = &sent[start..];
    let mut common = body.iter().zip(&expected).take_while(|(a, b)| a == b).count();
    if common < body.len() {
        // Then what is left is a close frame of ours, which may begin as the client's own does.
        let (frames, tail) = wire::frames(sent, start);
        let last = frames.last().filter(|frame| tail == sent.len() && frame.opcode() == CLOSE);
        let ours = last.map_or(tail, |frame| frame.start) - start;
        let is_close = sent[start + ours] == FIN | CLOSE;
        if ours > common || !is_close || !matches!(record.end, End::Drained(Cause::Shutdown) | End::Violated(..)) {
            return Err(format!("at {common}: neither the client's words nor a close of ours"));
        }
        common = ours;
    }
    if world.scene.smooth {
        let all = match record.end {
            End::Closed(_) | End::Ended(_) | End::Idle | End::Violated(..) => common == expected.len(),
            _ => true,
        };
        // What a client does not take of its echo when it breaks a rule, it does not get.
        if !all && !matches!(record.end, End::Violated(..)) {
            return Err(format!("{common} of {} bytes came back", expected.len()));
        }
    }
    Ok(())
}
