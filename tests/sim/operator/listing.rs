//! Connections listed page by page while others come and go: who is there all the time is shown once.

use ringway::command::view::{self, ConnectionPage, ConnectionView};

use super::Filter;
use super::force::labels;
use super::watch::{Stage, Watch};
use crate::plan::client_of;
use crate::world::World;

/// One listing.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) filter: Filter,
    pub(crate) limit: usize,
    pub(crate) from: u32,
    pub(crate) is_over: bool,
    /// The connections that existed and matched when the listing began.
    there: Vec<usize>,
    shown: Vec<usize>,
}

impl Session {
    pub(crate) fn new(filter: Filter, limit: usize, watch: &Watch) -> Self {
        let is_meant = |index: usize| {
            let api = watch.seen[index].entered.map(|(api, _)| api);
            filter.apis.as_ref().is_none_or(|apis| api.is_some_and(|api| apis.contains(&api)))
        };
        let there = watch.living().map(|(index, _)| index).filter(|index| is_meant(*index)).collect();
        Self { filter, limit, from: 0, is_over: false, there, shown: Vec::new() }
    }

    /// Takes a page.
    pub(crate) fn take(&mut self, world: &World, watch: &Watch, listed: &ConnectionPage) -> Result<(), String> {
        if listed.connections.len() > self.limit {
            return Err(format!("{} on a page of {}", listed.connections.len(), self.limit));
        }
        for view in &listed.connections {
            let index = watch.by_number(view.id).ok_or_else(|| format!("nobody has number {}", view.id))?;
            if self.shown.contains(&index) {
                return Err(format!("connection {index} is shown twice"));
            }
            self.shown.push(index);
            self.right(world, watch, index, view).map_err(|what| format!("connection {index}: {what}: {view:?}"))?;
        }
        match listed.next {
            Some(next) if next <= self.from && !listed.connections.is_empty() => Err("a listing goes round".to_owned()),
            Some(next) => {
                self.from = next;
                Ok(())
            }
            None => {
                self.is_over = true;
                let left_out = |index: &&usize| {
                    let is_there = watch.seen[**index].stage != Stage::Gone && world.is_from(**index, &self.filter);
                    is_there && !self.shown.contains(index)
                };
                match self.there.iter().find(left_out) {
                    Some(index) => Err(format!("connection {index} was there all the time, and is not shown")),
                    None => Ok(()),
                }
            }
        }
    }

    /// Checks that the shown values of a connection are right.
    fn right(&self, world: &World, watch: &Watch, index: usize, view: &ConnectionView) -> Result<(), &'static str> {
        let seen = &watch.seen[index];
        let line = &world.net.lines[index];
        let sent = line.client.map_or(&[][..], |sock| &world.net.socks[sock].sent);
        let stage = match view.stage {
            view::Stage::Handshake => Stage::Coming,
            view::Stage::Open => Stage::Open,
            view::Stage::Closing => Stage::Closing,
        };
        let asked = line.ask.as_ref().filter(|_| seen.judged.is_some()).map_or("", |ask| ask.path());
        let in_tls = world.peers[index * 2].plan.tls.is_some();
        let own = seen.entered.map(|(api, _)| labels(api));
        let api = seen.entered.map(|(api, _)| api);
        let is_meant = self.filter.apis.as_ref().is_none_or(|apis| api.is_some_and(|api| apis.contains(&api)));
        let age = world.net.now - seen.accepted_at;
        for (holds, what) in [
            (seen.stage != Stage::Gone && stage == seen.stage, "another stage"),
            (view.peer == client_of(&world.scene, index), "another client"),
            (*view.path == *asked, "another path"),
            (view.labels.as_deref() == own.as_ref(), "another labels"),
            (is_meant && world.is_from(index, &self.filter), "not what was asked for"),
            (view.tls.is_none() || in_tls, "not in TLS"),
            (view.age.as_millis() == u128::from(age), "another age"),
            (stage != Stage::Coming || sent.is_empty(), "answered, and yet in the handshake"),
            (stage != Stage::Coming || (view.bytes, view.messages) == ([0; 2], [0; 2]), "data before the 101"),
        ] {
            if !holds {
                return Err(what);
            }
        }
        Ok(())
    }
}
