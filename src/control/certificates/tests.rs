//! The watcher with files that change, and without its thread.

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
