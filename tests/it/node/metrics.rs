//! The figures of the real process: what a client did is what they say.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tungstenite::Message;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::harness::node::{Home, Node, USUAL, refuses, ws};
use crate::harness::{EchoServer, admin, client, until};

/// Every figure by its name and labels, as they stand in the text. Read by rules of OpenMetrics that the writer does not
/// know: each family once, its figures together, `# EOF` last.
fn figures(text: &str) -> BTreeMap<String, f64> {
    let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    let (mut figures, mut families, mut family) = (BTreeMap::new(), Vec::<String>::new(), String::new());
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.split(' ');
            let (what, name) = (words.next().unwrap(), words.next().unwrap());
            assert!(matches!(what, "HELP" | "TYPE" | "UNIT"), "{line}");
            if name != family {
                assert!(!families.iter().any(|known| known == name), "{name} is there twice");
                families.push(name.to_owned());
                name.clone_into(&mut family);
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with(&family), "{line} among the figures of {family}");
        let known = figures.insert(name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")));
        assert!(known.is_none(), "{name} is there twice");
    }
    figures
}

fn scrape(node: &Node) -> BTreeMap<String, f64> {
    let answer = node.admin.figures();
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    figures(&answer.text)
}

fn of(identifier: &str, more: &str) -> String {
    format!("{{project=\"default\",api=\"{identifier}\",version=\"1.0\",environment=\"development\"{more}}}")
}

#[test]
fn what_a_client_did_is_what_the_figures_say() {
    let server = EchoServer::start();
    let node = Node::start("drain_window_ms = 100");
    let path = node.serve("chat", &[ws(server.address())]).1;
    let before = scrape(&node);
    let of_clients = |name: &String| name.contains("api=\"chat\"") && !name.starts_with("ringway_endpoint_up");
    assert!(!before.keys().any(of_clients), "nobody has come yet");
    let mut sockets: Vec<_> = (0..5).map(|_| client::connect_path(node.external("development"), &path)).collect();
    for socket in &mut sockets {
        for _ in 0..3 {
            socket.send(Message::text("hello")).unwrap();
            assert_eq!(socket.read().unwrap(), Message::text("hello"));
        }
    }
    for (socket, code) in sockets.iter_mut().zip([CloseCode::Normal, CloseCode::Library(4000)]) {
        socket.close(Some(CloseFrame { code, reason: "".into() })).unwrap();
        while socket.read().is_ok() {}
    }
    refuses(node.external("development"), "/nowhere", 404, "route-not-found");
    let chat = |name: &str, more: &str| format!("{name}{}", of("chat", more));
    let after = until("two connections have ended", || {
        let figures = scrape(&node);
        (figures.get(&chat("ringway_connections_open", "")) == Some(&3.0)).then_some(figures)
    });
    for (name, more, value) in [
        ("ringway_connections_opened_total", "", 5.0),
        ("ringway_handshakes_total", ",result=\"opened\"", 5.0),
        ("ringway_handshakes_total", ",result=\"refused\"", 0.0),
        ("ringway_messages_total", ",direction=\"from_client\"", 15.0),
        ("ringway_messages_total", ",direction=\"from_upstream\"", 15.0),
        ("ringway_closes_total", ",side=\"client\",code=\"1000\"", 1.0),
        ("ringway_closes_total", ",side=\"client\",code=\"other\"", 1.0),
        ("ringway_closes_total", ",side=\"upstream\",code=\"1000\"", 1.0),
        ("ringway_ends_total", ",reason=\"client_closed\"", 2.0),
        ("ringway_dial_seconds_count", "", 5.0),
        ("ringway_handshake_seconds_count", "", 5.0),
        ("ringway_draining_connections", "", 0.0),
    ] {
        assert_eq!(after.get(&chat(name, more)), Some(&value), "{}", chat(name, more));
    }
    // Frames of five bytes with their headers, and close frames with a code.
    assert_eq!(after[&chat("ringway_bytes_total", ",direction=\"from_client\"")], f64::from(15 * 11 + 2 * 8));
    assert_eq!(after[&chat("ringway_bytes_total", ",direction=\"from_upstream\"")], f64::from(15 * 7 + 2 * 4));
    let nobody = "{project=\"\",api=\"\",version=\"\",environment=\"\",reason=\"route-not-found\"}";
    assert_eq!(after.get(&format!("ringway_refusals_total{nobody}")), Some(&1.0));
    assert_eq!(after["ringway_deployments"], 1.0);
    assert_eq!(after["ringway_store_state{state=\"ok\"}"], 1.0);
    let entries = node.admin.get("/audit?limit=1").expect(200)["items"][0]["id"].as_f64().unwrap();
    assert_eq!(after["ringway_audit_entries_total"], entries);
    assert_eq!(after["ringway_shard_up{shard=\"0\"}"], 1.0);
    assert!(after["ringway_shard_running_seconds_total{shard=\"0\"}"] > 0.0);
    assert!(after["process_open_fds"] > 10.0 && after["process_resident_memory_bytes"] > 1e6);
}

