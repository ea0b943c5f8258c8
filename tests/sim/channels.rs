//! A route with the channels of a contract, which change while clients come.
//!
//! The promises: what a handshake lacks or has wrong is told to the client, whole and in time, however the request is cut, and
//! nobody is dialled for it; a request that fits comes to the upstream as it was sent; the record names the channel; and a
//! connection outlives a change of the channels.

use std::sync::Arc;

use ringway::proxy::end::End;
use ringway::proxy::record::Record;
use ringway::routing::channels::{ChannelSpec, Channels, ValueSpec};
use ringway::routing::route::Service;

use crate::net::{NetPlan, Readiness};
use crate::plan::{ConnectionPlan, Outcome, Scene, Tls};
use crate::rng::Rng;
use crate::scene::{self, settings, timeouts};
use crate::script::Style;
use crate::tls::TlsPlan;
use crate::world::World;

/// The outcome of a request: the path of its channel, or the code of the refusal.
type Due = Result<&'static str, &'static str>;

/// A request: its target, more lines of its head, and what becomes of it with the first channels and with the later ones. Written
/// by hand, so that nothing here shares the product's reading of a path.
type Row = (&'static str, &'static str, Due, Due);

const MISSING: Due = Err("channel-not-found");
const WEB: &str = "X-Client: web\r\n";

const ASKS: [Row; 20] = [
    ("/", "", Ok("/"), Ok("/")),
    ("/?a=b", "", Ok("/"), Ok("/")),
    ("/rooms/17", "", Ok("/rooms/{id}"), MISSING),
    ("/rooms/%31%37?x=%zz", "", Ok("/rooms/{id}"), MISSING),
    ("/rooms/all", "", Ok("/rooms/all"), Ok("/rooms/all")),
    ("/rooms/seventeen", "", Err("parameter-invalid"), MISSING),
    ("/rooms/1%2F7", "", Err("parameter-invalid"), MISSING),
    ("/rooms", "", MISSING, MISSING),
    ("/rooms/17/", "", MISSING, MISSING),
    ("/places/17", "", MISSING, Ok("/places/{id}")),
    ("/places/x", "", MISSING, Ok("/places/{id}")),
    ("/feed?token=1", WEB, Ok("/feed"), Ok("/feed")),
    ("/feed?token=1&page=2", WEB, Ok("/feed"), Ok("/feed")),
    ("/feed?token=1&page=two", WEB, Err("query-invalid"), Ok("/feed")),
    ("/feed?page=2", WEB, Err("query-missing"), Ok("/feed")),
    ("/feed?token=1", "", Err("header-missing"), Err("header-missing")),
    ("/feed?token=1", "X-Client: cli\r\n", Err("header-invalid"), Err("header-invalid")),
    ("/feed?token=1", "X-Client: web\r\nX-Client: cli\r\n", Err("header-invalid"), Err("header-invalid")),
    ("/.ringway/x", "", MISSING, MISSING),
    ("/other", "", MISSING, MISSING),
];

/// The channels of a scene, first and later.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) first: Arc<Channels>,
    /// When they change, and to which.
    pub(crate) later: Option<(u64, Arc<Channels>)>,
    /// The request of each connection; `None` for one that has a fault of another kind.
    asks: Vec<Option<&'static Row>>,
}

fn value(name: &str, is_required: bool, pattern: Option<&str>, allowed: &[&str]) -> ValueSpec {
    let allowed = allowed.iter().map(|value| (*value).to_owned()).collect();
    ValueSpec { name: name.to_owned(), is_required, allowed, pattern: pattern.map(str::to_owned) }
}

fn spec(path: &str) -> ChannelSpec {
    ChannelSpec { path: path.to_owned(), ..ChannelSpec::default() }
}

/// The channels: first with numbered rooms and a strict feed, later with places and a feed that needs no token.
fn tables() -> [Arc<Channels>; 2] {
    let rooms = ChannelSpec { parameters: vec![value("id", true, Some("^[0-9]+$"), &[])], ..spec("/rooms/{id}") };
    let headers = vec![value("X-Client", true, None, &["web", "app"])];
    let query = vec![value("token", true, None, &[]), value("page", false, Some("^[0-9]+$"), &[])];
    let strict = ChannelSpec { query, headers: headers.clone(), ..spec("/feed") };
    let lax = ChannelSpec { headers, ..spec("/feed") };
    let first = vec![spec("/"), rooms, spec("/rooms/all"), strict];
    let later = vec![spec("/"), spec("/rooms/all"), spec("/places/{id}"), lax];
    [first, later].map(|specs| Arc::new(Channels::build(specs).unwrap()))
}

