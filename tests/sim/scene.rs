//! Scenes: one from each seed, and the pieces that named tests put theirs together from.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringway::engine::Fault;
use ringway::proto::head::HeadLimits;
use ringway::proto::scan::FrameLimits;
use ringway::routing::plain::PlainPaths;
use ringway::routing::policy::{Policy, Timeouts};
use ringway::routing::route::Service;
use ringway::routing::settings::Settings;

use crate::net::{DialPlan, NetPlan, Readiness};
use crate::peer::{Cut, Item, PeerPlan, Pongs};
use crate::plan::{ConnectionPlan, Outcome, Scene, Tls};
use crate::rng::Rng;
use crate::script::{self, Style};

pub(crate) const MAX_FRAME_BYTES: u64 = 3 << 20;
const MAX_HEAD_BYTES: usize = 2048;

/// So many addresses of the upstream's.
pub(crate) fn addresses(count: usize) -> Arc<[SocketAddr]> {
    (1..=count).map(|n| SocketAddr::from(([10, 9, 9, u8::try_from(n).unwrap_or(0)], 80))).collect()
}

/// So many addresses that it moves to.
pub(crate) fn elsewhere(count: usize) -> Arc<[SocketAddr]> {
    (1..=count).map(|n| SocketAddr::from(([10, 8, 8, u8::try_from(n).unwrap_or(0)], 80))).collect()
}

pub(crate) fn settings(timeouts: Timeouts) -> Settings {
    let frames = FrameLimits { max_frame_bytes: MAX_FRAME_BYTES, max_message_bytes: MAX_FRAME_BYTES * 2 };
    let policy = Policy {
        frames,
        timeouts,
        abnormal_close_code: None,
        drain_window: Duration::ZERO,
        tolerance: Default::default(),
        validation: Default::default(),
    };
    Settings {
        head: HeadLimits { max_bytes: MAX_HEAD_BYTES, max_lines: 40 },
        policy: Arc::new(policy),
        trusted_proxies: Vec::new(),
        proxy_protocol: Vec::new(),
        strict_sni_host: false,
        max_invalid_credentials: None,
        plain: PlainPaths::default(),
    }
}

pub(crate) fn request(extra: &str) -> Vec<u8> {
    format!(
        "GET /chat?token=secret HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
    )
    .into_bytes()
}

pub(crate) fn agreement(extra: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {{accept}}\r\n{extra}\r\n"
    )
    .into_bytes()
}

/// A peer that is well and quick.
pub(crate) fn peer(head: Vec<u8>, items: Vec<Item>) -> PeerPlan {
    PeerPlan {
        head,
        valid: true,
        early: 0,
        items,
        pongs: Pongs::Now,
        answers_close: true,
        pace: (0, 0),
        read_max: 1 << 20,
        write_max: 1 << 20,
        cut: None,
        stays: false,
        tls: None,
    }
}

fn millis(rng: &mut Rng, low: u64, high: u64) -> Duration {
    Duration::from_millis(rng.wait(low, high))
}

pub(crate) fn timeouts(rng: &mut Rng, smooth: bool) -> Timeouts {
    if smooth {
        return Timeouts {
            handshake: Duration::from_secs(60),
            connect: Duration::from_secs(30),
            idle: rng.chance(60).then_some(Duration::from_secs(40)),
            ping_interval: rng.chance(50).then_some(Duration::from_secs(10)),
            upstream_ping_interval: rng.chance(50).then_some(Duration::from_secs(10)),
            pong: Duration::from_secs(10),
            close: Duration::from_secs(60),
        };
    }
    Timeouts {
        handshake: millis(rng, 100, 3000),
        connect: millis(rng, 50, 2000),
        idle: rng.chance(70).then(|| millis(rng, 300, 5000)),
        ping_interval: rng.chance(60).then(|| millis(rng, 50, 2000)),
        upstream_ping_interval: rng.chance(60).then(|| millis(rng, 50, 2000)),
        pong: millis(rng, 20, 1000),
        close: millis(rng, 20, 2000),
    }
}

