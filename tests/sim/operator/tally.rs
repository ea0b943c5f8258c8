//! A shard's counts for each API, and for requests that reached no API, compared with the records and the bytes on the wire.

use std::collections::BTreeMap;
use std::ops::{Add, RangeInclusive};
use std::time::Duration;

use ringway::command::Cause;
use ringway::command::tally::{Closes, Tally};
use ringway::command::view::{Report, RouteReport};
use ringway::proxy::end::End;
use ringway::proxy::record::Record;

use super::APIS;
use super::force::labels;
use super::orders::Operator;
use super::watch::{Stage, Watch};
use crate::check::flows;
use crate::wire;
use crate::world::World;

/// A report, and what could be seen when it was given.
#[derive(Debug)]
pub(crate) struct Reported {
    report: Report,
    version: usize,
    /// The API of each connection, as far as it had come to one.
    entered: Vec<Option<(usize, u32)>>,
    epochs: Vec<u32>,
    /// Connections that existed.
    living: BTreeMap<usize, Live>,
    gone: Vec<usize>,
    /// When tunnels came to stand, from their accept.
    opened: BTreeMap<usize, u64>,
}

/// Where something is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    /// The request reached no route.
    Nobody,
    Api(usize),
    /// Since then it was forgotten.
    Gone(usize),
}

impl Of {
    fn read(route: &RouteReport) -> Result<Self, String> {
        let api = (0..APIS.len()).find(|api| route.labels.as_deref() == Some(&labels(*api)));
        match (route.id.map(|id| usize::try_from(id.0).unwrap()), &route.labels, api) {
            (None, None, _) => Ok(Self::Nobody),
            (None, Some(_), Some(api)) => Ok(Self::Gone(api)),
            (Some(id), Some(_), Some(api)) if id == api => Ok(Self::Api(api)),
            other => Err(format!("whose it is, is not clear: {other:?}")),
        }
    }
}

/// A connection that has ended.
struct Ended<'a> {
    record: &'a Record,
    /// Messages of both sides: those that were passed on, and all that were seen.
    messages: [Span; 2],
}

/// Between two numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Span(u64, u64);

impl Span {
    fn is(n: u64) -> Self {
        Self(n, n)
    }

    fn range(self) -> RangeInclusive<u64> {
        self.0..=self.1
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }
}

/// A connection that is there.
#[derive(Clone, Copy, Debug, Default)]
struct Live {
    opened: Span,
    messages: [Span; 2],
    bytes: [Span; 2],
}

/// The expected counts of an API.
#[derive(Debug, Default)]
struct Sum {
    live: Live,
    opened: Span,
    declined: u64,
    left: u64,
    insecure: u64,
    refused: BTreeMap<&'static str, u64>,
    ended: BTreeMap<String, u64>,
    closes: [Closes; 2],
    dialled: u64,
    /// Times to open, if all are known.
    times: Option<u64>,
}

impl Reported {
    pub(crate) fn new(world: &World, operator: &Operator, report: Report) -> Result<Self, String> {
        let watch = &operator.watch;
        let mut living = BTreeMap::new();
        for (index, seen) in watch.living() {
            living
                .insert(index, if seen.stage == Stage::Coming { Live::default() } else { live(world, watch, index)? });
        }
        let at_hand = (report.snapshot, report.connections);
        if at_hand != (operator.forge.number(), living.len()) {
            return Err(format!("snapshot and connections {at_hand:?} are reported"));
        }
        let opened = |(index, seen): (usize, &super::watch::Seen)| Some((index, seen.opened_at? - seen.accepted_at));
        let reported = Self {
            version: watch.version(),
            entered: watch.seen.iter().map(|seen| seen.entered).collect(),
            epochs: watch.epochs.clone(),
            gone: watch.seen.iter().enumerate().filter(|(_, seen)| seen.stage == Stage::Gone).map(|(i, _)| i).collect(),
            opened: watch.seen.iter().enumerate().filter_map(opened).collect(),
            living,
            report,
        };
        reported.has_every_route()?;
        reported.draining(world, watch)?;
        Ok(reported)
    }

    /// Each API that a connection came to and that is not forgotten, what was counted of the others, and no more.
    fn has_every_route(&self) -> Result<(), String> {
        let mut known = vec![Of::Nobody];
        for api in 0..self.epochs.len() {
            let mut epochs = self.entered.iter().flatten().filter(|(of, _)| *of == api).map(|(_, epoch)| *epoch);
            known.extend(epochs.clone().any(|epoch| epoch < self.epochs[api]).then_some(Of::Gone(api)));
            known.extend(epochs.any(|epoch| epoch == self.epochs[api]).then_some(Of::Api(api)));
        }
        let mut reported = self.report.routes.iter().map(Of::read).collect::<Result<Vec<_>, _>>()?;
        reported.sort_unstable();
        known.sort_unstable();
        if reported == known { Ok(()) } else { Err(format!("{reported:?} are reported, {known:?} are known")) }
    }

