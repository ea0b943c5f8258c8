//! Every figure: its name, its kind, its labels, what it says, and where it comes from.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::Scrape;
use crate::api::view::health::StoreState;
use crate::command::sighting::CheckResult;
use crate::command::tally::{ChannelTally, Histogram, Tally};
use crate::routing::balance::health::EndpointHealth;
use crate::routing::route::RouteLabels;

/// The kind of a family's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They only grow; `_total` is put behind the name.
    Counter,
    /// They come and go.
    Gauge,
    /// Times in buckets.
    Histogram,
    /// Labels, and always 1; `_info` is put behind the name.
    Info,
}

/// Figures of one name.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Without what its kind puts behind it.
    pub name: &'static str,
    /// The kind of the figures.
    pub kind: Kind,
    /// The names of their labels.
    pub labels: &'static str,
    /// The help text.
    pub help: &'static str,
    write: fn(&mut Out<'_, '_>, &Scrape) -> fmt::Result,
}

/// The labels of whatever is counted of a deployment.
macro_rules! deployment {
    () => {
        "project, api, version, environment"
    };
    ($more:literal) => {
        concat!("project, api, version, environment, ", $more)
    };
}

macro_rules! families {
    ($($name:literal $kind:ident $labels:expr, $help:literal, $write:expr;)*) => {
        /// Every family, in the order in which they are shown.
        pub const FAMILIES: &[Family] = &[$(
            Family { name: $name, kind: Kind::$kind, labels: $labels, help: $help, write: $write },
        )*];
    };
}

