//! Plain HTTP on a data listener: requests for the health path, which Ringway answers itself, beside handshakes.
//!
//! The promises: a request has one whole answer, in time, and nothing behind it, however the request is cut and whatever
//! follows it; a body that does not come whole or breaks a rule is never answered as if it had; and nobody is dialled.

use ringway::proxy::end::End;
use ringway::proxy::record::Record;
use ringway::routing::route::Service;

use crate::net::{NetPlan, Readiness};
use crate::peer::Item;
use crate::plan::{ConnectionPlan, Outcome, Scene, Tls};
use crate::rng::Rng;
use crate::scene::{self, manners, peer, settings, timeouts};
use crate::script::Style;
use crate::tls::TlsPlan;
use crate::wire;
use crate::world::World;

/// The path that Ringway answers.
const PATH: &str = "/healthz";
/// The longest body, as docs/limits.md says.
const MAX_BODY: usize = 16 * 1024;
const HEALTHY: &str = "{\"status\":\"ok\"}\n";

/// The answer that a request has if nothing disturbs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// 200 with the health.
    Health,
    /// 200 without a body, whose length is told.
    HealthHead,
    /// A problem document.
    Problem(u16, &'static str),
}

/// A plain request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    due: Due,
    /// The bytes of the request: no sooner is it answered.
    whole: usize,
}

/// A request as bytes: the head, what comes behind it, and the part of that which is the body.
struct Request {
    head: Vec<u8>,
    rest: Vec<u8>,
    body: usize,
    due: Due,
}

/// A body, and the lines of the head that say how it ends.
struct Body {
    lines: String,
    bytes: Vec<u8>,
    due: Due,
}

const LATE: Due = Due::Problem(408, "handshake-timeout");

/// The scene of a seed.
pub(crate) fn random(seed: u64) -> Scene {
    let mut rng = Rng::new(seed.wrapping_mul(0xA076_1D64_78BD_642F));
    let smooth = rng.chance(50);
    let style = Style { small: true, smooth, echo: false };
    let mut settings = settings(timeouts(&mut rng, smooth));
    settings.plain.health = Some(PATH.parse().unwrap());
    let net = NetPlan {
        readiness: rng.pick(&[Readiness::Kept, Readiness::Asked]),
        short: rng.pick(&[0, 10, 40]),
        spurious: rng.pick(&[0, 5, 30]),
        capacity: rng.pick(&[(1, 60), (50, 3000), (2000, 90_000)]),
    };
    let is_secure = smooth && rng.chance(30);
    let count = rng.range(1, 5);
    let mut connections: Vec<ConnectionPlan> = Vec::new();
    for _ in 0..count {
        connections.push(match rng.chance(25) && !is_secure {
            true => scene::connection(&mut rng, style, 1),
            false => connection(&mut rng, style, &net),
        });
    }
    if is_secure {
        connections.iter_mut().for_each(|plan| plan.client.tls = Some(TlsPlan::default()));
    }
    Scene {
        seed,
        settings,
        service: Service::Relay,
        addresses: scene::addresses(1),
        moves: None,
        net,
        tls: Tls { down: is_secure, up: false },
        max_connections: 100,
        max_per_address: None,
        connections,
        drain_at: rng.chance(15).then(|| rng.wait(0, 1500)),
        horizon: if smooth { 200_000 } else { 30_000 },
        smooth,
        operator: None,
        failover: None,
        revised: None,
        channels: None,
        keys: None,
    }
}

