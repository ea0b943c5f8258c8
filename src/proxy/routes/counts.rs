//! What is counted of a route, and what stays of the counts when it goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::local::Local;
use crate::command::tally::{Tally, count_by};
use crate::command::view::RouteReport;
use crate::proxy::drain::Ousting;
use crate::proxy::end::{End, Side};
use crate::routing::route::RouteLabels;

/// Of so many subjects that are gone counts are kept; those of any more become part of what has no route.
pub(super) const MAX_GONE: usize = 1000;

impl Local {
    /// So many messages, with so many bytes, have come from a side.
    #[inline]
    pub(in crate::proxy) fn passed(&mut self, from: Side, messages: u64, bytes: usize) {
        let Tally { messages: [messages_up, messages_down], bytes: [bytes_up, bytes_down], .. } = &mut self.tally;
        let (all_messages, all_bytes) = match from {
            Side::Client => (messages_up, bytes_up),
            Side::Upstream => (messages_down, bytes_down),
        };
        *all_messages = all_messages.saturating_add(messages);
        *all_bytes = all_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// A connection to the upstream stands.
    pub(in crate::proxy) fn dialled(&mut self, took: Duration) {
        self.tally.dial.count(took);
    }

    /// A client has its 101.
    pub(in crate::proxy) fn opened(&mut self, took: Duration) {
        self.tally.open = self.tally.open.saturating_add(1);
        self.tally.opened = self.tally.opened.saturating_add(1);
        self.tally.handshake.count(took);
    }

    /// A connection has ended; `codes` are those of the close frames that each side sent.
    pub(in crate::proxy) fn ended(&mut self, was_open: bool, end: End, codes: [Option<u16>; 2]) {
        let tally = &mut self.tally;
        for (closes, code) in tally.closes.iter_mut().zip(codes) {
            code.into_iter().for_each(|code| closes.count(code));
        }
        if was_open {
            tally.open = tally.open.saturating_sub(1);
            count_by(&mut tally.ended, end.label(), 1);
            return;
        }
        let count = match end {
            End::Refused(refusal) => return count_by(&mut tally.refused, refusal.code, 1),
            End::Unannounced(_) => return count_by(&mut tally.refused, "proxy-protocol", 1),
            End::Declined => &mut tally.declined,
            End::Insecure(_) | End::UnexpectedTls => &mut tally.insecure,
            _ => &mut tally.left,
        };
        *count = count.saturating_add(1);
    }

    /// Takes in what was counted of another.
    pub(super) fn add(&mut self, other: &Self) {
        self.tally.add(&other.tally);
    }

    pub(super) fn report(&self) -> RouteReport {
        RouteReport {
            id: self.route().map(|route| route.id),
            labels: self.labels().cloned(),
            tally: self.tally.clone(),
            draining: self.ousting.as_ref().map_or((0, 0), Ousting::progress),
        }
    }
}

/// What was counted of routes that are gone, by whose they were. An API that is deployed again goes on from there, so that no
/// counter ever falls.
#[derive(Debug, Default)]
pub(super) struct Gone(BTreeMap<Arc<RouteLabels>, Tally>);

impl Gone {
    /// Keeps the counts of a route that goes, if there is room for them.
    pub(super) fn keep(&mut self, route: &Local) -> bool {
        let has_room = self.0.len() < MAX_GONE;
        let Some(labels) = route.labels().filter(|labels| has_room || self.0.contains_key(*labels)) else {
            return false;
        };
        self.0.entry(Arc::clone(labels)).or_default().add(&route.tally);
        true
    }

    pub(super) fn reports(&self) -> impl Iterator<Item = RouteReport> {
        self.0.iter().map(|(labels, tally)| RouteReport {
            id: None,
            labels: Some(Arc::clone(labels)),
            tally: tally.clone(),
            draining: (0, 0),
        })
    }
}
