//! Tunnels whose messages are inspected: whatever the fragments and the pieces in which they come, the other side gets exactly the
//! messages that may pass, byte for byte as they were sent, and nothing of the others.

use std::collections::HashMap;
use std::sync::Arc;

use ringway::routing::validation::{
    ChannelValidation, CheckMode, Checked, Checkers, Direction, Finding, Kind, MessageChecker, OnViolation, OverLimit,
    Reason, Rule, Validation, Verdict,
};

use crate::named::{client, policy, scene, upstream};
use crate::net::{NetPlan, Readiness};
use crate::peer::Item;
use crate::plan::Scene;
use crate::rng::Rng;
use crate::wire::{self, BINARY, CLOSE, CONTINUATION, FIN, Found, PING, TEXT};
use crate::world::World;

const SEEDS: u64 = 400;
/// The longest message that is checked.
const MAX_BYTES: usize = 600;

/// Rules that need no contract: a message that begins with `-` breaks them, one with `?` cannot be checked.
#[derive(Debug)]
struct BySign;

impl MessageChecker for BySign {
    fn check(&self, _: Direction, kind: Kind, message: &[u8]) -> Checked {
        assert_eq!(kind, Kind::Text);
        assert!(message.len() <= MAX_BYTES, "a message of {} bytes is checked", message.len());
        assert!(message.iter().all(u8::is_ascii), "the payload was unmasked with a wrong key");
        let verdict = match message.first() {
            Some(b'-') => Verdict::Violation(Box::new(Finding::new(Rule::NOT_JSON, "", ["m"], "a sign"))),
            Some(b'?') => Verdict::Unchecked(Reason::NoMessage),
            Some(b'!') => Verdict::Unchecked(Reason::TooMuchWork),
            _ => Verdict::Valid,
        };
        // Often more than a step may cost.
        Checked { verdict, looks: 500 }
    }

    fn is_undirected(&self) -> bool {
        false
    }
}

/// The checkers of a scene's route, if its policy asks for them.
pub(crate) fn checkers(scene: &Scene) -> Option<Arc<Checkers>> {
    // The scenes' connections have no channel.
    let rules: (Box<str>, Arc<dyn MessageChecker>) = ("".into(), Arc::new(BySign));
    scene.settings.policy.validation.is_on().then(|| Arc::new(Checkers::new([rules])))
}

/// A message as its frames, with control frames between some of them, and what becomes of it.
fn message(rng: &mut Rng, key: impl Fn(&mut Rng) -> wire::Key, out: &mut Vec<u8>) {
    let first = rng.pick(&[TEXT, TEXT, TEXT, BINARY]);
    let length = rng.pick(&[0, 1, 30, 200, MAX_BYTES, MAX_BYTES + 1, 3_000]);
    let length = if length > 30 && rng.chance(50) { rng.below(length) } else { length };
    let mut payload: Vec<u8> = (0..length).map(|at| b'a' + u8::try_from(at % 26).unwrap()).collect();
    if let Some(sign) = payload.first_mut() {
        *sign = rng.pick(b"++-?!");
    }
    let parts = rng.pick(&[1, 1, 2, 5]);
    let mut rest = payload.as_slice();
    for part in 1..=parts {
        let take = if part == parts { rest.len() } else { rng.below(rest.len() + 1) };
        let (now, later) = rest.split_at(take);
        rest = later;
        let opcode = if part == 1 { first } else { CONTINUATION };
        let fin = if part == parts { FIN } else { 0 };
        let masked = key(rng);
        out.extend(wire::frame(fin | opcode, masked, now));
        if part < parts && rng.chance(40) {
            let masked = key(rng);
            out.extend(wire::frame(FIN | PING, masked, b"ping"));
        }
    }
}

