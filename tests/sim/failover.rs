//! A route with several endpoints that fail in every way in which one can, before the client is answered.
//!
//! The promises: a handshake tries no endpoint twice, is answered once and in time, and comes to an endpoint that works
//! if the budget of further tries allows it; the budget holds; and what an endpoint answers last comes to the client.

use std::net::SocketAddr;
use std::sync::Arc;

use ringway::engine::Fault;
use ringway::proxy::end::End;
use ringway::proxy::record::Record;
use ringway::routing::addresses::AddressCell;
use ringway::routing::route::{Endpoint, Service};

use crate::net::{DialPlan, Host, NetPlan, Readiness};
use crate::peer::{Cut, PeerPlan};
use crate::plan::{ConnectionPlan, Outcome, Scene, Tls};
use crate::rng::Rng;
use crate::scene::{agreement, manners, peer, request, settings, timeouts};
use crate::script::{self, Style};
use crate::tls::configs::{self, Configs};
use crate::tls::{Misdeed, TlsPlan};
use crate::wire;
use crate::world::World;

/// Clients come for so many milliseconds.
const BUSY: u64 = 8000;

/// The behaviour of an endpoint towards a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Good,
    /// At once, or after a while.
    Refuses {
        at_once: bool,
    },
    /// Nobody answers to the connection.
    BlackHole,
    ClosesAtOnce,
    ResetsAtOnce,
    ResetsInItsHead,
    /// Accepts, and says nothing.
    Silent,
    Garbage,
    /// Speaks no TLS where it must.
    NotTls,
    Answers(u16),
}

const MANNERS: [Manner; 15] = [
    Manner::Good,
    Manner::Refuses { at_once: true },
    Manner::Refuses { at_once: false },
    Manner::BlackHole,
    Manner::ClosesAtOnce,
    Manner::ResetsAtOnce,
    Manner::ResetsInItsHead,
    Manner::Silent,
    Manner::Garbage,
    Manner::NotTls,
    Manner::Answers(401),
    Manner::Answers(429),
    Manner::Answers(502),
    Manner::Answers(503),
    Manner::Answers(504),
];

/// An endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    number: usize,
    addresses: Vec<SocketAddr>,
    /// The behaviour at first, and from some moment on.
    manner: Manner,
    later: Option<(u64, Manner)>,
    good: PeerPlan,
}

impl Target {
    fn url(&self) -> String {
        let scheme = if self.manner == Manner::NotTls { "wss" } else { "ws" };
        format!("{scheme}://up{}.test:80/base", self.number)
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        let place = Arc::new(AddressCell::unresolved());
        place.replace(self.addresses.clone());
        let tls = (self.manner == Manner::NotTls).then(configs::of_upstream);
        Endpoint::new(&self.url(), self.url().parse().unwrap(), tls, place)
    }

    fn is_always_good(&self) -> bool {
        self.manner == Manner::Good && self.later.is_none_or(|(_, later)| later == Manner::Good)
    }

    fn may_answer(&self, status: u16) -> bool {
        let own = [Some(self.manner), self.later.map(|(_, later)| later)];
        own.contains(&Some(Manner::Answers(status)))
    }

    fn host(&self, manner: Manner, configs: &mut Configs) -> Host {
        let dial = match manner {
            Manner::Refuses { at_once: true } => DialPlan::RefusedAtOnce,
            Manner::Refuses { at_once: false } => DialPlan::Fails(20, Fault::Refused),
            Manner::BlackHole => DialPlan::Never,
            _ => DialPlan::Connect(5),
        };
        let banner = TlsPlan { misdeed: Some(Misdeed::Banner), ..TlsPlan::default() };
        let tls = (manner == Manner::NotTls).then(|| (banner.clone(), configs.of(&banner, true)));
        Host { dial, tls, answer: Some(self.answer(manner)), later: None }
    }

