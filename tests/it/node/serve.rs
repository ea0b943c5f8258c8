//! `ringway serve`: its state directory, what it does without its store, and how it ends.

#![allow(unsafe_code, reason = "system calls without a safe wrapper")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::node::{Home, Node, USUAL, alive, refuses, through, told, ws};
use crate::harness::process::run;
use crate::harness::{Peer, Upstream, until};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A node that served one API, and ended.
fn served(upstream: &Upstream) -> (Home, String) {
    let home = Home::new(USUAL);
    let node = home.start();
    let (_, base) = node.serve("Chat", &[ws(upstream.address())]);
    node.stop();
    (home, base)
}

#[test]
fn the_state_directory_is_its_owners_alone_and_says_where_the_node_is() {
    let home = Home::new(USUAL);
    let node = home.start();
    assert_eq!(mode(&home.state()), 0o700);
    for file in ["admin-token", "admin.addr", "ringway.db", "lock"] {
        assert_eq!(mode(&home.file(file)), 0o600, "{file}");
    }
    let address = fs::read_to_string(home.file("admin.addr")).unwrap();
    assert_eq!(address, format!("{}\n", node.admin.address()));
    let state = home.state().display().to_string();
    let (code, out, errors) = run(&["env", "list", "--state", &state, "-o", "json"]);
    assert_eq!(code, 0, "{errors}");
    let environments: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(environments[0]["external"], node.external("development").to_string());
    let token = fs::read(home.file("admin-token")).unwrap();
    node.stop();
    assert!(!home.file("admin.addr").exists(), "it says where a node was");
    home.start().stop();
    assert_eq!(fs::read(home.file("admin-token")).unwrap(), token);
}

#[test]
fn a_second_node_does_not_get_the_state_directory_of_a_running_one() {
    let home = Home::new(USUAL);
    let node = home.start();
    let (code, log) = home.try_start().map(|_| ()).unwrap_err();
    assert_eq!(code, Some(1));
    assert!(log.contains("another node") && log.contains("--state"), "{log}");
    node.admin.get("/environments").expect(200);
    assert!(home.file("admin.addr").exists());
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = Upstream::listen();
    for configuration in [
        format!(
            "\n[[environments]]\nname = \"development\"\nexternal.listen = \"{}\"\ninternal.listen = \"127.0.0.1:0\"\n",
            taken.address()
        ),
        format!("metrics.listen = \"{}\"{USUAL}", taken.address()),
    ] {
        let (code, log) = Home::new(&configuration).try_start().map(|_| ()).unwrap_err();
        assert_eq!(code, Some(1));
        assert!(log.contains(&format!("cannot listen on {}: Address already in use", taken.address())), "{log}");
    }
}

