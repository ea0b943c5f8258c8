//! The files of a state directory: damaged, replaced, of another time, or another node's.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};

use serde_json::{Value, json};

use super::{home, is_well, kept, lived_in, serves, takes_no_change};
use crate::harness::node::{Home, alive, through, told};
use crate::harness::{node::bytes, until};

/// Overwrites a file from a place on.
pub(super) fn damage(home: &Home, name: &str, from: u64) {
    let file = OpenOptions::new().write(true).open(home.file(name)).unwrap();
    let length = file.metadata().unwrap().len();
    assert!(length > from, "{name} has {length} bytes");
    file.write_all_at(&vec![0xA5; usize::try_from(length - from).unwrap()], from).unwrap();
}

#[test]
fn a_damaged_store_leaves_what_was_deployed_last() {
    let home = home();
    let upstream = lived_in(&home);
    let whole = bytes(&home.file("ringway.db"));
    let snapshot = bytes(&home.file("snapshot.json"));
    // All of it, and all but what tells what it is.
    for from in [0, 100, 4096] {
        fs::write(home.file("ringway.db"), &whole).unwrap();
        damage(&home, "ringway.db", from);
        let damaged = bytes(&home.file("ringway.db"));
        let node = home.start();
        serves(&node, &upstream);
        let (client, server, ..) = through(node.external("development"), "/default/chat/v1.0", &upstream);
        takes_no_change(&node, "store-unavailable", "damaged");
        for path in ["/apis", "/audit", "/projects", "/apis/default/chat/1.0", "/apis/default/chat/1.0/revisions"] {
            node.admin.get(path).refused(503, "store-unavailable");
        }
        let page = node.admin.get("/snapshot").expect(200);
        assert_eq!(page["deployments"]["items"][0]["api"], "default/chat:1.0", "{page}");
        node.admin.get("/openapi.json").expect(200);
        // What needs no store can be done.
        let closed = node.admin.post("/connections/close", &json!({ "environment": "development" })).expect(200);
        assert_eq!(closed["closing"], 1);
        told(client, server, (1001, 1001));
        node.signal(libc::SIGHUP);
        node.logged("the configuration is reloaded");
        serves(&node, &upstream);
        node.stop();
        assert!(bytes(&home.file("ringway.db")) == damaged, "{from}: the damaged store was changed");
        assert!(bytes(&home.file("snapshot.json")) == snapshot, "{from}: the last good snapshot was changed");
    }
    fs::write(home.file("ringway.db"), &whole).unwrap();
    let node = home.start();
    is_well(&node);
    serves(&node, &upstream);
    node.deploy("/apis/default/chat/1.0", "production");
}

#[test]
fn a_store_that_is_damaged_while_it_is_open_stops_no_traffic() {
    let home = home();
    let upstream = lived_in(&home);
    let node = home.start();
    serves(&node, &upstream);
    let (mut client, mut server, ..) = through(node.external("development"), "/default/chat/v1.0", &upstream);
    // What it has looked at it knows; the rest it comes to look at now.
    damage(&home, "ringway.db", 4096);
    until("the damage is found", || {
        let answers = ["/audit", "/apis", "/projects"].map(|path| node.admin.get(path));
        assert!(answers.iter().all(|answer| [200, 503].contains(&answer.status)), "{answers:?}");
        answers.iter().any(|answer| answer.json["code"] == "store-unavailable").then_some(())
    });
    for _ in 0..5 {
        // That the rest of it may be changed does not make it well.
        node.admin.put("/projects/new", &json!({ "description": "x" }));
        let health = node.admin.get("/health").expect(200);
        let state = (&health["status"], &health["store"]["state"]);
        assert_eq!(state, (&json!("degraded"), &json!("unavailable")), "{health}");
    }
    serves(&node, &upstream);
    alive(&mut client, &mut server);
    node.kill();
    let node = home.start();
    serves(&node, &upstream);
    takes_no_change(&node, "store-unavailable", "damaged");
}