    /// True if a connection is counted there.
    fn is_of(&self, index: usize, of: Of) -> bool {
        match (self.entered[index], of) {
            (None, Of::Nobody) => true,
            (Some((api, epoch)), Of::Api(of)) => api == of && epoch == self.epochs[api],
            (Some((api, epoch)), Of::Gone(of)) => api == of && epoch < self.epochs[api],
            _ => false,
        }
    }

    /// A draining connection counts until it has ended.
    fn draining(&self, world: &World, watch: &Watch) -> Result<(), String> {
        for route in &self.report.routes {
            let (waiting, total) = route.draining;
            let ending = match Of::read(route)? {
                Of::Api(api) => watch.ending((api, self.epochs[api]), &world.net),
                Of::Nobody | Of::Gone(_) => 0,
            };
            if waiting < ending || total < waiting {
                return Err(format!("{waiting} of {total} wait for their end, {ending} are to end: {:?}", route.id));
            }
        }
        Ok(())
    }

    fn expected(&self, world: &World, of: Of, ended: &BTreeMap<usize, Ended<'_>>) -> Sum {
        let mut sum = Sum { times: Some(0), ..Sum::default() };
        for index in (0..self.entered.len()).filter(|index| self.is_of(*index, of)) {
            let is_open = match (self.living.get(&index), ended.get(&index)) {
                (Some(live), _) => {
                    sum.take(live);
                    live.opened.1 > 0
                }
                (None, Some(ended)) if self.gone.contains(&index) => {
                    sum.ended(ended);
                    ended.record.status == 101
                }
                _ => continue,
            };
            sum.dialled += connected(world, index);
            if is_open {
                let time = self.opened.get(&index).copied();
                sum.times = sum.times.and_then(|sum| Some(sum + time?));
            }
        }
        sum
    }
}

/// The visible state of a connection after its handshake.
fn live(world: &World, watch: &Watch, index: usize) -> Result<Live, String> {
    let line = &world.net.lines[index];
    let sent = line.client.map_or(&[][..], |sock| &world.net.socks[sock].sent);
    let asked = line.upstream.is_some_and(|sock| wire::head_len(&world.net.socks[sock].sent).is_some());
    if !asked {
        return Ok(Live::default());
    }
    let opened = match (watch.seen[index].opened_at, sent.len() >= 12) {
        (Some(_), _) => Span::is(1),
        (None, true) => Span::is(u64::from(wire::status(sent) == 101)),
        // Its 101 or refusal has not gone out.
        (None, false) => Span(0, 1),
    };
    if opened.1 == 0 {
        return Ok(Live { opened, ..Live::default() });
    }
    let (forth, back) = flows(world, index)?;
    let taken = |peer: usize, sock: Option<usize>| {
        let received = sock.map_or(0, |sock| world.net.socks[sock].received);
        received.saturating_sub(world.peers[peer].head_said) as u64
    };
    let received = [taken(index * 2, line.client), taken(index * 2 + 1, line.upstream)];
    Ok(Live {
        opened,
        messages: [Span(forth.messages, forth.messages_said), Span(back.messages, back.messages_said)],
        bytes: [Span(forth.bytes, received[0]), Span(back.bytes, received[1])],
    })
}

impl Sum {
    fn take(&mut self, live: &Live) {
        self.opened = self.opened + live.opened;
        self.live.opened = self.live.opened + live.opened;
        for side in 0..2 {
            self.live.messages[side] = self.live.messages[side] + live.messages[side];
            self.live.bytes[side] = self.live.bytes[side] + live.bytes[side];
        }
    }

    fn ended(&mut self, Ended { record, messages }: &Ended<'_>) {
        if record.status == 101 {
            self.opened = self.opened + Span::is(1);
            *self.ended.entry(label(record.end)).or_default() += 1;
        } else {
            match record.end {
                End::Refused(refusal) => *self.refused.entry(refusal.code).or_default() += 1,
                End::Declined => self.declined += 1,
                End::Insecure(_) | End::UnexpectedTls => self.insecure += 1,
                _ => self.left += 1,
            }
        }
        for (side, record) in [&record.client, &record.upstream].into_iter().enumerate() {
            self.live.messages[side] = self.live.messages[side] + messages[side];
            self.live.bytes[side] = self.live.bytes[side] + Span::is(record.bytes);
            if let Some(code) = record.close_received {
                match code {
                    1000..=1015 => self.closes[side].known[usize::from(code - 1000)] += 1,
                    _ => self.closes[side].other += 1,
                }
            }
        }
    }

