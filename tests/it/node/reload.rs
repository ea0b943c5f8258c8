//! SIGHUP to a node: what is had at once, what waits for a restart, and what a mistake does: nothing.

use serde_json::{Value, json};

use crate::harness::frame::{BINARY, FIN, masked};
use crate::harness::node::{Home, Node, USUAL, alive, refuses, through, told, ws};
use crate::harness::{Peer, Upstream, client, until};

/// The node reads its configuration, which is now this one, and says that it does.
#[track_caller]
fn reload(home: &Home, node: &Node, configuration: &str) {
    home.configure(configuration);
    let before = count(node);
    node.signal(libc::SIGHUP);
    until("the configuration is reloaded", || (count(node) > before).then_some(()));
}

fn count(node: &Node) -> usize {
    node.log().matches("the configuration is reloaded changed=").count()
}

/// Reloads a configuration that the node refuses, and returns what the log says.
#[track_caller]
fn keeps(home: &Home, node: &Node, configuration: &str) -> String {
    home.configure(configuration);
    let refused =
        || node.log().lines().filter(|line| line.contains("is not reloaded")).map(str::to_owned).collect::<Vec<_>>();
    let before = refused().len();
    node.signal(libc::SIGHUP);
    until("the configuration is refused", || refused().get(before).cloned())
}

#[test]
fn limits_change_for_who_is_there_and_who_comes_and_nobody_is_closed() {
    let (home, upstream) = (Home::new(USUAL), Upstream::listen());
    let node = home.start();
    let (_, base) = node.serve("Chat", &[ws(upstream.address())]);
    let at = node.external("development");
    let (mut client, mut server, ..) = through(at, &base, &upstream);
    reload(&home, &node, &format!("limits.max_message_bytes = 5\nlimits.max_frame_bytes = 5{USUAL}"));
    alive(&mut client, &mut server);
    client.send(&masked(FIN | BINARY, b"123456"));
    assert_eq!(client.close().0, Some(1009));
    let (mut second, _server, ..) = through(at, &base, &upstream);
    second.send(&masked(FIN | BINARY, b"123456"));
    assert_eq!(second.close().0, Some(1009));
    let entry = &node.admin.all("/audit")[0];
    assert_eq!((entry["action"].as_str(), entry["who"].as_str()), (Some("config.reload"), Some("ringway")));
    assert_eq!(entry["before"]["limits.max_frame_bytes"], 64 << 20);
    assert_eq!(entry["after"]["limits.max_frame_bytes"], 5);
    assert_eq!(entry["after"]["environments.production.limits.max_message_bytes"], 5);
}

#[test]
fn an_environments_own_limits_are_its_own() {
    let (home, upstream) = (Home::new(USUAL), Upstream::listen());
    let node = home.start();
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    node.deploy(&api, "production");
    let (mut dev, mut dev_server, ..) = through(node.external("development"), &base, &upstream);
    let (mut prod, _prod_server, ..) = through(node.external("production"), &base, &upstream);
    reload(&home, &node, &format!("{USUAL}limits.max_frame_bytes = 5\n"));
    alive(&mut dev, &mut dev_server);
    dev.send(&masked(FIN | BINARY, b"123456"));
    assert_eq!(dev_server.frame().payload, b"123456");
    prod.send(&masked(FIN | BINARY, b"123456"));
    assert_eq!(prod.close().0, Some(1009));
}

#[test]
fn a_variable_moves_the_apis_that_use_it_and_no_other() {
    let (old, new, other) = (Upstream::listen(), Upstream::listen(), Upstream::listen());
    let with = |address: &str| {
        format!("drain_window_ms = 1{USUAL}").replacen(
            "\n[[environments]]\nname = \"production\"",
            &format!("\nvariables = {{ UP = \"{address}\" }}\n[[environments]]\nname = \"production\""),
            1,
        )
    };
    let home = Home::new(&with(&old.address().to_string()));
    let node = home.start();
    let (_, base) = node.serve("Chat", &["ws://${UP}".to_owned()]);
    let (_, plain) = node.serve("Plain", &[ws(other.address())]);
    let at = node.external("development");
    let (client, server, ..) = through(at, &base, &old);
    let (mut beside, mut beside_server, ..) = through(at, &plain, &other);
    reload(&home, &node, &with(&new.address().to_string()));
    told(client, server, (1012, 1001));
    let (mut client, mut server, ..) = through(at, &base, &new);
    alive(&mut client, &mut server);
    alive(&mut beside, &mut beside_server);

    let why = keeps(&home, &node, &format!("drain_window_ms = 1{USUAL}"));
    assert!(why.contains("targets[0]") && why.contains("UP"), "{why}");
    alive(&mut client, &mut server);
    let (mut again, mut again_server, ..) = through(at, &base, &new);
    alive(&mut again, &mut again_server);
    let told = node.admin.get("/environments/development").json["variables"].clone();
    assert_eq!(told, json!(["UP"]), "the old configuration is still shown");
    assert!(!node.log().contains(&new.address().to_string()), "a variable's value is in the log");
    let audit = Value::from(node.admin.all("/audit")).to_string();
    assert!(!audit.contains(&new.address().to_string()), "a variable's value is in the audit");
}