/// A client with a plain request.
fn connection(rng: &mut Rng, style: Style, net: &NetPlan) -> ConnectionPlan {
    let Request { head, rest, body, due } = request(rng, net);
    let whole = head.len() + body;
    let all = head.len() + rest.len();
    let mut client = peer(head, Vec::new());
    client.valid = false;
    manners(rng, style, &mut client);
    // What comes behind the head is said without waiting for an answer.
    client.early = usize::MAX;
    if rng.chance(30) {
        client.items.push(Item::Wait(rng.wait(1, 40)));
    }
    for piece in rest.chunks(rng.pick(&[1 << 20, 5000, 700])) {
        client.items.push(Item::Say(piece.to_vec()));
        if rng.chance(20) {
            client.items.push(Item::Wait(rng.wait(1, 20)));
        }
    }
    if rng.chance(20) && due != LATE {
        client.items.push(Item::End);
    }
    if let Some((at, _)) = &mut client.cut {
        *at = rng.below(all + 1);
    }
    ConnectionPlan {
        at: rng.wait(0, 50),
        dials: Vec::new(),
        client,
        upstream: peer(Vec::new(), Vec::new()),
        outcome: Outcome::Plain(Asked { due, whole }),
        balanced: None,
        ask: None,
    }
}

fn request(rng: &mut Rng, net: &NetPlan) -> Request {
    let head = |line: &str, lines: &str| format!("{line}\r\n{lines}\r\n").into_bytes();
    let host = "Host: a.test\r\n";
    let pipelined = if rng.chance(30) { head(&format!("GET {PATH} HTTP/1.1"), host) } else { Vec::new() };
    let (head, due) = match rng.below(10) {
        0 => (head(&format!("GET {PATH} HTTP/1.0"), ""), Due::Health),
        1 => (head(&format!("HEAD {PATH} HTTP/1.1"), host), Due::HealthHead),
        2 => (head("OPTIONS * HTTP/1.1", host), Due::Health),
        3 => (head("GET /elsewhere HTTP/1.1", host), Due::Problem(426, "upgrade-required")),
        4 => (head(&format!("POST {PATH} HTTP/1.1"), host), Due::Problem(405, "method")),
        5 => (head(&format!("GET {PATH} HTTP/1.1"), ""), Due::Problem(400, "host-missing")),
        _ => {
            let Body { lines, bytes, due } = body(rng);
            // The interim answer is sent at once or not at all: a host has room for a line on a new connection.
            let has_room = net.short == 0 && net.capacity.0 >= 2000;
            let awaits = if has_room && rng.chance(50) { "Expect: 100-continue\r\n" } else { "" };
            let head = head(&format!("GET {PATH}?q HTTP/1.1"), &format!("{host}{awaits}{lines}"));
            // The line end behind the last chunk is not waited for.
            let body = bytes.len() - if bytes.ends_with(b"0\r\n\r\n") { 2 } else { 0 };
            // Behind a body that does not come, anything would be a part of it.
            let rest = if due == LATE { bytes } else { [bytes, pipelined].concat() };
            return Request { head, rest, body, due };
        }
    };
    Request { head, rest: pipelined, body: 0, due }
}

fn body(rng: &mut Rng) -> Body {
    let size = rng.pick(&[0, 1, 100, 5000, MAX_BODY]);
    let content = wire::noise(rng, size).to_vec();
    let known = |length: usize, bytes, due| Body { lines: format!("Content-Length: {length}\r\n"), bytes, due };
    let chunked = |bytes, due| Body { lines: "Transfer-Encoding: chunked\r\n".to_owned(), bytes, due };
    match rng.below(9) {
        0 | 1 => known(size, content, Due::Health),
        2 | 3 => chunked([chunks(rng, &content), b"0\r\n\r\n".to_vec()].concat(), Due::Health),
        4 => known(MAX_BODY + 1, content, Due::Problem(413, "body-too-large")),
        5 => {
            let long = wire::noise(rng, MAX_BODY + 1).to_vec();
            chunked(chunks(rng, &long), Due::Problem(413, "body-too-large"))
        }
        6 => chunked([chunks(rng, &content), b"x\r\n".to_vec()].concat(), Due::Problem(400, "body-malformed")),
        7 => {
            let lines = format!("Transfer-Encoding: chunked\r\nContent-Length: {size}\r\n");
            Body { lines, bytes: content, due: Due::Problem(400, "body-malformed") }
        }
        _ if rng.chance(50) => known(MAX_BODY, content[..size.min(MAX_BODY - 1)].to_vec(), LATE),
        _ => chunked(chunks(rng, &content), LATE),
    }
}

