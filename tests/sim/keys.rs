//! A route that asks for keys, while keys are revoked, subscriptions close, keys expire, and the wall clock jumps.
//!
//! The expectations follow from the plan alone: who holds which key, and when its right ends. No connection outlives the right
//! that it was admitted by, and none ends for another's.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringway::command::{Command, KeyChange, Reply};
use ringway::proto::credential::Places;
use ringway::proxy::record::Record;
use ringway::routing::consumers::{
    ApiFamily, Application, ApplicationId, Key, KeyHash, KeyId, KeyTable, Plan, Revoked, Subscription, UnixSeconds,
    key_text,
};
use ringway::routing::entry::{Authentication, EntryRules, KeyRules};
use ringway::routing::origins::Origins;

use crate::named::{client, play, scene, upstream};
use crate::net::{Event, NetPlan, Readiness};
use crate::peer::Item;
use crate::plan::{ConnectionPlan, Scene};
use crate::rng::Rng;
use crate::scene::{agreement, peer, request};
use crate::world::World;

/// The keys that there are. Two belong to each application.
const KEYS: usize = 6;
/// A key that the node does not know.
const UNKNOWN: usize = KEYS;
/// A key of another environment.
const FOREIGN: usize = KEYS + 1;
/// 1 January 2026, when a run begins.
const BEGIN: u64 = 1_767_225_600;

/// The keys of a scene.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyPlan {
    /// The changes, and when each happens.
    pub(crate) changes: Vec<(u64, Change)>,
    /// By connection: the number of its key; `None` if it presents none.
    pub(crate) presented: Vec<Option<usize>>,
    /// The keys that expire, and after how many seconds of the run.
    pub(crate) expiring: Vec<(usize, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A key is revoked.
    Revoke(usize),
    /// An application is deleted, with its keys.
    Delete(usize),
    /// The subscription of an application is closed.
    Close(usize),
    /// The table that the shard began with is sent once more, late.
    Late,
    /// The wall clock jumps by so many seconds.
    Jump(i64),
}

fn application_of(key: usize) -> usize {
    key / 2
}

fn family() -> Arc<ApiFamily> {
    Arc::new(ApiFamily { project: "default".into(), identifier: "chat".into(), major: 1 })
}

/// The text of a key.
pub(crate) fn text(key: usize) -> String {
    key_text(&[u8::try_from(key).unwrap(); 32])
}

fn hash(key: usize) -> KeyHash {
    KeyHash::of(text(key).as_bytes()).unwrap()
}

fn application(number: usize, is_open: bool) -> Arc<Application> {
    let plan = Arc::new(Plan { name: "free".into() });
    let subscription = Subscription { family: family(), plan, is_open };
    Arc::new(Application::new(ApplicationId(number as u64), format!("app-{number}"), "acme", vec![subscription]))
}

/// The rules of the scene's route.
pub(crate) fn entry(scene: &Scene) -> Option<Arc<EntryRules>> {
    scene.keys.as_ref()?;
    let places = Places { header: Some("X-API-Key".into()), has_subprotocol: true, ..Places::default() };
    let keys = KeyRules { family: family(), environment: "production".into(), places };
    Some(Arc::new(EntryRules {
        authentication: Authentication::Key(keys),
        origins: Origins::Any,
        forwards_identity: true,
    }))
}

