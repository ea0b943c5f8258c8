//! `fanout`: some connections publish, and all others receive each message.
//!
//! Connections below a number subscribe, the others publish. Each delivery is checked against its publisher's numbers: one
//! that was skipped is missing until it comes (out of order) or the run ends (lost), one that came before is a duplicate.
//! Shards share the counts of published and received messages, so that each knows how many are still to come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ringway::engine::{Fault, Slot, Time, Transport};
use ringway::proto::frame::Opcode;
use ringway::proxy::terminated::Wire;

use super::hearing::{Hearing, Place};
use super::talk::{self, Said, Talk};
use super::{Opened, Run, Script};
use crate::message::{Checker, Form, Sample, Stamp, Wrong};
use crate::plan::{Speech, Upstream};
use crate::schedule::{Due, Rate, Schedule, Share};
use crate::shard::client::Client;
use crate::shard::clients::Clients;
use crate::shard::state::{Cx, ShardState};

/// Bytes of a text that the report shows if a chat does not know it.
const MAX_SAMPLE_BYTES: usize = 32;
/// The recorded reason if the publisher of a due message is gone.
const NO_PUBLISHER: &str = "not published: the publisher is gone";

/// Counts that the shards of a run share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Published messages, and those in the measured window.
    published: AtomicU64,
    counted: AtomicU64,
    /// Deliveries in a chat, and those in the measured window.
    delivered: AtomicU64,
    delivered_counted: AtomicU64,
    /// Users who have joined a chat.
    joined: AtomicU64,
    /// `true` once the messages that a chat lost were counted.
    settled: AtomicBool,
}

/// The connections of a run and their roles.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Connections with a lower number subscribe.
    pub subscribers: u32,
    /// Number of publishers, which have the next numbers. With 0 the server publishes, and only gaps between its messages count as
    /// lost.
    pub publishers: u32,
    /// Messages a second, over all publishers.
    pub rate: Option<Rate>,
    /// The form of messages. In a chat, publishers receive each other's messages too.
    pub talk: Talk,
}

/// The scenario.
#[derive(Debug)]
pub struct Fanout {
    cast: Cast,
    shared: Arc<Shared>,
    schedule: Option<Schedule>,
    /// Publishers of this shard, in turn.
    line: Vec<Slot>,
    /// Subscribers of this shard, and the messages that they received.
    alive: u64,
    heard: u64,
    /// Buffer for one chat message.
    text: Vec<u8>,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Member {
    number: u32,
    publishes: bool,
    /// The number of its next message.
    next: u64,
    checker: Checker,
    hearing: Hearing,
    /// Received messages in the measured window.
    counted: u64,
    /// The message so far, in a chat.
    text: Vec<u8>,
}

impl Fanout {
    /// The scenario before messages begin.
    #[must_use]
    pub fn new(cast: Cast, shared: Arc<Shared>) -> Self {
        Self { cast, shared, schedule: None, line: Vec::new(), alive: 0, heard: 0, text: Vec::new() }
    }

    fn publish<T: Transport>(&mut self, due: &Due, clients: &mut Clients<Member>, net: &mut T) {
        let turn = usize::try_from(due.number).unwrap_or(0).checked_rem(self.line.len());
        let Some(slot) = turn.and_then(|turn| self.line.get(turn)).copied() else {
            return clients.shard.recorder.unsent(due.at, NO_PUBLISHER);
        };
        let (client, shard) = clients.with_shard(slot);
        let Some((number, wire, member)) = client.and_then(Client::open) else {
            return shard.recorder.unsent(due.at, NO_PUBLISHER);
        };
        let ShardState { plan, composer, recorder, random, .. } = shard;
        if wire.waiting() > plan.max_waiting_bytes {
            return recorder.unsent(due.at, "not published: too many waiting on the connection");
        }
        let len = plan.sizes.draw(random);
        let stamp = Stamp { from: number, number: member.next, at: due.at };
        member.next += 1;
        self.shared.published.fetch_add(1, Ordering::Relaxed);
        self.shared.counted.fetch_add(u64::from(recorder.counts(due.at)), Ordering::Relaxed);
        recorder.sent(due.at, len);
        let place = plan.place(number);
        let sent = match (place.speech, self.cast.talk) {
            (Speech::Post, _) => wire.send(net, composer.post(&stamp, len, &place.target.authority, &place.path)),
            (Speech::WebSocket, Talk::Plain) => {
                let key = wire.key(net);
                wire.send(net, composer.compose(&stamp, len, key))
            }
            (Speech::WebSocket, Talk::Chat { .. }) => {
                let mut payload = Vec::with_capacity(len);
                composer.format().write_payload(&stamp, len, &mut payload);
                self.text.clear();
                talk::write_data(&payload, &mut self.text);
                wire.send_message(net, Opcode::Text, &self.text)
            }
        };
        if sent.is_err() {
            // The connection is broken: its next step records the fault.
            net.wake(slot);
        }
    }

