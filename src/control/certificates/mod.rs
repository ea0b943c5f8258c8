//! Certificates that change while they are served. A thread checks their files every second, and reads them again when they have
//! changed or on SIGHUP. Files that cannot be used change nothing; the log says why.
//!
//! In: the listeners' files, requests to read them. Out: TLS configurations for the shards. Open connections keep theirs.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::stamp::Stamp;
use crate::command::config::ListenerTls;
use crate::engine::background;
use crate::tls::certificate;
use crate::tls::server::{Served, ServerTls, fingerprint};

/// The interval of the checks. The kernel is not asked to notify: it does not for a link that is swapped, as Kubernetes does, nor
/// on a file system over a network.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// The interval of warnings of certificates that will expire.
const WARN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// A listener that speaks TLS.
#[derive(Debug)]
pub struct Listener {
    /// The index among the shards' listeners.
    pub place: u16,
    /// The name in the log.
    pub name: String,
    /// The operator's options.
    pub tls: ServerTls,
    /// The certificates at the start.
    pub served: Served,
}

/// Watches the files of all listeners, on one thread, until the sender of `hung_up` is dropped. Each message of `hung_up` makes it
/// read all files, changed or not. `tell` gets a listener's place and its new configuration, and returns `true` if every shard has
/// taken it: if not, it is called again at the next check.
///
/// # Errors
/// There is no thread for it.
pub fn watch(
    listeners: Vec<Listener>,
    hung_up: Receiver<()>,
    mut tell: impl FnMut(u16, &ListenerTls) -> bool + Send + 'static,
) -> io::Result<()> {
    let mut watched: Vec<_> = listeners.into_iter().map(Watched::new).collect();
    background::start("certificates", move || {
        loop {
            let trigger = match hung_up.recv_timeout(CHECK_EVERY) {
                Ok(()) => Trigger::Request,
                Err(RecvTimeoutError::Timeout) => Trigger::Interval,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            check_all(&mut watched, SystemTime::now(), trigger, &mut tell);
        }
    })?;
    Ok(())
}

/// The part of what a listener serves that shards need.
#[must_use]
pub fn for_shards(served: &Served) -> ListenerTls {
    ListenerTls { config: Arc::clone(&served.config), names: Arc::clone(&served.names) }
}

/// Logs a warning for each certificate that has expired or soon will, at the start.
pub fn warn_at_start<'s>(served: impl IntoIterator<Item = &'s Served>) {
    let now = SystemTime::now();
    report_warnings(served.into_iter().flat_map(|served| warnings(served, now)));
}

/// Checks the files of each listener once. A fault of one listener does not hold up the others.
fn check_all(
    watched: &mut [Watched],
    now: SystemTime,
    trigger: Trigger,
    tell: &mut impl FnMut(u16, &ListenerTls) -> bool,
) {
    let mut warnings = Vec::new();
    for watched in watched {
        for news in watched.look(now, trigger) {
            report(&watched.name, news, &mut warnings);
        }
        watched.hand_over(tell);
    }
    report_warnings(warnings);
}

/// The reason for a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    /// The interval: files are read only if their stamps have changed.
    Interval,
    /// A request: all files are read.
    Request,
}

/// The finding of a check, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
enum News {
    /// New connections get other certificates from now on.
    Changed(String),
    /// The files were read on request, and are unchanged.
    Unchanged(String),
    /// The files cannot be used: the reason, and the certificates that stay in use.
    Kept { why: String, serving: String },
    /// A certificate that has expired or soon will.
    Warning(String),
}

fn report(listener: &str, news: News, warnings: &mut Vec<String>) {
    match news {
        News::Changed(serving) => info!(listener, serving, "certificates were reloaded: new connections get them"),
        News::Unchanged(serving) => info!(listener, serving, "certificates were read again: they have not changed"),
        News::Kept { why, serving } => {
            warn!(listener, why, serving, "certificates were not reloaded: the old ones stay");
        }
        News::Warning(warning) => warnings.push(warning),
    }
}

/// Logs each warning once: several listeners may serve the same certificate.
fn report_warnings(warnings: impl IntoIterator<Item = String>) {
    for warning in warnings.into_iter().collect::<BTreeSet<_>>() {
        warn!("{warning}");
    }
}

struct Watched {
    place: u16,
    name: String,
    tls: ServerTls,
    served: Served,
    /// The stamps of the files when they were last read.
    stamps: Vec<Option<Stamp>>,
    /// The fingerprint of the files that were last read, usable or not.
    seen: u64,
    /// `true` until every shard has taken the new configuration.
    is_pending: bool,
    next_warning: SystemTime,
}

/// When to warn again, if the clock reaches that far.
fn later(now: SystemTime) -> SystemTime {
    now.checked_add(WARN_EVERY).unwrap_or(now)
}

impl Watched {
    fn new(listener: Listener) -> Self {
        let Listener { place, name, tls, served } = listener;
        // The start has logged its warnings already.
        let next_warning = later(SystemTime::now());
        // No stamps: the first check reads the files, and finds what has changed since the start.
        let (seen, stamps) = (served.fingerprint, Vec::new());
        Self { place, name, tls, served, stamps, seen, is_pending: false, next_warning }
    }

    /// Checks the files once, and reads them if their stamps have changed, or on request.
    fn look(&mut self, now: SystemTime, trigger: Trigger) -> Vec<News> {
        let mut news = Vec::new();
        // Taken before the files are read: a change in between is then seen at the next check.
        let stamps: Vec<_> = self.tls.files().map(|file| Stamp::of(&file.path)).collect();
        if trigger == Trigger::Request || stamps != self.stamps {
            self.stamps = stamps;
            self.read(now, trigger, &mut news);
        }
        if now >= self.next_warning {
            self.next_warning = later(now);
            news.extend(warnings(&self.served, now).map(News::Warning));
        }
        news
    }

    fn read(&mut self, now: SystemTime, trigger: Trigger, news: &mut Vec<News>) {
        let read = self.tls.read();
        let seen = fingerprint(&read);
        if seen == self.served.fingerprint {
            // The files in use: unchanged, or restored after an attempt that failed.
            if trigger == Trigger::Request || self.seen != seen {
                news.push(News::Unchanged(self.serving()));
            }
            self.seen = seen;
            return;
        }
        if seen == self.seen && trigger == Trigger::Interval {
            return;
        }
        self.seen = seen;
        match self.tls.build(read, Some(&self.served)) {
            Ok(served) => {
                self.served = served;
                self.is_pending = true;
                news.push(News::Changed(self.serving()));
                news.extend(warnings(&self.served, now).map(News::Warning));
            }
            Err(error) => news.push(News::Kept { why: error.to_string(), serving: self.serving() }),
        }
    }

    fn hand_over(&mut self, tell: &mut impl FnMut(u16, &ListenerTls) -> bool) {
        if self.is_pending {
            self.is_pending = !tell(self.place, &for_shards(&self.served));
        }
    }

    fn serving(&self) -> String {
        certificate::list(&self.served.certificates)
    }
}

fn warnings(served: &Served, now: SystemTime) -> impl Iterator<Item = String> {
    served.certificates.iter().filter_map(move |certificate| certificate.warning(now))
}