/// The keys after the first changes of a scene; `None` for a scene without keys.
pub(crate) fn table(scene: &Scene, changes: usize) -> Option<Arc<KeyTable>> {
    let plan = scene.keys.as_ref()?;
    let mut table = KeyTable::default();
    for key in (0..KEYS).chain([FOREIGN]) {
        let expires = plan.expiring.iter().find(|(expiring, _)| *expiring == key);
        let environment = if key == FOREIGN { "development" } else { "production" };
        let id = ApplicationId(application_of(key) as u64);
        let expires_at = expires.map(|(_, after)| UnixSeconds(BEGIN + after));
        table.insert(
            hash(key),
            Key { id: KeyId(key as u64), environment: environment.into(), application: id, expires_at },
        );
        table.replace_application(application(application_of(key), true));
    }
    for (_, change) in &plan.changes[..changes] {
        match change {
            Change::Revoke(key) => drop(table.remove(&hash(*key))),
            Change::Delete(number) => drop(table.remove_application(ApplicationId(*number as u64))),
            Change::Close(number) if table.application(ApplicationId(*number as u64)).is_some() => {
                table.replace_application(application(*number, false));
            }
            Change::Close(_) | Change::Late | Change::Jump(_) => {}
        }
    }
    Some(Arc::new(table))
}

impl World {
    pub(crate) fn schedule_keys(&mut self) {
        let changes = self.scene.keys.iter().flat_map(|plan| &plan.changes);
        let times: Vec<u64> = changes.map(|(at, _)| *at).collect();
        for (number, at) in times.into_iter().enumerate() {
            self.schedule(at, Event::Keys(number));
        }
    }

    pub(crate) fn change_keys(&mut self, number: usize) {
        let Some((_, change)) = self.scene.keys.as_ref().map(|plan| plan.changes[number]) else { return };
        self.net.say(|| format!("keys: {change:?}"));
        let mut revoked = Revoked::default();
        match change {
            Change::Revoke(key) => revoked.key(ApplicationId(application_of(key) as u64), KeyId(key as u64)),
            Change::Delete(number) => revoked.application(ApplicationId(number as u64)),
            Change::Close(number) => revoked.subscription(ApplicationId(number as u64), family()),
            Change::Late => {}
            Change::Jump(by) => return self.net.jump(by),
        }
        let (keys, order) = match change {
            Change::Late => (table(&self.scene, 0), 0),
            _ => (table(&self.scene, number + 1), number as u64 + 1),
        };
        let done = Reply::new(|()| {});
        self.command(Command::Keys(Box::new(KeyChange { keys, number: order, revoked: Arc::new(revoked), done })));
    }
}

/// The last moment before a connection's end at which somebody's right ended.
pub(crate) fn last_change(world: &World, gone: u64) -> u64 {
    let Some(plan) = &world.scene.keys else { return 0 };
    let changes = plan.changes.iter().map(|(at, _)| *at);
    let ends = changes.chain(plan.expiring.iter().map(|(_, after)| after * 1000));
    ends.filter(|at| *at <= gone).max().unwrap_or(0)
}

/// The events that end the right of a key's holder, in order: when, the refusal after that, and the end of connections that are open then.
fn ends(plan: &KeyPlan, key: usize) -> Vec<(u64, &'static str, &'static str)> {
    let application = application_of(key);
    let invalid = "refused: credential-invalid";
    let changes = plan.changes.iter().filter_map(|(at, change)| match change {
        Change::Revoke(revoked) if *revoked == key => Some((*at, invalid, "drained: key revoked")),
        Change::Delete(deleted) if *deleted == application => Some((*at, invalid, "drained: key revoked")),
        Change::Close(closed) if *closed == application => {
            Some((*at, "refused: not-subscribed", "drained: subscription closed"))
        }
        _ => None,
    });
    let expiring = plan.expiring.iter().filter(|(expiring, _)| *expiring == key);
    let expired = expiring.map(|(_, after)| (after * 1000, invalid, "drained: key expired"));
    let mut all: Vec<_> = changes.chain(expired).collect();
    all.sort_by_key(|(at, ..)| *at);
    all
}