families! {
    "ringway_build" Info "version", "Version of the program.",
        |out, _| out.0.encode_info(&[("version", env!("CARGO_PKG_VERSION"))]);
    "ringway_snapshot_number" Gauge "", "Number of the latest published snapshot.",
        |out, scrape| out.gauge(&[], scrape.snapshot);
    "ringway_deployments" Gauge "", "Deployments in the latest snapshot.",
        |out, scrape| out.gauge(&[], count(scrape.deployed));
    "ringway_store_state" Gauge "state", "1 for the current state of the store, 0 for the others.",
        store;
    "ringway_audit_entries" Counter "", "Entries in the audit.",
        |out, scrape| out.counter(&[], scrape.audit);
    "ringway_restart_pending_options" Gauge "", "Options of the configuration file whose new values wait for a restart.",
        |out, scrape| out.gauge(&[], count(scrape.restart_pending));
    "ringway_admin_wrong_tokens" Counter "", "Requests to the admin listener with a wrong token or none.",
        |out, scrape| out.counter(&[], scrape.wrong_tokens);
    "ringway_admin_limited_logins" Counter "", "Requests to the admin listener that were refused because of wrong tokens from their address before.",
        |out, scrape| out.counter(&[], scrape.limited_logins);
    "ringway_connections_open" Gauge deployment!(), "Open WebSockets.",
        |out, scrape| tallies(out, scrape, |out, labels, tally| out.gauge(labels, tally.open));
    "ringway_connections_opened" Counter deployment!(), "WebSockets opened.",
        |out, scrape| tallies(out, scrape, |out, labels, tally| out.counter(labels, tally.opened));
    "ringway_channel_connections_open" Gauge deployment!("channel"), "Open WebSockets of a channel.",
        |out, scrape| channels(out, scrape, |out, labels, tally| out.gauge(labels, tally.open));
    "ringway_channel_connections_opened" Counter deployment!("channel"), "WebSockets of a channel that were opened.",
        |out, scrape| channels(out, scrape, |out, labels, tally| out.counter(labels, tally.opened));
    "ringway_draining_connections" Gauge deployment!(), "Connections that a drain has not closed yet.",
        draining;
    "ringway_handshakes" Counter deployment!("result"), "Finished handshakes, by result.",
        handshakes;
    "ringway_refusals" Counter deployment!("reason"), "Refused handshakes, by the code of the refusal.",
        |out, scrape| tallies(out, scrape, |out, labels, tally| out.each(labels, "reason", &tally.refused));
    "ringway_insecure_handshakes" Counter deployment!("missing"), "WebSockets opened although the handshake lacked this part, because a policy allows it.",
        |out, scrape| tallies(out, scrape, |out, labels, tally| out.each(labels, "missing", &tally.tolerated));
    "ringway_messages" Counter deployment!("direction"), "Data messages relayed.",
        |out, scrape| tallies(out, scrape, |out, labels, tally| out.both(labels, tally.messages));
    "ringway_bytes" Counter deployment!("direction"), "Bytes of frames relayed.",
        |out, scrape| tallies(out, scrape, |out, labels, tally| out.both(labels, tally.bytes));
    "ringway_closes" Counter deployment!("side, code"), "Close frames received, by the side that sent them and their code.",
        closes;
    "ringway_ends" Counter deployment!("reason"), "Ended WebSockets, by reason.",
        |out, scrape| tallies(out, scrape, |out, labels, tally| out.each(labels, "reason", &tally.ended));
    "ringway_checked_messages" Counter deployment!("channel, direction, result, action"), "Messages looked at for validation, by verdict and what became of them.",
        |out, scrape| checks(out, scrape, Counted::Results);
    "ringway_contract_violations" Counter deployment!("channel, direction, rule"), "Messages that broke the contract, by the first rule that they broke.",
        |out, scrape| checks(out, scrape, Counted::Rules);
    "ringway_unchecked_messages" Counter deployment!("channel, direction, reason"), "Messages that could not be checked, by reason.",
        |out, scrape| checks(out, scrape, Counted::Reasons);
    "ringway_dial_seconds" Histogram deployment!(), "Time from the first connection attempt to an established upstream connection.",
        |out, scrape| tallies(out, scrape, |out, labels, tally| out.histogram(labels, &tally.dial));
    "ringway_handshake_seconds" Histogram deployment!(), "Time from accept to the 101 response.",
        |out, scrape| tallies(out, scrape, |out, labels, tally| out.histogram(labels, &tally.handshake));
    "ringway_endpoint_up" Gauge deployment!("endpoint"), "1 if the endpoint works or no handshake has tried it, 0 while it fails.",
        |out, scrape| endpoints(out, scrape, |out, labels, health| out.gauge(labels, u64::from(health.works())));
    "ringway_endpoint_failures" Counter deployment!("endpoint, cause"), "Failed tries of the endpoint, by cause.",
        |out, scrape| endpoints(out, scrape, |out, labels, health| {
            let counts: Vec<(&str, u64)> =
                health.failures().filter(|(_, count)| *count > 0).map(|(cause, count)| (cause.word(), count)).collect();
            out.each(labels, "cause", &counts)
        });
    "ringway_shard_up" Gauge "shard", "1 if the shard answered this scrape; 0 if its other values are older.",
        up;
    "ringway_shard_snapshot_number" Gauge "shard", "Number of the snapshot that the shard uses.",
        |out, scrape| each_shard(out, scrape, |out, labels, report| out.gauge(labels, report.snapshot));
    "ringway_shard_connections" Gauge "shard", "Connections of the shard, handshakes included.",
        |out, scrape| each_shard(out, scrape, |out, labels, report| out.gauge(labels, count(report.connections)));
    "ringway_shard_kernel_bytes" Gauge "shard, side, queue", "Bytes in the kernel's socket buffers of open connections, estimated from a sample.",
        kernel_bytes;
    "ringway_shard_running_seconds" Counter "shard", "Running time of the shard's loop.",
        |out, scrape| each_shard(out, scrape, |out, labels, report| {
            out.seconds(labels, report.figures.running.as_secs_f64())
        });
    "ringway_shard_busy_seconds" Counter "shard", "Running time with work to do.",
        |out, scrape| each_shard(out, scrape, |out, labels, report| {
            out.seconds(labels, report.figures.running.saturating_sub(report.figures.idle).as_secs_f64())
        });
    "ringway_shard_ready" Gauge "shard", "Connections in the shard's list of ready ones.",
        |out, scrape| each_shard(out, scrape, |out, labels, report| out.gauge(labels, count(report.figures.ready)));
    "ringway_shard_ring_enters" Counter "shard", "Times that the shard entered its io_uring.",
        |out, scrape| each_shard(out, scrape, |out, labels, report| out.counter(labels, report.figures.enters));
    "ringway_shard_completions" Counter "shard", "Completions that the shard took from its io_uring.",
        |out, scrape| each_shard(out, scrape, |out, labels, report| out.counter(labels, report.figures.completions));
    "process_cpu_seconds" Counter "", "Processor time of the process, user and system.",
        |out, scrape| out.seconds(&[], scrape.process.cpu_seconds);
    "process_open_fds" Gauge "", "Open file descriptors.",
        |out, scrape| out.gauge(&[], scrape.process.open_fds);
    "process_max_fds" Gauge "", "Maximum number of open file descriptors.",
        |out, scrape| out.gauge(&[], scrape.process.max_fds);
    "process_resident_memory_bytes" Gauge "", "Resident memory.",
        |out, scrape| out.gauge(&[], scrape.process.resident_bytes);
    "process_start_time_seconds" Gauge "", "Start time of the process, in seconds since 1970.",
        |out, scrape| out.0.encode_gauge(&scrape.process.start_seconds);
}