#[test]
fn no_counter_falls_when_an_api_goes_and_comes_back() {
    let server = EchoServer::start();
    let node = Node::start("drain_window_ms = 1");
    let opened = format!("ringway_connections_opened_total{}", of("chat", ""));
    let mut before = BTreeMap::new();
    for round in 1..=3_u32 {
        let path = node.serve("chat", &[ws(server.address())]).1;
        let mut socket = client::connect_path(node.external("development"), &path);
        socket.send(Message::text("hello")).unwrap();
        socket.read().unwrap();
        node.admin.delete("/apis/default/chat/1.0").expect(204);
        while socket.read().is_ok() {}
        // Else the proxy would wait some seconds for this end of it.
        drop(socket);
        let after = until("its connection is counted, and has ended", || {
            let figures = scrape(&node);
            let open = figures.get(&format!("ringway_connections_open{}", of("chat", "")));
            (figures.get(&opened) == Some(&f64::from(round)) && open == Some(&0.0)).then_some(figures)
        });
        for (name, value) in before.iter().filter(|(name, _): &(&String, &f64)| is_counter(name)) {
            assert!(
                after.get(name).is_some_and(|now| now >= value),
                "{name} fell from {value} to {:?}",
                after.get(name)
            );
        }
        before = after;
    }
}

fn is_counter(name: &str) -> bool {
    let name = name.split('{').next().unwrap();
    ["_total", "_bucket", "_count", "_sum"].iter().any(|suffix| name.ends_with(suffix))
}

#[test]
fn a_listener_of_its_own_has_the_figures_and_nothing_else() {
    let node = Node::with(&format!("[metrics]\nlisten = \"127.0.0.1:0\"\n{USUAL}"));
    let announced = node.announced();
    let at = announced.lines().find_map(|line| line.trim().strip_prefix("metrics: http://")).unwrap();
    let address: SocketAddr = at.split('/').next().unwrap().parse().unwrap();
    let ask = |line: &str, lines: &str| {
        admin::raw(address, &format!("{line} HTTP/1.1\r\nHost: scraped.test\r\nConnection: close\r\n{lines}\r\n"))
    };
    let plain = ask("GET /metrics", "");
    assert!(plain_figures(&plain.text).contains_key("ringway_build_info{version=\"0.1.0\"}"));
    let open = ask("GET /metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n");
    assert!(figures(&open.text).contains_key("ringway_build_info{version=\"0.1.0\"}"));
    ask("GET /metrics", "Origin: http://evil.test\r\n").refused(403, "origin-not-allowed");
    ask("POST /metrics", "").refused(405, "method-not-allowed");
    for path in ["/", "/api/v1/health/live", "/api/v1/apis", "/api/v1/openapi.json"] {
        let with_token = format!("Authorization: Bearer {}\r\n", node.admin.token());
        ask(&format!("GET {path}"), &with_token).refused(404, "path-not-found");
    }
}