/// Checks a run of a scene with keys.
pub(crate) fn run(world: &World, records: &BTreeMap<usize, &Record>) -> Result<(), String> {
    let Some(plan) = &world.scene.keys else { return Ok(()) };
    for sock in world.net.lines.iter().filter_map(|line| line.upstream) {
        let sent = &world.net.socks[sock].sent;
        if sent.windows(4).any(|window| window == b"rwk_") {
            return Err("an upstream was sent a key".to_owned());
        }
    }
    if plan.changes.iter().any(|(_, change)| matches!(change, Change::Jump(_))) {
        // The named scenes judge for themselves.
        return Ok(());
    }
    for (index, record) in records {
        one(world, plan, *index, record).map_err(|what| format!("connection {index} ({}): {what}", record.end))?;
    }
    Ok(())
}

fn one(world: &World, plan: &KeyPlan, index: usize, record: &Record) -> Result<(), String> {
    let (end, begun) = (record.end.to_string(), world.scene.connections[index].at);
    let gone = world.gone_at[index].unwrap_or(u64::MAX);
    let is_about_keys = ["refused: credential", "refused: not-sub", "drained: key", "drained: sub"]
        .iter()
        .any(|start| end.starts_with(start));
    // A connection that ends for a reason of its own never comes to be judged, or had its right to the end.
    let is_refused = |with: &str| if !is_about_keys || end == with { Ok(()) } else { Err(format!("not {with}")) };
    let may_not_open = || if record.status == 101 { Err("was let in".to_owned()) } else { Ok(()) };
    match plan.presented[index] {
        None => may_not_open().and_then(|()| is_refused("refused: credential-missing")),
        Some(UNKNOWN | FOREIGN) => may_not_open().and_then(|()| is_refused("refused: credential-invalid")),
        Some(key) => {
            let ends = ends(plan, key);
            let Some((first, ..)) = ends.first().copied().filter(|(at, ..)| *at <= gone) else {
                return if is_about_keys { Err("it had its right to the end".to_owned()) } else { Ok(()) };
            };
            if first <= begun {
                may_not_open()?;
            }
            let bound = first.max(begun) + world.bound();
            let is_due = ends
                .iter()
                .filter(|(at, ..)| *at <= gone)
                .any(|(_, refusal, drained)| [*refusal, *drained].contains(&end.as_str()));
            if is_about_keys && !is_due {
                Err(format!("it is none of {ends:?}"))
            } else if gone > bound {
                Err(format!("its right ended at {first}, and it lived until {gone}"))
            } else {
                Ok(())
            }
        }
    }
}

/// A client that presents a key and would stay for a minute.
fn holder(at: u64, key: Option<usize>, rng: &mut Rng) -> ConnectionPlan {
    let line = match key {
        None => String::new(),
        Some(key) if rng.chance(50) => format!("X-API-Key: {}\r\n", text(key)),
        Some(key) if rng.chance(50) => format!("Authorization: Bearer {}\r\n", text(key)),
        Some(key) => format!("Sec-WebSocket-Protocol: ringway.bearer, {}\r\n", text(key)),
    };
    let mut items = vec![Item::Wait(60_000), Item::Close(Some(4001), "bye")];
    if rng.chance(50) {
        items.insert(0, crate::named::ask(rng.below(500)));
    }
    let model = scene(client(vec![]), upstream(vec![crate::named::reply(40)]));
    let mut plan = ConnectionPlan { at, ..model.connections[0].clone() };
    plan.client = peer(request(&line), items);
    plan.upstream = peer(agreement(""), vec![crate::named::reply(rng.below(900))]);
    plan
}

