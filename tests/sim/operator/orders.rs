//! The operator's orders as commands, and what is noted of their answers.

use std::sync::{Arc, Mutex};

use ringway::command::config::ShardConfig;
use ringway::command::view::{ConnectionPage, ConnectionView};
use ringway::command::{Activation, Cause, Command, ConnectionQuery, Reply, Selection};
use ringway::engine::Slot;
use ringway::proto::via::ChainKey;
use ringway::routing::route::RouteId;
use ringway::routing::settings::Settings;
use ringway::routing::snapshot::Snapshot;

use super::force::Forge;
use super::listing::Session;
use super::tally::Reported;
use super::watch::{Stage, Watch};
use super::{Filter, Order, Plan, State};
use crate::net::Event;
use crate::plan::client_of;
use crate::tls::configs;
use crate::world::World;

/// The operator's side of a run.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) plan: Arc<Plan>,
    pub(crate) forge: Forge,
    pub(crate) watch: Watch,
    pub(crate) sessions: Vec<Session>,
    pub(crate) reports: Vec<Reported>,
    /// How often clients of the first listener were given another certificate.
    pub(crate) certificates: usize,
}

impl Operator {
    pub(crate) fn new(plan: Arc<Plan>, connections: usize) -> Self {
        let watch = Watch::new(plan.first.clone(), connections);
        let (sessions, reports) = (Vec::new(), Vec::new());
        Self { plan, forge: Forge::default(), watch, sessions, reports, certificates: 0 }
    }

    pub(crate) fn first_snapshot(&mut self) -> Arc<Snapshot> {
        self.forge.next(&self.plan, &self.plan.first)
    }
}

/// The configuration that the shard starts with.
pub(crate) fn config(operator: &mut Operator, settings: Arc<Settings>, in_tls: bool) -> ShardConfig {
    ShardConfig {
        settings,
        tls: vec![in_tls.then(|| configs::for_clients(0))],
        upstream_tls: vec![configs::for_upstream()],
        snapshot: operator.first_snapshot(),
        keys: None,
        chain: ChainKey::new([0; 16]),
    }
}

fn ids(apis: &[usize]) -> Vec<RouteId> {
    apis.iter().map(|api| RouteId(*api as u64)).collect()
}