/// The scene of a seed.
pub(crate) fn random(seed: u64) -> Scene {
    let mut rng = Rng::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D));
    let smooth = rng.chance(45);
    let echo = rng.chance(10);
    let small = rng.chance(65);
    let addresses = if rng.chance(4) { 0 } else { rng.range(1, 3) };
    let settings = settings(timeouts(&mut rng, smooth));
    let capacity = match (small, smooth) {
        (true, _) => rng.pick(&[(1, 60), (50, 3000), (2000, 90_000)]),
        (false, _) => rng.pick(&[(2000, 9000), (4000, 90_000), (200_000, 500_000)]),
    };
    let style = Style { small, smooth, echo };
    let count = if rng.chance(70) { 1 } else { rng.range(2, 4) };
    let connections = (0..count).map(|_| connection(&mut rng, style, addresses)).collect();
    let scene = Scene {
        seed,
        settings,
        service: if echo { Service::Echo } else { Service::Relay },
        addresses: crate::scene::addresses(addresses),
        moves: rng.chance(10).then(|| (rng.wait(0, 100), elsewhere(addresses))),
        net: NetPlan {
            readiness: rng.pick(&[Readiness::Kept, Readiness::Asked]),
            short: rng.pick(&[0, 10, 40]),
            spurious: rng.pick(&[0, 5, 30]),
            capacity,
        },
        tls: Tls::default(),
        max_connections: if smooth || rng.chance(90) { 100 } else { 1 },
        max_per_address: None,
        connections,
        drain_at: rng.chance(if smooth { 12 } else { 25 }).then(|| rng.wait(0, 1500)),
        horizon: if smooth { 200_000 } else { 30_000 },
        smooth,
        operator: None,
        failover: None,
        revised: None,
        channels: None,
        keys: None,
    };
    // By chance of its own: what goes on in plain text is as it was.
    let mut scene = crate::tls::scene::encrypted(scene, style, &mut Rng::new(seed.wrapping_mul(0x9E6C_63D0_876A_3F6B)));
    if rng.chance(25) {
        Arc::make_mut(&mut scene.settings.policy).abnormal_close_code = Some(rng.pick(&[1011, 1012, 4000]));
    }
    // By chance of its own too.
    let mut rng = Rng::new(seed.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    if rng.chance(25) {
        balance(&mut rng, &mut scene);
    }
    scene
}

/// Some of the connections come through a balancer, and those of an address are counted.
fn balance(rng: &mut Rng, scene: &mut Scene) {
    scene.settings.proxy_protocol = vec![vec![BALANCERS.parse().unwrap()]];
    scene.max_per_address = Some(if scene.smooth { 100 } else { rng.wait(1, 3) });
    for (index, plan) in scene.connections.iter_mut().enumerate() {
        if !rng.chance(70) {
            continue;
        }
        let garbled = !scene.smooth && rng.chance(15);
        let header = if garbled {
            plan.outcome = Outcome::Open;
            rng.pick(&["PROXY TCP4 10.1.2.3\r\n", "P", "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b"]).as_bytes().to_vec()
        } else {
            match rng.below(4) {
                0 => b"PROXY UNKNOWN\r\n".to_vec(),
                1 => b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\x04\x04\0\x01\0".to_vec(),
                _ => announcement(index),
            }
        };
        plan.balanced = Some(header);
    }
}

/// Where balancers are.
pub(crate) const BALANCERS: &str = "10.3.0.0/16";

/// A header that names a connection's client.
pub(crate) fn announcement(index: usize) -> Vec<u8> {
    let client = crate::plan::client_address(index);
    format!("PROXY TCP4 {} 10.9.9.9 {} 443\r\n", client.ip(), client.port()).into_bytes()
}