    fn holds(&self, tally: &Tally) -> Result<(), String> {
        let refused: BTreeMap<_, _> = tally.refused.iter().copied().collect();
        let ended: BTreeMap<_, _> = tally.ended.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect();
        let handshakes: u64 = tally.handshake.buckets.iter().sum();
        let dials: u64 = tally.dial.buckets.iter().sum();
        let within = |count: u64, span: Span| span.range().contains(&count);
        for (holds, what) in [
            (within(tally.opened, self.opened), "opened"),
            (within(tally.open, self.live.opened), "open"),
            ((tally.declined, tally.left, tally.insecure) == (self.declined, self.left, self.insecure), "not opened"),
            (refused == self.refused, "refused"),
            (ended == self.ended, "ended"),
            (tally.closes == self.closes, "closes"),
            ((0..2).all(|side| within(tally.messages[side], self.live.messages[side])), "messages"),
            ((0..2).all(|side| within(tally.bytes[side], self.live.bytes[side])), "bytes"),
            (handshakes == tally.opened, "handshakes"),
            (self.times.is_none_or(|sum| tally.handshake.sum == Duration::from_millis(sum)), "time of handshakes"),
            (dials <= self.dialled, "dials"),
        ] {
            if !holds {
                return Err(format!("{what}: {tally:?}, expected was {self:?}"));
            }
        }
        Ok(())
    }
}

/// A tunnel's end in a word.
fn label(end: End) -> String {
    let of = |side: String, what: &str| format!("{side}_{what}");
    match end {
        End::Closed(side) => of(side.to_string(), "closed"),
        End::Ended(side) => of(side.to_string(), "ended"),
        End::Broken(side, _) => of(side.to_string(), "broken"),
        End::Violated(side, _) => of(side.to_string(), "violation"),
        End::Silent(side) => of(side.to_string(), "silent"),
        End::Idle => "idle".to_owned(),
        End::Drained(Cause::Closed) => "closed_by_operator".to_owned(),
        End::Drained(cause) => format!("{cause:?}").to_lowercase(),
        _ => format!("no end of a tunnel: {end}"),
    }
}

/// All but the tunnels that stand only grow.
fn grown(before: &Tally, after: &Tally) -> bool {
    let labelled = |before: &[(&'static str, u64)], after: &[(&'static str, u64)]| {
        before.iter().all(|(label, count)| after.iter().any(|(other, now)| other == label && now >= count))
    };
    let numbers = |tally: &Tally| {
        let mut numbers = vec![tally.opened, tally.declined, tally.left, tally.insecure];
        numbers.extend(tally.messages.iter().chain(&tally.bytes));
        numbers.extend(tally.closes.iter().flat_map(|closes| closes.known.iter().chain([&closes.other])));
        numbers.extend(tally.dial.buckets.iter().chain(&tally.handshake.buckets));
        numbers
    };
    numbers(before).iter().zip(numbers(after)).all(|(before, after)| *before <= after)
        && labelled(&before.refused, &after.refused)
        && labelled(&before.ended, &after.ended)
}

/// Holds every report of a run against what was seen in it.
pub(crate) fn check(world: &World, operator: &Operator, records: &BTreeMap<usize, &Record>) -> Result<(), String> {
    let mut ended = BTreeMap::new();
    for (index, record) in records {
        let (forth, back) = if record.status == 101 { flows(world, *index)? } else { Default::default() };
        let messages = [Span(forth.messages, record.client.messages), Span(back.messages, record.upstream.messages)];
        ended.insert(*index, Ended { record, messages });
    }
    for (number, reported) in operator.reports.iter().enumerate() {
        for route in &reported.report.routes {
            let of = Of::read(route)?;
            let expected = reported.expected(world, of, &ended);
            let which = format!("report {number} of version {}, {of:?}", reported.version);
            expected.holds(&route.tally).map_err(|what| format!("{which}: {what}"))?;
            let before = number.checked_sub(1).map(|before| &operator.reports[before]);
            let same = |before: &&Reported| match of {
                Of::Api(api) => before.epochs[api] == reported.epochs[api],
                Of::Nobody | Of::Gone(_) => true,
            };
            let own = |before: &&RouteReport| Of::read(before) == Ok(of);
            let before = before.filter(same).and_then(|before| before.report.routes.iter().find(own));
            if before.is_some_and(|before| !grown(&before.tally, &route.tally)) {
                return Err(format!("{which}: it fell: {before:?} {route:?}"));
            }
        }
    }
    Ok(())
}

/// The number of connections to upstreams that a connection may have had established: one for each endpoint that it tried.
fn connected(world: &World, index: usize) -> u64 {
    let upstreams =
        world.net.socks.iter().filter(|sock| sock.is_upstream && sock.connection == index && sock.connected);
    upstreams.count() as u64
}