#[test]
fn a_mistake_changes_nothing_and_is_told_until_it_is_mended() {
    let (home, upstream) = (Home::new(USUAL), Upstream::listen());
    let node = home.start();
    let (_, base) = node.serve("Chat", &[ws(upstream.address())]);
    let (mut client, mut server, ..) = through(node.external("development"), &base, &upstream);
    let path = home.configuration().display().to_string();
    for (wrong, says) in [
        (format!("preserve_host = true\nnonsense = 1{USUAL}"), ":2:1: nonsense: unknown field"),
        (format!("preserve_host = yes{USUAL}"), &*format!("{path}:1:")),
        (format!("preserve_host = true\ndrain_window_ms = \"1h\"{USUAL}"), "drain_window_ms: is 1h"),
        (format!("preserve_host = true{USUAL}upstream_tls.ca = [\"none.pem\"]\n"), "none.pem: there is no such file"),
        (format!("preserve_host = true\nlog.level = \"a=b=c\"{USUAL}"), "log.level"),
    ] {
        let why = keeps(&home, &node, &wrong);
        assert!(why.contains(says), "{why} does not say {says}");
        let problems = node.admin.get("/health").json["problems"].to_string();
        assert!(problems.contains("is not reloaded"), "{problems}");
        alive(&mut client, &mut server);
    }
    let (_, _, request, _) = through(node.external("development"), &base, &upstream);
    assert!(request.contains(&format!("Host: {}\r\n", upstream.address())), "{request}");
    reload(&home, &node, &format!("preserve_host = true{USUAL}"));
    assert_eq!(node.admin.get("/health").json["problems"], json!([]));
    let (_, _, request, _) = through(node.external("development"), &base, &upstream);
    assert!(request.contains("Host: proxy.test\r\n"), "{request}");
    alive(&mut client, &mut server);
    assert_eq!(node.admin.all("/audit").iter().filter(|entry| entry["action"] == "config.reload").count(), 1);
}

#[test]
fn what_needs_a_restart_keeps_its_value_and_is_named() {
    let (home, upstream) = (Home::new(USUAL), Upstream::listen());
    let node = home.start();
    let (api, base) = node.serve("Chat", &[ws(upstream.address())]);
    node.deploy(&api, "production");
    // Nothing of it is listened on.
    let configuration = "cpus = \"0\"\nlimits.max_connections = 7\nlimits.tcp_keepalive_ms = 1000\npreserve_host = true\n\
         [metrics]\nlisten = \"127.0.0.1:1\"\n[[environments]]\nname = \"staging\"\nexternal.listen = \"127.0.0.1:2\"\n\
         internal.listen = \"127.0.0.1:3\"\n[[environments]]\nname = \"production\"\nexternal.listen = \"127.0.0.1:4\"\n\
         internal.listen = \"127.0.0.1:5\"\n";
    reload(&home, &node, configuration);
    for option in [
        "cpus",
        "limits.max_connections",
        "limits.tcp_keepalive_ms",
        "metrics.listen",
        "environments.staging",
        "environments.production.external.listen",
        "environments.development",
    ] {
        let line = node.logged(&format!("option={option} "));
        assert!(line.contains("keeps its value until a restart"), "{line}");
    }
    // What needs none is had at once.
    for environment in ["development", "production"] {
        let (_, _, request, _) = through(node.external(environment), &base, &upstream);
        assert!(request.contains("Host: proxy.test\r\n"), "{request}");
    }
    let names: Vec<_> = node.admin.all("/environments").iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["development", "production"]);
    let entry = &node.admin.all("/audit")[0];
    assert_eq!(entry["after"], json!({ "preserve_host": true }));
}

