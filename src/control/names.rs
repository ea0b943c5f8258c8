//! Where the target is: a thread named `names` asks, keeps the last good answer, and hands addresses on. docs/names.md
//! has the rules.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

mod files;
mod lookup;
mod standing;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tracing::{error, info, warn};

use self::files::Files;
pub use self::lookup::Question;
use self::lookup::{Answer, Fault, Origin};
use self::standing::Standing;
use crate::config::units::show_duration;
use crate::routing::addresses::{self, MAX_ADDRESSES};

/// How often the files are looked at: a change counts at most so much later.
const FILES_EVERY: Duration = Duration::from_secs(3);
/// A first answer that failed is asked for again this soon.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// What answers may bring about again and again is logged only so often.
const PAUSE: Duration = Duration::from_secs(10);
/// An answer in which one family failed is asked for again this soon.
const HALF_ANSWER_TTL: Duration = Duration::from_secs(5);

/// A name that is resolved again and again. [`first`](Self::first) waits for addresses, [`watch`](Self::watch) goes on from
/// there on a thread of its own.
#[derive(Debug)]
pub struct Names {
    runtime: Runtime,
    resolution: Resolution,
}

impl Names {
    /// A name that has not been asked for yet.
    ///
    /// # Errors
    /// No descriptors for the runtime that asks.
    pub fn new(question: Question) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        Ok(Self { runtime, resolution: Resolution::new(question) })
    }

    /// Asks, and waits for `patience` at most. No address means that there is no answer yet; the log says why.
    pub fn first(&mut self, patience: Duration) -> Arc<[SocketAddr]> {
        let resolution = &mut self.resolution;
        self.runtime.block_on(async {
            resolution.files.changed();
            let mut fault = Fault::Timeout(patience);
            let looking = async {
                loop {
                    match resolution.question.look_up().await {
                        Err(passing) if passing.may_pass() => fault = passing,
                        found => return found,
                    }
                    tokio::time::sleep(FIRST_RETRY).await;
                }
            };
            let found = tokio::time::timeout(patience, looking).await.unwrap_or(Err(fault));
            resolution.judge(found, Instant::now());
        });
        Arc::clone(&resolution.current)
    }

    /// Goes on asking, on a thread of its own, for as long as the process lives. `tell` gets the addresses whenever they
    /// are others than before; when it says that they did not arrive it gets them again.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn watch(self, tell: impl FnMut(&Arc<[SocketAddr]>) -> bool + Send + 'static) -> io::Result<()> {
        let Self { runtime, resolution } = self;
        std::thread::Builder::new().name("names".to_owned()).spawn(move || {
            runtime.block_on(resolution.run(tell));
        })?;
        Ok(())
    }
}

/// Addresses as they are shown to people.
#[must_use]
pub fn show(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ")
}

#[derive(Debug)]
struct Resolution {
    question: Question,
    files: Files,
    standing: Standing,
    /// What the shards are to use: the last good answer.
    current: Arc<[SocketAddr]>,
    /// All of the last good answer, sorted: its order may change with every answer, and is no news.
    known: Vec<IpAddr>,
    /// What was left out of an answer, and why, when that was last logged.
    refused: Vec<(IpAddr, &'static str)>,
    refused_line: Pause,
    changed_line: Pause,
    too_many_line: Pause,
}

impl Resolution {
    fn new(question: Question) -> Self {
        Self {
            question,
            files: Files::default(),
            standing: Standing::new(Instant::now()),
            current: Arc::default(),
            known: Vec::new(),
            refused: Vec::new(),
            refused_line: Pause::default(),
            changed_line: Pause::default(),
            too_many_line: Pause::default(),
        }
    }

    async fn run(mut self, mut tell: impl FnMut(&Arc<[SocketAddr]>) -> bool) {
        let mut told = Arc::clone(&self.current);
        loop {
            let rest = self.standing.rest(Instant::now()).map_or(FILES_EVERY, |rest| rest.min(FILES_EVERY));
            tokio::time::sleep(rest).await;
            if self.files.changed() || self.standing.is_due(Instant::now()) {
                let found = self.question.look_up().await;
                self.judge(found, Instant::now());
            }
            if told != self.current && tell(&self.current) {
                told = Arc::clone(&self.current);
            }
        }
    }

    /// Takes what a look-up came to.
    fn judge(&mut self, found: Result<Answer, Fault>, now: Instant) {
        match found.and_then(|answer| self.usable(answer, now)) {
            Ok((addresses, ttl)) => self.answered(&addresses, ttl, now),
            Err(fault) => self.failed(&fault, now),
        }
    }