/// Every figure by its name and labels, read by the rules of the text format 0.0.4 that the writer does not know: each family
/// has one TYPE line before its samples, whose kind that format has, and samples are named as it says.
fn plain_figures(text: &str) -> BTreeMap<String, f64> {
    let (mut figures, mut families) = (BTreeMap::new(), BTreeMap::<String, String>::new());
    let (mut family, mut helped) = (String::new(), String::new());
    assert!(text.ends_with('\n') && !text.contains('\r'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            rest.split(' ').next().unwrap().clone_into(&mut helped);
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
            assert_eq!(name, helped, "HELP and TYPE have one name");
            assert!(kind != "counter" || name.ends_with("_total"), "{line}");
            assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is there twice");
            name.clone_into(&mut family);
            continue;
        }
        assert!(!line.starts_with('#') && !line.is_empty(), "{line:?}");
        let (name, value) = line.rsplit_once(' ').unwrap();
        let bare = name.split('{').next().unwrap();
        let suffixes: &[&str] = if families[&family] == "histogram" { &["_bucket", "_count", "_sum"] } else { &[""] };
        assert!(suffixes.iter().any(|suffix| bare == format!("{family}{suffix}")), "{line} among {family}");
        let known = figures.insert(name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")));
        assert!(known.is_none(), "{name} is there twice");
    }
    figures
}

#[test]
fn c7_the_format_is_negotiated_and_both_say_the_same() {
    let server = EchoServer::start();
    let node = Node::start("");
    let path = node.serve("chat", &[ws(server.address())]).1;
    let _open = client::connect_path(node.external("development"), &path);
    let plain = "text/plain; version=0.0.4; charset=utf-8";
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    for (lines, kind) in [
        ("", plain),
        ("Accept: */*\r\n", plain),
        ("Accept: text/plain\r\n", plain),
        ("Accept: text/plain;version=0.0.4;q=1,*/*;q=0.1\r\n", plain),
        ("Accept: application/json\r\n", plain),
        ("Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n", open),
        ("Accept: text/plain;q=0.2\r\nAccept: application/openmetrics-text\r\n", open),
    ] {
        let answer = node.admin.figures_for(lines);
        assert_eq!((answer.header("content-type"), answer.header("vary")), (Some(kind), Some("Accept")), "{lines}");
    }
    let labels = of("chat", "");
    until("both formats have the same figures", || {
        let (plain, open) = (plain_figures(&node.admin.figures_for("").text), scrape(&node));
        assert_eq!(plain.keys().collect::<Vec<_>>(), open.keys().collect::<Vec<_>>());
        let same = |name: &str| plain.get(name) == open.get(name);
        assert!(
            same(&format!("ringway_connections_opened_total{labels}")) && same("ringway_build_info{version=\"0.1.0\"}")
        );
        plain.contains_key(&format!("ringway_dial_seconds_bucket{{le=\"+Inf\",{}", &labels[1..])).then_some(())
    });
}

#[test]
fn c14_options_that_wait_for_a_restart_are_one_line_and_one_figure() {
    let home = Home::new(USUAL);
    let node = home.start();
    let pending = |node: &Node| {
        let health = node.admin.get("/health").expect(200);
        let options: Vec<String> =
            health["restart_pending"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
        (health["status"].as_str().unwrap().to_owned(), options)
    };
    assert_eq!(pending(&node), ("ok".to_owned(), Vec::new()));
    let more =
        "[[environments]]\nname = \"staging\"\nexternal.listen = \"127.0.0.1:0\"\ninternal.listen = \"127.0.0.1:0\"\n";
    home.configure(&format!("{USUAL}{more}"));
    node.signal(libc::SIGHUP);
    node.logged("the configuration is reloaded");
    let told: Vec<String> = node.log().lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect();
    assert!(told.len() == 1 && told[0].contains("environments.staging") && told[0].contains("restart"), "{told:#?}");
    assert_eq!(pending(&node), ("ok".to_owned(), vec!["environments.staging".to_owned()]));
    until("the figure says it", || (scrape(&node)["ringway_restart_pending_options"] == 1.0).then_some(()));
    // One that is gone from the file, before the other, and an option besides.
    let second = USUAL.split_inclusive("[[environments]]").nth(2).unwrap();
    home.configure(&format!("limits.max_connections = 7\n[[environments]]{second}"));
    node.signal(libc::SIGHUP);
    let expected = ["environments.development", "limits.max_connections"].map(str::to_owned);
    until("both are pending", || {
        let mut options = pending(&node).1;
        options.sort();
        (options == expected).then_some(())
    });
    home.configure(USUAL);
    node.signal(libc::SIGHUP);
    until("nothing is", || pending(&node).1.is_empty().then_some(()));
    until("the figure says it", || (scrape(&node)["ringway_restart_pending_options"] == 0.0).then_some(()));
}
