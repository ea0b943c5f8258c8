//! The driver: what a shard's loop does, over the simulated network and with a clock of its own.

mod invariants;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use ringway::command::config::ShardConfig;
use ringway::command::{Activation, Command, Reply};
use ringway::engine::{Next, Service, Slot, Time};
use ringway::proto::via::ChainKey;
use ringway::proxy::admission::Admission;
use ringway::proxy::journal::{self, JournalReader};
use ringway::proxy::record::Record;
use ringway::proxy::service::Proxy;
use ringway::routing::addresses::AddressCell;
use ringway::routing::route::{Endpoint, Gate, Route, RouteId, Service as RouteService};
use ringway::routing::snapshot::Snapshot;
use ringway::routing::validation::ChannelValidation;

use crate::failover::{self, Target};
use crate::inspected;
use crate::keys;
use crate::net::{Event, Line, SimNet};
use crate::operator::orders::{self, Operator};
use crate::peer::Peer;
use crate::plan::{ConnectionPlan, Scene, balancer_address, client_of};
use crate::rng::Rng;
use crate::tls::configs::{self, Configs};

/// Steps of one connection in a row that move nothing and yet ask for another.
const IDLE_AGAINS: u32 = 4;

pub(crate) struct World {
    pub(crate) scene: Scene,
    pub(crate) net: SimNet,
    pub(crate) peers: Vec<Peer>,
    pub(crate) records: Vec<Record>,
    pub(crate) drained_at: Option<u64>,
    pub(crate) steps: u64,
    pub(crate) events: u64,
    pub(crate) operator: Option<Operator>,
    proxy: Proxy,
    place: Arc<AddressCell>,
    admission: Arc<Admission>,
    reader: JournalReader,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    queued: u64,
    deadlines: Vec<Option<u64>>,
    agains: Vec<u32>,
    acts: Vec<Option<u64>>,
    /// When each connection was gone.
    pub(crate) gone_at: Vec<Option<u64>>,
    pub(crate) rng: Rng,
}

/// One route for everything.
fn route(scene: &Scene, place: Arc<AddressCell>) -> Route {
    if scene.service == RouteService::Echo {
        return Route::echo(Arc::clone(&scene.settings.policy));
    }
    let target = "ws://upstream.test:80/base".parse().unwrap();
    let one = || Endpoint::new("ws://upstream.test:80/base", target, scene.tls.up.then(configs::of_upstream), place);
    let endpoints = match &scene.failover {
        Some(targets) => targets.iter().map(Target::endpoint).collect(),
        None => Box::new([one()]) as Box<[Endpoint]>,
    };
    Route {
        id: RouteId(0),
        labels: None,
        listener: 0,
        gate: Gate::Open,
        service: RouteService::Relay,
        endpoints,
        retries: Arc::default(),
        pseudonym: Default::default(),
        preserve_host: false,
        answer_lines: Box::default(),
        channels: scene.channels.as_ref().map(|plan| Arc::clone(&plan.first)),
        unlisted_paths: Default::default(),
        checkers: inspected::checkers(scene),
        entry: keys::entry(scene),
        policy: Arc::clone(&scene.settings.policy),
    }
}

