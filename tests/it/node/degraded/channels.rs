//! A node whose store is damaged serves its APIs with their channels; one whose contract is damaged too refuses that API's clients.

use std::fs;

use super::files::damage;
use super::{home, kept};
use crate::harness::node::{Home, Node, alive, refuses, through, ws};
use crate::harness::with_contract::{CONTRACT, serve};
use crate::harness::{Upstream, until};

/// The API's channels are served, and nothing else of it.
#[track_caller]
fn serves_its_channels(node: &Node, upstream: &Upstream) {
    let at = node.external("development");
    let (mut client, mut server, ..) = through(at, "/default/chat/v1.0/rooms/17", upstream);
    alive(&mut client, &mut server);
    refuses(at, "/default/chat/v1.0/rooms/x", 404, "parameter-invalid");
    refuses(at, "/default/chat/v1.0/other", 404, "channel-not-found");
}

/// A home whose node has served an API with a contract and one without, with their upstreams and the digest of the contract.
fn lived_in(home: &Home) -> (Upstream, Upstream, String) {
    let (upstream, other) = (Upstream::listen(), Upstream::listen());
    let node = home.start();
    let (_, contract) = serve(&node, &upstream, CONTRACT);
    node.serve("Other", &[ws(other.address())]);
    let digest = contract["digest"].as_str().unwrap().to_owned();
    kept(home, &digest);
    kept(home, "other");
    node.stop();
    (upstream, other, digest)
}

#[test]
fn a_damaged_store_leaves_the_channels_and_a_damaged_contract_lets_nobody_in() {
    let home = home();
    let (upstream, other, digest) = lived_in(&home);
    damage(&home, "ringway.db", 0);
    let node = home.start();
    node.admin.get("/apis").refused(503, "store-unavailable");
    serves_its_channels(&node, &upstream);
    node.stop();
    let file = home.file("contracts").join(&digest);
    let whole = fs::read(&file).unwrap();
    let with_other_channels = String::from_utf8(whole.clone()).unwrap().replace("rooms", "rooks");
    for harm in [Some(with_other_channels), None] {
        match harm {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let node = home.start();
        let at = node.external("development");
        for path in ["", "/rooms/17", "/rooks/17", "/other"] {
            refuses(at, &format!("/default/chat/v1.0{path}"), 503, "policy-unavailable");
        }
        drop(through(at, "/default/other/v1.0/anything", &other));
        let line = node.logged("policy-unavailable");
        assert!(line.contains("default/chat:1.0") && line.contains(&digest), "{line}");
        let page = node.admin.get("/snapshot").expect(200);
        let items = page["deployments"]["items"].as_array().unwrap();
        let chat = items.iter().find(|item| item["api"] == "default/chat:1.0").unwrap();
        assert_eq!(chat["state"], "unavailable", "{page}");
        let health = node.admin.get("/health").expect(200);
        assert!(health["problems"].to_string().contains("default/chat:1.0 in development: the contract"), "{health}");
        node.stop();
    }
    // With the file the channels are back, with the next reload.
    let node = home.start();
    refuses(node.external("development"), "/default/chat/v1.0/rooms/17", 503, "policy-unavailable");
    fs::write(&file, whole).unwrap();
    node.signal(libc::SIGHUP);
    until("the reload finds the contract", || {
        let page = node.admin.get("/snapshot").expect(200);
        let items = page["deployments"]["items"].as_array().unwrap().clone();
        let is_open = items.iter().all(|item| item["state"] == "open");
        (is_open && page["everywhere"] == true).then_some(())
    });
    serves_its_channels(&node, &upstream);
}

#[test]
fn a_contract_that_is_put_back_is_found_without_a_reload() {
    let home = home();
    let (upstream, other, digest) = lived_in(&home);
    let file = home.file("contracts").join(&digest);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, "damaged").unwrap();
    let node = home.start();
    let at = node.external("development");
    refuses(at, "/default/chat/v1.0/rooms/17", 503, "policy-unavailable");
    let (mut client, mut server, ..) = through(at, "/default/other/v1.0/anything", &other);
    fs::write(&file, whole).unwrap();
    node.logged("a contract was found again");
    until("every shard has the channels", || {
        let page = node.admin.get("/snapshot").expect(200);
        (page["everywhere"] == true).then_some(())
    });
    serves_its_channels(&node, &upstream);
    alive(&mut client, &mut server);
}
