//! The counts of a route, and their keeping after the route is gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::local::LocalRoute;
use crate::command::sighting::CheckLabel;
use crate::command::tally::{Tally, count_by};
use crate::command::view::RouteReport;
use crate::invariant::Invariant;
use crate::proxy::drain::DrainQueue;
use crate::proxy::end::{End, Side};
use crate::routing::channels::Channel;
use crate::routing::policy::Tolerance;
use crate::routing::route::RouteLabels;

/// The most routes whose counts are kept after they are gone. Those of further routes are added to the connections
/// without a route.
pub(super) const MAX_GONE: usize = 1000;

impl LocalRoute {
    /// Counts what was relayed from one side.
    #[inline]
    pub(in crate::proxy) fn passed(&mut self, from: Side, messages: u64, bytes: usize) {
        let Tally { messages: [messages_up, messages_down], bytes: [bytes_up, bytes_down], .. } = &mut self.tally;
        let (all_messages, all_bytes) = match from {
            Side::Client => (messages_up, bytes_up),
            Side::Upstream => (messages_down, bytes_down),
        };
        *all_messages = all_messages.saturating_add(messages);
        *all_bytes = all_bytes.saturating_add(u64::try_from(bytes).expected_or(u64::MAX));
    }

    /// Counts an established upstream connection.
    pub(in crate::proxy) fn dialled(&mut self, took: Duration) {
        self.tally.dial.count(took);
    }

    /// Counts a client that got its 101.
    pub(in crate::proxy) fn opened(&mut self, took: Duration) {
        self.tally.open = self.tally.open.saturating_add(1);
        self.tally.opened = self.tally.opened.saturating_add(1);
        self.tally.handshake.count(took);
    }

    /// Counts the parts that were missing from the handshake of a client that got its 101.
    pub(in crate::proxy) fn tolerated(&mut self, tolerated: Tolerance) {
        for (is_missing, label) in [(tolerated.missing_key, "key"), (tolerated.missing_accept, "accept")] {
            if is_missing {
                count_by(&mut self.tally.tolerated, label, 1);
            }
        }
    }

    /// Counts a message that was looked at.
    pub(in crate::proxy) fn checked(&mut self, label: CheckLabel) {
        let count = self.tally.checks.entry(label).or_default();
        *count = count.saturating_add(1);
    }

    /// Counts a client of a channel that got its 101.
    pub(in crate::proxy) fn channel_opened(&mut self, channel: &Channel) {
        let count = self.tally.channel(&channel.label);
        count.open = count.open.saturating_add(1);
        count.opened = count.opened.saturating_add(1);
    }

    /// Counts the end of a tunnel of a channel.
    pub(in crate::proxy) fn channel_ended(&mut self, channel: &Channel) {
        let count = self.tally.channel(&channel.label);
        count.open = count.open.saturating_sub(1);
    }

    /// Counts the end of a tunnel. `codes` are those of the close frames that each side sent.
    pub(in crate::proxy) fn tunnel_ended(&mut self, end: End, codes: [Option<u16>; 2]) {
        let tally = &mut self.tally;
        for (closes, code) in tally.closes.iter_mut().zip(codes) {
            code.into_iter().for_each(|code| closes.count(code));
        }
        tally.open = tally.open.saturating_sub(1);
        count_by(&mut tally.ended, end.label(), 1);
    }

    /// Counts a connection that ended before it became a tunnel.
    pub(in crate::proxy) fn handshake_ended(&mut self, end: End) {
        let tally = &mut self.tally;
        let count = match end {
            End::Refused(refusal) => return count_by(&mut tally.refused, refusal.code, 1),
            End::Unannounced(_) => return count_by(&mut tally.refused, "proxy-protocol", 1),
            End::Declined => &mut tally.declined,
            End::Insecure(_) | End::UnexpectedTls => &mut tally.insecure,
            End::Answered => &mut tally.answered,
            End::LeftEarly
            | End::LeftSilently
            | End::Closed(_)
            | End::Ended(_)
            | End::Broken(..)
            | End::Violated(..)
            | End::Idle
            | End::Silent(_)
            | End::Drained(_) => &mut tally.left,
        };
        *count = count.saturating_add(1);
    }

    /// Adds the counts of another route.
    pub(super) fn add(&mut self, other: &Self) {
        self.tally.add(&other.tally);
    }

    pub(super) fn report(&self) -> RouteReport {
        RouteReport {
            id: self.route().map(|route| route.id),
            labels: self.labels().cloned(),
            tally: self.tally.clone(),
            draining: self.drain.as_ref().map_or((0, 0), DrainQueue::progress),
        }
    }
}

/// The counts of routes that are gone, by their labels. An API that is deployed again continues them, so that no
/// counter ever falls.
#[derive(Debug, Default)]
pub(super) struct Gone(BTreeMap<Arc<RouteLabels>, Tally>);

impl Gone {
    /// Keeps the counts of a route that is removed, if there is room for them.
    pub(super) fn keep(&mut self, route: &LocalRoute) -> bool {
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
