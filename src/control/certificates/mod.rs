//! Certificates that change while they are served. A thread checks their files every second, and reads them again when they have
//! changed or on SIGHUP. Files that cannot be used change nothing; the log says why.
//!
//! In: the listeners' files, requests to read them. Out: TLS configurations for the shards. Open connections keep theirs.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use tracing::{info, warn};

use super::stamp::Stamp;
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
    mut tell: impl FnMut(u16, &Arc<ServerConfig>) -> bool + Send + 'static,
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
    tell: &mut impl FnMut(u16, &Arc<ServerConfig>) -> bool,
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

    fn hand_over(&mut self, tell: &mut impl FnMut(u16, &Arc<ServerConfig>) -> bool) {
        if self.is_pending {
            self.is_pending = !tell(self.place, &self.served.config);
        }
    }

    fn serving(&self) -> String {
        certificate::list(&self.served.certificates)
    }
}

fn warnings(served: &Served, now: SystemTime) -> impl Iterator<Item = String> {
    served.certificates.iter().filter_map(move |certificate| certificate.warning(now))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::{Listener, News, Trigger, WARN_EVERY, Watched, check_all};
    use crate::tls::server::{ClientCertificates, ServerTls};
    use crate::tls::testing::{Authority, Folder, Pair};

    struct Scene {
        folder: Folder,
        authority: Authority,
        watched: Watched,
        now: SystemTime,
    }

    impl Scene {
        fn new() -> Self {
            let (folder, authority) = (Folder::new(), Authority::new("ca"));
            write(&folder, &authority.leaf(&["first.test"]));
            let pair = (folder.path("cert.pem"), folder.path("key.pem"));
            let watched = watch(pair);
            Self { folder, authority, watched, now: SystemTime::now() }
        }

        fn look(&mut self) -> Vec<News> {
            self.watched.look(self.now, Trigger::Interval)
        }
    }

    fn write(folder: &Folder, pair: &Pair) {
        folder.write("cert.pem", &pair.certificate);
        folder.write("key.pem", &pair.key);
    }

    fn watch(pair: (PathBuf, PathBuf)) -> Watched {
        watch_at(0, pair)
    }

    fn watch_at(place: u16, pair: (PathBuf, PathBuf)) -> Watched {
        let tls = ServerTls::new(vec![pair], ClientCertificates::Off);
        let served = tls.load(None).unwrap();
        Watched::new(Listener { place, name: format!("listener {place}"), tls, served })
    }

    fn is_changed(news: &[News], name: &str) -> bool {
        matches!(news, [News::Changed(serving)] if serving.contains(name))
    }

    #[test]
    fn a_change_is_sent_to_the_shards_until_all_have_it() {
        let mut scene = Scene::new();
        assert_eq!(scene.look(), []);
        scene.watched.hand_over(&mut |_, _| panic!("there is nothing to tell"));
        write(&scene.folder, &scene.authority.leaf(&["second.test"]));
        let news = scene.look();
        assert!(is_changed(&news, "second.test"), "{news:?}");
        assert_eq!(scene.look(), []);
        let mut told = 0;
        for taken in [false, false, true, true] {
            scene.watched.hand_over(&mut |_, _| {
                told += 1;
                taken
            });
        }
        assert_eq!(told, 3);
    }

    #[test]
    fn a_bad_file_keeps_the_old_certificates_and_is_logged_once_for_each_change() {
        let mut scene = Scene::new();
        let next = scene.authority.leaf(&["second.test"]);
        let half = next.certificate.get(..100).unwrap();
        for (text, says) in [(half, "ends in the midst"), ("", "it is empty"), (&next.certificate, "does not belong")] {
            scene.folder.write("cert.pem", text);
            let news = scene.look();
            let is_kept = |news: &News| matches!(news, News::Kept { why, serving } if why.contains(says) && serving.contains("first.test"));
            assert!(matches!(news.as_slice(), [only] if is_kept(only)), "{news:?}");
            assert_eq!(scene.look(), []);
            // Touched, and not changed.
            scene.folder.write("cert.pem", text);
            assert_eq!(scene.look(), []);
            scene.watched.hand_over(&mut |_, _| panic!("there is nothing to tell"));
        }
        std::fs::remove_file(scene.folder.path("cert.pem")).unwrap();
        assert!(matches!(scene.look().as_slice(), [News::Kept { why, .. }] if why.contains("no such file")));
        assert_eq!(scene.look(), []);
        write(&scene.folder, &next);
        let news = scene.look();
        assert!(is_changed(&news, "second.test"), "{news:?}");
    }

    #[test]
    fn restored_files_are_reported_as_unchanged() {
        let mut scene = Scene::new();
        let old = std::fs::read_to_string(scene.folder.path("cert.pem")).unwrap();
        scene.folder.write("cert.pem", "");
        assert!(matches!(scene.look().as_slice(), [News::Kept { .. }]));
        scene.folder.write("cert.pem", &old);
        assert!(matches!(scene.look().as_slice(), [News::Unchanged(_)]));
        assert_eq!(scene.look(), []);
    }

    #[test]
    fn a_swapped_link_is_a_change_and_so_is_its_folder() {
        let (folder, authority) = (Folder::new(), Authority::new("ca"));
        for (name, host) in [("one", "first.test"), ("two", "second.test")] {
            std::fs::create_dir(folder.path(name)).unwrap();
            let pair = authority.leaf(&[host]);
            folder.write(&format!("{name}/cert.pem"), &pair.certificate);
            folder.write(&format!("{name}/key.pem"), &pair.key);
        }
        symlink("one", folder.path("data")).unwrap();
        symlink("data/cert.pem", folder.path("cert.pem")).unwrap();
        symlink("data/key.pem", folder.path("key.pem")).unwrap();
        let mut watched = watch((folder.path("cert.pem"), folder.path("key.pem")));
        assert_eq!(watched.look(SystemTime::now(), Trigger::Interval), []);
        symlink("two", folder.path("data.new")).unwrap();
        std::fs::rename(folder.path("data.new"), folder.path("data")).unwrap();
        let news = watched.look(SystemTime::now(), Trigger::Interval);
        assert!(is_changed(&news, "second.test"), "{news:?}");
    }

    #[test]
    fn a_request_is_answered_even_if_nothing_has_changed() {
        let mut scene = Scene::new();
        assert!(matches!(scene.watched.look(scene.now, Trigger::Request).as_slice(), [News::Unchanged(_)]));
        scene.folder.write("key.pem", "");
        for _ in 0..2 {
            assert!(matches!(scene.watched.look(scene.now, Trigger::Request).as_slice(), [News::Kept { .. }]));
        }
    }

    #[test]
    fn a_certificate_near_its_end_is_warned_of_at_its_change_and_once_a_day() {
        let mut scene = Scene::new();
        let end = scene.now + Duration::from_secs(3 * 24 * 3600);
        write(&scene.folder, &scene.authority.until(&["a.test"], end.duration_since(UNIX_EPOCH).unwrap()));
        let is_warning = |news: &News| matches!(news, News::Warning(text) if text.contains("expire"));
        let news = scene.look();
        assert!(matches!(news.as_slice(), [News::Changed(_), warning] if is_warning(warning)), "{news:?}");
        scene.now += Duration::from_secs(3600);
        assert_eq!(scene.look(), []);
        scene.now += WARN_EVERY;
        assert!(matches!(scene.look().as_slice(), [warning] if is_warning(warning)));
        assert_eq!(scene.look(), []);
    }

    #[test]
    fn each_listener_gets_its_own_certificates_even_if_those_of_others_fail() {
        const NONE: [u16; 0] = [];
        let (folder, authority) = (Folder::new(), Authority::new("ca"));
        let pair = |at: u16| (folder.path(&format!("{at}.cert")), folder.path(&format!("{at}.key")));
        let write = |at: u16, pair: &Pair| {
            folder.write(&format!("{at}.cert"), &pair.certificate);
            folder.write(&format!("{at}.key"), &pair.key);
        };
        (0..2).for_each(|at| write(at, &authority.leaf(&["first.test"])));
        // The third one serves what the second one does.
        let mut watched = [(3, 0), (5, 1), (7, 1)].map(|(place, at)| watch_at(place, pair(at)));
        let mut look = |trigger| {
            let mut told = Vec::new();
            check_all(&mut watched, SystemTime::now(), trigger, &mut |place, _| {
                told.push(place);
                true
            });
            told
        };
        assert_eq!(look(Trigger::Interval), NONE);
        write(1, &authority.leaf(&["second.test"]));
        assert_eq!(look(Trigger::Interval), [5, 7]);
        folder.write("0.cert", "nonsense");
        write(1, &authority.leaf(&["third.test"]));
        assert_eq!(look(Trigger::Request), [5, 7]);
        write(0, &authority.leaf(&["second.test"]));
        assert_eq!(look(Trigger::Request), [3]);
        assert_eq!(look(Trigger::Request), NONE);
    }
}