    fn answer(&self, manner: Manner) -> PeerPlan {
        let cut = |at, cut| PeerPlan { cut: Some((at, cut)), valid: false, ..self.good.clone() };
        let says =
            |head: &str| PeerPlan { head: head.as_bytes().to_vec(), valid: false, ..peer(Vec::new(), Vec::new()) };
        match manner {
            Manner::ClosesAtOnce => cut(0, Cut::Leave),
            Manner::ResetsAtOnce => cut(0, Cut::Reset),
            Manner::ResetsInItsHead => cut(20, Cut::Reset),
            Manner::Silent => cut(0, Cut::Stall),
            Manner::Garbage => says("ringing bells\r\n\r\n"),
            Manner::Answers(status) => {
                says(&format!("HTTP/1.1 {status} No\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno"))
            }
            Manner::Good | Manner::Refuses { .. } | Manner::BlackHole | Manner::NotTls => self.good.clone(),
        }
    }
}

/// The hosts by their addresses.
pub(crate) fn hosts(targets: &[Target], configs: &mut Configs) -> Vec<(SocketAddr, Host)> {
    let mut hosts = Vec::new();
    for target in targets {
        let later = target.later.map(|(at, manner)| (at, Box::new(target.host(manner, configs))));
        let host = Host { later, ..target.host(target.manner, configs) };
        hosts.extend(target.addresses.iter().map(|address| (*address, host.clone())));
    }
    hosts
}

/// The scene of a seed.
pub(crate) fn random(seed: u64) -> Scene {
    let mut rng = Rng::new(seed.wrapping_mul(0xB529_7A4D_3F84_D5B5));
    let smooth = rng.chance(50);
    let style = Style { small: true, smooth, echo: false };
    let settings = settings(timeouts(&mut rng, smooth));
    let count = rng.range(1, 4);
    let targets: Arc<[Target]> = (0..count).map(|number| target(&mut rng, style, number)).collect();
    let is_crowd = rng.chance(15);
    let clients = if is_crowd { rng.range(30, 70) } else { rng.range(1, 10) };
    let busy = if is_crowd { rng.pick(&[200, 3000]) } else { BUSY };
    let connections = (0..clients).map(|_| connection(&mut rng, style, busy)).collect();
    Scene {
        seed,
        settings,
        service: Service::Relay,
        addresses: Arc::new([]),
        moves: None,
        net: NetPlan {
            readiness: rng.pick(&[Readiness::Kept, Readiness::Asked]),
            short: rng.pick(&[0, 10, 40]),
            spurious: rng.pick(&[0, 5, 30]),
            capacity: (4000, 90_000),
        },
        tls: Tls::default(),
        max_connections: 1000,
        max_per_address: None,
        connections,
        drain_at: rng.chance(20).then(|| rng.wait(0, busy + 1000)),
        horizon: if smooth { 200_000 } else { 30_000 },
        smooth,
        operator: None,
        failover: Some(targets),
        revised: None,
        channels: None,
        keys: None,
    }
}

fn target(rng: &mut Rng, style: Style, number: usize) -> Target {
    let manner = if rng.chance(30) { Manner::Good } else { rng.pick(&MANNERS) };
    // An endpoint keeps its scheme: one that must speak TLS and does not is so for good.
    let may_change = manner != Manner::NotTls && rng.chance(30);
    let next = rng.pick(&MANNERS);
    let later = (may_change && next != Manner::NotTls).then(|| (rng.wait(0, BUSY), next));
    let addresses = if rng.chance(6) { 0 } else { rng.range(1, 2) };
    let address = |n: usize| SocketAddr::from(([10, 9, u8::try_from(number).unwrap(), u8::try_from(n).unwrap()], 80));
    let mut good = peer(agreement(""), script::random(rng, style, true, false));
    manners(rng, style, &mut good);
    good.cut = None;
    Target { number, addresses: (1..=addresses).map(address).collect(), manner, later, good }
}

