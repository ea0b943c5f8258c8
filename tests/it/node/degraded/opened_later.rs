//! A store that could not be opened when the node started: it is tried again, and when it is there changes are taken, with
//! nobody disturbed who is served meanwhile.

use crate::harness::namespace::in_namespaces;

in_namespaces! {
    "mount -t tmpfs -o size=3m none /mnt";
    a_store_that_could_not_be_read_at_the_start_is_taken_up
    what_was_acknowledged_and_not_in_the_snapshot_comes_with_the_store
    a_store_that_had_no_room_at_the_start_is_taken_up
    what_is_declared_is_applied_once_there_is_a_store
    a_store_that_turns_out_damaged_is_left_alone
}

mod inside {
    use std::fs;

    use serde_json::json;

    use super::super::disks::{FILLER, fill, home, remount};
    use super::super::files::damage;
    use super::super::{is_well, kept, lived_in, serves, takes_no_change};
    use crate::harness::node::{Home, Node, USUAL, alive, answered, bytes, through, ws};
    use crate::harness::{Upstream, until};

    /// Has a node of this home make a change that the last good snapshot does not know, and die. Without the file that tells
    /// SQLite where to look, what it left in the log cannot be read from a disk that takes nothing.
    fn killed_after_a_change(home: &Home, change: impl FnOnce(&Node)) {
        let snapshot = bytes(&home.file("snapshot.json"));
        let node = home.start();
        change(&node);
        node.kill();
        fs::write(home.file("snapshot.json"), snapshot).unwrap();
        assert!(fs::metadata(home.file("ringway.db-wal")).unwrap().len() > 0);
        fs::remove_file(home.file("ringway.db-shm")).unwrap();
    }

    fn project(node: &Node) {
        node.admin.put("/projects/later", &json!({ "description": "acknowledged" })).expect(201);
    }

    /// Nothing can be changed, and the health page says that it is tried again.
    #[track_caller]
    fn waits(node: &Node, says: &str) {
        takes_no_change(node, "store-unavailable", says);
        node.admin.get("/apis").refused(503, "store-unavailable");
        let health = node.admin.get("/health").expect(200);
        assert_eq!(health["store"]["state"], "unavailable", "{health}");
        assert!(health["store"]["detail"].as_str().unwrap().contains("tried again every 2s"), "{health}");
    }

    #[test]
    #[ignore = "needs a namespace"]
    fn a_store_that_could_not_be_read_at_the_start_is_taken_up() {
        let home = home();
        let upstream = lived_in(&home);
        killed_after_a_change(&home, project);
        remount("remount,ro");
        let node = home.start();
        let (mut client, mut server, ..) = through(node.external("development"), "/default/chat/v1.0", &upstream);
        waits(&node, "can only be read");
        let before = node.admin.get("/snapshot").expect(200);
        remount("remount,rw");
        is_well(&node);
        node.logged("the store takes changes again");
        // Nothing of it is other than what is served, and nothing was sent to a shard.
        assert_eq!(node.admin.get("/snapshot").expect(200)["number"], before["number"]);
        alive(&mut client, &mut server);
        assert_eq!(node.admin.get("/projects/later").expect(200)["description"], "acknowledged");
        node.deploy("/apis/default/chat/1.0", "production");
        alive(&mut client, &mut server);
        until("the last good snapshot is written again", || {
            String::from_utf8(bytes(&home.file("snapshot.json"))).unwrap().contains("production").then_some(())
        });
        node.stop();
        is_well(&home.start());
    }

    #[test]
    #[ignore = "needs a namespace"]
    fn what_was_acknowledged_and_not_in_the_snapshot_comes_with_the_store() {
        let home = home();
        let upstream = lived_in(&home);
        let other = Upstream::listen();
        home.configure(&USUAL.replacen("\"development\"", "\"development\"\nvariables.GONE = \"127.0.0.1\"", 1));
        killed_after_a_change(&home, |node| {
            node.serve("Other", &[ws(other.address())]);
            node.serve("Unfilled", &["ws://${GONE}:9000".to_owned()]);
        });
        // What cannot be served any more keeps nothing else from being served.
        home.configure(USUAL);
        remount("remount,ro");
        let node = home.start();
        let (mut client, mut server, ..) = through(node.external("development"), "/default/chat/v1.0", &upstream);
        assert_eq!(answered(node.external("development"), "/default/other/v1.0").0, 404);
        remount("remount,rw");
        is_well(&node);
        until("the other is served", || {
            let health = node.admin.get("/health").expect(200);
            let shards = health["shards"].as_array().unwrap();
            shards.iter().all(|shard| shard["snapshot"] == 2).then_some(())
        });
        let (mut others, mut theirs, ..) = through(node.external("development"), "/default/other/v1.0", &other);
        alive(&mut others, &mut theirs);
        node.logged("cannot be served");
        alive(&mut client, &mut server);
        let connections = node.admin.all("/connections");
        assert!(connections.iter().all(|connection| connection["closing"].is_null()), "{connections:?}");
        kept(&home, "other");
    }

    #[test]
    #[ignore = "needs a namespace"]
    fn a_store_that_had_no_room_at_the_start_is_taken_up() {
        let home = home();
        let upstream = lived_in(&home);
        killed_after_a_change(&home, project);
        fill();
        let node = home.start();
        let (mut client, mut server, ..) = through(node.external("development"), "/default/chat/v1.0", &upstream);
        waits(&node, "full");
        fs::remove_file(FILLER).unwrap();
        is_well(&node);
        alive(&mut client, &mut server);
        node.admin.get("/projects/later").expect(200);
        node.deploy("/apis/default/chat/1.0", "production");
    }

    #[test]
    #[ignore = "needs a namespace"]
    fn what_is_declared_is_applied_once_there_is_a_store() {
        let home = home();
        let upstream = lived_in(&home);
        killed_after_a_change(&home, project);
        let declared = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
        let text = "apiVersion: ringway/v1\nkind: Api\nname: Declared\nversion: 1.0\ntargets: [ws://127.0.0.1:9]\n";
        fs::write(declared.path(), text).unwrap();
        remount("remount,ro");
        let node = home.try_start_with(&["--apply", declared.path().to_str().unwrap()]).ok().unwrap();
        node.logged("is not applied");
        serves(&node, &upstream);
        remount("remount,rw");
        is_well(&node);
        node.admin.get("/apis/default/declared/1.0").expect(200);
    }

    #[test]
    #[ignore = "needs a namespace"]
    fn a_store_that_turns_out_damaged_is_left_alone() {
        let home = home();
        let upstream = lived_in(&home);
        killed_after_a_change(&home, project);
        damage(&home, "ringway.db", 4096);
        let damaged = bytes(&home.file("ringway.db"));
        remount("remount,ro");
        let node = home.start();
        waits(&node, "can only be read");
        remount("remount,rw");
        node.logged("damaged");
        takes_no_change(&node, "store-unavailable", "damaged");
        serves(&node, &upstream);
        let health = node.admin.get("/health").expect(200);
        assert!(!health["store"]["detail"].as_str().unwrap().contains("tried again"), "{health}");
        node.stop();
        assert!(bytes(&home.file("ringway.db")) == damaged, "the damaged store was changed");
    }
}
