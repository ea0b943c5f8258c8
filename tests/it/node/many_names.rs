//! Many names at once, in this process and with a DNS server that is the test's. What is done with one name's answers is
//! in `names.rs`.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringway::control::resolver::{Question, Resolver};
use ringway::control::runtime::BackgroundRuntime;
use ringway::routing::addresses::AddressCell;

use crate::harness::dns::{Dns, Mood};
use crate::harness::namespace::in_namespaces;
use crate::harness::until;
use crate::harness::wait::PATIENCE;

in_namespaces! {
    "true";
    the_hosts_file_is_watched_for_all_names
}

/// A resolver, and the runtime that it runs on.
struct Running {
    resolver: Resolver,
    _runtime: BackgroundRuntime,
}

impl Running {
    fn start() -> Self {
        let runtime = BackgroundRuntime::start("control").unwrap();
        Self { resolver: Resolver::start(runtime.handle(), PATIENCE), _runtime: runtime }
    }
}

impl std::ops::Deref for Running {
    type Target = Resolver;

    fn deref(&self) -> &Resolver {
        &self.resolver
    }
}

fn question(dns: &Dns, host: &str, port: u16) -> Question {
    Question { host: host.to_owned(), port, servers: [dns.address()].into() }
}

/// Names that the server knows, at an address each.
fn named(dns: &Dns, count: usize, net: u8) -> Vec<(Question, SocketAddr)> {
    let one = |at: usize| {
        let (host, ip) = (format!("name-{at}.test"), format!("10.{net}.{}.{}", at / 250, at % 250 + 1));
        dns.says(&host, &ip);
        (question(dns, &host, 80), format!("{ip}:80").parse().unwrap())
    };
    (0..count).map(one).collect()
}

fn follow(names: &Resolver, named: &[(Question, SocketAddr)]) -> Vec<(Arc<AddressCell>, SocketAddr)> {
    named.iter().map(|(question, address)| (names.follow(question.clone()), *address)).collect()
}

fn is_at(place: &AddressCell, address: SocketAddr) -> bool {
    place.load().addresses() == [address]
}

#[track_caller]
fn until_resolved(places: &[(Arc<AddressCell>, SocketAddr)]) {
    until("every name is resolved", || places.iter().all(|(place, address)| is_at(place, *address)).then_some(()));
}

fn times_asked(dns: &Dns, name: &str) -> usize {
    dns.asked().iter().filter(|asked| *asked == name).count()
}

#[test]
fn a_question_has_one_place_while_anyone_holds_it() {
    let dns = Dns::start();
    dns.says("api.test", "10.0.0.1");
    let names = Running::start();
    let follow = |port| names.follow(question(&dns, "api.test", port));
    let (first, second, other) = (follow(80), follow(80), follow(81));
    assert!(Arc::ptr_eq(&first, &second));
    let elsewhere = names.follow(Question { servers: [].into(), ..question(&dns, "api.test", 80) });
    assert!(!Arc::ptr_eq(&first, &other) && !Arc::ptr_eq(&first, &elsewhere));
    drop((first, elsewhere));
    until_resolved(&[(Arc::clone(&second), "10.0.0.1:80".parse().unwrap()), (other, "10.0.0.1:81".parse().unwrap())]);
    until("what nobody holds is let go", || (names.count() == 1).then_some(()));
    dns.says("api.test", "10.0.0.2");
    // As long as one is left it is asked for.
    until_resolved(&[(second, "10.0.0.2:80".parse().unwrap())]);
}

#[test]
fn a_name_that_nobody_holds_is_not_asked_for_any_more() {
    let dns = Dns::start();
    dns.says("stays.test", "10.0.0.1");
    dns.says("goes.test", "10.0.0.2");
    let names = Running::start();
    let stays = names.follow(question(&dns, "stays.test", 80));
    let goes = names.follow(question(&dns, "goes.test", 80));
    names.wait(PATIENCE);
    assert!(is_at(&goes, "10.0.0.2:80".parse().unwrap()));
    drop(goes);
    until("it is let go", || (names.count() == 1).then_some(()));
    let before = times_asked(&dns, "goes.test");
    let others = times_asked(&dns, "stays.test");
    // Answers hold for a second.
    until("the other one was asked for twice", || (times_asked(&dns, "stays.test") >= others + 4).then_some(()));
    assert_eq!(times_asked(&dns, "goes.test"), before);
    let again = names.follow(question(&dns, "goes.test", 80));
    until_resolved(&[(again, "10.0.0.2:80".parse().unwrap()), (stays, "10.0.0.1:80".parse().unwrap())]);
}