/// Label names and values.
type Labels<'a> = [(&'static str, &'a str)];

/// The output that a family's figures are written to.
struct Out<'a, 'b>(&'a mut MetricEncoder<'b>);

impl Family {
    /// As it is shown and asked for: `ringway_bytes_total`.
    #[must_use]
    pub fn shown(&self) -> String {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        format!("{}{suffix}", self.name)
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>, scrape: &Scrape) -> fmt::Result {
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        };
        let mut metric = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        (self.write)(&mut Out(&mut metric), scrape)
    }
}

impl Out<'_, '_> {
    fn counter(&mut self, labels: &Labels<'_>, value: u64) -> fmt::Result {
        self.with(labels, |encoder| encoder.encode_counter::<NoLabelSet, _, f64>(&value, None))
    }

    fn seconds(&mut self, labels: &Labels<'_>, value: f64) -> fmt::Result {
        self.with(labels, |encoder| encoder.encode_counter::<NoLabelSet, _, f64>(&value, None))
    }

    fn gauge(&mut self, labels: &Labels<'_>, value: u64) -> fmt::Result {
        self.with(labels, |encoder| encoder.encode_gauge(&value))
    }

    fn histogram(&mut self, labels: &Labels<'_>, histogram: &Histogram) -> fmt::Result {
        let bounds = Histogram::BOUNDS.iter().map(std::time::Duration::as_secs_f64).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(histogram.buckets).collect();
        let all = histogram.buckets.iter().fold(0_u64, |sum, bucket| sum.saturating_add(*bucket));
        let sum = histogram.sum.as_secs_f64();
        self.with(labels, |encoder| encoder.encode_histogram::<NoLabelSet>(sum, all, &buckets, None))
    }