/// The scene of a seed.
pub(crate) fn random(seed: u64) -> Scene {
    let mut rng = Rng::new(seed.wrapping_mul(0xC2B2_AE3D_27D4_EB4F));
    let smooth = rng.chance(50);
    let style = Style { small: true, smooth, echo: false };
    let settings = settings(timeouts(&mut rng, smooth));
    let [first, later] = tables();
    let later = rng.chance(40).then(|| (rng.wait(0, 200), later));
    let count = rng.range(1, 5);
    let (mut connections, mut asks) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let mut plan = scene::connection(&mut rng, style, 1);
        asks.push(plan.client.valid.then(|| asked(&mut rng, &mut plan, later.is_some())));
        connections.push(plan);
    }
    let is_secure = smooth && rng.chance(30) && connections.iter().all(|plan| plan.outcome != Outcome::SpeaksTls);
    if is_secure {
        connections.iter_mut().for_each(|plan| plan.client.tls = Some(TlsPlan::default()));
    }
    Scene {
        seed,
        settings,
        service: Service::Relay,
        addresses: scene::addresses(1),
        moves: None,
        net: NetPlan {
            readiness: rng.pick(&[Readiness::Kept, Readiness::Asked]),
            short: rng.pick(&[0, 10, 40]),
            spurious: rng.pick(&[0, 5, 30]),
            capacity: rng.pick(&[(1, 60), (50, 3000), (2000, 90_000)]),
        },
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
        keys: None,
        channels: Some(Plan { first, later, asks }),
    }
}

/// Gives a connection a request of the table, and with it another outcome if that is refused.
fn asked(rng: &mut Rng, plan: &mut ConnectionPlan, changes: bool) -> &'static Row {
    let row = &ASKS[rng.below(ASKS.len())];
    let (target, lines, first, later) = row;
    let head = String::from_utf8(std::mem::take(&mut plan.client.head)).unwrap();
    let head = head.replacen("GET /chat?token=secret ", &format!("GET {target} "), 1);
    plan.client.head = head.replacen("Host: ", &format!("{lines}Host: "), 1).into_bytes();
    if changes && first != later {
        plan.outcome = Outcome::Open;
    } else if let Err(code) = first {
        // Whoever dials for such a request is at fault.
        plan.client.valid = false;
        plan.dials.clear();
        if plan.outcome != Outcome::Open {
            plan.outcome = Outcome::Refused(if code.starts_with(['q', 'h']) { 400 } else { 404 }, code);
        }
    }
    row
}

/// The path of a connection's request, and the beginning of what its upstream gets.
pub(crate) fn request(world: &World, index: usize) -> (String, String) {
    let plan = world.scene.channels.as_ref();
    let target = match plan.map(|plan| plan.asks[index]) {
        Some(Some((target, ..))) => target,
        Some(None) | None => "/chat?token=secret",
    };
    let path = target.split('?').next().unwrap_or_default();
    (path.to_owned(), format!("GET /base{target} HTTP/1.1\r\n"))
}

/// One connection's handshake: its channel, or its refusal.
pub(crate) fn handshake(world: &World, index: usize, record: &Record) -> Result<(), String> {
    let Some(plan) = &world.scene.channels else { return Ok(()) };
    let Some((_, _, first, later)) = plan.asks[index] else { return Ok(()) };
    let dialled = !world.net.lines[index].dialled.is_empty();
    let due: Vec<Due> = match &plan.later {
        Some((at, _)) if *at < world.scene.connections[index].at => vec![*later],
        // Whatever was there when the request came whole.
        Some((at, _)) if *at <= world.gone_at[index].unwrap_or(u64::MAX) => vec![*first, *later],
        Some(_) | None => vec![*first],
    };
    let channel = record.channel.as_ref().map(|channel| channel.path.to_string());
    if let End::Refused(refusal) = record.end
        && CODES.contains(&refusal.code)
    {
        let is_due = due.contains(&Err(refusal.code)) && !dialled;
        return if is_due { Ok(()) } else { Err(format!("refused with {}, due was {due:?}", refusal.code)) };
    }
    if record.status != 101 && !dialled {
        return Ok(());
    }
    let is_due = due.iter().any(|due| due.is_ok_and(|path| channel.as_deref() == Some(path)));
    if is_due { Ok(()) } else { Err(format!("on the channel {channel:?}, due was {due:?}")) }
}

/// The codes of the refusals that channels make.
const CODES: [&str; 6] =
    ["channel-not-found", "parameter-invalid", "query-missing", "query-invalid", "header-missing", "header-invalid"];
