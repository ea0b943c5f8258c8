//! A run with an operator, made up from a seed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ringway::routing::policy::Policy;
use ringway::routing::route::{Gate, Service};

use super::{APIS, Ask, Deployed, Filter, Means, Order, Plan, Reach, State, Target};
use crate::net::{NetPlan, Readiness};
use crate::peer::{Item, PeerPlan};
use crate::plan::{ConnectionPlan, Outcome, Scene, Tls};
use crate::rng::Rng;
use crate::scene::{agreement, bad_answer, manners, peer, settings, timeouts};
use crate::script::{self, Style};
use crate::tls::{Identity, TlsPlan};

/// The operator is at work for so many milliseconds.
const BUSY: u64 = 3000;

/// A request for a path at a host.
pub(crate) fn request(ask: &Ask) -> Vec<u8> {
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        ask.target, ask.host
    )
    .into_bytes()
}

/// A target that its place in the plan names.
pub(crate) fn target(at: usize, reach: Reach, addresses: usize) -> Target {
    let in_tls = matches!(reach, Reach::Good { tls: true } | Reach::Untrusted(_));
    let scheme = if in_tls { "wss" } else { "ws" };
    let base_path = if at % 3 == 2 { String::new() } else { format!("/base{at}") };
    let authority = format!("up{at}.test:9000");
    let count = if reach == Reach::Unresolved { 0 } else { addresses };
    let address = |n: usize| SocketAddr::from(([10, 9, u8::try_from(at).unwrap(), u8::try_from(n).unwrap()], 9000));
    let addresses = (1..=count).map(address).collect();
    Target { url: format!("{scheme}://{authority}{base_path}"), authority, base_path, reach, addresses }
}

/// The scene of a seed.
pub(crate) fn random(seed: u64) -> Scene {
    let mut rng = Rng::new(seed.wrapping_mul(0xA24B_AED4_963E_E407));
    let smooth = rng.chance(50);
    let style = Style { small: rng.chance(85), smooth, echo: false };
    let settings = settings(timeouts(&mut rng, smooth));
    let policies: Vec<_> = (0..3).map(|_| policy(&mut rng, smooth, &settings.policy)).collect();
    let targets: Vec<_> = (0..rng.range(3, 8)).map(|at| random_target(&mut rng, at, smooth)).collect();
    let tls = Tls { down: rng.chance(15), up: false };
    let is_crowd = rng.chance(12);
    let count = if is_crowd { rng.range(20, 40) } else { rng.range(2, 12) };
    let mut fleet = Fleet { rng: rng.fork(), targets: targets.len(), in_tls: tls.down, edition: 0 };
    let first: State = (0..APIS.len()).map(|api| fleet.rng.chance(75).then(|| fleet.deployed(api))).collect();
    let orders = fleet.orders(&first, count);
    let connections = (0..count).map(|_| connection(&mut rng, style, tls.down, is_crowd)).collect();
    let connect_ms = if smooth { 5 } else { 200 };
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
            capacity: if style.small { rng.pick(&[(1, 60), (50, 3000), (2000, 90_000)]) } else { (4000, 90_000) },
        },
        tls,
        max_connections: 1000,
        max_per_address: None,
        connections,
        drain_at: rng.chance(40).then(|| rng.wait(0, BUSY + 1000)),
        horizon: if smooth { 20_000 } else { BUSY + 5000 },
        smooth,
        operator: Some(Arc::new(Plan { targets, policies, connect_ms, first, orders })),
        failover: None,
        revised: None,
        channels: None,
        keys: None,
    }
}

fn policy(rng: &mut Rng, smooth: bool, like: &Policy) -> Arc<Policy> {
    let drain_window = Duration::from_millis(rng.pick(&[0, 5, 70, 300, 1000, 3000]));
    Arc::new(Policy { timeouts: timeouts(rng, smooth), drain_window, ..Policy::clone(like) })
}

fn random_target(rng: &mut Rng, at: usize, smooth: bool) -> Target {
    let reach = match rng.below(100) {
        0..55 => Reach::Good { tls: false },
        55..67 => Reach::Good { tls: true },
        67..74 => Reach::Unresolved,
        74..86 => Reach::Unreachable { at_once: rng.chance(50) },
        86..90 if !smooth => Reach::Silent,
        _ => Reach::Untrusted(rng.pick(&[Some(Identity::Stranger), Some(Identity::WrongName), None])),
    };
    // The first is good: most scenes are to come to something.
    target(at, if at == 0 { Reach::Good { tls: false } } else { reach }, rng.range(1, 2))
}

