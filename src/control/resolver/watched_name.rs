//! One watched name: looked up again and again, with the last good answer in its address cell.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{error, info, warn};

use super::fault::Fault;
use super::first_answers::Waiting;
use super::log_limit::{Line, Pause};
use super::lookup::{Answer, Origin};
use super::lookup_queue::{Last, LookupPermit, LookupQueue};
use super::question::{Question, show};
use super::refresh_schedule::RefreshSchedule;
use crate::config::units::show_duration;
use crate::routing::addresses::AddressCell;
use crate::routing::dial_order::{self, MAX_ADDRESSES};

/// The retry of a first look-up that failed.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// The TTL of an answer in which one family failed.
const HALF_ANSWER_TTL: Duration = Duration::from_secs(5);

/// A name has one of these, mostly asleep: data that only a look-up needs is dropped after it.
#[derive(Debug)]
pub(super) struct WatchedName {
    question: Arc<Question>,
    /// The address cell. Routes hold it; the task ends when none does.
    place: Weak<AddressCell>,
    queue: Arc<LookupQueue>,
    changes: watch::Receiver<()>,
    schedule: RefreshSchedule,
    /// All addresses of the last good answer, sorted: their order may differ in every answer, which is no change.
    known: Box<[IpAddr]>,
    /// The refused addresses that were last logged, with the reasons.
    refused: Vec<(IpAddr, &'static str)>,
    refused_line: Pause,
    changed_line: Pause,
    too_many_line: Pause,
}

impl WatchedName {
    pub(super) fn new(question: Arc<Question>, place: Weak<AddressCell>, queue: Arc<LookupQueue>) -> Self {
        Self {
            question,
            place,
            changes: queue.changes(),
            queue,
            schedule: RefreshSchedule::new(Instant::now()),
            known: Box::default(),
            refused: Vec::new(),
            refused_line: Pause::default(),
            changed_line: Pause::default(),
            too_many_line: Pause::default(),
        }
    }

    /// Looks the name up until the task is aborted. `waiting` is dropped at the first answer, or after `patience`.
    pub(super) async fn run(mut self, patience: Duration, waiting: Waiting) {
        let permit = self.queue.permit(Last::Fine).await;
        let found = Box::pin(self.first(permit, patience)).await;
        self.take_result(found, Instant::now());
        drop(waiting);
        loop {
            self.rest().await;
            let last = if self.schedule.is_troubled() { Last::Failed } else { Last::Fine };
            let permit = self.queue.permit(last).await;
            let found = Box::pin(self.look_up(permit)).await;
            self.take_result(found, Instant::now());
        }
    }

    /// The first look-up, retried for `patience` while servers fail and so say nothing of the name.
    async fn first(&mut self, permit: LookupPermit, patience: Duration) -> Result<Answer, Fault> {
        let (mut permit, mut fault) = (Some(permit), Fault::Timeout(patience));
        let looking = async {
            loop {
                let permit = match permit.take() {
                    Some(permit) => permit,
                    None => self.queue.permit(Last::Failed).await,
                };
                match self.look_up(permit).await {
                    Err(passing) if passing.may_pass() => fault = passing,
                    found => return found,
                }
                tokio::time::sleep(FIRST_RETRY).await;
            }
        };
        tokio::time::timeout(patience, looking).await.unwrap_or(Err(fault))
    }

    async fn look_up(&mut self, _permit: LookupPermit) -> Result<Answer, Fault> {
        let files = self.queue.files();
        // This look-up uses the files as they are now.
        self.changes.mark_unchanged();
        self.question.look_up(&files, &self.queue.servers).await
    }

    /// Waits until the next look-up is due, or a file has changed.
    async fn rest(&mut self) {
        let changed = self.changes.changed();
        // An error cannot happen: `queue` holds the other end.
        let _ = match self.schedule.rest(Instant::now()) {
            Some(rest) => tokio::time::timeout(rest, changed).await.unwrap_or(Ok(())),
            None => changed.await,
        };
    }