    /// The addresses of an answer that may be used, and how long they hold.
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
                    // Then what is known of it still counts.
                    kept.extend(self.known.iter().filter(|address| address.is_ipv4() == is_ipv4));
                    ttl = ttl.map(|ttl| ttl.min(HALF_ANSWER_TTL));
                }
            }
        }
        let mut found = addresses::distinct(found.into_iter().chain(kept.iter().copied()));
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

    /// Leaves out what DNS must not name. What is only `kept` of such a kind can have come from /etc/hosts alone, which
    /// has the name no more.
    fn refuse(&mut self, found: &mut Vec<IpAddr>, kept: &[IpAddr], now: Instant) {
        let mut refused = Vec::new();
        found.retain(|address| {
            let why = addresses::refused_from_dns(*address);
            refused.extend(why.map(|why| (*address, why)));
            why.is_none()
        });
        refused.sort_unstable();
        if !refused.is_empty() && refused != self.refused && self.refused_line.is_over(now) {
            let name = &self.question.host;
            let (before, answered): (Vec<_>, Vec<_>) =
                refused.iter().copied().partition(|(address, _)| kept.contains(address));
            if !answered.is_empty() {
                warn!(
                    name,
                    addresses = show_refused(&answered),
                    "DNS gave the target's name addresses that must not come from it, and they are not used; \
                     if they are meant, write them into /etc/hosts or into --target"
                );
            }
            if !before.is_empty() {
                warn!(
                    name,
                    addresses = show_refused(&before),
                    "/etc/hosts gave the target's name addresses that are not kept now that DNS is asked, and they are not used; \
                     if they are meant, write them there again or into --target"
                );
            }
            self.refused = refused;
        }
    }

    fn answered(&mut self, found: &[IpAddr], ttl: Option<Duration>, now: Instant) {
        let name = &self.question.host;
        let mut ordered = addresses::order(found, ipv6_is_routed(found));
        ordered.truncate(MAX_ADDRESSES);
        let port = self.question.port;
        let ordered: Arc<[SocketAddr]> = ordered.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        let mut known = found.to_vec();
        known.sort_unstable();
        let is_first = self.standing.age(now).is_none();
        let failed_for = self.standing.answered(now, ttl, jitter());
        match failed_for {
            Some(time) => {
                let (failed_for, addresses) = (show_age(time), show(&ordered));
                info!(name, failed_for, addresses, "the target's name is resolved again");
            }
            None if !is_first && known != self.known && self.changed_line.is_over(now) => {
                info!(
                    name,
                    addresses = show(&ordered),
                    was = show(&self.current),
                    "the target's addresses have changed"
                );
            }
            None => {}
        }
        if known != self.known && known.len() > ordered.len() && self.too_many_line.is_over(now) {
            warn!(
                name,
                found = known.len(),
                used = ordered.len(),
                "the target's name has more addresses than are used"
            );
        }
        (self.known, self.current) = (known, ordered);
    }

    fn failed(&mut self, fault: &Fault, now: Instant) {
        if !self.standing.failed(now) {
            return;
        }
        let (name, why) = (&self.question.host, fault.to_string());
        match self.standing.age(now) {
            Some(age) => warn!(
                name,
                why,
                age = show_age(age),
                addresses = show(&self.current),
                "the target's name is not resolved any more: its last good answer stays in use"
            ),
            None => error!(
                name,
                why,
                "the target's name is not resolved: clients get 503 until it is; check the name in --target, \
                 and that the servers of /etc/resolv.conf or --resolver can be reached"
            ),
        }
    }
}

/// Keeps a line from being logged too often.
#[derive(Debug, Default)]
struct Pause(Option<Instant>);

impl Pause {
    /// Whether the line may be logged; then the next pause begins.
    fn is_over(&mut self, now: Instant) -> bool {
        let is_over = self.0.is_none_or(|said| now.saturating_duration_since(said) >= PAUSE);
        if is_over {
            self.0 = Some(now);
        }
        is_over
    }
}

/// Addresses that are left out, and why.
fn show_refused(refused: &[(IpAddr, &'static str)]) -> String {
    let shown = refused.iter().take(MAX_ADDRESSES).map(|(address, why)| format!("{address} ({why})"));
    shown.collect::<Vec<_>>().join(", ")
}

fn show_age(age: Duration) -> String {
    show_duration(Duration::from_secs(age.as_secs().max(1)))
}

/// Whether this host has a way to any of the IPv6 addresses. Connecting a datagram socket asks the routing table, and
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
    // Without it everything still works.
    let _ = getrandom::fill(&mut byte);
    let [byte] = byte;
    byte
}
