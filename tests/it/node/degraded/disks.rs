//! Disks that are full, or can only be read: a file system in memory, in a namespace of the test's own.

use std::fs::File;
use std::io::Write;
use std::process::Command;

use crate::harness::namespace::in_namespaces;
use crate::harness::node::{Home, USUAL};

in_namespaces! {
    "mount -t tmpfs -o size=3m none /mnt";
    a_full_disk_stops_changes_until_there_is_room
    a_node_starts_and_serves_on_a_full_disk
    a_disk_that_can_only_be_read_is_served_from
}

/// The file that fills the disk.
pub(super) const FILLER: &str = "/mnt/filler";

pub(super) fn home() -> Home {
    Home::in_folder(tempfile::TempDir::new_in("/mnt").unwrap(), USUAL)
}

/// Leaves no byte free.
pub(super) fn fill() {
    let mut file = File::create(FILLER).unwrap();
    for chunk in [4096, 1] {
        while file.write_all(&vec![0; chunk]).is_ok() {}
    }
}

pub(super) fn remount(options: &str) {
    let done = Command::new("mount").args(["-o", options, "/mnt"]).status().unwrap();
    assert!(done.success(), "mount -o {options} /mnt");
}

mod inside {
    use std::fs;

    use serde_json::json;

    use super::super::{is_well, lived_in, serves, takes_no_change};
    use super::{FILLER, fill, home, remount};
    use crate::harness::node::{Node, alive, through};
    use crate::harness::until;

    /// The existing APIs can be read.
    fn reads(node: &Node) {
        assert_eq!(node.admin.get("/apis/default/chat/1.0").expect(200)["deployments"][0]["status"], "running");
        for path in ["/apis", "/audit", "/projects", "/environments", "/apis/default/chat/1.0/revisions"] {
            assert!(!node.admin.all(path).is_empty(), "{path}");
        }
    }

    /// Changes until the disk takes no more: how many it took.
    fn exhaust(node: &Node) -> u64 {
        (0..)
            .find(|number| {
                let body = json!({ "description": "x".repeat(2000) });
                let answer = node.admin.put(&format!("/projects/p{number}"), &body);
                assert!([201, 503].contains(&answer.status), "{}{}", answer.head, answer.text);
                answer.status == 503
            })
            .unwrap()
    }

    #[test]
    #[ignore = "needs a namespace"]
    fn a_full_disk_stops_changes_until_there_is_room() {
        let home = home();
        let upstream = lived_in(&home);
        let node = home.start();
        let (mut client, mut server, ..) = through(node.external("development"), "/default/chat/v1.0", &upstream);
        fill();
        let made = exhaust(&node);
        takes_no_change(&node, "store-full", "full");
        assert_eq!(node.admin.get("/health").expect(200)["store"]["state"], "full");
        serves(&node, &upstream);
        alive(&mut client, &mut server);
        reads(&node);
        // Nothing of what was refused is kept, and all that was not is.
        let projects = node.admin.all("/projects").len() as u64;
        assert_eq!(projects, 1 + made);
        fs::remove_file(FILLER).unwrap();
        is_well(&node);
        node.logged("the store takes changes again");
        node.deploy("/apis/default/chat/1.0", "production");
        alive(&mut client, &mut server);
        node.stop();
        let node = home.start();
        is_well(&node);
        assert_eq!(node.admin.all("/projects").len() as u64, projects);
    }

    #[test]
    #[ignore = "needs a namespace"]
    fn a_node_starts_and_serves_on_a_full_disk() {
        let home = home();
        let upstream = lived_in(&home);
        fill();
        let node = home.start();
        serves(&node, &upstream);
        takes_no_change(&node, "store-full", "full");
        reads(&node);
        fs::remove_file(FILLER).unwrap();
        is_well(&node);
        node.deploy("/apis/default/chat/1.0", "production");
        until("the last good snapshot is written again", || {
            let kept = fs::read_to_string(home.file("snapshot.json")).unwrap();
            kept.contains("production").then_some(())
        });
    }

    #[test]
    #[ignore = "needs a namespace"]
    fn a_disk_that_can_only_be_read_is_served_from() {
        let home = home();
        let upstream = lived_in(&home);
        remount("remount,ro");
        let node = home.start();
        serves(&node, &upstream);
        takes_no_change(&node, "store-read-only", "can only be read");
        assert_eq!(node.admin.get("/health").expect(200)["store"]["state"], "read-only");
        reads(&node);
        remount("remount,rw");
        is_well(&node);
        reads(&node);
        node.deploy("/apis/default/chat/1.0", "production");
    }
}
