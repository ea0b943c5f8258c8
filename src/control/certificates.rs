//! Certificates that change while they are served: their files are looked at every second, and read anew when they have
//! changed or when told to (SIGHUP). A change that cannot be used changes nothing but the log.

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

/// How often files are looked at. By looking, not by being told: a link that is swapped, as Kubernetes does, and a file
/// system over a network tell nobody.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often certificates that will expire are warned of.
const WARN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// A listener whose clients are spoken to in TLS.
#[derive(Debug)]
pub struct Listener {
    /// Which of the shards' listeners it is.
    pub place: u16,
    /// What the log calls it.
    pub name: String,
    /// What the operator gave.
    pub tls: ServerTls,
    /// What is served at the start.
    pub served: Served,
}

/// Starts to watch the files of all listeners, on one thread, for as long as `hung_up` can be heard. Each word from it has
/// all of them read anew, changed or not. `tell` is given a listener's place and what is to be served there from now on,
/// and says whether all who must know have taken it: if not, it is called again at the next look.
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
            let is_told = match hung_up.recv_timeout(LOOK_EVERY) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            look_at_all(&mut watched, SystemTime::now(), is_told, &mut tell);
        }
    })?;
    Ok(())
}

/// Logs what is to be said of certificates at the start: which will expire, or have.
pub fn warn_at_start<'s>(served: impl IntoIterator<Item = &'s Served>) {
    let now = SystemTime::now();
    report_warnings(served.into_iter().flat_map(|served| warnings(served, now)));
}

/// Looks at the files of each listener once: what is wrong with one does not keep the others from theirs.
fn look_at_all(
    watched: &mut [Watched],
    now: SystemTime,
    is_told: bool,
    tell: &mut impl FnMut(u16, &Arc<ServerConfig>) -> bool,
) {
    let mut warnings = Vec::new();
    for watched in watched {
        for news in watched.look(now, is_told) {
            report(&watched.name, news, &mut warnings);
        }
        watched.hand_over(tell);
    }
    report_warnings(warnings);
}

/// What a look has found, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
enum News {
    /// Other certificates are served from now on.
    Changed(String),
    /// Told to read the files, and they are as they were.
    Unchanged(String),
    /// The files cannot be used: why, and what is served all the same.
    Kept { why: String, serving: String },
    /// A certificate that clients will not take, now or soon.
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

/// Each once: listeners may well serve the same certificate.
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
    /// Of the files when they were last read.
    stamps: Vec<Option<Stamp>>,
    /// Of what was last read, whether it could be used or not.
    seen: u64,
    /// Whether what is served has still to be told.
    is_untold: bool,
    next_warning: SystemTime,
}

/// When to warn again, if the clock reaches that far.
fn later(now: SystemTime) -> SystemTime {
    now.checked_add(WARN_EVERY).unwrap_or(now)
}

impl Watched {
    fn new(listener: Listener) -> Self {
        let Listener { place, name, tls, served } = listener;
        // The start has warned already.
        let next_warning = later(SystemTime::now());
        // No stamps: the first look reads, and finds what has changed since the start.
        let (seen, stamps) = (served.fingerprint, Vec::new());
        Self { place, name, tls, served, stamps, seen, is_untold: false, next_warning }
    }

    /// Looks at the files once, and reads them if something has happened to them or if `is_told`.
    fn look(&mut self, now: SystemTime, is_told: bool) -> Vec<News> {
        let mut news = Vec::new();
        // Before the files are read: what happens to them while they are is seen the next time.
        let stamps: Vec<_> = self.tls.files().map(|file| Stamp::of(&file.path)).collect();
        if is_told || stamps != self.stamps {
            self.stamps = stamps;
            self.read(now, is_told, &mut news);
        }
        if now >= self.next_warning {
            self.next_warning = later(now);
            news.extend(warnings(&self.served, now).map(News::Warning));
        }
        news
    }

    fn read(&mut self, now: SystemTime, is_told: bool, news: &mut Vec<News>) {
        let read = self.tls.read();
        let seen = fingerprint(&read);
        if seen == self.served.fingerprint {
            // As they are served: untouched, or put back after an attempt that failed.
            if is_told || self.seen != seen {
                news.push(News::Unchanged(self.serving()));
            }
            self.seen = seen;
            return;
        }
        if seen == self.seen && !is_told {
            return;
        }
        self.seen = seen;
        match self.tls.build(read, Some(&self.served)) {
            Ok(served) => {
                self.served = served;
                self.is_untold = true;
                news.push(News::Changed(self.serving()));
                news.extend(warnings(&self.served, now).map(News::Warning));
            }
            Err(error) => news.push(News::Kept { why: error.to_string(), serving: self.serving() }),
        }
    }

    fn hand_over(&mut self, tell: &mut impl FnMut(u16, &Arc<ServerConfig>) -> bool) {
        if self.is_untold {
            self.is_untold = !tell(self.place, &self.served.config);
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

    use super::{Listener, News, WARN_EVERY, Watched, look_at_all};
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
            self.watched.look(self.now, false)
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
    fn a_change_is_served_once_and_told_until_it_is_taken() {
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
    fn a_bad_file_keeps_the_old_ones_and_is_told_of_once_for_each_change() {
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
    fn what_is_put_back_is_said_to_be_as_it_was() {
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
        assert_eq!(watched.look(SystemTime::now(), false), []);
        symlink("two", folder.path("data.new")).unwrap();
        std::fs::rename(folder.path("data.new"), folder.path("data")).unwrap();
        let news = watched.look(SystemTime::now(), false);
        assert!(is_changed(&news, "second.test"), "{news:?}");
    }

    #[test]
    fn who_asks_is_answered_even_if_nothing_has_changed() {
        let mut scene = Scene::new();
        assert!(matches!(scene.watched.look(scene.now, true).as_slice(), [News::Unchanged(_)]));
        scene.folder.write("key.pem", "");
        for _ in 0..2 {
            assert!(matches!(scene.watched.look(scene.now, true).as_slice(), [News::Kept { .. }]));
        }
    }

    #[test]
    fn a_certificate_near_its_end_is_warned_of_when_it_comes_and_once_a_day() {
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
    fn each_listener_is_told_of_its_own_certificates_whatever_becomes_of_the_others() {
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
        let mut look = |is_told| {
            let mut told = Vec::new();
            look_at_all(&mut watched, SystemTime::now(), is_told, &mut |place, _| {
                told.push(place);
                true
            });
            told
        };
        assert_eq!(look(false), NONE);
        write(1, &authority.leaf(&["second.test"]));
        assert_eq!(look(false), [5, 7]);
        folder.write("0.cert", "nonsense");
        write(1, &authority.leaf(&["third.test"]));
        assert_eq!(look(true), [5, 7]);
        write(0, &authority.leaf(&["second.test"]));
        assert_eq!(look(true), [3]);
        assert_eq!(look(true), NONE);
    }
}