fn random(seed: u64, validation: Validation) -> Scene {
    let mut rng = Rng::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let script = |is_client: bool, rng: &mut Rng| {
        let mut items = Vec::new();
        for _ in 0..rng.range(1, 12) {
            let mut bytes = Vec::new();
            message(rng, |rng| is_client.then(|| rng.key()), &mut bytes);
            items.push(Item::Say(bytes));
            if rng.chance(20) {
                items.push(Item::Wait(rng.wait(1, 50)));
            }
        }
        items
    };
    let mut from_client = script(true, &mut rng);
    from_client.push(Item::Wait(20_000));
    from_client.push(Item::Close(Some(4001), "bye"));
    let from_upstream = script(false, &mut rng);
    let mut scene = scene(client(from_client), upstream(from_upstream));
    scene.seed = seed;
    policy(&mut scene).validation = ChannelValidation::of_all(validation);
    scene.net = NetPlan {
        readiness: rng.pick(&[Readiness::Kept, Readiness::Asked]),
        short: rng.pick(&[0, 10, 40]),
        spurious: rng.pick(&[0, 5, 30]),
        capacity: rng.pick(&[(20, 300), (50, 3000), (2000, 90_000)]),
    };
    let plan = &mut scene.connections[0];
    for peer in [&mut plan.client, &mut plan.upstream] {
        peer.write_max = rng.pick(&[3, 50, 700, 1 << 20]);
        peer.early = usize::from(rng.chance(30));
    }
    scene.horizon = 200_000;
    scene
}

/// The messages of a stream, each with its bytes (control frames apart), and the control frames.
fn messages(stream: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let start = wire::head_len(stream).unwrap_or(stream.len());
    let (frames, _) = wire::frames(stream, start);
    let (mut all, mut controls, mut current) = (Vec::new(), Vec::new(), Vec::new());
    for frame in &frames {
        if frame.opcode() >= CLOSE {
            controls.push(frame.bytes(stream).to_vec());
            continue;
        }
        current.extend_from_slice(frame.bytes(stream));
        if frame.is_last_of_message() {
            all.push(std::mem::take(&mut current));
        }
    }
    assert!(current.is_empty(), "a message was forwarded in part");
    (all, controls)
}

/// The payload of a message, and whether it is text.
fn payload(message: &[u8]) -> (Vec<u8>, bool) {
    let (frames, _) = wire::frames(message, 0);
    let is_text = frames.first().map(Found::opcode) == Some(TEXT);
    (frames.iter().flat_map(|frame| frame.body(message)).collect(), is_text)
}

/// True if a message passes where rules are enforced.
fn passes(message: &[u8], over_limit: OverLimit) -> bool {
    let (payload, is_text) = payload(message);
    let is_over = payload.len() > MAX_BYTES || payload.first() == Some(&b'!');
    match payload.first() {
        _ if !is_text => true,
        _ if is_over => over_limit == OverLimit::Pass,
        Some(b'-') => false,
        _ => true,
    }
}

/// One direction's bytes: those that were said, and those that arrived.
type Flow = (Vec<u8>, Vec<u8>);

/// Plays a scene, and returns the bytes of what clients say and of what upstreams say.
fn played(scene: Scene) -> (World, [Flow; 2]) {
    let seed = scene.seed;
    let mut world = World::new(scene, false);
    world.run().unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    let line = &world.net.lines[0];
    let sent = |sock: Option<usize>| sock.map_or_else(Vec::new, |sock| world.net.socks[sock].sent.clone());
    let (to_client, to_upstream) = (sent(line.client), sent(line.upstream));
    let said = [world.peers[0].said().to_vec(), world.peers[1].said().to_vec()];
    let [from_client, from_upstream] = said;
    (world, [(from_client, to_upstream), (from_upstream, to_client)])
}

fn enforced(over_limit: OverLimit) -> Validation {
    Validation {
        client_sends: CheckMode::Enforce,
        client_receives: CheckMode::Enforce,
        on_violation: OnViolation::Drop,
        max_bytes: MAX_BYTES,
        over_limit,
    }
}

#[test]
fn with_drop_exactly_the_messages_that_may_pass_arrive_byte_for_byte() {
    let mut counts = HashMap::<bool, usize>::new();
    for seed in 0..SEEDS {
        let over_limit = if seed % 2 == 0 { OverLimit::Pass } else { OverLimit::Drop };
        let (_, flows) = played(random(seed, enforced(over_limit)));
        for (said, arrived) in flows {
            let (all, pings) = messages(&said);
            let (got, controls) = messages(&arrived);
            let wanted: Vec<Vec<u8>> = all
                .into_iter()
                .filter(|one| {
                    let passes = passes(one, over_limit);
                    *counts.entry(passes).or_default() += 1;
                    passes
                })
                .collect();
            assert_eq!(got, wanted, "seed {seed}");
            let forwarded = controls.iter().filter(|frame| pings.contains(frame)).count();
            assert!(forwarded >= pings.len(), "seed {seed}: {forwarded} of {} control frames", pings.len());
        }
    }
    assert!(counts[&true] > 500 && counts[&false] > 500, "{counts:?} proves too little");
}