/// A connection that opens, or fails to in one way or another.
pub(crate) fn connection(rng: &mut Rng, style: Style, addresses: usize) -> ConnectionPlan {
    let deflate = !style.echo && rng.chance(20);
    let (offer, accepted) =
        if deflate { ("Sec-WebSocket-Extensions: permessage-deflate\r\n", rng.chance(60)) } else { ("", false) };
    let agreed = if accepted { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
    let mut client = peer(request(offer), script::random(rng, style, false, accepted));
    let mut upstream = peer(agreement(agreed), script::random(rng, style, true, accepted));
    let mut outcome = Outcome::Opens;
    if rng.chance(30) {
        client.early = rng.range(1, 3);
    }
    if rng.chance(30) {
        upstream.early = rng.range(1, 3);
    }
    if rng.chance(10) {
        let mut head = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec();
        head.extend(&upstream.head);
        upstream.head = head;
    }
    let mut dials = if style.echo { Vec::new() } else { dials(rng, style, addresses, &mut outcome) };
    if !style.echo && outcome == Outcome::Opens && rng.chance(18) {
        outcome = bad_answer(rng, style, &mut upstream);
    }
    if rng.chance(8) {
        (client.head, outcome) = script::bad_request(rng);
        client.valid = false;
        dials.clear();
    }
    for plan in [&mut client, &mut upstream] {
        manners(rng, style, plan);
    }
    if client.cut.is_some() || upstream.cut.is_some() {
        outcome = Outcome::Open;
    }
    ConnectionPlan { at: rng.wait(0, 50), dials, client, upstream, outcome, balanced: None, ask: None }
}

pub(crate) fn manners(rng: &mut Rng, style: Style, plan: &mut PeerPlan) {
    (plan.read_max, plan.write_max) = if style.small {
        (rng.pick(&[3, 100, 5000, 1 << 20]), rng.pick(&[2, 60, 1500, 1 << 20]))
    } else {
        (rng.pick(&[4000, 100_000, 1 << 20]), rng.pick(&[2000, 90_000, 1 << 20]))
    };
    plan.stays = rng.chance(50);
    if style.smooth {
        plan.pace = rng.pick(&[(0, 0), (0, 1)]);
        return;
    }
    plan.pace = rng.pick(&[(0, 0), (0, 1), (0, 30), (5, 200)]);
    plan.pongs =
        rng.pick(&[Pongs::Now, Pongs::Now, Pongs::Newest(300), Pongs::Late(400), Pongs::Late(2500), Pongs::Never]);
    plan.answers_close = rng.chance(85);
    if rng.chance(25) {
        let total = plan.head.len() + if rng.chance(30) { 0 } else { script::len(&plan.items) };
        plan.cut = Some((rng.below(total + 1), rng.pick(&[Cut::End, Cut::Reset, Cut::Leave, Cut::Stall])));
    }
}

fn dials(rng: &mut Rng, style: Style, addresses: usize, outcome: &mut Outcome) -> Vec<DialPlan> {
    let mut plans = Vec::new();
    for _ in 0..addresses {
        plans.push(match rng.below(12) {
            0 => DialPlan::RefusedAtOnce,
            1 => DialPlan::Fails(rng.wait(0, 20), rng.pick(&[Fault::Refused, Fault::Unreachable, Fault::TimedOut])),
            2 if rng.chance(50) => DialPlan::NoDescriptors,
            3 if rng.chance(50) => DialPlan::Never,
            _ => DialPlan::Connect(rng.wait(0, if style.smooth { 5 } else { 300 })),
        });
    }
    *outcome = match last_dial(&plans) {
        None if plans.is_empty() => Outcome::Refused(503, "upstream-unresolved"),
        None => Outcome::Refused(502, "upstream-unreachable"),
        Some(DialPlan::NoDescriptors) => Outcome::Refused(503, "no-descriptors"),
        Some(DialPlan::Never) => Outcome::Refused(504, "upstream-timeout"),
        Some(_) => Outcome::Opens,
    };
    plans
}

/// The dial behind which no other comes, unless all fail.
pub(crate) fn last_dial(plans: &[DialPlan]) -> Option<&DialPlan> {
    let last = plans.len().saturating_sub(1);
    let passed = |at: usize, plan: &DialPlan| match plan {
        DialPlan::RefusedAtOnce | DialPlan::Fails(..) => true,
        // Given up for the next one.
        DialPlan::Never => at < last,
        DialPlan::Connect(_) | DialPlan::NoDescriptors => false,
    };
    plans.iter().enumerate().find(|(at, plan)| !passed(*at, plan)).map(|(_, plan)| plan)
}

/// An upstream that does not agree, in one way or another.
pub(crate) fn bad_answer(rng: &mut Rng, style: Style, upstream: &mut PeerPlan) -> Outcome {
    upstream.valid = false;
    upstream.early = 1;
    let wrong = |head: &str, code| (head.as_bytes().to_vec(), Outcome::Refused(502, code));
    let body = script::noise(rng, style, 40_000);
    let (head, outcome) = match rng.below(13) {
        0 => wrong(
            "HTTP/1.1 101 Ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            "upstream-accept",
        ),
        1 => wrong(
            "HTTP/1.1 101 Ok\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n",
            "upstream-not-websocket",
        ),
        2 => wrong(
            "HTTP/1.0 101 Ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n",
            "upstream-http-version",
        ),
        3 => (agreement("Sec-WebSocket-Protocol: never-offered\r\n"), Outcome::Refused(502, "upstream-protocol")),
        4 => (agreement("Sec-WebSocket-Extensions: x-never-offered\r\n"), Outcome::Refused(502, "upstream-extension")),
        5 => (agreement("Content-Length: 5\r\n"), Outcome::Refused(502, "upstream-body")),
        6 => wrong("ringing bells\r\n\r\n", "upstream-malformed"),
        7 => {
            let head = [b"HTTP/1.1 200 Ok\r\nX-A: ".as_slice(), &[b'x'; MAX_HEAD_BYTES]].concat();
            (head, Outcome::Refused(502, "upstream-head-too-large"))
        }
        8 => {
            let head = format!("HTTP/1.1 401 No\r\nX-A: b\r\nContent-Length: {}\r\n\r\n", body.len());
            ([head.into_bytes(), body.clone()].concat(), Outcome::Declined(401, body))
        }
        9 => {
            let mut out = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for chunk in body.chunks(rng.range(500, 5000)) {
                out.extend(format!("{:x};a=b\r\n", chunk.len()).bytes());
                out.extend(chunk);
                out.extend(b"\r\n");
            }
            out.extend(b"0\r\n\r\n");
            (out, Outcome::Declined(403, body))
        }
        10 => {
            upstream.items.insert(0, Item::End);
            ([b"HTTP/1.1 500 No\r\n\r\n".as_slice(), &body].concat(), Outcome::Declined(500, body))
        }
        11 => {
            upstream.items = vec![Item::End];
            (b"HTTP/1.1 101 Switching Pro".to_vec(), Outcome::Refused(502, "upstream-closed"))
        }
        _ => {
            upstream.items = Vec::new();
            (b"HTTP/1.1 101 Switching Pro".to_vec(), Outcome::Refused(504, "upstream-timeout"))
        }
    };
    upstream.head = head;
    outcome
}