fn connection(rng: &mut Rng, style: Style, busy: u64) -> ConnectionPlan {
    let mut client = peer(request(""), script::random(rng, style, false, false));
    manners(rng, style, &mut client);
    // What an endpoint says is its own.
    let upstream = peer(Vec::new(), Vec::new());
    let at = rng.wait(0, busy);
    ConnectionPlan { at, dials: Vec::new(), client, upstream, outcome: Outcome::Open, balanced: None, ask: None }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// The endpoints that a connection came to, one after the other.
fn visited(world: &World, index: usize, targets: &[Target]) -> Result<Vec<usize>, String> {
    let (mut visited, mut addresses) = (Vec::new(), Vec::new());
    for (_, address) in &world.net.lines[index].dialled {
        let at = targets.iter().position(|target| target.addresses.contains(address));
        let at = at.ok_or_else(|| format!("nobody is at {address}"))?;
        ensure(!addresses.contains(address), || format!("{address} was dialled twice"))?;
        addresses.push(*address);
        if visited.last() != Some(&at) {
            ensure(!visited.contains(&at), || format!("endpoint {at} was tried twice: {visited:?}"))?;
            visited.push(at);
        }
    }
    Ok(visited)
}

/// One connection's handshake.
pub(crate) fn handshake(world: &World, index: usize, record: &Record, targets: &[Target]) -> Result<(), String> {
    let line = &world.net.lines[index];
    let visited = visited(world, index, targets)?;
    ensure(usize::from(record.dialled) == visited.len(), || format!("{} tries, {visited:?}", record.dialled))?;
    let last = visited.last().map(|at| targets[*at].url());
    let named = record.endpoint.as_ref().map(|endpoint| endpoint.name().to_owned());
    ensure(last.is_none() || named == last, || format!("the record names {named:?}, not {last:?}"))?;
    let waits = &world.scene.settings.policy.timeouts;
    if let Some(answered) = line.answered_at {
        // The body of what an endpoint answers has a deadline of its own.
        let body = if record.end == End::Declined { waits.connect } else { std::time::Duration::ZERO };
        let bound = u64::try_from((waits.handshake + body).as_millis()).unwrap() + 20;
        let took = answered - world.scene.connections[index].at;
        ensure(took <= bound, || format!("answered after {took} ms, bound {bound}"))?;
    }
    let sent = line.client.map_or(&[][..], |sock| &world.net.socks[sock].sent);
    if record.status != 101 && !sent.is_empty() {
        answered_once(sent, record, world.scene.smooth)?;
    }
    let drained = world.drained_at.is_some_and(|at| at <= world.gone_at[index].unwrap_or(0));
    let is_undisturbed = world.scene.smooth && !drained && record.end != End::LeftEarly;
    // Ten further tries a second are always there.
    let is_affordable = world.scene.connections.len() <= 3;
    let is_final = |target: &Target| target.may_answer(429) || target.may_answer(401);
    if is_undisturbed && is_affordable && targets.iter().any(|target| target.is_always_good() && target.has_address()) {
        let is_right = record.status == 101 || targets.iter().any(is_final);
        ensure(is_right, || format!("status {} though an endpoint works: {visited:?}", record.status))?;
    }
    Ok(())
}

impl Target {
    fn has_address(&self) -> bool {
        !self.addresses.is_empty()
    }
}

/// The client has one whole answer, with the endpoint's own Retry-After if it is the endpoint's.
fn answered_once(sent: &[u8], record: &Record, smooth: bool) -> Result<(), String> {
    // A client that does not read, or is gone, has a part of it.
    let Some(head) = wire::head_len(sent) else { return ensure(!smooth, || "half a head".to_owned()) };
    let length: usize =
        wire::header_value(&sent[..head], "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let whole = if smooth { head + length..=head + length } else { head..=head + length };
    ensure(whole.contains(&sent.len()), || format!("{} bytes sent, the answer has {whole:?}", sent.len()))?;
    if record.end == End::Declined {
        let retry = wire::header_value(&sent[..head], "retry-after");
        ensure(retry.as_deref() == Some("7"), || format!("Retry-After {retry:?}"))?;
    }
    Ok(())
}

/// The budget of further tries: a fifth of the handshakes of the last ten seconds, and ten a second.
pub(crate) fn run(world: &World) -> Result<(), String> {
    let Some(targets) = &world.scene.failover else { return Ok(()) };
    let mut further = 0;
    for index in 0..world.scene.connections.len() {
        further += visited(world, index, targets)?.len().saturating_sub(1);
    }
    let handshakes = world.scene.connections.len();
    // The time in which tries can be made: whole seconds of the clock, of which the first and the last are counted too.
    let last = world.net.lines.iter().filter_map(|line| line.answered_at).max().unwrap_or(0);
    let seconds = usize::try_from(last / 1000 + 1).unwrap();
    // A handshake counts for ten seconds, and so does a try.
    let share = handshakes.div_ceil(5) * seconds.div_ceil(10);
    ensure(further <= share + 10 * seconds, || format!("{further} further tries of {handshakes} in {seconds} s"))
}