#[test]
fn without_a_store_and_a_snapshot_it_does_not_serve_nothing() {
    let home = home();
    let upstream = lived_in(&home);
    // A file that is gone is written whole, in one line.
    fs::remove_file(home.file("snapshot.json")).unwrap();
    home.start().stop();
    let (store, snapshot) = (bytes(&home.file("ringway.db")), bytes(&home.file("snapshot.json")));
    // With a store the snapshot does not count.
    for text in [&b""[..], b"{", b"\0\0\0\0", &snapshot[..snapshot.len() - 10]] {
        fs::write(home.file("snapshot.json"), text).unwrap();
        let node = home.start();
        serves(&node, &upstream);
        kept(&home, "chat");
        node.stop();
    }
    damage(&home, "ringway.db", 0);
    let changed = String::from_utf8(snapshot.clone()).unwrap().replace("ws://127.0.0.1", "ws://127.0.0.2").into_bytes();
    for (what, text) in [
        ("empty", &b""[..]),
        ("half", &snapshot[..snapshot.len() / 2]),
        ("changed", &changed),
        ("another's", b"{\"form\":9,\"sha1\":\"\",\"deployed\":[]}"),
    ] {
        fs::write(home.file("snapshot.json"), text).unwrap();
        let (code, log) = home.try_start().err().unwrap_or_else(|| panic!("it serves what is {what}"));
        assert_eq!(code, Some(1), "{what}: {log}");
        assert!(log.contains("damaged") && log.contains("snapshot.json"), "{what}: {log}");
    }
    fs::remove_file(home.file("snapshot.json")).unwrap();
    fs::create_dir(home.file("snapshot.json")).unwrap();
    let (code, log) = home.try_start().err().unwrap();
    assert!(code == Some(1) && log.contains("not a regular file"), "{log}");
    fs::remove_dir(home.file("snapshot.json")).unwrap();
    fs::write(home.file("snapshot.json"), &snapshot).unwrap();
    serves(&home.start(), &upstream);
    fs::write(home.file("ringway.db"), &store).unwrap();
    is_well(&home.start());
}

#[test]
fn a_store_that_is_gone_is_no_first_start() {
    let home = home();
    let upstream = lived_in(&home);
    let (store, snapshot) = (bytes(&home.file("ringway.db")), bytes(&home.file("snapshot.json")));
    let files = |node: &str| home.file(node);
    for (what, harm) in [
        ("removed", &(|| fs::remove_file(files("ringway.db")).unwrap()) as &dyn Fn()),
        ("cut to nothing", &|| fs::write(files("ringway.db"), b"").unwrap()),
        ("without a table", &|| {
            fs::remove_file(files("ringway.db")).unwrap();
            rusqlite::Connection::open(files("ringway.db"))
                .unwrap()
                .pragma_update(None, "journal_mode", "WAL")
                .unwrap();
        }),
    ] {
        harm();
        let left = fs::read(home.file("ringway.db")).ok();
        let node = home.start();
        serves(&node, &upstream);
        takes_no_change(&node, "store-unavailable", "put a backup of ringway.db back");
        node.admin.get("/apis").refused(503, "store-unavailable");
        node.logged("snapshot.json tells that there was a store");
        node.stop();
        assert!(fs::read(home.file("ringway.db")).ok() == left, "{what}: a store was made");
        assert!(bytes(&home.file("snapshot.json")) == snapshot, "{what}: the last good snapshot was changed");
    }
    // What the message says helps: a backup, or to begin with nothing.
    fs::write(home.file("ringway.db"), &store).unwrap();
    let node = home.start();
    is_well(&node);
    serves(&node, &upstream);
    node.stop();
    fs::remove_file(home.file("ringway.db")).unwrap();
    fs::remove_file(home.file("snapshot.json")).unwrap();
    let node = home.start();
    is_well(&node);
    assert!(node.admin.all("/apis").is_empty());
}

#[test]
fn a_log_without_its_store_is_no_first_start() {
    let home = home();
    lived_in(&home);
    home.start().kill();
    fs::remove_file(home.file("ringway.db")).unwrap();
    fs::remove_file(home.file("snapshot.json")).unwrap();
    fs::write(home.file("ringway.db-wal"), b"what was acknowledged").unwrap();
    let (code, log) = home.try_start().err().expect("it serves nothing");
    assert!(code == Some(1) && log.contains("ringway.db-wal tells that there was a store"), "{log}");
    assert_eq!(bytes(&home.file("ringway.db-wal")), b"what was acknowledged");
}