#[test]
fn the_announcement_is_no_reason_to_wait() {
    use std::process::{Command, Stdio};
    let home = Home::new(USUAL);
    let (reader, writer) = std::io::pipe().unwrap();
    // As long as somebody holds the reading end and reads nothing.
    let fill = vec![b'x'; 1 << 20];
    let mut full = writer.try_clone().unwrap();
    std::thread::spawn(move || std::io::Write::write_all(&mut full, &fill));
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringway"))
        .args(["serve", "--config"])
        .arg(home.configuration())
        .arg("--state")
        .arg(home.state())
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it serves", || fs::read_to_string(home.file("admin.addr")).ok());
    let state = home.state().display().to_string();
    assert_eq!(run(&["api", "list", "--state", &state]).0, 0);
    // SAFETY: the process is a child that has not been waited for, so the number is its.
    assert_eq!(unsafe { libc::kill(i32::try_from(child.id()).unwrap(), libc::SIGTERM) }, 0);
    let ended = until("it hears a signal and ends", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
    drop(reader);
}

#[test]
fn without_its_store_it_serves_what_was_deployed_last_and_changes_nothing() {
    let upstream = Upstream::listen();
    let (home, base) = served(&upstream);
    fs::write(home.file("ringway.db"), "no database at all, and long enough to be looked at").unwrap();
    let kept = fs::read(home.file("snapshot.json")).unwrap();
    let node = home.start();
    node.logged("the store is damaged");
    let (mut client, mut server, ..) = through(node.external("development"), &base, &upstream);
    alive(&mut client, &mut server);
    let new = json!({ "name": "News", "version": "1.0", "targets": ["ws://127.0.0.1:9"] });
    node.admin.post("/apis", &new).refused(503, "store-unavailable");
    let health = node.admin.get("/health").json;
    assert_eq!((health["status"].as_str(), health["store"]["state"].as_str()), (Some("degraded"), Some("unavailable")));
    // The configuration is read again all the same.
    home.configure(&format!("log.level = \"debug\"{USUAL}"));
    node.signal(libc::SIGHUP);
    node.logged("the configuration is reloaded changed=1");
    alive(&mut client, &mut server);
    drop((client, server));
    node.stop();
    assert_eq!(fs::read(home.file("snapshot.json")).unwrap(), kept);
    assert!(!fs::read_to_string(home.file("ringway.db")).unwrap().contains("SQLite"), "nobody touched it");

    // Without either it is a first start.
    fs::remove_file(home.file("ringway.db")).unwrap();
    fs::remove_file(home.file("snapshot.json")).unwrap();
    let node = home.start();
    refuses(node.external("development"), &base, 404, "route-not-found");
}

#[test]
fn what_the_last_good_snapshot_holds_is_looked_at_before_it_is_served() {
    let upstream = Upstream::listen();
    let (home, _) = served(&upstream);
    // A file that is gone is written whole, in one line.
    fs::remove_file(home.file("snapshot.json")).unwrap();
    home.start().stop();
    let good = fs::read_to_string(home.file("snapshot.json")).unwrap();
    fs::write(home.file("ringway.db"), "no database at all, and long enough to be looked at").unwrap();
    let one = good.split_once("\"deployed\":[").unwrap().1.trim_end().trim_end_matches("]}");
    for (text, says) in [
        (String::new(), "it is damaged: EOF"),
        (good[..good.len() - 5].to_owned(), "it is damaged"),
        (good.replace("ws://", "wss://"), "its checksum is another"),
        (good.replace("\"form\":3", "\"form\":4"), "it has form 4, and this program knows forms 1 to 3"),
        ([&good, "{}\n"].concat(), "it is damaged: line 2: missing field"),
        (good.replace("ws://127", "ftp://127"), "it is damaged: it must begin with ws://"),
        (good.replace("\"id\":1", "\"id\":1,\"more\":1"), "unknown field `more`"),
        (good.replace(one, &format!("{one},{one}")), "checksum"),
        ("[".repeat(100_000), "it is damaged"),
    ] {
        fs::write(home.file("snapshot.json"), text).unwrap();
        let (code, log) = home.try_start().map(|_| ()).unwrap_err();
        assert_eq!(code, Some(1));
        assert!(log.contains("no last good snapshot") && log.contains(says), "{says}: {log}");
    }
    fs::remove_file(home.file("snapshot.json")).unwrap();
    let (code, log) = home.try_start().map(|_| ()).unwrap_err();
    assert_eq!((code, log.contains("No such file")), (Some(1), true), "{log}");
    fs::write(home.file("snapshot.json"), &good).unwrap();
    home.start().stop();
}

#[test]
fn the_last_good_snapshot_follows_what_is_deployed_and_is_whole_at_the_end() {
    let home = Home::new(USUAL);
    let node = home.start();
    let deployed = || -> Vec<String> {
        let text = fs::read_to_string(home.file("snapshot.json")).unwrap_or_default();
        let mut all = BTreeMap::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            // The first line has everything, a later one what changed.
            let change = line.get("change").unwrap_or(&line);
            let of = |name: &str| change[name].as_array().cloned().unwrap_or_default();
            all.extend(of("deployed").into_iter().map(|one| (one["id"].as_u64(), one["key"]["identifier"].clone())));
            for id in of("removed") {
                all.remove(&id.as_u64()).expect("only what was there is removed");
            }
        }
        all.values().map(|identifier| identifier.as_str().unwrap().to_owned()).collect()
    };
    until("there is one from the start", || home.file("snapshot.json").exists().then_some(()));
    let (api, _) = node.serve("One", &["ws://127.0.0.1:9".to_owned()]);
    until("it has what was deployed", || (deployed() == ["one"]).then_some(()));
    assert_eq!(mode(&home.file("snapshot.json")), 0o600);
    node.serve("Two", &["ws://127.0.0.1:9".to_owned()]);
    node.admin.delete(&format!("{api}/deployments/development")).expect(204);
    node.serve("Three", &["ws://127.0.0.1:9".to_owned()]);
    // At once: there is not always time for the next second's writing.
    node.stop();
    assert_eq!(deployed(), ["two", "three"]);
    let left = fs::read_dir(home.state()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut left: Vec<String> = left.collect();
    left.sort();
    assert_eq!(left, ["admin-token", "keys.json", "lock", "ringway.db", "snapshot.json"]);
}

#[test]
fn a_snapshot_that_cannot_be_written_is_told_of_until_it_can() {
    let home = Home::new(USUAL);
    let node = home.start();
    until("there is one from the start", || home.file("snapshot.json").exists().then_some(()));
    // Where a file is to be renamed to there must be no folder with something in it.
    fs::remove_file(home.file("snapshot.json")).unwrap();
    fs::create_dir_all(home.file("snapshot.json").join("in the way")).unwrap();
    node.serve("Chat", &["ws://127.0.0.1:9".to_owned()]);
    node.logged("the last good snapshot cannot be written");
    let problems = node.admin.get("/health").json["problems"].to_string();
    assert!(problems.contains("snapshot.json"), "{problems}");
    fs::remove_dir_all(home.file("snapshot.json")).unwrap();
    node.stop();
    assert!(home.file("snapshot.json").is_file());
}

#[test]
fn it_drains_at_the_first_signal_and_ends_at_the_second() {
    let upstream = Upstream::listen();
    let node = Node::start("drain_window_ms = 1");
    let (_, base) = node.serve("Chat", &[ws(upstream.address())]);
    let (client, server, ..) = through(node.external("development"), &base, &upstream);
    node.signal(libc::SIGTERM);
    told(client, server, (1001, 1001));
    assert_eq!(node.ended().code(), Some(0));
    assert!(node.log().contains("all connections closed"), "{}", node.log());

    // One shard: another without a connection would be gone, and not answer.
    let node = Node::start("cpus = \"0\"\ndrain_window_ms = \"1m\"\nlimits.drain_timeout_ms = \"1h\"");
    let (_, base) = node.serve("Chat", &[ws(upstream.address())]);
    let (_client, _server, ..) = through(node.external("development"), &base, &upstream);
    node.signal(libc::SIGTERM);
    node.logged("shutting down");
    // What is being drained can be looked at meanwhile.
    let open = node.admin.all("/connections").len();
    assert_eq!(open, 1);
    node.signal(libc::SIGTERM);
    assert_eq!(node.ended().code(), Some(1));
}

#[test]
fn the_metrics_listener_asks_for_no_token_and_serves_nothing_else() {
    let node = Node::start("metrics.listen = \"127.0.0.1:0\"");
    let line = node.announced().lines().find_map(|line| line.trim().strip_prefix("metrics: http://")).unwrap();
    let at = line.parse().unwrap();
    let ask = |path: &str| {
        let mut client = Peer::connect(at);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: figures\r\nConnection: close\r\n\r\n").as_bytes());
        client.head()
    };
    assert!(ask("/metrics").starts_with("HTTP/1.1 200 "));
    assert!(ask("/api/v1/health").starts_with("HTTP/1.1 404 "));
}

#[test]
fn declared_state_is_applied_at_the_start_and_on_sighup() {
    let (upstream, files) = (Upstream::listen(), tempfile::tempdir().unwrap());
    let file = files.path().join("chat.yaml");
    let document = |description: &str| {
        format!(
            "apiVersion: ringway/v1\nkind: Api\nproject: default\nidentifier: chat\nversion: \"1.0\"\nname: Chat\n\
             description: {description}\ntargets: [\"{}\"]\ndeployments:\n- environment: development\n",
            ws(upstream.address())
        )
    };
    let home = Home::new(USUAL);
    let options = ["--apply", files.path().to_str().unwrap()];
    fs::write(&file, "apiVersion: ringway/v1\nkind: Api\n").unwrap();
    let (code, log) = home.try_start_with(&options).map(|_| ()).unwrap_err();
    assert_eq!((code, log.contains("chat.yaml:")), (Some(3), true), "{log}");

    fs::write(&file, document("first")).unwrap();
    let node = home.try_start_with(&options).unwrap();
    // The node tries whether it can reach the targets.
    upstream.accept().ends();
    // Served from the first moment on: it was deployed before anybody was let in.
    let (mut client, mut server, ..) = through(node.external("development"), "/default/chat/v1.0", &upstream);
    fs::write(&file, document("second")).unwrap();
    node.signal(libc::SIGHUP);
    let described = |text: &str| (node.admin.get("/apis/default/chat/1.0").json["description"] == text).then_some(());
    until("it is applied again", || described("second"));
    fs::write(&file, "nonsense: [").unwrap();
    node.signal(libc::SIGHUP);
    node.logged("is not applied");
    until("the health page tells of it", || {
        node.admin.get("/health").json["problems"].to_string().contains("declared state").then_some(())
    });
    described("second").unwrap();
    let audit = node.admin.all("/audit");
    assert!(audit.iter().all(|entry| entry["who"] == "ringway"), "{audit:?}");
    alive(&mut client, &mut server);
}