#[test]
fn an_address_is_there_and_nobody_is_asked() {
    let dns = Dns::start();
    let names = Running::start();
    for (host, address) in [("127.0.0.1", "127.0.0.1:80"), ("fd00::1", "[fd00::1]:80")] {
        assert!(is_at(&names.follow(question(&dns, host, 80)), address.parse().unwrap()));
    }
    assert_eq!((names.count(), dns.asked()), (0, Vec::<String>::new()));
}

#[test]
fn names_are_followed_for_as_long_as_a_place_is_held() {
    let dns = Dns::start();
    dns.says("api.test", "10.0.0.1");
    let runtime = BackgroundRuntime::start("control").unwrap();
    let place = Resolver::start(runtime.handle(), PATIENCE).follow(question(&dns, "api.test", 80));
    // Answers hold for a second: meanwhile the resolver's task has looked whether anything is left.
    until("it is asked for all the same", || (dns.asked().len() >= 10).then_some(()));
    dns.says("api.test", "10.0.0.2");
    until_resolved(&[(place, "10.0.0.2:80".parse().unwrap())]);
}

#[test]
fn two_thousand_names_are_each_asked_for_once_and_resolved() {
    let dns = Dns::start();
    dns.ttl(300);
    let names = Running::start();
    let named = named(&dns, 2000, 10);
    let places = follow(&names, &named);
    names.wait(PATIENCE);
    let missing = places.iter().filter(|(place, address)| !is_at(place, *address)).count();
    assert_eq!(missing, 0, "waited for, and not there");
    let asked = dns.asked();
    assert_eq!(asked.iter().collect::<HashSet<_>>().len(), 2000);
    // For A and for AAAA; one that was lost on the way is sent again.
    assert!((4000..8000).contains(&asked.len()), "{}", asked.len());
    drop(places);
    until("all are let go", || (names.count() == 0).then_some(()));
}

#[test]
fn names_that_get_no_answer_do_not_hold_up_others() {
    let (silent, dns) = (Dns::start(), Dns::start());
    silent.mood(Mood::Silent);
    let names = Running::start();
    let hanging: Vec<_> = (0..40).map(|at| names.follow(question(&silent, &format!("silent-{at}.test"), 80))).collect();
    let is_asked = || silent.asked().into_iter().collect::<HashSet<_>>().len() == hanging.len();
    until("all of them are asked for at once", || is_asked().then_some(()));
    // One after the other they would take minutes.
    until_resolved(&follow(&names, &named(&dns, 500, 20)));
    // And who starts waits no longer than he likes.
    names.wait(Duration::from_millis(1));
    assert!(hanging.iter().all(|place| place.load().addresses().is_empty()));
}

#[test]
fn so_many_names_are_asked_for_at_a_time_and_the_others_wait_in_line() {
    let silent = Dns::start();
    silent.mood(Mood::Silent);
    let names = Running::start();
    let follow = |at| names.follow(question(&silent, &format!("silent-{at}.test"), 80));
    let places: Vec<_> = (0..100).map(follow).collect();
    let different = |asked: &[String]| asked.iter().collect::<HashSet<_>>().len();
    // They are given up in the end, and the next ones have their turn.
    let asked =
        until("everyone was asked for", || Some(silent.asked()).filter(|asked| different(asked) == places.len()));
    // What was asked before the name of this number.
    let before = |number| {
        let length = (0..asked.len()).find(|length| different(&asked[..*length]) == number).unwrap();
        &asked[..length - 1]
    };
    // For A and for AAAA; a datagram that is not answered is sent again a second later, and after another one the second
    // round over the servers begins. Until then a host that is busy may take its time to begin all look-ups.
    let most = |asked: &[String]| asked.iter().map(|name| asked.iter().filter(|it| *it == name).count()).max();
    assert!(most(before(64)) <= Some(4), "fewer are asked for at a time: {asked:?}");
    assert!(most(before(65)) > Some(2), "more are asked for at a time: {asked:?}");
}

mod inside {
    use super::{Dns, PATIENCE, Running, question, until_resolved};
    use crate::harness::namespace::HostFile;

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn the_hosts_file_is_watched_for_all_names() {
        let dns = Dns::start();
        let file = |net: u8| (0..300).map(|at| format!("10.{net}.1.{} name-{at}.test\n", at % 250)).collect::<String>();
        let hosts = HostFile::replace("/etc/hosts", &file(1));
        let names = Running::start();
        let places = |net: u8| {
            let place = |at: u32| {
                let address = format!("10.{net}.1.{}:80", at % 250).parse().unwrap();
                (names.follow(question(&dns, &format!("name-{at}.test"), 80)), address)
            };
            (0..300).map(place).collect::<Vec<_>>()
        };
        let first = places(1);
        names.wait(PATIENCE);
        until_resolved(&first);
        hosts.write(&file(2));
        until_resolved(&places(2));
        assert_eq!(dns.asked(), Vec::<String>::new());
    }
}