    fn deliver<T: Transport>(
        &mut self,
        read: Result<Stamp, Wrong>,
        len: usize,
        member: &mut Member,
        cx: &mut Cx<'_, T>,
    ) {
        let ShardState { plan, composer, recorder, .. } = &mut *cx.shard;
        let stamp = match read {
            Ok(stamp) => stamp,
            Err(Wrong::Other(seen)) if plan.upstream == Upstream::Other && !self.may_have_published(seen) => {
                return recorder.unexpected(|| member.checker.sample(len, composer.format()));
            }
            Err(_) => return recorder.mismatched(),
        };
        match member.hearing.hear(&stamp) {
            Place::Again => return recorder.duplicate(),
            Place::OutOfOrder => recorder.out_of_order(),
            Place::InOrder => {}
        }
        let counts = u64::from(recorder.counts(stamp.at));
        self.heard += 1;
        member.counted += counts;
        if let Talk::Chat { .. } = self.cast.talk {
            self.shared.delivered.fetch_add(1, Ordering::Relaxed);
            self.shared.delivered_counted.fetch_add(counts, Ordering::Relaxed);
        }
        recorder.received(stamp.at, Time::of_the_clock(), len);
    }

    fn hear_chat<T: Transport>(&mut self, member: &mut Member, cx: &mut Cx<'_, T>) {
        let text = std::mem::take(&mut member.text);
        match talk::read(&text) {
            Said::Data(message) => {
                let format = cx.shard.composer.format();
                member.checker.push(message.as_bytes(), format);
                let stamp = member.checker.finish(format);
                self.deliver(stamp, message.len(), member, cx);
            }
            Said::Connect(name) if name == talk::name(member.number) => {
                self.shared.joined.fetch_add(1, Ordering::Relaxed);
            }
            Said::Connect(_) | Said::Else => {}
            Said::Nonsense => cx.shard.recorder.unexpected(|| Sample {
                form: Some(Form::Text),
                len: text.len(),
                start: text.iter().take(MAX_SAMPLE_BYTES).copied().collect(),
            }),
        }
        member.text = text;
        member.text.clear();
    }

    /// `true` if one of these fields is that of a published message, so that the message is a changed delivery. If the server
    /// publishes, its numbers are not known, and any message that is long enough counts as one.
    fn may_have_published(&self, seen: Option<Stamp>) -> bool {
        let Cast { subscribers, publishers, .. } = self.cast;
        seen.is_some_and(|seen| {
            let is_publisher = seen.from.checked_sub(subscribers).is_some_and(|index| index < publishers);
            publishers == 0 || is_publisher || seen.number < self.published()
        })
    }

    fn published(&self) -> u64 {
        self.shared.published.load(Ordering::Relaxed)
    }

    /// Deliveries of a chat that have not come.
    fn owed_in_chat(&self, others: u64) -> u64 {
        self.published().saturating_mul(others).saturating_sub(self.shared.delivered.load(Ordering::Relaxed))
    }
}

impl Script for Fanout {
    type State = Member;

    fn opened<T: Transport>(&mut self, number: u32, _due: Time, wire: &mut Wire, cx: &mut Cx<'_, T>) -> Opened<Member> {
        let publishes = number >= self.cast.subscribers;
        self.alive += u64::from(!publishes);
        if let Talk::Chat { .. } = self.cast.talk {
            let text = talk::connect(number).into_bytes();
            // If this fails the connection is broken: its next step records the fault.
            let _ = wire.send_message(cx.net, Opcode::Text, &text);
        }
        Opened::Stay(Member {
            number,
            publishes,
            next: 0,
            checker: Checker::default(),
            hearing: Hearing::default(),
            counted: 0,
            text: Vec::new(),
        })
    }