/// The listener that an API is served at, unless it is not for once.
fn usual_listener(api: usize) -> u16 {
    u16::from(api >= 4)
}

/// The deployments while the operator's actions are generated.
struct Fleet {
    rng: Rng,
    targets: usize,
    in_tls: bool,
    edition: u32,
}

impl Fleet {
    fn next_edition(&mut self) -> u32 {
        self.edition += 1;
        self.edition
    }

    fn targets(&mut self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.targets).collect();
        let count = self.rng.range(1, 3);
        (0..count).map(|_| all.swap_remove(self.rng.below(all.len()))).collect()
    }

    fn gate(&mut self) -> Gate {
        self.rng.pick(&[Gate::Open, Gate::Open, Gate::Open, Gate::Blocked, Gate::Stopped])
    }

    fn deployed(&mut self, api: usize) -> Deployed {
        Deployed {
            listener: usual_listener(api),
            gate: if self.rng.chance(85) { Gate::Open } else { self.gate() },
            targets: self.targets(),
            policy: self.rng.below(3),
            deprecated: self.rng.chance(20),
            preserve_host: self.rng.chance(20),
            edition: self.next_edition(),
        }
    }

    /// One API as it is from now on.
    fn changed(&mut self, before: Option<&Deployed>, history: &[State], api: usize) -> Option<Deployed> {
        let Some(before) = before else {
            // As it was when it was there last, the same object or another, or as it never was.
            let last = history.iter().rev().find_map(|state| state[api].clone());
            return match (self.rng.below(3), last) {
                (0, Some(last)) => Some(last),
                (1, Some(last)) => Some(Deployed { edition: self.next_edition(), ..last }),
                _ => Some(self.deployed(api)),
            };
        };
        let mut now = Deployed { edition: self.next_edition(), ..before.clone() };
        match self.rng.below(15) {
            0 | 1 => return None,
            // Served at the other listener from now on.
            14 => now.listener = 1 - now.listener,
            2..5 if before.gate == Gate::Open => now.gate = self.rng.pick(&[Gate::Blocked, Gate::Stopped]),
            2..5 => now.gate = Gate::Open,
            5 | 6 => now.targets = self.targets(),
            7 | 8 if now.targets.len() > 1 => drop(now.targets.remove(self.rng.below(now.targets.len()))),
            7..10 => {
                let more = self.rng.below(self.targets);
                if !now.targets.contains(&more) {
                    now.targets.push(more);
                }
            }
            10 => now.policy = self.rng.below(3),
            11 => (now.gate, now.targets) = (self.gate(), self.targets()),
            12 => now.targets = self.former_targets(history, api).unwrap_or(now.targets),
            // The same, as another object.
            _ => {}
        }
        Some(now)
    }

    fn former_targets(&mut self, history: &[State], api: usize) -> Option<Vec<usize>> {
        let at = self.rng.below(history.len());
        history[at][api].as_ref().map(|deployed| deployed.targets.clone())
    }

    fn orders(&mut self, first: &State, connections: usize) -> Vec<(u64, Order)> {
        let mut times: Vec<u64> = (0..self.rng.range(3, 20)).map(|_| self.rng.wait(0, BUSY)).collect();
        // Some come one right behind the other.
        for at in 1..times.len() {
            if self.rng.chance(35) {
                times[at] = times[at - 1] + self.rng.pick(&[0, 0, 1, 20, 150]);
            }
        }
        times.sort_unstable();
        let mut history = vec![first.clone()];
        times.into_iter().map(|at| (at, self.order(&mut history, connections))).collect()
    }

    fn order(&mut self, history: &mut Vec<State>, connections: usize) -> Order {
        let which = |rng: &mut Rng| (0..APIS.len()).filter(|_| rng.chance(40)).collect::<Vec<_>>();
        match self.rng.below(20) {
            0..11 => {
                let mut state = history[history.len() - 1].clone();
                let count = self.rng.pick(&[0, 1, 1, 1, 2, 6]);
                for _ in 0..count {
                    let api = self.rng.below(APIS.len());
                    state[api] = self.changed(state[api].as_ref(), history, api);
                }
                history.push(state.clone());
                Order::InForce(state)
            }
            11 => Order::Close(which(&mut self.rng)),
            12 => Order::CloseOne(self.rng.below(connections)),
            19 if self.rng.chance(30) => Order::Late,
            13 if self.in_tls => Order::Certificates,
            13..17 => Order::Report,
            _ => {
                let filter = Filter {
                    apis: self.rng.chance(40).then(|| which(&mut self.rng)),
                    client: self.rng.chance(30).then(|| IpAddr::from([10, 1, 2, self.rng.pick(&[3, 4])])),
                };
                Order::List(filter, self.rng.pick(&[1, 2, 3, 100]))
            }
        }
    }
}

