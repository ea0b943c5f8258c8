//! The bytes that a peer sends: messages, control frames between and inside them, and the end.

use ringway::engine::Fault;

use crate::peer::Item;
use crate::plan::Outcome;
use crate::rng::Rng;
use crate::wire::{self, BINARY, CLOSE, CONTINUATION, FIN, Key, PING, PONG, TEXT};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) small: bool,
    pub(crate) smooth: bool,
    pub(crate) echo: bool,
}

/// Bytes that no head's rules apply to.
pub(crate) fn noise(rng: &mut Rng, style: Style, most: usize) -> Vec<u8> {
    let len = rng.below(if style.small { 600 } else { most });
    wire::noise(rng, len).to_vec()
}

pub(crate) fn len(items: &[Item]) -> usize {
    items.iter().map(|item| if let Item::Say(bytes) = item { bytes.len() } else { 0 }).sum()
}

fn size(rng: &mut Rng, style: Style) -> usize {
    if style.small {
        return rng.pick(&[0, 1, 20, 125, 126, 300, 900]);
    }
    match rng.below(100) {
        0..30 => rng.range(0, 130),
        30..60 => rng.range(126, 3000),
        60..85 => rng.range(3000, 70_000),
        85..89 => rng.pick(&[65_535, 65_536, 65_537, 131_072, 131_328]),
        89..99 => rng.range(60_000, 200_000),
        _ => 1 << 20,
    }
}

fn key(rng: &mut Rng, upstream: bool) -> Key {
    (!upstream).then(|| rng.key())
}

fn control(rng: &mut Rng, upstream: bool) -> Item {
    let len = rng.pick(&[0, 4, 8, 8, 60, 125]);
    let body = wire::noise(rng, len);
    let first = FIN | rng.pick(&[PING, PING, PONG]);
    let key = key(rng, upstream);
    Item::Say(wire::frame(first, key, body))
}

fn message(rng: &mut Rng, style: Style, upstream: bool, deflate: bool, items: &mut Vec<Item>) {
    let parts = if rng.chance(70) { 1 } else { rng.range(2, 5) };
    let kind = rng.pick(&[TEXT, BINARY]);
    let deflated = if deflate && rng.chance(50) { 0x40 } else { 0 };
    for part in 0..parts {
        let first = if part == 0 { kind | deflated } else { CONTINUATION };
        let first = if part + 1 == parts { first | FIN } else { first };
        let (len, key) = (size(rng, style), key(rng, upstream));
        items.push(Item::Say(if style.echo && kind == TEXT {
            // What comes back is checked to be text.
            let text: Vec<u8> = wire::noise(rng, len).iter().map(|byte| byte & 0x7F).collect();
            wire::frame(first, key, &text)
        } else {
            wire::raw_frame(first, key, wire::noise(rng, len))
        }));
        if part + 1 < parts && rng.chance(30) {
            items.push(control(rng, upstream));
        }
    }
}

pub(crate) fn random(rng: &mut Rng, style: Style, upstream: bool, deflate: bool) -> Vec<Item> {
    let mut items = Vec::new();
    let count = if style.small { rng.range(0, 12) } else { rng.range(0, 6) };
    for _ in 0..count {
        match rng.below(10) {
            0 | 1 => items.push(control(rng, upstream)),
            2 => items.push(Item::Wait(rng.wait(0, if style.smooth { 60 } else { 1500 }))),
            _ => message(rng, style, upstream, deflate, &mut items),
        }
    }
    if !style.smooth && rng.chance(15) {
        items.insert(rng.below(items.len() + 1), Item::StopReading);
        if rng.chance(60) {
            items.insert(rng.below(items.len() + 1), Item::Wait(rng.wait(0, 3000)));
            items.push(Item::ReadAgain);
        }
    }
    if rng.chance(50) {
        items.push(Item::Wait(rng.wait(0, 400)));
    }
    match rng.below(if style.smooth { 8 } else { 11 }) {
        0..3 => items.push(Item::Close(rng.pick(&[None, Some(1000), Some(1001), Some(3999), Some(4000)]), "bye")),
        3 => items.push(Item::End),
        4 => {
            let (bytes, word) = violation(rng, upstream);
            items.push(Item::Violate(bytes, word));
        }
        8 => items.push(Item::Reset(rng.pick(&[Fault::Reset, Fault::TimedOut]))),
        9 => items.push(Item::Leave),
        _ => {}
    }
    if rng.chance(50) { joined(rng, items) } else { items }
}

