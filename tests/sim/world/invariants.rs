//! The rules that hold while a run goes on and when it ends: no wake-up is lost, no socket outlives its connection, every
//! count comes back to zero; and the time that a connection may live.

use std::cmp::Reverse;
use std::time::Duration;

use ringway::engine::{Service, Slot};
use ringway::routing::policy::Timeouts;

use super::World;
use crate::net::Event;

impl World {
    pub(super) fn check_closed(&self, index: usize) -> Result<(), String> {
        match self.net.socks.iter().find(|sock| sock.connection == index && sock.open) {
            Some(sock) => {
                Err(format!("connection {index} is gone, its socket is open (upstream: {})", sock.is_upstream))
            }
            None => Ok(()),
        }
    }

    /// Nothing is going on: then a step without a cause must find nothing to do, or a wake-up was lost.
    pub(super) fn check_wakeups(&mut self) -> Result<(), String> {
        if !self.rng.chance(20) {
            return Ok(());
        }
        let mut slots: Vec<u32> = self.net.line_of.keys().copied().collect();
        slots.sort_unstable();
        for slot in slots {
            let (moved, later) = (self.net.moved, self.net.later.len());
            let pending = self
                .queue
                .iter()
                .any(|Reverse((at, _, event))| matches!(event, Event::Ready(..)) && *at <= self.net.now + 2);
            self.net.push(Slot(slot));
            self.step()?;
            if !pending && self.net.moved != moved && self.net.later.len() >= later {
                return Err(format!("a wake-up was lost: slot {slot} had something to do and was not stepped"));
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<(), String> {
        self.proxy.housekeep(&mut self.net);
        self.final_report()?;
        while let Ok(batch) = self.reader.batches.try_recv() {
            self.records.extend(batch);
        }
        let counted = (self.admission.connections(), self.admission.addresses());
        if self.proxy.connections() != 0 || counted != (0, 0) || !self.proxy.is_finished() {
            return Err(format!(
                "left: {} connections, {} counted, to {} addresses, finished: {}",
                self.proxy.connections(),
                counted.0,
                counted.1,
                self.proxy.is_finished()
            ));
        }
        (0..self.scene.connections.len()).try_for_each(|index| self.check_closed(index))
    }

    /// How long after the last thing that happened to it a connection may live at most.
    pub(crate) fn bound(&self) -> u64 {
        let millis = |wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let bound = |waits: &Timeouts| {
            let ping = waits.ping_interval.max(waits.upstream_ping_interval);
            let open = waits.idle.map_or(0, millis) + ping.map_or(0, millis) + 2 * millis(waits.pong);
            millis(waits.handshake) + 2 * millis(waits.connect) + open + 3 * millis(waits.close) + 1_000
        };
        self.waits().map(bound).max().unwrap_or(0)
    }

    /// The waits that a connection may have had.
    pub(crate) fn waits(&self) -> impl Iterator<Item = &Timeouts> {
        let policies = self.scene.operator.iter().flat_map(|plan| &plan.policies);
        policies.chain([&self.scene.settings.policy]).map(|policy| &policy.timeouts)
    }
}