    #[inline]
    fn payload<T: Transport>(&mut self, member: &mut Member, piece: &[u8], cx: &mut Cx<'_, T>) {
        match self.cast.talk {
            // A text longer than any that was sent is none of them, and need not be kept whole.
            Talk::Chat { .. } if member.text.len() > cx.shard.plan.max_waiting_bytes => {}
            Talk::Chat { .. } => member.text.extend_from_slice(piece),
            // A publisher's received messages are not checked.
            Talk::Plain if member.publishes => {}
            Talk::Plain => member.checker.push(piece, cx.shard.composer.format()),
        }
    }

    fn message<T: Transport>(&mut self, member: &mut Member, _: &mut Wire, cx: &mut Cx<'_, T>) -> Result<(), Fault> {
        match self.cast.talk {
            Talk::Chat { .. } => self.hear_chat(member, cx),
            Talk::Plain if member.publishes => {}
            Talk::Plain => {
                let len = member.checker.len();
                let stamp = member.checker.finish(cx.shard.composer.format());
                self.deliver(stamp, len, member, cx);
            }
        }
        Ok(())
    }

    fn ended<T: Transport>(&mut self, member: Member, cx: &mut Cx<'_, T>) {
        self.alive -= u64::from(!member.publishes);
        self.heard -= member.hearing.count();
        let missing = match self.cast.talk {
            // Only the server knows who receives what: missing messages are counted once, for all, at the end.
            Talk::Chat { others, .. } if cx.shard.closing && !self.shared.settled.swap(true, Ordering::Relaxed) => {
                let counted = self.shared.counted.load(Ordering::Relaxed);
                counted.saturating_mul(others).saturating_sub(self.shared.delivered_counted.load(Ordering::Relaxed))
            }
            Talk::Chat { .. } => 0,
            Talk::Plain if member.publishes => 0,
            Talk::Plain if self.cast.publishers == 0 => member.hearing.missing(),
            Talk::Plain => self.shared.counted.load(Ordering::Relaxed).saturating_sub(member.counted),
        };
        cx.shard.recorder.missing(missing);
    }

    fn run<T: Transport>(&mut self, run: &Run, clients: &mut Clients<Member>, _net: &mut T) {
        self.line = clients.open_where(|member| member.publishes);
        let (share, publishers) = (clients.share(), u64::from(self.cast.publishers));
        // Publishers have the numbers after the subscribers', so each shard's part is counted from there.
        let shift = (share.index + share.of - u64::from(self.cast.subscribers) % share.of) % share.of;
        let mine = Share { index: shift, of: share.of }.part_of(publishers);
        let Some(rate) = self.cast.rate.and_then(|rate| rate.part(mine, publishers)) else { return };
        // Shards start one after the other, so that they do not publish at the same times.
        let start = run.start.after(rate.moment(1) / u32::try_from(share.of).unwrap_or(1) * clients.index());
        self.schedule = Some(Schedule::new(rate, Share { index: 0, of: 1 }, start, run.window.until));
    }

    fn next_due(&self) -> Option<Time> {
        // A user who has not joined a chat receives nothing. A message that was due before all have joined is late, and not
        // counted: joining takes a round trip of the warm-up.
        let joined = match self.cast.talk {
            Talk::Plain => true,
            Talk::Chat { users, .. } => self.shared.joined.load(Ordering::Relaxed) >= users,
        };
        self.schedule.as_ref().filter(|_| joined)?.next()
    }

    fn due<T: Transport>(&mut self, now: Time, clients: &mut Clients<Member>, net: &mut T) {
        if self.next_due().is_none() {
            return;
        }
        while let Some(due) = self.schedule.as_mut().and_then(|schedule| schedule.take(now)) {
            clients.shard.recorder.due(due.at, now);
            self.publish(&due, clients, net);
        }
    }

    fn cut(&mut self, at: Time) {
        if let Some(schedule) = &mut self.schedule {
            schedule.cut(at);
        }
    }

    fn is_drained(&self) -> bool {
        match self.cast.talk {
            Talk::Chat { others, .. } => self.owed_in_chat(others) == 0,
            Talk::Plain => self.cast.publishers == 0 || self.heard >= self.published().saturating_mul(self.alive),
        }
    }
}