    /// Takes the result of a look-up.
    fn take_result(&mut self, found: Result<Answer, Fault>, now: Instant) {
        let Some(place) = self.place.upgrade() else { return };
        match found.and_then(|answer| self.usable(answer, now)) {
            Ok((addresses, ttl)) => self.answered(&addresses, ttl, &place, now),
            Err(fault) => self.failed(&fault, &place, now),
        }
    }

    /// The addresses of an answer that may be used, and how long they are valid.
    fn usable(&mut self, answer: Answer, now: Instant) -> Result<(Vec<IpAddr>, Option<Duration>), Fault> {
        let Answer { origin, v4, v6 } = answer;
        let mut ttl = match origin {
            Origin::Host => None,
            Origin::Dns(ttl) => Some(ttl),
        };
        let (mut found, mut kept) = (Vec::new(), Vec::new());
        for (family, is_ipv4) in [(v4, true), (v6, false)] {
            match family {
                Ok(addresses) => found.extend(addresses),
                Err(_) => {
                    // The known addresses of this family stay in use.
                    kept.extend(self.known.iter().filter(|address| address.is_ipv4() == is_ipv4));
                    ttl = ttl.map(|ttl| ttl.min(HALF_ANSWER_TTL));
                }
            }
        }
        let mut found = dial_order::distinct(found.into_iter().chain(kept.iter().copied()));
        let came = found.len();
        if ttl.is_some() {
            self.refuse(&mut found, &kept, now);
        }
        match found.len() {
            0 if came > 0 => Err(Fault::NothingAllowed),
            0 => Err(Fault::NoAddress),
            _ => Ok((found, ttl)),
        }
    }

    /// Removes addresses that DNS must not give. If such an address is in `kept`, it came from /etc/hosts, which no longer has
    /// the name.
    fn refuse(&mut self, found: &mut Vec<IpAddr>, kept: &[IpAddr], now: Instant) {
        let mut refused = Vec::new();
        found.retain(|address| {
            let why = dial_order::refused_from_dns(*address);
            refused.extend(why.map(|why| (*address, why)));
            why.is_none()
        });
        refused.sort_unstable();
        if !refused.is_empty() && refused != self.refused && self.may_log(Line::Refused, now) {
            let name = &self.question.host;
            let (before, answered): (Vec<_>, Vec<_>) =
                refused.iter().copied().partition(|(address, _)| kept.contains(address));
            if !answered.is_empty() {
                warn!(
                    name,
                    addresses = show_refused(&answered),
                    "DNS gave the target's name addresses that must not come from it, and they are not used; \
                     if they are meant, write them into /etc/hosts or into the target"
                );
            }
            if !before.is_empty() {
                warn!(
                    name,
                    addresses = show_refused(&before),
                    "/etc/hosts gave the target's name addresses that are not kept now that DNS is asked, and they are not used; \
                     if they are meant, write them there again or into the target"
                );
            }
            self.refused = refused;
        }
    }

    fn answered(&mut self, found: &[IpAddr], ttl: Option<Duration>, place: &AddressCell, now: Instant) {
        let mut ordered = dial_order::order(found, ipv6_is_routed(found));
        ordered.truncate(MAX_ADDRESSES);
        let port = self.question.port;
        let ordered: Box<[SocketAddr]> = ordered.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        let mut known = Box::<[IpAddr]>::from(found);
        known.sort_unstable();
        let before = place.load();
        let is_news = known != self.known;
        let is_first = self.schedule.age(now).is_none();
        let failed_for = self.schedule.answered(now, ttl, jitter());
        match failed_for {
            Some(time) if self.may_log(Line::Again, now) => {
                let (name, failed_for, addresses) = (&self.question.host, show_age(time), show(&ordered));
                info!(name, failed_for, addresses, "the target's name is resolved again");
            }
            None if !is_first && is_news && self.may_log(Line::Changed, now) => {
                let (name, addresses, was) = (&self.question.host, show(&ordered), show(before.addresses()));
                info!(name, addresses, was, "the target's addresses have changed");
            }
            _ => {}
        }
        if is_news && known.len() > ordered.len() && self.may_log(Line::TooMany, now) {
            let (name, found, used) = (&self.question.host, known.len(), ordered.len());
            warn!(name, found, used, "the target's name has more addresses than are used");
        }
        self.known = known;
        if *before.addresses() != *ordered {
            place.replace(ordered);
        }
    }