/// Content in chunks, without the last one.
fn chunks(rng: &mut Rng, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let smallest = if content.len() > 500 { 300 } else { 1 };
    for chunk in content.chunks(rng.pick(&[smallest, 4000, 1 << 20])) {
        out.extend(format!("{:x}{}\r\n", chunk.len(), rng.pick(&["", ";a=b"])).into_bytes());
        out.extend(chunk);
        out.extend(b"\r\n");
    }
    out
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Splits the interim answer off, which says that a body may come.
pub(crate) fn without_interim(sent: &[u8]) -> &[u8] {
    sent.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(sent)
}

/// One connection's request and answer.
pub(crate) fn answered(world: &World, index: usize, record: &Record, asked: Asked) -> Result<(), String> {
    let Asked { due, whole } = asked;
    let (line, client) = (&world.net.lines[index], &world.peers[index * 2]);
    let sent = line.client.map_or(&[][..], |sock| &world.net.socks[sock].sent);
    let answer = without_interim(sent);
    let is_smooth = world.scene.smooth;
    ensure(line.dialled.is_empty(), || "an upstream was dialled".to_owned())?;
    if let Some(answered) = line.answered_at {
        // In TLS an answer counts once its record is whole, which takes a while through a small buffer.
        let grace = if world.scene.tls.down { 500 } else { 20 };
        let bound = u64::try_from(world.scene.settings.policy.timeouts.handshake.as_millis()).unwrap() + grace;
        let took = answered - world.scene.connections[index].at;
        ensure(took <= bound, || format!("answered after {took} ms, bound {bound}"))?;
    }
    if !answer.is_empty() {
        one_answer(answer, due, record, is_smooth)?;
    }
    let drained = world.drained_at.is_some_and(|at| at <= world.gone_at[index].unwrap_or(0));
    match record.end {
        End::Answered => {
            let is_right = matches!(due, Due::Health | Due::HealthHead) && record.status == 200;
            ensure(is_right, || format!("answered with {}, due was {due:?}", record.status))?;
            ensure(client.wrote >= whole, || format!("answered after {} of {whole} bytes", client.wrote))?;
        }
        End::Refused(refusal) => {
            let is_due = matches!(due, Due::Problem(_, code) if code == refusal.code);
            let is_late = refusal.code == "handshake-timeout" && !is_smooth;
            ensure(is_due || is_late || (drained && refusal.code == "draining"), || format!("due was {due:?}"))?;
        }
        End::LeftEarly | End::LeftSilently => {
            ensure(client.ended || client.gone || client.was_reset, || "the client had not left".to_owned())?;
        }
        _ => return ensure(drained, || format!("due was {due:?}")),
    }
    let is_whole = !is_smooth || matches!(record.end, End::LeftEarly | End::LeftSilently) || client.given == *sent;
    ensure(is_whole, || "the answer did not come to the client whole".to_owned())
}

/// The bytes are one answer, the whole of it unless the client took no more, and nothing behind it.
fn one_answer(answer: &[u8], due: Due, record: &Record, smooth: bool) -> Result<(), String> {
    let Some(head) = wire::head_len(answer) else { return ensure(!smooth, || "half a head".to_owned()) };
    let told = wire::header_value(&answer[..head], "content-length").and_then(|text| text.parse().ok());
    let told: usize = told.ok_or("an answer without a length")?;
    let is_head_alone = due == Due::HealthHead && record.end == End::Answered;
    let length = head + if is_head_alone { 0 } else { told };
    let whole = if smooth { length..=length } else { head..=length };
    ensure(whole.contains(&answer.len()), || format!("{} bytes sent, the answer has {whole:?}", answer.len()))?;
    if record.end == End::Answered && answer.len() == length {
        let is_health = told == HEALTHY.len() && (is_head_alone || answer.ends_with(HEALTHY.as_bytes()));
        ensure(is_health, || format!("not the health: {}", answer.escape_ascii()))?;
    }
    let closes = wire::header_value(&answer[..head], "connection").unwrap_or_default();
    ensure(closes.split(',').any(|word| word.trim() == "close"), || "it does not say that it closes".to_owned())
}