impl World {
    /// Gives a command, and says what was answered to it at once.
    fn told<T: Send + 'static>(&mut self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, String> {
        let answer = Arc::new(Mutex::new(None));
        let place = Arc::clone(&answer);
        self.command(command(Reply::new(move |given| *place.lock().unwrap() = Some(given))));
        let given = answer.lock().unwrap().take();
        given.ok_or_else(|| "a command was not answered".to_owned())
    }

    pub(crate) fn order(&mut self, at: usize) -> Result<(), String> {
        let Some(mut operator) = self.operator.take() else { return Ok(()) };
        let order = operator.plan.orders[at].1.clone();
        self.net.say(|| format!("order {order:?}"));
        let done = self.obey(&mut operator, order);
        operator.watch.weigh(&operator.plan, self.net.now);
        operator.watch.forget(self.net.now);
        self.operator = Some(operator);
        self.gather();
        done
    }

    fn obey(&mut self, operator: &mut Operator, order: Order) -> Result<(), String> {
        match order {
            Order::InForce(state) => self.put_in_force(operator, state),
            Order::Late => {
                let version = self.rng.below(operator.watch.versions.len());
                let state = operator.watch.versions[version].clone();
                let snapshot = operator.forge.snapshot(&operator.plan, &state, version as u64 + 1);
                let settings = Arc::new(self.scene.settings.clone());
                self.told(|done| {
                    Command::Activate(Box::new(Activation { settings, snapshot, upstream_tls: None, done }))
                })
            }
            Order::Close(apis) => {
                let concerned: Vec<usize> = (0..operator.watch.seen.len())
                    .filter(|index| {
                        let seen = &operator.watch.seen[*index];
                        seen.stage == Stage::Open && seen.entered.is_some_and(|(api, _)| apis.contains(&api))
                    })
                    .collect();
                let count = self.told(|reply| Command::Close(Selection::Routes(ids(&apis)), reply))?;
                for index in &concerned {
                    operator.watch.seen[*index].sticky.push(Cause::Closed);
                }
                if count != concerned.len() as u64 {
                    return Err(format!("{count} are said to be closed, {concerned:?} are open"));
                }
                Ok(())
            }
            Order::CloseOne(index) => {
                let seen = &operator.watch.seen[index];
                let (number, stage) = (seen.number.unwrap_or(u64::MAX), seen.stage);
                let count = self.told(|reply| Command::Close(Selection::Connection(number), reply))?;
                let is_there = seen.number.is_some() && stage != Stage::Gone;
                if count != u64::from(is_there) {
                    return Err(format!("{count} are said to be closed of connection {index}"));
                }
                if is_there {
                    operator.watch.seen[index].sticky.push(Cause::Closed);
                }
                if stage == Stage::Open {
                    operator.watch.doom(vec![index], self.net.now, 0);
                }
                Ok(())
            }
            Order::List(filter, limit) => {
                operator.sessions.push(Session::new(filter, limit, &operator.watch));
                self.page(operator, operator.sessions.len() - 1)
            }
            Order::Report => self.report(operator),
            Order::HeadLimit(bytes) => {
                self.scene.settings.head.max_bytes = bytes;
                self.put_in_force(operator, operator.watch.state().clone())
            }
            Order::Certificates => {
                operator.certificates += 1;
                self.command(Command::Certificates(0, configs::for_clients(operator.certificates)));
                Ok(())
            }
        }
    }

    fn put_in_force(&mut self, operator: &mut Operator, state: State) -> Result<(), String> {
        let snapshot = operator.forge.next(&operator.plan, &state);
        operator.watch.versions.push(state);
        let settings = Arc::new(self.scene.settings.clone());
        let upstream_tls = self.rng.chance(30).then(|| vec![configs::for_upstream()]);
        self.told(|done| Command::Activate(Box::new(Activation { settings, snapshot, upstream_tls, done })))
    }

    fn report(&mut self, operator: &mut Operator) -> Result<(), String> {
        let report = self.told(Command::Report)?;
        let reported = Reported::new(self, operator, report)?;
        operator.reports.push(reported);
        Ok(())
    }

    /// The last of all.
    pub(crate) fn final_report(&mut self) -> Result<(), String> {
        let Some(mut operator) = self.operator.take() else { return Ok(()) };
        let done = self.report(&mut operator);
        let (routes, places) = operator.forge.alive();
        let targets = operator.watch.state().iter().flatten().map(|deployed| deployed.targets.len());
        let (deployed, targets) = (targets.clone().count(), targets.sum::<usize>());
        self.operator = Some(operator);
        done?;
        if (routes, places) != (deployed, targets) {
            return Err(format!("{routes} routes and {places} places are kept, of {deployed} and {targets}"));
        }
        Ok(())
    }

    /// The next page of a listing.
    pub(crate) fn next_page(&mut self, session: usize) -> Result<(), String> {
        let Some(mut operator) = self.operator.take() else { return Ok(()) };
        let done = self.page(&mut operator, session);
        self.operator = Some(operator);
        self.gather();
        done
    }

    fn page(&mut self, operator: &mut Operator, session: usize) -> Result<(), String> {
        let of = &operator.sessions[session];
        let (from, limit) = (of.from, of.limit);
        let listed = self.list(&of.filter, from, limit)?;
        let mut of = operator.sessions.swap_remove(session);
        let done = of.take(self, &operator.watch, &listed);
        if !of.is_over {
            let at = self.net.now + self.rng.wait(0, 30);
            self.net.later.push((at, Event::Page(session)));
        }
        operator.sessions.push(of);
        let last = operator.sessions.len() - 1;
        operator.sessions.swap(session, last);
        done
    }

    fn list(&mut self, filter: &Filter, from: u32, limit: usize) -> Result<ConnectionPage, String> {
        let (routes, client) = (filter.apis.as_deref().map(ids), filter.client);
        self.told(|reply| Command::List(ConnectionQuery { routes, client, from, limit }, reply))
    }

    /// The connection in a slot, as it is shown.
    pub(crate) fn view(&mut self, slot: Slot) -> Option<ConnectionView> {
        let listed = self.list(&Filter::default(), slot.0, 1).ok()?;
        let index = *self.net.line_of.get(&slot.0)?;
        let number = self.operator.as_ref().and_then(|operator| operator.watch.seen[index].number);
        let view = listed.connections.into_iter().next()?;
        number.is_none_or(|number| number == view.id).then_some(view)
    }

    /// After a step of a connection's, or after it was accepted.
    pub(crate) fn look(&mut self, slot: Slot, index: usize, unanswered: bool) {
        let view = self.view(slot);
        let Some(operator) = &mut self.operator else { return };
        operator.watch.stepped(&operator.plan, &self.net, (index, unanswered), view.as_ref());
    }

    pub(crate) fn note_accept(&mut self, slot: Slot, index: usize) {
        let view = self.view(slot);
        let (now, ask) = (self.net.now, self.scene.connections[index].ask.as_ref());
        if let (Some(operator), Some(ask)) = (&mut self.operator, ask) {
            operator.watch.accepted(index, view.as_ref(), (now, operator.certificates, ask.listener));
        }
    }

    /// The proxy is to end.
    pub(crate) fn note_drain(&mut self) {
        let Some(operator) = &mut self.operator else { return };
        operator.watch.has_drained = true;
        let living: Vec<usize> = operator.watch.living().map(|(index, _)| index).collect();
        for index in living {
            operator.watch.seen[index].sticky.push(Cause::Shutdown);
        }
        operator.watch.weigh(&operator.plan, self.net.now);
    }

    /// True if a connection is from the filter's client.
    pub(crate) fn is_from(&self, index: usize, filter: &Filter) -> bool {
        filter.client.is_none_or(|client| client == client_of(&self.scene, index).ip())
    }
}