    fn failed(&mut self, fault: &Fault, place: &AddressCell, now: Instant) {
        if fault.is_gone() && !self.known.is_empty() {
            let gone_for = self.schedule.gone(now);
            if self.queue.gone_timeout().is_some_and(|timeout| gone_for >= timeout) {
                self.drop_addresses(fault, gone_for, place, now);
            }
        }
        if !self.schedule.failed(now) {
            return;
        }
        let (name, why, age) = (self.question.host.clone(), fault.to_string(), self.schedule.age(now));
        match age {
            Some(age) if self.may_log(Line::Stale, now) => warn!(
                name,
                why,
                age = show_age(age),
                addresses = show(place.load().addresses()),
                "the target's name is not resolved any more: its last good answer stays in use"
            ),
            None if self.may_log(Line::Unresolved, now) => error!(
                name,
                why,
                "the target's name is not resolved: until it is, no connection goes there, and clients get 503 where there is no \
                 other endpoint; check the name, and that the DNS servers can be reached (those of /etc/resolv.conf, of \
                 --resolver, or of `resolver` in the configuration)"
            ),
            _ => {}
        }
    }

    /// Drops the addresses of a name that has been gone for so long. Connections that are open stay.
    fn drop_addresses(&mut self, fault: &Fault, gone_for: Duration, place: &AddressCell, now: Instant) {
        if self.may_log(Line::Gone, now) {
            let (name, why, gone_for) = (&self.question.host, fault.to_string(), show_age(gone_for));
            let addresses = show(place.load().addresses());
            error!(
                name,
                why, gone_for, addresses, "the target's name is gone: its last good answer is not used any more"
            );
        }
        place.replace(Box::<[SocketAddr]>::default());
        self.known = Box::default();
        self.schedule.forget_answer();
    }

    /// Returns `true` if a message may be logged: within the limit of this name for messages that its answers may repeat, and
    /// within that of all names.
    fn may_log(&mut self, line: Line, now: Instant) -> bool {
        let of_this_name = match line {
            Line::Refused => self.refused_line.is_over(now),
            Line::Changed => self.changed_line.is_over(now),
            Line::TooMany => self.too_many_line.is_over(now),
            Line::Unresolved | Line::Stale | Line::Again | Line::Gone => true,
        };
        of_this_name && self.queue.log_limit.may_log(line, now)
    }
}

/// Refused addresses with the reasons, for the log.
fn show_refused(refused: &[(IpAddr, &'static str)]) -> String {
    let shown = refused.iter().take(MAX_ADDRESSES).map(|(address, why)| format!("{address} ({why})"));
    shown.collect::<Vec<_>>().join(", ")
}

fn show_age(age: Duration) -> String {
    show_duration(Duration::from_secs(age.as_secs().max(1)))
}

/// Returns `true` if this host has a route to any of the IPv6 addresses. Connecting a datagram socket looks the route up, and
/// sends nothing.
fn ipv6_is_routed(found: &[IpAddr]) -> bool {
    let mut ipv6 = found.iter().filter(|address| address.is_ipv6()).take(MAX_ADDRESSES).peekable();
    if ipv6.peek().is_none() {
        return true;
    }
    let Ok(socket) = UdpSocket::bind("[::]:0") else { return false };
    ipv6.any(|address| socket.connect(SocketAddr::new(*address, 9)).is_ok())
}

fn jitter() -> u8 {
    let mut byte = [0];
    // Without randomness everything still works.
    let _ = getrandom::fill(&mut byte);
    let [byte] = byte;
    byte
}