pub(crate) fn random(seed: u64) -> Scene {
    let mut rng = Rng::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x6b65_7973);
    let mut scene = scene(client(vec![]), upstream(vec![]));
    scene.seed = seed;
    let count = rng.range(1, 10);
    let mut keys = KeyPlan::default();
    scene.connections = (0..count)
        .map(|_| {
            let key = rng.below(KEYS + 3);
            let key = Some(key).filter(|key| *key < KEYS + 2);
            keys.presented.push(key);
            let at = rng.wait(0, 6_000);
            holder(at, key, &mut rng)
        })
        .collect();
    for _ in 0..rng.below(5) {
        let change = match rng.below(5) {
            0 | 1 => Change::Revoke(rng.below(KEYS)),
            2 => Change::Delete(rng.below(KEYS / 2)),
            3 => Change::Close(rng.below(KEYS / 2)),
            _ => Change::Late,
        };
        keys.changes.push((rng.wait(0, 9_000), change));
    }
    keys.changes.sort_by_key(|(at, _)| *at);
    // A stale table counts as a table only if a newer one has come before it.
    while keys.changes.first().is_some_and(|(_, change)| *change == Change::Late) {
        keys.changes.remove(0);
    }
    for key in 0..KEYS {
        if rng.chance(20) {
            keys.expiring.push((key, rng.range(1, 9) as u64));
        }
    }
    scene.keys = Some(Arc::new(keys));
    scene.max_connections = 100;
    scene.horizon = 100_000;
    scene.net = NetPlan {
        readiness: rng.pick(&[Readiness::Kept, Readiness::Asked]),
        short: rng.pick(&[0, 10, 40]),
        spurious: rng.pick(&[0, 5, 30]),
        capacity: rng.pick(&[(50, 3000), (2000, 90_000)]),
    };
    scene
}

/// One client with key 0, and what happens meanwhile.
fn told(changes: Vec<(u64, Change)>, expiring: Vec<(usize, u64)>, judge: impl Fn(&crate::named::Played)) {
    let mut scene = scene(client(vec![]), upstream(vec![]));
    let mut rng = Rng::new(7);
    scene.connections = vec![holder(0, Some(0), &mut rng)];
    scene.horizon = 100_000;
    scene.keys = Some(Arc::new(KeyPlan { changes, presented: vec![Some(0)], expiring }));
    play(&scene, judge);
}

#[test]
fn a_connection_ends_with_its_key_and_is_told_why() {
    for (change, end, code, reason) in [
        (Change::Revoke(0), "drained: key revoked", 3000, "revoked"),
        (Change::Delete(0), "drained: key revoked", 3000, "revoked"),
        (Change::Close(0), "drained: subscription closed", 3003, "subscription closed"),
    ] {
        told(vec![(5_000, change)], vec![], |played| {
            played.ended(end);
            played.told_client(code, reason);
            played.told_upstream(1001, reason);
            assert!((5_000..6_000).contains(&played.millis()), "{} ms", played.millis());
        });
    }
}

#[test]
fn a_connection_is_not_touched_by_the_end_of_other_keys() {
    let others = [Change::Revoke(1), Change::Revoke(2), Change::Delete(1), Change::Close(2), Change::Late];
    let changes = others.into_iter().zip(1..).map(|(change, second)| (second * 1000, change)).collect();
    told(changes, vec![(1, 3)], |played| played.ended("closed by client"));
}

#[test]
fn a_connection_ends_when_its_key_expires() {
    told(vec![], vec![(0, 30)], |played| {
        played.ended("drained: key expired");
        played.told_client(3000, "expired");
        assert!((30_000..31_000).contains(&played.millis()), "{} ms", played.millis());
    });
}

#[test]
fn a_jump_of_the_wall_clock_moves_the_end_of_no_connection() {
    const TEN_YEARS: i64 = 10 * 365 * 24 * 3600;
    for jump in [TEN_YEARS, -TEN_YEARS] {
        told(vec![(5_000, Change::Jump(jump))], vec![(0, 30)], |played| {
            played.ended("drained: key expired");
            assert!((30_000..31_000).contains(&played.millis()), "{} ms", played.millis());
        });
    }
    told(vec![(0, Change::Jump(TEN_YEARS))], vec![(0, 30)], |played| {
        // The network decides if it was admitted before the jump.
        let end = played.record.end.to_string();
        assert!(["refused: credential-invalid", "drained: key expired"].contains(&end.as_str()), "{end}");
    });
}