#[test]
fn a_store_that_is_not_this_program_s_is_left_alone() {
    let home = home();
    lived_in(&home);
    let whole = bytes(&home.file("ringway.db"));
    let pragma = |sql: &str| {
        let store = rusqlite::Connection::open(home.file("ringway.db")).unwrap();
        store.execute_batch(sql).unwrap();
        store.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    };
    for (sql, says) in
        [("PRAGMA user_version = 999", "newer program"), ("PRAGMA application_id = 7", "another program")]
    {
        fs::write(home.file("ringway.db"), &whole).unwrap();
        pragma(sql);
        let before = bytes(&home.file("ringway.db"));
        let (code, log) = home.try_start().err().unwrap_or_else(|| panic!("it serves after {sql}"));
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains(says), "{sql}: {log}");
        assert!(bytes(&home.file("ringway.db")) == before, "{sql}: the store was changed");
    }
    fs::remove_file(home.file("ringway.db")).unwrap();
    fs::create_dir(home.file("ringway.db")).unwrap();
    let (code, log) = home.try_start().err().unwrap();
    assert!(code == Some(1) && log.contains("ringway.db"), "{log}");
    fs::remove_dir(home.file("ringway.db")).unwrap();
    fs::write(home.file("ringway.db"), &whole).unwrap();
    is_well(&home.start());
}

#[test]
fn two_nodes_do_not_share_a_state_directory() {
    let home = home();
    let upstream = lived_in(&home);
    let first = home.start();
    let address = bytes(&home.file("admin.addr"));
    for _ in 0..3 {
        let (code, log) = home.try_start().err().expect("a second node serves");
        assert_eq!(code, Some(1), "{log}");
        assert!(
            log.contains("another node") && log.contains(&first.pid().to_string()) && log.contains("--state"),
            "{log}"
        );
    }
    assert_eq!(bytes(&home.file("admin.addr")), address, "the second has changed what is the first's");
    is_well(&first);
    serves(&first, &upstream);
    first.deploy("/apis/default/chat/1.0", "production");
    // The lock is the kernel's: whoever is killed leaves none.
    first.kill();
    let second = home.start();
    is_well(&second);
    serves(&second, &upstream);
    assert_eq!(second.admin.get("/apis/default/chat/1.0").expect(200)["deployments"].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_is_secret_is_the_owner_s_alone() {
    let home = home();
    let upstream = lived_in(&home);
    let mode = |name: &str| fs::metadata(home.file(name)).unwrap().permissions().mode() & 0o777;
    let node = home.start();
    node.deploy("/apis/default/chat/1.0", "production");
    let names: Vec<String> =
        fs::read_dir(home.state()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(
        ["admin-token", "ringway.db", "snapshot.json", "lock"].iter().all(|name| names.iter().any(|it| it == name)),
        "{names:?}"
    );
    for name in &names {
        assert_eq!(mode(name) & 0o077, 0, "{name} of {names:?}");
    }
    assert_eq!(fs::metadata(home.state()).unwrap().permissions().mode() & 0o777, 0o700);
    node.stop();
    let token = bytes(&home.file("admin-token"));
    fs::set_permissions(home.file("admin-token"), fs::Permissions::from_mode(0o644)).unwrap();
    let node = home.start();
    node.logged("other users may have read the admin token");
    assert!(!node.log().contains(String::from_utf8(token).unwrap().trim()), "the token is in the log");
    assert_eq!(mode("admin-token"), 0o600);
    node.stop();
    fs::remove_file(home.file("admin-token")).unwrap();
    let node = home.start();
    serves(&node, &upstream);
    assert_eq!(node.admin.get("/apis").expect(200)["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(mode("admin-token"), 0o600);
}

#[test]
fn state_that_vanishes_is_said() {
    let home = home();
    let upstream = lived_in(&home);
    let node = home.start();
    let gone = home.configuration().with_file_name("gone");
    fs::rename(home.state(), &gone).unwrap();
    serves(&node, &upstream);
    // Whether a change is taken is not told here, but that it is kept where the store is, if it is.
    let answer = node.admin.put("/projects/new", &json!({ "description": "x" }));
    assert!([201, 503].contains(&answer.status), "{}{}", answer.head, answer.text);
    serves(&node, &upstream);
    node.kill();
    fs::rename(&gone, home.state()).unwrap();
    let node = home.start();
    let found = node.admin.get("/projects/new").status;
    assert_eq!(found, if answer.status == 201 { 200 } else { 404 });
    let _: Value = node.admin.get("/health").expect(200);
}
