//! `fanout`: what some publish, all others hear.
//!
//! Connections below a number subscribe, the others publish. Each delivery is checked against its publisher's numbers: one
//! that was skipped is missing until it comes (out of order) or the run ends (lost), one that came before is a duplicate.
//! How much was published and heard is what shards share, so that each knows what is still owed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ringway::engine::{Fault, Slot, Time, Transport};
use ringway::proto::frame::Opcode;
use ringway::proxy::terminated::Wire;

use super::hearing::{Hearing, Place};
use super::talk::{self, Said, Talk};
use super::{Opened, Run, Script};
use crate::message::{Checker, Stamp};
use crate::plan::Speech;
use crate::schedule::{Due, Rate, Schedule, Share};
use crate::shard::client::Client;
use crate::shard::crew::Crew;
use crate::shard::kit::{Cx, Kit};

/// Why a message could not be published whose publisher is gone.
const NO_PUBLISHER: &str = "not published: the publisher is gone";

/// What the shards of a run share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Messages that were published, and those of them that count.
    published: AtomicU64,
    counted: AtomicU64,
    /// Deliveries of them in a chat, and those that count.
    delivered: AtomicU64,
    delivered_counted: AtomicU64,
    /// Users who have joined a chat.
    joined: AtomicU64,
    /// Whether what a chat lost was counted.
    settled: AtomicBool,
}

/// Who takes part.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Connections with a lower number subscribe.
    pub subscribers: u32,
    /// So many behind them publish. Without any, messages are the server's own, and only what is missing between two of
    /// them counts as lost.
    pub publishers: u32,
    /// Messages a second, over all publishers.
    pub rate: Option<Rate>,
    /// What is spoken. In a chat publishers hear each other too.
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
    /// Subscribers of this shard, and what they have heard.
    alive: u64,
    heard: u64,
    /// A chat's message on its way in or out.
    text: Vec<u8>,
}

/// What is kept of a connection.
#[derive(Debug)]
pub struct Member {
    number: u32,
    publishes: bool,
    /// The number of its next message.
    next: u64,
    checker: Checker,
    hearing: Hearing,
    /// What it heard that counts.
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

    fn publish<T: Transport>(&mut self, due: &Due, crew: &mut Crew<Member>, net: &mut T) {
        let turn = usize::try_from(due.number).unwrap_or(0).checked_rem(self.line.len());
        let Some(slot) = turn.and_then(|turn| self.line.get(turn)).copied() else {
            return crew.kit.recorder.unsent(due.at, NO_PUBLISHER);
        };
        let (client, kit) = crew.with_kit(slot);
        let Some((number, wire, member)) = client.and_then(Client::open) else {
            return kit.recorder.unsent(due.at, NO_PUBLISHER);
        };
        let Kit { plan, composer, recorder, random, .. } = kit;
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
            // It is broken, and its next step finds out how.
            net.wake(slot);
        }
    }

    fn deliver<T: Transport>(&mut self, stamp: Option<Stamp>, len: usize, member: &mut Member, cx: &mut Cx<'_, T>) {
        let recorder = &mut cx.kit.recorder;
        let Some(stamp) = stamp else { return recorder.mismatched() };
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
                let format = cx.kit.composer.format();
                member.checker.push(message.as_bytes(), format);
                let stamp = member.checker.finish(format);
                self.deliver(stamp, message.len(), member, cx);
            }
            Said::Connect(name) if name == talk::name(member.number) => {
                self.shared.joined.fetch_add(1, Ordering::Relaxed);
            }
            Said::Connect(_) | Said::Else => {}
            Said::Nonsense => cx.kit.recorder.mismatched(),
        }
        member.text = text;
        member.text.clear();
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
            // Where it fails the connection is broken, and its next step finds out how.
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
            // What is longer than anything that was said is not it, whole or cut.
            Talk::Chat { .. } if member.text.len() > cx.kit.plan.max_waiting_bytes => {}
            Talk::Chat { .. } => member.text.extend_from_slice(piece),
            // What a publisher hears is the server's affair.
            Talk::Plain if member.publishes => {}
            Talk::Plain => member.checker.push(piece, cx.kit.composer.format()),
        }
    }

    fn message<T: Transport>(&mut self, member: &mut Member, _: &mut Wire, cx: &mut Cx<'_, T>) -> Result<(), Fault> {
        match self.cast.talk {
            Talk::Chat { .. } => self.hear_chat(member, cx),
            Talk::Plain if member.publishes => {}
            Talk::Plain => {
                let len = member.checker.len();
                let stamp = member.checker.finish(cx.kit.composer.format());
                self.deliver(stamp, len, member, cx);
            }
        }
        Ok(())
    }

    fn ended<T: Transport>(&mut self, member: Member, cx: &mut Cx<'_, T>) {
        self.alive -= u64::from(!member.publishes);
        self.heard -= member.hearing.count();
        let missing = match self.cast.talk {
            // Who was to hear what, only the server knows: what is missing counts once, for all, at the end.
            Talk::Chat { others, .. } if cx.kit.closing && !self.shared.settled.swap(true, Ordering::Relaxed) => {
                let counted = self.shared.counted.load(Ordering::Relaxed);
                counted.saturating_mul(others).saturating_sub(self.shared.delivered_counted.load(Ordering::Relaxed))
            }
            Talk::Chat { .. } => 0,
            Talk::Plain if member.publishes => 0,
            Talk::Plain if self.cast.publishers == 0 => member.hearing.missing(),
            Talk::Plain => self.shared.counted.load(Ordering::Relaxed).saturating_sub(member.counted),
        };
        cx.kit.recorder.missing(missing);
    }

    fn run<T: Transport>(&mut self, run: &Run, crew: &mut Crew<Member>, _net: &mut T) {
        self.line = crew.open_where(|member| member.publishes);
        let (share, publishers) = (crew.share(), u64::from(self.cast.publishers));
        // Publishers stand behind the subscribers, so each shard's part of them is counted from where those end.
        let shift = (share.index + share.of - u64::from(self.cast.subscribers) % share.of) % share.of;
        let mine = Share { index: shift, of: share.of }.part_of(publishers);
        let Some(rate) = self.cast.rate.and_then(|rate| rate.part(mine, publishers)) else { return };
        // Shards begin one after the other, so that they do not publish at the same moments.
        let start = run.start.after(rate.moment(1) / u32::try_from(share.of).unwrap_or(1) * crew.index());
        self.schedule = Some(Schedule::new(rate, Share { index: 0, of: 1 }, start, run.window.until));
    }

    fn next_due(&self) -> Option<Time> {
        // Who has not joined a chat hears nothing of it. What was due before all have is late, and not counted: joining
        // takes a round trip of the warm-up.
        let joined = match self.cast.talk {
            Talk::Plain => true,
            Talk::Chat { users, .. } => self.shared.joined.load(Ordering::Relaxed) >= users,
        };
        self.schedule.as_ref().filter(|_| joined)?.next()
    }

    fn due<T: Transport>(&mut self, now: Time, crew: &mut Crew<Member>, net: &mut T) {
        if self.next_due().is_none() {
            return;
        }
        while let Some(due) = self.schedule.as_mut().and_then(|schedule| schedule.take(now)) {
            crew.kit.recorder.due(due.at, now);
            self.publish(&due, crew, net);
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