#[test]
fn hosts_and_names_of_the_admin_api_change() {
    let (home, upstream) = (Home::new(USUAL), Upstream::listen());
    let node = home.start();
    let (_, base) = node.serve("Chat", &[ws(upstream.address())]);
    let at = node.external("development");
    let (mut live, mut live_server, ..) = through(at, &base, &upstream);
    let called = |name: &str| {
        let mut client = Peer::connect(node.admin.address());
        client
            .send(format!("GET /api/v1/health/live HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n").as_bytes());
        client.head().split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(called("admin.example.com"), "421");
    let named = USUAL.replacen("internal", "hosts = [\"chat.example.com\"]\ninternal", 1);
    // The harness writes the table of the admin listener itself, and this option into it.
    home.configure(&named);
    let text = std::fs::read_to_string(home.configuration()).unwrap();
    let text = text.replace("[admin]\n", "[admin]\nallowed_hosts = [\"admin.example.com\"]\n");
    std::fs::write(home.configuration(), text).unwrap();
    node.signal(libc::SIGHUP);
    node.logged("the configuration is reloaded changed=2");
    assert_eq!(called("admin.example.com"), "200");
    refuses(at, &base, 404, "route-not-found");
    let mut client = Peer::connect(at);
    client.send(client::handshake(&base, "").replace("proxy.test", "chat.example.com").as_bytes());
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    alive(&mut live, &mut live_server);
    let url = node.admin.get("/apis/default/chat/1.0/deployments/development").json["url"].clone();
    assert_eq!(url, format!("ws://chat.example.com:{}{base}", at.port()));
}

#[test]
fn whose_word_counts_changes() {
    let (home, upstream) = (Home::new(USUAL), Upstream::listen());
    let node = home.start();
    let (_, base) = node.serve("Chat", &[ws(upstream.address())]);
    let at = node.external("development");
    let forwarded = |node: &Node| {
        let mut client = Peer::connect(node.external("development"));
        client.send(client::handshake(&base, "X-Forwarded-For: 10.9.8.7\r\n").as_bytes());
        upstream.accept().head()
    };
    assert!(!forwarded(&node).contains("10.9.8.7"));
    reload(&home, &node, &format!("trusted_proxies = [\"127.0.0.0/8\"]{USUAL}"));
    assert!(forwarded(&node).contains("10.9.8.7"));
    let balanced = USUAL.replacen("internal", "external.proxy_protocol = [\"127.0.0.1\"]\ninternal", 1);
    reload(&home, &node, &balanced);
    let mut client = Peer::connect(at);
    client.send(format!("PROXY TCP4 10.1.2.3 10.0.0.1 1 2\r\n{}", client::handshake(&base, "")).as_bytes());
    assert!(upstream.accept().head().contains("10.1.2.3"));
}

#[test]
fn the_log_changes_and_an_end_is_waited_for_as_long_as_it_says_now() {
    let (home, upstream) = (Home::new(&format!("limits.drain_timeout_ms = 3_600_000{USUAL}")), Upstream::listen());
    let node = home.start();
    let (_, base) = node.serve("Chat", &[ws(upstream.address())]);
    let at = node.external("development");
    home.configure(&format!("log.level = \"warn\"\nlimits.drain_timeout_ms = 300\ndrain_window_ms = 200{USUAL}"));
    node.signal(libc::SIGHUP);
    // The log does not tell of it any more.
    until("the audit tells of the reload", || (node.admin.all("/audit")[0]["action"] == "config.reload").then_some(()));
    refuses(at, "/nowhere", 404, "route-not-found");
    // Neither end answers the close.
    let (_client, _server, ..) = through(at, &base, &upstream);
    node.signal(libc::SIGTERM);
    // An hour, as it said before, is longer than anything is waited for here.
    assert_eq!(node.ended().code(), Some(0));
    assert!(node.log().contains("drain timeout: ending with connections open"), "{}", node.log());
    assert!(!node.log().contains("route-not-found"), "{}", node.log());
}

#[test]
fn a_file_that_is_gone_is_no_reason_to_end() {
    let home = Home::new(USUAL);
    let node = home.start();
    std::fs::remove_file(home.configuration()).unwrap();
    node.signal(libc::SIGHUP);
    node.logged("it cannot be read: No such file");
    node.admin.get("/environments").expect(200);
}

#[test]
fn a_hundred_reloads_touch_nobody() {
    // No ping comes in between.
    let quiet = "limits.ping_interval_ms = \"off\"\n";
    let (home, upstream) = (Home::new(&format!("{quiet}{USUAL}")), Upstream::listen());
    let node = home.start();
    let bases: Vec<String> = (0..5).map(|n| node.serve(&format!("Chat {n}"), &[ws(upstream.address())]).1).collect();
    let at = node.external("development");
    let mut pairs: Vec<_> = bases.iter().cycle().take(25).map(|base| through(at, base, &upstream)).collect();
    for round in 0..100 {
        reload(&home, &node, &format!("{quiet}limits.idle_timeout_ms = {}{USUAL}", 60_000 + round));
        for (client, server, ..) in pairs.iter_mut().skip(round % 5).step_by(5) {
            alive(client, server);
        }
    }
    for (client, server, ..) in &mut pairs {
        alive(client, server);
        assert!(client.is_quiet() && server.is_quiet());
    }
    assert_eq!(node.admin.all("/connections").len(), 25);
}