fn connection(rng: &mut Rng, style: Style, in_tls: bool, is_crowd: bool) -> ConnectionPlan {
    let ask = ask(rng, is_crowd);
    let mut client = peer(request(&ask), script::random(rng, style, false, false));
    let mut upstream = peer(agreement(""), script::random(rng, style, true, false));
    let mut outcome = Outcome::Opens;
    if is_crowd {
        // They are there, and stay.
        (client.items, upstream.items) = (talk(rng, false), talk(rng, true));
    } else {
        linger(rng, &mut client);
        linger(rng, &mut upstream);
        (client.early, upstream.early) = (rng.pick(&[0, 0, 2]), rng.pick(&[0, 0, 2]));
        if rng.chance(8) {
            outcome = bad_answer(rng, style, &mut upstream);
        }
        if rng.chance(4) {
            (client.head, outcome) = script::bad_request(rng);
            client.valid = false;
        }
        for plan in [&mut client, &mut upstream] {
            manners(rng, style, plan);
        }
        if client.cut.is_some() || upstream.cut.is_some() {
            outcome = Outcome::Open;
        }
    }
    if in_tls && ask.listener == 0 && outcome != Outcome::SpeaksTls {
        client.tls = Some(TlsPlan::default());
    }
    let at = if is_crowd { rng.wait(0, 300) } else { rng.wait(0, BUSY) };
    ConnectionPlan { at, dials: Vec::new(), client, upstream, outcome, balanced: None, ask: Some(ask) }
}

/// A few messages, now and then.
fn talk(rng: &mut Rng, upstream: bool) -> Vec<Item> {
    let mut items = Vec::new();
    for _ in 0..rng.range(0, 6) {
        items.push(Item::Wait(rng.wait(0, 900)));
        let key = (!upstream).then(|| rng.key());
        let len = rng.below(200);
        items.push(Item::Say(crate::wire::frame(crate::wire::FIN | crate::wire::BINARY, key, &vec![7; len])));
    }
    items
}

/// Adds pauses in which the client stays connected.
fn linger(rng: &mut Rng, plan: &mut PeerPlan) {
    for _ in 0..rng.below(4) {
        let at = rng.below(plan.items.len() + 1);
        plan.items.insert(at, Item::Wait(rng.wait(0, 1500)));
    }
}

/// Generates a request: a base path in one of its spellings, or a path that resembles one.
fn ask(rng: &mut Rng, is_crowd: bool) -> Ask {
    let at = if is_crowd { rng.below(2) * 3 } else { rng.below(APIS.len()) };
    let api = APIS[at];
    let newest = APIS.iter().enumerate().filter(|(_, other)| (other.prefix, other.major) == (api.prefix, api.major));
    let newest: Vec<usize> = newest.map(|(at, _)| at).collect();
    let full = format!("{}/v{}.{}", api.prefix, api.major, api.minor);
    let alias = format!("{}/v{}", api.prefix, api.major);
    let rest = rng.pick(&["", "/", "/rooms/1?token=secret", "?token=secret", "/x%2e%41//y", "/v1.0"]);
    let (base, mut means) = match rng.below(if is_crowd { 8 } else { 20 }) {
        0..9 => (full, Means::Api(at)),
        9..13 => (alias, Means::Newest(newest)),
        13 => (full.replace('d', "%64").replace('.', "%2E"), Means::Api(at)),
        14 => (alias.replace('v', "%76"), Means::Newest(newest)),
        15 => (format!("{}/v{}.7", api.prefix, api.major), Means::Nothing),
        16 => (full.replace("/v", "%2Fv"), Means::Nothing),
        17 => (format!("{}x", full), Means::Nothing),
        18 => (format!("/{full}"), Means::Nothing),
        _ => (format!("{}/v", api.prefix), Means::Nothing),
    };
    let listener = if rng.chance(90) { usual_listener(at) } else { 1 - usual_listener(at) };
    let mut host = if listener == 0 { "a.test" } else { rng.pick(&["in.test", "IN.test.:8080", "a.in.test"]) };
    if listener == 1 && rng.chance(6) {
        // A host that nothing is served for.
        host = rng.pick(&["a.test", "xin.test", "in.test.example"]);
        means = Means::Nothing;
    }
    Ask { listener, host: host.to_owned(), target: format!("{base}{rest}"), rest: rest.to_owned(), means }
}