    /// A counter of each label that was counted by.
    fn each(&mut self, labels: &Labels<'_>, name: &'static str, counts: &[(&'static str, u64)]) -> fmt::Result {
        counts.iter().try_for_each(|(label, value)| self.counter(&[labels, &[(name, *label)]].concat(), *value))
    }

    /// A counter of each direction.
    fn both(&mut self, labels: &Labels<'_>, [from_client, from_upstream]: [u64; 2]) -> fmt::Result {
        self.each(labels, "direction", &[("from_client", from_client), ("from_upstream", from_upstream)])
    }

    fn with(&mut self, labels: &Labels<'_>, write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result) -> fmt::Result {
        if labels.is_empty() { write(self.0) } else { write(&mut self.0.encode_family(&labels)?) }
    }
}

fn labels(labels: &RouteLabels) -> [(&'static str, &str); 4] {
    [
        ("project", &labels.project),
        ("api", &labels.identifier),
        ("version", &labels.version),
        ("environment", &labels.environment),
    ]
}

fn tallies(
    out: &mut Out<'_, '_>,
    scrape: &Scrape,
    mut write: impl FnMut(&mut Out<'_, '_>, &Labels<'_>, &Tally) -> fmt::Result,
) -> fmt::Result {
    scrape.tallies.iter().try_for_each(|(of, (tally, _))| write(out, &labels(of), tally))
}

fn channels(
    out: &mut Out<'_, '_>,
    scrape: &Scrape,
    mut write: impl FnMut(&mut Out<'_, '_>, &Labels<'_>, &ChannelTally) -> fmt::Result,
) -> fmt::Result {
    tallies(out, scrape, |out, labels, tally| {
        let mut channels = tally.channels.iter();
        channels.try_for_each(|(label, count)| write(out, &[labels, &[("channel", &**label)]].concat(), count))
    })
}

/// The endpoints of the routes of the latest snapshot: those of a route that is removed are shown no more.
fn endpoints(
    out: &mut Out<'_, '_>,
    scrape: &Scrape,
    mut write: impl FnMut(&mut Out<'_, '_>, &Labels<'_>, &EndpointHealth) -> fmt::Result,
) -> fmt::Result {
    let none = RouteLabels::default();
    for route in &scrape.routes {
        let of = labels(route.labels.as_deref().unwrap_or(&none));
        for endpoint in &route.endpoints {
            let health = &endpoint.health;
            write(out, &[&of[..], &[("endpoint", health.name())]].concat(), health)?;
        }
    }
    Ok(())
}

fn each_shard(
    out: &mut Out<'_, '_>,
    scrape: &Scrape,
    mut write: impl FnMut(&mut Out<'_, '_>, &Labels<'_>, &crate::command::view::Report) -> fmt::Result,
) -> fmt::Result {
    scrape.shards.iter().try_for_each(|(shard, (report, _))| write(out, &[("shard", &shard.to_string())], report))
}

fn up(out: &mut Out<'_, '_>, scrape: &Scrape) -> fmt::Result {
    let heard = scrape.shards.iter().map(|(shard, (_, is_new))| (*shard, *is_new));
    let mut all: Vec<(usize, bool)> = heard.chain(scrape.unheard.iter().map(|shard| (*shard, false))).collect();
    all.sort_unstable();
    all.iter().try_for_each(|(shard, is_up)| out.gauge(&[("shard", &shard.to_string())], u64::from(*is_up)))
}

fn kernel_bytes(out: &mut Out<'_, '_>, scrape: &Scrape) -> fmt::Result {
    each_shard(out, scrape, |out, labels, report| {
        let sides = [("client", report.kernel.client), ("upstream", report.kernel.upstream)];
        sides.iter().try_for_each(|(side, [send, receive])| {
            [("send", *send), ("receive", *receive)].iter().try_for_each(|(queue, bytes)| {
                out.gauge(&[labels, &[("side", *side), ("queue", *queue)]].concat(), *bytes)
            })
        })
    })
}

fn store(out: &mut Out<'_, '_>, scrape: &Scrape) -> fmt::Result {
    let states = [
        ("ok", StoreState::Ok),
        ("read-only", StoreState::ReadOnly),
        ("full", StoreState::Full),
        ("unavailable", StoreState::Unavailable),
    ];
    states.iter().try_for_each(|(name, state)| out.gauge(&[("state", name)], u64::from(scrape.store == *state)))
}

fn draining(out: &mut Out<'_, '_>, scrape: &Scrape) -> fmt::Result {
    scrape.tallies.iter().try_for_each(|(of, (_, draining))| out.gauge(&labels(of), *draining))
}

fn handshakes(out: &mut Out<'_, '_>, scrape: &Scrape) -> fmt::Result {
    tallies(out, scrape, |out, labels, tally| {
        let refused = tally.refused.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        let results = [
            ("opened", tally.opened),
            ("refused", refused),
            ("declined", tally.declined),
            ("left", tally.left),
            ("answered", tally.answered),
            ("insecure", tally.insecure),
        ];
        out.each(labels, "result", &results)
    })
}

/// Only codes that have come: there are few of them, and sixteen zeros a side for each deployment would say nothing.
fn closes(out: &mut Out<'_, '_>, scrape: &Scrape) -> fmt::Result {
    tallies(out, scrape, |out, labels, tally| {
        for (side, closes) in ["client", "upstream"].iter().zip(&tally.closes) {
            let known = (1000_u16..).zip(closes.known).map(|(code, count)| (code.to_string(), count));
            for (code, count) in known.chain([("other".to_owned(), closes.other)]).filter(|(_, count)| *count > 0) {
                out.counter(&[labels, &[("side", *side), ("code", &code)]].concat(), count)?;
            }
        }
        Ok(())
    })
}

/// A view of the counts of checked messages.
#[derive(Clone, Copy)]
enum Counted {
    Results,
    Rules,
    Reasons,
}

/// Sums the counts of checked messages by the labels of a view.
fn checks(out: &mut Out<'_, '_>, scrape: &Scrape, counted: Counted) -> fmt::Result {
    tallies(out, scrape, |out, labels, tally| {
        let mut sums: BTreeMap<(&str, &str, &str, &str), u64> = BTreeMap::new();
        for (label, count) in &tally.checks {
            let (word, action) = match (counted, label.result) {
                (Counted::Results, CheckResult::Valid) => ("valid", label.action.label()),
                (Counted::Results, CheckResult::Violation(_)) => ("violation", label.action.label()),
                (Counted::Results, CheckResult::Ambiguous) => ("ambiguous", label.action.label()),
                (Counted::Results, CheckResult::Unchecked(_)) => ("unchecked", label.action.label()),
                (Counted::Rules, CheckResult::Violation(rule)) => (rule.name(), ""),
                (Counted::Reasons, CheckResult::Unchecked(reason)) => (reason, ""),
                _ => continue,
            };
            let sum = sums.entry((&label.channel, label.direction.label(), word, action)).or_default();
            *sum = sum.saturating_add(*count);
        }
        sums.into_iter().try_for_each(|((channel, direction, word, action), sum)| {
            let name = match counted {
                Counted::Results => "result",
                Counted::Rules => "rule",
                Counted::Reasons => "reason",
            };
            let more = [("channel", channel), ("direction", direction), (name, word), ("action", action)];
            let more = if action.is_empty() { more.get(..3).unwrap_or_default() } else { &more };
            out.counter(&[labels, more].concat(), sum)
        })
    })
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