#[test]
fn in_report_every_byte_arrives_whatever_it_says() {
    for seed in 0..SEEDS {
        let report = Validation {
            client_sends: CheckMode::Report,
            client_receives: CheckMode::Report,
            ..enforced(OverLimit::Drop)
        };
        for (said, arrived) in played(random(seed, report)).1 {
            assert_eq!(messages(&arrived).0, messages(&said).0, "seed {seed}");
        }
    }
}

#[test]
fn with_close_nothing_passes_from_the_first_message_that_may_not_and_its_sender_is_told_why() {
    let mut closed = 0;
    for seed in 0..SEEDS {
        let close = Validation {
            client_receives: CheckMode::Off,
            on_violation: OnViolation::Close,
            ..enforced(OverLimit::Close)
        };
        let (world, [(said, arrived), _]) = played(random(seed, close));
        let (all, _) = messages_so_far(&said);
        let wanted: Vec<Vec<u8>> = all.iter().take_while(|one| passes(one, OverLimit::Close)).cloned().collect();
        assert_eq!(messages(&arrived).0, wanted, "seed {seed}");
        let record = &world.records[0];
        if wanted.len() < all.len() {
            closed += 1;
            let (payload, _) = payload(&all[wanted.len()]);
            let is_over = payload.len() > MAX_BYTES || payload.first() == Some(&b'!');
            let code = if is_over { 1009 } else { 1008 };
            assert_eq!(record.client.close_sent, Some(code), "seed {seed}: {}", record.end);
            assert!(record.end.to_string().starts_with("client violation: "), "seed {seed}: {}", record.end);
        } else {
            assert_eq!(record.end.to_string(), "closed by client", "seed {seed}");
        }
    }
    assert!(closed > 100, "{closed} ends prove too little");
}

/// Like [`messages`], of what a peer said that may have been stopped inside a message.
fn messages_so_far(stream: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let start = wire::head_len(stream).unwrap_or(stream.len());
    let (frames, end) = wire::frames(stream, start);
    let (mut all, mut current) = (Vec::new(), Vec::new());
    for frame in frames.iter().filter(|frame| frame.opcode() < CLOSE) {
        current.extend_from_slice(frame.bytes(stream));
        if frame.is_last_of_message() {
            all.push(std::mem::take(&mut current));
        }
    }
    (all, end)
}

/// True if what arrived is all of some first messages, and of the later ones those that pass.
fn is_changed_once(
    all: &[Vec<u8>],
    arrived: &[Vec<u8>],
    before: impl Fn(&[u8]) -> bool,
    after: impl Fn(&[u8]) -> bool,
) -> bool {
    (0..=all.len()).any(|change| {
        let (early, late) = all.split_at(change);
        let passed = early.iter().filter(|one| before(one)).chain(late.iter().filter(|one| after(one)));
        passed.eq(arrived.iter())
    })
}

#[test]
fn a_live_change_begins_with_a_message_and_leaves_the_one_that_has_begun_as_it_was() {
    let (on, off) = (enforced(OverLimit::Drop), Validation::default());
    let (all_pass, some_pass) = (|_: &[u8]| true, |one: &[u8]| passes(one, OverLimit::Drop));
    let mut changed = 0;
    for seed in 0..SEEDS {
        let mut rng = Rng::new(seed);
        let begins = seed % 2 == 0;
        let (first, second) = if begins { (off, on) } else { (on, off) };
        let mut scene = random(seed, first);
        scene.revised = Some((rng.wait(0, 200), second));
        for (said, arrived) in played(scene).1 {
            let (all, got) = (messages(&said).0, messages(&arrived).0);
            let is_right = if begins {
                is_changed_once(&all, &got, all_pass, some_pass)
            } else {
                is_changed_once(&all, &got, some_pass, all_pass)
            };
            assert!(is_right, "seed {seed}: {} of {} messages", got.len(), all.len());
            let filtered = all.iter().filter(|one| some_pass(one)).count();
            changed += usize::from(got.len() > filtered && got.len() < all.len());
        }
    }
    assert!(changed > 20, "{changed} streams that changed on their way prove too little");
}
