//! Scenes with a name: each row of the table of ends, and what random seeds meet too seldom.

mod balanced;
mod draining;
mod edges;
mod ends;
mod operator;
mod pings;
mod regressions;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use ringway::proxy::record::Record;
use ringway::routing::policy::{Policy, Timeouts};
use ringway::routing::route::Service;

use crate::check;
use crate::net::{DialPlan, NetPlan, Readiness};
use crate::peer::{Item, PeerPlan};
use crate::plan::{ConnectionPlan, Outcome, Scene, Tls};
use crate::scene::{addresses, agreement, peer, request, settings};
use crate::tls::TlsPlan;
use crate::wire::{self, BINARY, CLOSE, FIN, Found, TEXT};
use crate::world::World;

pub(crate) const KEY: wire::Key = Some([1, 2, 3, 4]);

pub(crate) fn client(items: Vec<Item>) -> PeerPlan {
    peer(request(""), items)
}

pub(crate) fn upstream(items: Vec<Item>) -> PeerPlan {
    peer(agreement(""), items)
}

/// A message of the client's.
pub(crate) fn ask(len: usize) -> Item {
    Item::Say(wire::frame(FIN | BINARY, KEY, &vec![7; len]))
}

/// A message of the upstream's.
pub(crate) fn reply(len: usize) -> Item {
    Item::Say(wire::frame(FIN | TEXT, None, &vec![b'r'; len]))
}

pub(crate) fn bye() -> Item {
    Item::Close(Some(4001), "bye")
}

pub(crate) fn scene(client: PeerPlan, upstream: PeerPlan) -> Scene {
    let timeouts = Timeouts {
        handshake: Duration::from_secs(10),
        connect: Duration::from_secs(5),
        idle: None,
        ping_interval: None,
        upstream_ping_interval: None,
        pong: Duration::from_secs(1),
        close: Duration::from_secs(5),
    };
    let plan = ConnectionPlan {
        at: 0,
        dials: vec![DialPlan::Connect(1)],
        client,
        upstream,
        outcome: Outcome::Open,
        balanced: None,
        ask: None,
    };
    Scene {
        seed: 1,
        settings: settings(timeouts),
        service: Service::Relay,
        addresses: addresses(1),
        moves: None,
        net: NetPlan { readiness: Readiness::Kept, short: 0, spurious: 0, capacity: (300_000, 300_000) },
        tls: Tls::default(),
        max_connections: 10,
        max_per_address: None,
        connections: vec![plan],
        drain_at: None,
        horizon: 50_000,
        smooth: false,
        operator: None,
        failover: None,
        revised: None,
        channels: None,
        keys: None,
    }
}

/// The policy of a scene's one route, to change it.
pub(crate) fn policy(scene: &mut Scene) -> &mut Policy {
    Arc::make_mut(&mut scene.settings.policy)
}

pub(crate) struct Played {
    pub(crate) world: World,
    pub(crate) record: Record,
}

impl Played {
    pub(crate) fn sent(&self, to_client: bool) -> (&[u8], Vec<Found>) {
        let line = &self.world.net.lines[0];
        let sock = if to_client { line.client } else { line.upstream };
        let sent = sock.map_or(&[][..], |sock| &self.world.net.socks[sock].sent);
        let start = wire::head_len(sent).unwrap_or(sent.len());
        (sent, wire::frames(sent, start).0)
    }

    /// The opcodes of the frames that a side was sent.
    pub(crate) fn frames(&self, to_client: bool) -> Vec<u8> {
        self.sent(to_client).1.iter().map(Found::opcode).collect()
    }

    /// The close frame that a side was sent.
    pub(crate) fn told(&self, to_client: bool) -> Option<(u16, String)> {
        let (sent, frames) = self.sent(to_client);
        frames.last().filter(|frame| frame.opcode() == CLOSE).map(|frame| frame.close(sent))
    }

    pub(crate) fn told_client(&self, code: u16, reason: &str) {
        assert_eq!(self.told(true), Some((code, reason.to_owned())), "told the client");
        assert_eq!(self.record.client.close_sent, Some(code));
    }

    pub(crate) fn told_upstream(&self, code: u16, reason: &str) {
        assert_eq!(self.told(false), Some((code, reason.to_owned())), "told the upstream");
        assert_eq!(self.record.upstream.close_sent, Some(code));
    }

    /// A side was sent no close frame, and its connection ended: by a reset, or in order.
    pub(crate) fn told_nothing(&self, to_client: bool, by_reset: bool) {
        let line = &self.world.net.lines[0];
        let sock = &self.world.net.socks[if to_client { line.client } else { line.upstream }.unwrap()];
        let told = if to_client { &self.record.client } else { &self.record.upstream };
        assert_eq!((self.told(to_client), told.close_sent), (None, None));
        assert_eq!(sock.aborted, by_reset, "reset");
    }

    pub(crate) fn ended(&self, why: &str) {
        assert_eq!(self.record.end.to_string(), why);
    }

    pub(crate) fn millis(&self) -> u128 {
        self.record.duration.as_millis()
    }
}

/// Plays a scene in plain text, and with TLS on both sides.
pub(crate) fn play(scene: &Scene, judge: impl Fn(&Played)) {
    play_once(scene, &judge);
    if !scene.settings.proxy_protocol.is_empty() {
        // What a balancer says comes before TLS.
        return;
    }
    let mut scene = scene.clone();
    scene.tls = Tls { down: true, up: scene.service == Service::Relay };
    for plan in &mut scene.connections {
        plan.client.tls = Some(TlsPlan::default());
        plan.upstream.tls = scene.tls.up.then(TlsPlan::default);
    }
    play_once(&scene, &judge);
}

/// Plays a scene under both readings of the transport's contract, in few pieces and in many.
pub(crate) fn play_once(scene: &Scene, judge: impl Fn(&Played)) {
    for readiness in [Readiness::Kept, Readiness::Asked] {
        for (seed, short, spurious) in [(1, 0, 0), (2, 40, 0), (3, 40, 30), (4, 0, 30)] {
            let mut scene = scene.clone();
            scene.seed = seed;
            scene.net = NetPlan { readiness, short, spurious, ..scene.net };
            let mut world = World::new(scene, std::env::var_os("RINGWAY_SIM_SEED").is_some());
            world.run().unwrap_or_else(|what| panic!("{readiness:?} {short} {spurious}: {what}"));
            let records =
                check::check(&world).unwrap_or_else(|what| panic!("{readiness:?} {short} {spurious}: {what}"));
            let record = records[0].clone();
            judge(&Played { world, record });
        }
    }
}

/// With pings of ours every two seconds.
pub(crate) fn pinging(client: PeerPlan, upstream: PeerPlan) -> Scene {
    let mut scene = scene(client, upstream);
    scene.timeouts().ping_interval = Some(Duration::from_secs(2));
    scene.timeouts().upstream_ping_interval = Some(Duration::from_secs(2));
    scene.horizon = 20_000;
    scene
}