/// Joins some of the items, so that a write may end anywhere in a frame.
fn joined(rng: &mut Rng, items: Vec<Item>) -> Vec<Item> {
    let mut out: Vec<Item> = Vec::new();
    for item in items {
        match (out.last_mut(), item) {
            (Some(Item::Say(before)), Item::Say(bytes)) if rng.chance(70) => before.extend(bytes),
            (_, item) => out.push(item),
        }
    }
    out
}

/// A frame that breaks a rule wherever it stands between two messages, and the rule's word.
pub(crate) fn violation(rng: &mut Rng, upstream: bool) -> (Vec<u8>, &'static str) {
    let key = key(rng, upstream);
    let wrong_key = if upstream { Some([1, 2, 3, 4]) } else { None };
    let masked = if upstream { 0 } else { 0x80 };
    let keyed = |mut bytes: Vec<u8>| {
        bytes.extend(key.iter().flatten());
        bytes
    };
    match rng.below(14) {
        0 => (wire::frame(FIN | 0x3, key, b"x"), "unknown-opcode"),
        1 => (wire::frame(FIN | 0xF, key, b""), "unknown-opcode"),
        2 => (wire::frame(FIN | 0x20 | TEXT, key, b"x"), "reserved-bit"),
        3 => (wire::frame(PING, key, b"x"), "fragmented-control"),
        4 => (wire::frame(FIN | PONG, key, &[7; 126]), "control-too-long"),
        5 => (wire::frame(FIN | TEXT, wrong_key, b"x"), if upstream { "unexpected-mask" } else { "missing-mask" }),
        6 => (keyed(vec![FIN | BINARY, masked | 126, 0, 100]), "non-minimal-length"),
        7 => (keyed(vec![FIN | BINARY, masked | 127, 0, 0, 0, 0, 0, 0, 255, 255]), "non-minimal-length"),
        8 => (keyed(vec![FIN | BINARY, masked | 127, 0x80, 0, 0, 0, 0, 0, 0, 1]), "length-high-bit"),
        9 => (wire::frame(FIN | CONTINUATION, key, b"x"), "nothing-to-continue"),
        10 => (wire::frame(FIN | CLOSE, key, b"x"), "close-body-too-short"),
        11 => (wire::close_frame(key, Some(rng.pick(&[999, 1004, 1005, 1006, 1015, 2999, 5000])), "no"), "close-code"),
        12 => (keyed(vec![FIN | BINARY, masked | 127, 0, 0, 1, 0, 0, 0, 0, 0]), "frame-too-big"),
        _ => {
            // The first part is right, so it belongs to what is passed on; the second begins anew.
            (wire::frame(FIN | 0xB, key, b""), "unknown-opcode")
        }
    }
}

/// A request that is refused, with what comes of it.
pub(crate) fn bad_request(rng: &mut Rng) -> (Vec<u8>, Outcome) {
    let good = String::from_utf8(crate::scene::request("")).unwrap();
    let edit = |from: &str, to: &str| good.replacen(from, to, 1).into_bytes();
    let (head, status, code) = match rng.below(14) {
        0 => (edit("GET", "POST"), 405, "method"),
        1 => (edit("Upgrade: websocket\r\n", ""), 426, "upgrade-required"),
        2 => (edit("Connection: Upgrade", "Connection: close"), 400, "connection-not-upgrade"),
        3 => (edit("Version: 13", "Version: 8"), 426, "version-unsupported"),
        4 => (edit("Key: dGhl", "Key: "), 400, "key-invalid"),
        5 => (edit("Host: a.test\r\n", ""), 400, "host-missing"),
        6 => (edit("Host: a.test\r\n", "Host: a.test\r\nHost: b.test\r\n"), 400, "host-duplicate"),
        7 => (edit("Host: a", "Transfer-Encoding: chunked\r\nHost: a"), 400, "transfer-encoding"),
        8 => (edit("Host: a", "Content-Length: 7\r\nHost: a"), 413, "body"),
        9 => (edit("HTTP/1.1", "HTTP/1.0"), 400, "http-version"),
        10 => (edit("\r\nHost", "\nHost"), 400, "head-malformed"),
        11 => return (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), Outcome::SpeaksTls),
        12 => (edit("Host: a", &format!("X-A: {}\r\nHost: a", "y".repeat(4000))), 431, "head-too-large"),
        _ => (edit("Host: a", &format!("{}Host: a", "X-A: y\r\n".repeat(60))), 431, "head-too-many-lines"),
    };
    (head, Outcome::Refused(status, code))
}
