//! A backup that is copied over the database of a killed node, beside the log that the node left there.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::Backup;
use serde_json::json;

use super::{home, is_well, lived_in, serves};
use crate::harness::node::{Home, Node, bytes};

/// Makes a backup of the first database at the second path.
type BackUp = fn(&Path, &Path);

/// The ways to make a backup of a database that is in use.
const WAYS: [(&str, BackUp); 2] = [
    ("VACUUM INTO", |from, to| {
        let sql = format!("VACUUM INTO '{}'", to.display());
        Connection::open(from).unwrap().execute_batch(&sql).unwrap();
    }),
    (".backup", |from, to| {
        let (from, mut to) = (Connection::open(from).unwrap(), Connection::open(to).unwrap());
        Backup::new(&from, &mut to).unwrap().run_to_completion(1000, std::time::Duration::ZERO, None).unwrap();
    }),
];

/// The names of the node's projects.
fn projects(node: &Node) -> Vec<String> {
    node.admin.all("/projects").iter().map(|project| project["name"].as_str().unwrap().to_owned()).collect()
}

fn make(node: &Node, project: &str) {
    node.admin.put(&format!("/projects/{project}"), &json!({ "description": project })).expect(201);
}

/// The logs that were put aside.
fn aside(home: &Home) -> Vec<String> {
    let names = fs::read_dir(home.state()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("aside")).collect()
}

#[test]
fn c8_a_backup_over_a_killed_node_s_database_is_what_is_served() {
    for (way, back_up) in WAYS {
        let home = home();
        let upstream = lived_in(&home);
        let backup = home.configuration().with_file_name("backup.db");
        let node = home.start();
        make(&node, "before");
        back_up(&home.file("ringway.db"), &backup);
        make(&node, "later");
        for number in 0..20 {
            make(&node, &format!("later-{number}"));
        }
        node.kill();
        let log = bytes(&home.file("ringway.db-wal"));
        assert!(!log.is_empty(), "{way}: the killed node left no log");
        fs::copy(&backup, home.file("ringway.db")).unwrap();

        let node = home.start();
        let line = node.logged("was replaced while ringway.db-wal held changes");
        assert!(line.contains("ringway.db-wal.aside-1"), "{way}: {line}");
        assert_eq!(projects(&node), ["before", "default"], "{way}");
        assert!(bytes(&home.file("ringway.db-wal.aside-1")) == log, "{way}: the log is not kept as it was");
        is_well(&node);
        serves(&node, &upstream);
        make(&node, "after");
        node.stop();
        let store = Connection::open(home.file("ringway.db")).unwrap();
        let sound: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok", "{way}");
        drop(store);
        let node = home.start();
        assert_eq!(projects(&node), ["after", "before", "default"], "{way}");
        assert_eq!(aside(&home), ["ringway.db-wal.aside-1"], "{way}");
    }
}

#[test]
fn c8_a_log_that_belongs_to_its_database_is_never_put_aside() {
    let home = home();
    lived_in(&home);
    let node = home.start();
    make(&node, "one");
    node.kill();
    // A copy of the whole directory, as a volume's snapshot is one: modes and times are others, and the files belong together.
    let copy = super::home();
    fs::create_dir(copy.state()).unwrap();
    for entry in fs::read_dir(home.state()).unwrap() {
        let entry = entry.unwrap();
        fs::write(copy.state().join(entry.file_name()), fs::read(entry.path()).unwrap()).unwrap();
    }
    let earlier: Vec<_> = ["ringway.db", "ringway.db-wal"].map(|name| (name, bytes(&home.file(name)))).into();
    for home in [&home, &copy] {
        let node = home.start();
        assert_eq!(projects(&node), ["default", "one"]);
        make(&node, "two");
        node.kill();
    }
    // Database and log of an earlier time together, over those of a later one.
    for (name, bytes) in earlier {
        fs::write(home.file(name), bytes).unwrap();
    }
    fs::remove_file(home.file("ringway.db-shm")).unwrap();
    let node = home.start();
    assert_eq!(projects(&node), ["default", "one"]);
    node.kill();
    // A node of an earlier version left no note.
    let node = copy.start();
    make(&node, "three");
    node.kill();
    fs::remove_file(copy.file("ringway.db-wal.note")).unwrap();
    assert_eq!(projects(&copy.start()), ["default", "one", "three", "two"]);
    assert!(aside(&home).is_empty() && aside(&copy).is_empty());
}

#[test]
fn c8_a_long_log_is_moved_to_the_database_and_a_kill_loses_nothing() {
    let home = home();
    lived_in(&home);
    let node = home.start();
    let long = "x".repeat(900);
    let mut longest = 0;
    for number in 0..700 {
        node.admin.put(&format!("/projects/p{number}"), &json!({ "description": long })).expect(201);
        longest = longest.max(fs::metadata(home.file("ringway.db-wal")).unwrap().len());
    }
    let now = fs::metadata(home.file("ringway.db-wal")).unwrap().len();
    assert!(now < longest && longest < 8 << 20, "the log has {now} bytes, and had {longest}");
    node.kill();
    let node = home.start();
    assert_eq!(projects(&node).len(), 701);
    assert!(aside(&home).is_empty());
}