impl World {
    pub(crate) fn new(mut scene: Scene, trace: bool) -> Self {
        scene.connections.iter_mut().for_each(ConnectionPlan::balance);
        let mut rng = Rng::new(scene.seed);
        let echo = scene.service == RouteService::Echo;
        let mut peers = Vec::new();
        let mut lines = Vec::new();
        let mut configs = Configs::default();
        for (index, plan) in scene.connections.iter().enumerate() {
            let request_len = plan.client.valid.then_some(plan.client.head.len());
            let tls = [(&plan.client, false), (&plan.upstream, true)]
                .map(|(plan, is_upstream)| plan.tls.clone().map(|plan| (plan.clone(), configs.of(&plan, is_upstream))));
            let (dials, ask) = (plan.dials.iter().copied().collect(), plan.ask.clone());
            lines.push(Line { dials, request_len, tls, ask, ..Line::default() });
            peers.push(Peer::new(plan.client.clone(), index, false, rng.fork()));
            peers.push(Peer::new(plan.upstream.clone(), index, true, rng.fork()));
        }
        let (source, reader) = journal::channel(journal::Kept::All);
        let admission = Arc::new(Admission::new(scene.max_connections, scene.max_per_address));
        let place = Arc::new(AddressCell::unresolved());
        place.replace(scene.addresses.to_vec());
        let count = scene.connections.len();
        let mut operator = scene.operator.clone().map(|plan| Operator::new(plan, count));
        let settings = Arc::new(scene.settings.clone());
        let config = match &mut operator {
            Some(operator) => orders::config(operator, settings, scene.tls.down),
            None => ShardConfig {
                settings,
                tls: vec![scene.tls.down.then(|| configs::for_clients(0))],
                upstream_tls: vec![configs::for_upstream()],
                keys: keys::table(&scene, 0),
                snapshot: Arc::new(Snapshot::of_one(route(&scene, Arc::clone(&place)))),
                chain: ChainKey::new([0; 16]),
            },
        };
        let proxy = Proxy::new(config, Arc::clone(&admission), source);
        let mut net = SimNet::new(rng.fork(), scene.net.clone(), lines, trace);
        net.alerts = scene.tls.down;
        net.hosts = scene.operator.iter().flat_map(|plan| plan.hosts(&mut configs)).collect();
        net.hosts.extend(scene.failover.iter().flat_map(|targets| failover::hosts(targets, &mut configs)));
        let mut world = Self {
            net,
            peers,
            records: Vec::new(),
            drained_at: None,
            steps: 0,
            events: 0,
            operator,
            proxy,
            place,
            admission,
            reader,
            queue: BinaryHeap::new(),
            queued: 0,
            deadlines: vec![None; count],
            agains: vec![0; count],
            acts: vec![None; count * 2],
            gone_at: vec![None; count],
            rng,
            scene,
        };
        for index in 0..count {
            world.schedule(world.scene.connections[index].at, Event::Accept(index));
        }
        if let Some(at) = world.scene.drain_at {
            world.schedule(at, Event::Drain);
        }
        if let Some((at, _)) = world.scene.moves {
            world.schedule(at, Event::Move);
        }
        world.schedule_keys();
        if let Some((at, _)) = world.scene.revised {
            world.schedule(at, Event::Revise);
        }
        if let Some((at, _)) = world.scene.channels.as_ref().and_then(|plan| plan.later.as_ref()) {
            world.schedule(*at, Event::Channels);
        }
        if let Some(plan) = world.scene.operator.clone() {
            for (order, (at, _)) in plan.orders.iter().enumerate() {
                world.schedule(*at, Event::Order(order));
            }
        }
        assert!(!echo || world.scene.connections.iter().all(|plan| plan.dials.is_empty()));
        world
    }

    pub(crate) fn schedule(&mut self, at: u64, event: Event) {
        self.queued += 1;
        self.queue.push(Reverse((at, self.queued, event)));
    }

    pub(crate) fn gather(&mut self) {
        for (at, event) in std::mem::take(&mut self.net.later) {
            if let Event::Act(peer) = event {
                let at = at + self.peers[peer].delay();
                self.act_at(peer, at);
            } else {
                self.schedule(at, event);
            }
        }
    }

    fn act_at(&mut self, peer: usize, at: u64) {
        if self.acts[peer].is_none_or(|planned| planned > at) {
            self.acts[peer] = Some(at);
            self.schedule(at, Event::Act(peer));
        }
    }

