//! Frames and heads in streams of bytes, written and found by RFC 6455 and RFC 9112 alone: nothing of `ringway::proto` is used.
//! The writer of frames is in `tests/it/harness/framing.rs`, which the integration tests use too.

use std::sync::LazyLock;

use crate::rng::Rng;

pub(crate) use crate::framing::{BINARY, CLOSE, CONTINUATION, FIN, Key, PING, PONG, TEXT, frame, header, unmask};

/// The first byte of a TLS client.
pub(crate) const TLS_HANDSHAKE: u8 = 22;

/// Bytes that payloads are cut from: making them up each time would take most of a seed's time.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut rng = Rng::new(0);
    (0..160_000).flat_map(|_| rng.next().to_le_bytes()).collect()
});

pub(crate) fn noise(rng: &mut Rng, len: usize) -> &'static [u8] {
    let start = rng.below(NOISE.len() - len);
    &NOISE[start..start + len]
}

/// A whole frame whose payload goes on the wire as it is given, unmasked: for payloads that nobody reads.
pub(crate) fn raw_frame(first: u8, key: Key, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 14);
    header(first, key, payload.len() as u64, &mut out);
    out.extend_from_slice(payload);
    out
}

pub(crate) fn close_frame(key: Key, code: Option<u16>, reason: &str) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(code) = code {
        body.extend(code.to_be_bytes());
        body.extend(reason.as_bytes());
    }
    frame(FIN | CLOSE, key, &body)
}

/// Where a frame stands in a stream of bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) payload: usize,
    pub(crate) end: usize,
    pub(crate) first: u8,
    pub(crate) key: Key,
}

impl Found {
    pub(crate) fn opcode(&self) -> u8 {
        self.first & 0x0F
    }

    pub(crate) fn is_last_of_message(&self) -> bool {
        self.opcode() < CLOSE && self.first & FIN != 0
    }

    pub(crate) fn bytes<'a>(&self, stream: &'a [u8]) -> &'a [u8] {
        &stream[self.start..self.end]
    }

    pub(crate) fn body(&self, stream: &[u8]) -> Vec<u8> {
        let mut body = stream[self.payload..self.end].to_vec();
        unmask(&mut body, self.key);
        body
    }

    /// The code and reason of a close frame; 1005 where it has none.
    pub(crate) fn close(&self, stream: &[u8]) -> (u16, String) {
        match self.body(stream).as_slice() {
            [high, low, reason @ ..] => {
                (u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason).into_owned())
            }
            _ => (1005, String::new()),
        }
    }
}

/// The header at `start`: the frame's place, its end perhaps behind the bytes at hand. No rule is checked.
pub(crate) fn find_header(stream: &[u8], start: usize) -> Option<Found> {
    let at = |i: usize| stream.get(start + i).copied();
    let (first, second) = (at(0)?, at(1)?);
    let (len, mut used) = match second & 0x7F {
        126 => (u64::from(u16::from_be_bytes([at(2)?, at(3)?])), 4),
        127 => {
            let bytes: [u8; 8] = stream.get(start + 2..start + 10)?.try_into().ok()?;
            (u64::from_be_bytes(bytes), 10)
        }
        short => (u64::from(short), 2),
    };
    let key = if second & 0x80 != 0 {
        used += 4;
        Some([at(used - 4)?, at(used - 3)?, at(used - 2)?, at(used - 1)?])
    } else {
        None
    };
    let payload = start + used;
    let end = payload.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
    Some(Found { start, payload, end, first, key })
}

/// The whole frames from `start` on, and where the first that is not whole begins.
pub(crate) fn frames(stream: &[u8], start: usize) -> (Vec<Found>, usize) {
    let (mut found, mut at) = (Vec::new(), start);
    while let Some(frame) = find_header(stream, at).filter(|frame| frame.end <= stream.len()) {
        at = frame.end;
        found.push(frame);
    }
    (found, at)
}

/// The length of the HTTP head at the start.
pub(crate) fn head_len(stream: &[u8]) -> Option<usize> {
    stream.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The value of a header line, by its name in lower case.
pub(crate) fn header_value(head: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(head).into_owned();
    text.lines().skip(1).find_map(|line| {
        let (given, value) = line.split_once(':')?;
        given.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// The content of a body by its framing (RFC 9112 section 6); `None` if it is not whole.
pub(crate) fn body(head: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    if let Some(length) = header_value(head, "content-length") {
        return (bytes.len() == length.parse::<usize>().ok()?).then(|| bytes.to_vec());
    }
    let (mut content, mut rest) = (Vec::new(), bytes);
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        let chunk = rest.get(line + 2..line + 2 + size)?;
        rest = rest.get(line + 2 + size..)?.strip_prefix(b"\r\n")?;
        if size == 0 {
            return rest.is_empty().then_some(content);
        }
        content.extend(chunk);
    }
}

pub(crate) fn status(head: &[u8]) -> u16 {
    head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|s| s.parse().ok()).unwrap_or(0)
}