    /// Runs to the end of the last connection.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        loop {
            if let Some(fault) = self.net.faults.first() {
                return Err(fault.clone());
            }
            let next_event = self.queue.peek().map(|Reverse((at, _, _))| *at);
            let due = next_event.is_some_and(|at| at <= self.net.now);
            if !self.net.ready.is_empty() && (!due || self.rng.chance(70)) {
                self.step()?;
                continue;
            }
            if due {
                self.take_event()?;
                continue;
            }
            self.check_wakeups()?;
            // Nobody comes too early.
            let housekeeping = self.proxy.next_housekeeping().map(|at| at.as_nanos().div_ceil(1_000_000));
            let deadline = self.deadlines.iter().flatten().copied().min();
            let next = [next_event, deadline, housekeeping].into_iter().flatten().min();
            match next {
                Some(at) if at <= self.scene.horizon || self.drained_at.is_some() => self.advance(at)?,
                _ if self.drained_at.is_none() => self.schedule(self.net.now, Event::Drain),
                _ if self.proxy.connections() > 0 => return Err("connections that nothing will ever step".to_owned()),
                _ => break,
            }
        }
        self.finish()
    }

    fn advance(&mut self, at: u64) -> Result<(), String> {
        if at > self.scene.horizon + 3_600_000 {
            return Err("time runs on without an end".to_owned());
        }
        if let Some(operator) = self.operator.as_ref().filter(|_| at > self.net.now) {
            operator.watch.outlived(self.net.now)?;
        }
        self.net.now = at.max(self.net.now);
        let now = self.net.now;
        for slot in 0..self.deadlines.len() {
            if self.deadlines[slot].is_some_and(|at| at <= now) {
                self.deadlines[slot] = None;
                self.net.push(Slot(u32::try_from(slot).unwrap_or(0)));
            }
        }
        if self.proxy.next_housekeeping().is_some_and(|at| at <= Time::from_millis(now)) {
            self.proxy.housekeep(&mut self.net);
        }
        if let Some(operator) = &mut self.operator {
            operator.watch.forget(now);
        }
        Ok(())
    }

    fn take_event(&mut self) -> Result<(), String> {
        let Some(Reverse((_, _, event))) = self.queue.pop() else { return Ok(()) };
        self.events += 1;
        match event {
            Event::Accept(index) => self.accept(index),
            Event::Act(peer) => {
                if self.acts[peer].is_some_and(|at| at <= self.net.now) {
                    self.acts[peer] = None;
                    if let Some(wait) = self.peers[peer].act(&mut self.net) {
                        let at = self.net.now + wait.max(u64::from(self.rng.chance(30)));
                        self.act_at(peer, at);
                    }
                }
            }
            Event::Ready(sock, what) => self.net.happened(sock, what),
            Event::Connected(sock) => self.net.connected(sock),
            Event::NotConnected(sock) => self.net.not_connected(sock),
            Event::Step(slot) => self.net.push(Slot(slot)),
            Event::Move => {
                if let Some((_, addresses)) = &self.scene.moves {
                    self.net.say(|| format!("the upstream is at {addresses:?}"));
                    self.place.replace(addresses.to_vec());
                }
            }
            Event::Revise => self.revise(),
            Event::Channels => self.change_channels(),
            Event::Keys(change) => self.change_keys(change),
            Event::Order(order) => self.order(order)?,
            Event::Page(session) => self.next_page(session)?,
            Event::Drain => {
                if self.drained_at.is_none() {
                    self.net.say(|| "drain".to_owned());
                    self.drained_at = Some(self.net.now);
                    self.command(Command::Drain);
                    self.note_drain();
                }
            }
        }
        self.gather();
        Ok(())
    }

    /// Gives the one route the scene's other validation.
    fn revise(&mut self) {
        let Some((_, validation)) = self.scene.revised else { return };
        Arc::make_mut(&mut self.scene.settings.policy).validation = ChannelValidation::of_all(validation);
        self.activate(route(&self.scene, Arc::clone(&self.place)));
    }

    /// Gives the one route the scene's later channels.
    fn change_channels(&mut self) {
        let later = self.scene.channels.as_ref().and_then(|plan| plan.later.as_ref());
        let channels = later.map(|(_, channels)| Arc::clone(channels));
        self.activate(Route { channels, ..route(&self.scene, Arc::clone(&self.place)) });
    }

    fn activate(&mut self, route: Route) {
        let settings = Arc::new(self.scene.settings.clone());
        let snapshot = Arc::new(Snapshot::of_one(route));
        let done = Reply::new(|()| {});
        self.command(Command::Activate(Box::new(Activation { settings, snapshot, upstream_tls: None, done })));
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.proxy.command(&mut self.net, command);
    }

    fn accept(&mut self, index: usize) {
        let sock = self.net.open(index, false, None);
        self.net.say(|| format!("accept client{index}"));
        self.net.lines[index].client = Some(sock);
        // A client may have spoken before it was accepted.
        self.peers[index * 2].begin(sock);
        if self.rng.chance(50) {
            self.peers[index * 2].act(&mut self.net);
        }
        let balanced = &self.scene.connections[index].balanced;
        let peer = if balanced.is_some() { balancer_address(index) } else { client_of(&self.scene, index) };
        let listener = self.scene.connections[index].ask.as_ref().map_or(0, |ask| ask.listener);
        match self.proxy.accept(&mut self.net, SimNet::handle(sock), peer, listener) {
            Some(slot) => {
                self.net.line_of.insert(slot.0, index);
                self.note_accept(slot, index);
                self.net.own(sock, slot);
                self.net.push(slot);
            }
            None => self.net.socks[sock].open = false,
        }
        self.act_at(index * 2, self.net.now);
    }

    fn step(&mut self) -> Result<(), String> {
        let Some(slot) = self.net.ready.pop_front() else { return Ok(()) };
        let moved = self.net.moved;
        let watched = self.operator.as_ref().and_then(|_| self.net.line_of.get(&slot.0).copied());
        let client = watched.and_then(|index| self.net.lines[index].client);
        let unanswered = client.is_some_and(|sock| self.net.socks[sock].sent.is_empty());
        self.steps += 1;
        if self.steps > 20_000 + self.events * 40 {
            return Err(format!("busy: {} steps for {} events", self.steps, self.events));
        }
        let next = self.proxy.step(&mut self.net, slot);
        let at = slot.0 as usize;
        self.net.say(|| format!("  step {at}: {next:?}"));
        let idle = self.net.moved == moved;
        match next {
            Next::Wait(deadline) => {
                self.agains[at] = 0;
                // A wheel is never early.
                if let Some(deadline) = deadline.map(|at| at.as_nanos().div_ceil(1_000_000)) {
                    if deadline <= self.net.now {
                        return Err(format!("waits at {} until {deadline}, which has passed", self.net.now));
                    }
                    // As the wheel does: an entry only ever moves closer.
                    self.deadlines[at] = Some(self.deadlines[at].map_or(deadline, |armed| armed.min(deadline)));
                }
                if self.rng.chance(self.scene.net.spurious) {
                    let when = self.net.now + self.rng.wait(0, 20);
                    self.schedule(when, Event::Step(slot.0));
                }
            }
            Next::Again => {
                self.agains[at] = if idle { self.agains[at] + 1 } else { 0 };
                if self.agains[at] > IDLE_AGAINS {
                    return Err("asks for step after step and does nothing in them".to_owned());
                }
                self.net.push(slot);
            }
            Next::Done => {
                self.deadlines[at] = None;
                if let Some(index) = self.net.line_of.remove(&slot.0) {
                    self.gone_at[index] = Some(self.net.now);
                    self.check_closed(index)?;
                }
            }
        }
        if let Some(index) = watched {
            self.look(slot, index, unanswered);
        }
        self.gather();
        Ok(())
    }
}
