//! Endpoints that fail in every way: the next one is tried, what failed is remembered, and everything says so.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::json;

use crate::harness::node::{Home, Node, USUAL, answered, ws};
use crate::harness::pki::{Authority, Folder};
use crate::harness::{EchoServer, Peer, Ringway, client, nobody, secure, until};

/// The behaviour of an endpoint towards a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Opens the WebSocket, and holds it.
    Opens,
    Closes,
    ClosesAfterTheRequest,
    Resets,
    Silent,
    Says(&'static str),
}

/// An endpoint that does the same with every connection, until it is told otherwise.
struct Endpoint {
    address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    came: Arc<AtomicU64>,
    requests: Arc<Mutex<Vec<String>>>,
    held: Arc<Mutex<Vec<Peer>>>,
}

impl Endpoint {
    fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap(),
            manner: Arc::new(Mutex::new(manner)),
            came: Arc::default(),
            requests: Arc::default(),
            held: Arc::default(),
        };
        let (manner, came) = (Arc::clone(&endpoint.manner), Arc::clone(&endpoint.came));
        let (requests, held) = (Arc::clone(&endpoint.requests), Arc::clone(&endpoint.held));
        // The thread ends with the process of the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                came.fetch_add(1, Ordering::SeqCst);
                let manner = *manner.lock().unwrap();
                let peer = serve(stream, manner, &requests);
                held.lock().unwrap().extend(peer);
            }
        });
        endpoint
    }

    fn target(&self) -> String {
        ws(self.address)
    }

    fn came(&self) -> u64 {
        self.came.load(Ordering::SeqCst)
    }

    /// Closes the connections that it holds.
    fn lets_go(&self) {
        self.held.lock().unwrap().clear();
    }

    fn becomes(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }
}

/// Does it; gives the connection back if it is to stay open.
fn serve(stream: TcpStream, manner: Manner, requests: &Mutex<Vec<String>>) -> Option<Peer> {
    let mut peer = Peer::over(stream);
    match manner {
        Manner::Closes => return None,
        Manner::Resets => {
            peer.reset();
            return None;
        }
        Manner::Silent => return Some(peer),
        Manner::Opens | Manner::ClosesAfterTheRequest | Manner::Says(_) => {}
    }
    // A check of the targets opens a connection and says nothing.
    let request = request(&mut peer.stream)?;
    requests.lock().unwrap().push(request.clone());
    match manner {
        Manner::Opens => {
            peer.switch(&request, "");
            Some(peer)
        }
        Manner::Says(text) => {
            peer.send(text.as_bytes());
            peer.finish();
            Some(peer)
        }
        _ => None,
    }
}

/// Reads a request's head; nothing of a connection that ends before.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    String::from_utf8(head).ok()
}

/// Makes an API with these endpoints and deploys it: its path in the admin API, and its base path.
#[track_caller]
fn serves(node: &Node, name: &str, endpoints: &[&Endpoint]) -> (String, String) {
    let targets: Vec<String> = endpoints.iter().map(|endpoint| endpoint.target()).collect();
    node.serve(name, &targets)
}

const UNAVAILABLE: &str = "HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno";
const TOO_MANY: &str = "HTTP/1.1 429 No\r\nRetry-After: 9\r\nContent-Length: 2\r\n\r\nno";

/// A client's answer at a path: its head.
#[track_caller]
fn head(at: SocketAddr, path: &str) -> String {
    let mut client = Peer::connect(at);
    client.send(client::handshake(path, "").as_bytes());
    client.head()
}

#[test]
fn b1_a_handshake_that_fails_in_any_way_is_tried_at_the_next_endpoint() {
    let node = Node::start("");
    let at = node.external("development");
    for (index, manner) in [
        Manner::Closes,
        Manner::ClosesAfterTheRequest,
        Manner::Resets,
        Manner::Says("HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n"),
        Manner::Says(UNAVAILABLE),
        Manner::Says("HTTP/1.1 504 No\r\nContent-Length: 0\r\n\r\n"),
        Manner::Says("HTTP/1.1 101 Switching Pro"),
        Manner::Says("SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let (bad, good) = (Endpoint::new(manner), Endpoint::new(Manner::Opens));
        let (_, base) = serves(&node, &format!("Case {index}"), &[&bad, &good]);
        let begun = Instant::now();
        for _ in 0..20 {
            let answer = head(at, &base);
            assert!(answer.starts_with("HTTP/1.1 101 "), "{manner:?}: {answer}");
        }
        // Once, and once more for each pause that is over. Each shard shares what the others found.
        let pauses = 2 + begun.elapsed().as_secs();
        assert!((1..=pauses).contains(&bad.came()), "{manner:?}: {} of 20", bad.came());
        assert_eq!(good.came(), 20, "{manner:?}");
    }
}

#[test]
fn b1_an_endpoint_that_is_silent_has_half_of_the_time_and_is_remembered() {
    let node = Node::start("limits.handshake_timeout_ms = 3000\n");
    let at = node.external("development");
    let (bad, good) = (Endpoint::new(Manner::Silent), Endpoint::new(Manner::Opens));
    let (_, base) = serves(&node, "Silent", &[&bad, &good]);
    let begun = Instant::now();
    for _ in 0..10 {
        let answer = head(at, &base);
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    }
    assert!((1..=2 + begun.elapsed().as_secs()).contains(&bad.came()), "{} came", bad.came());
    node.logged("an endpoint does not work");
    assert!(node.log().contains("silent"), "{}", node.log());
}

#[test]
fn b1_the_last_answer_goes_to_the_client_with_its_retry_after() {
    let node = Node::start("");
    let at = node.external("development");
    let (one, other) = (Endpoint::new(Manner::Says(UNAVAILABLE)), Endpoint::new(Manner::Says(UNAVAILABLE)));
    let (_, base) = serves(&node, "Both", &[&one, &other]);
    let answer = head(at, &base);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: 7\r\n"), "{answer}");
    assert_eq!((one.came(), other.came()), (1, 1));

    let (limited, idle) = (Endpoint::new(Manner::Says(TOO_MANY)), Endpoint::new(Manner::Opens));
    let (_, base) = serves(&node, "Limited", &[&limited, &idle]);
    let answer = head(at, &base);
    // It is about the client, whom no other endpoint must serve in its place.
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("Retry-After: 9\r\n"), "{answer}");
    assert_eq!((limited.came(), idle.came()), (1, 0));
}

#[test]
fn b1_each_try_has_a_key_of_its_own_and_the_same_request_otherwise() {
    let node = Node::start("");
    let (bad, good) = (Endpoint::new(Manner::Says(UNAVAILABLE)), Endpoint::new(Manner::Opens));
    let (_, base) = serves(&node, "Keys", &[&bad, &good]);
    head(node.external("development"), &base);
    let requests = [&bad, &good].map(|endpoint| endpoint.requests.lock().unwrap()[0].clone());
    let line = |request: &str, name: &str| {
        let found = request.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
        found.unwrap_or_else(|| panic!("no {name} in {request}")).to_owned()
    };
    let [first, second] = requests.each_ref().map(|request| line(request, "sec-websocket-key"));
    assert_ne!(first, second, "RFC 6455 section 4.1: a nonce for each connection");
    let rest = |request: &str| {
        let differs =
            |line: &&str| !["sec-websocket-key", "host"].iter().any(|name| line.to_ascii_lowercase().starts_with(name));
        request.lines().filter(differs).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(rest(&requests[0]), rest(&requests[1]));
}

#[test]
fn b1_the_budget_bounds_what_a_broken_api_adds_to_the_load() {
    let node = Node::start("");
    let at = node.external("development");
    let broken: Vec<Endpoint> = (0..3).map(|_| Endpoint::new(Manner::Closes)).collect();
    let (_, base) = serves(&node, "Broken", &broken.iter().collect::<Vec<_>>());
    let begun = Instant::now();
    for _ in 0..100 {
        let (status, problem) = answered(at, &base);
        assert_eq!((status, problem["code"].as_str()), (502, Some("upstream-closed")));
    }
    let came: u64 = broken.iter().map(Endpoint::came).sum();
    let further = came - 100;
    let bound = 20 + 10 * (begun.elapsed().as_secs() + 2);
    assert!(further > 0 && further <= bound, "{further} further tries, {bound} allowed");
}

/// A listener whose queue is full: the kernel drops what knocks, as a black hole does.
fn black_hole() -> (socket2::Socket, Vec<TcpStream>, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, std::time::Duration::from_millis(300)) {
        queued.push(stream);
    }
    (socket, queued, address)
}

#[test]
fn b2_a_black_hole_costs_one_client_its_share_and_not_every_second_one() {
    let node = Node::start("limits.connect_timeout_ms = 1000\n");
    let at = node.external("development");
    let (_socket, _queued, hole) = black_hole();
    let good = Endpoint::new(Manner::Opens);
    let (_, base) = node.serve("Hole", &[ws(hole), good.target()]);
    let begun = Instant::now();
    for _ in 0..40 {
        let answer = head(at, &base);
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    }
    // The records of those that were tried twice: the first, and one for each pause that is over.
    good.lets_go();
    let twice = until("the records are written", || {
        let log = node.log();
        (log.matches("status=101").count() >= 40).then(|| log.matches("tries=2").count())
    });
    let bound = 2 + usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!((1..=bound).contains(&twice), "{twice} of 40 paid for it, {bound} allowed");
}

#[test]
fn b3_a_dead_target_is_logged_counted_and_shown_until_it_works_again() {
    let home = Home::new(USUAL);
    let node = home.start();
    let at = node.external("development");
    let endpoint = Endpoint::new(Manner::Closes);
    let target = endpoint.target();
    let (api, base) = serves(&node, "Chat", &[&endpoint]);
    let endpoints = || node.admin.get(&api).expect(200)["deployments"][0]["endpoints"].clone();
    assert_eq!(endpoints(), json!([{ "target": target, "state": "untried", "failures": 0 }]));
    assert_eq!(node.admin.get("/health").expect(200)["status"], "ok");

    answered(at, &base);
    let line = node.logged("an endpoint does not work");
    for part in ["WARN", "default/chat:1.0", "development", target.as_str(), "closed"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    answered(at, &base);
    let shown = endpoints();
    assert_eq!((&shown[0]["state"], &shown[0]["cause"]), (&json!("failed"), &json!("closed")), "{shown}");
    assert_eq!(shown[0]["failures"], 2);
    let health = node.admin.get("/health").expect(200);
    assert_eq!(health["status"], "degraded");
    let problem = format!("default/chat:1.0 in development: no endpoint works: {target} (closed).");
    assert_eq!(health["problems"], json!([problem]));
    let labels = r#"project="default",api="chat",version="1.0",environment="development""#;
    let up = |value: u8| format!("ringway_endpoint_up{{{labels},endpoint=\"{target}\"}} {value}");
    let metrics = || node.admin.figures().text;
    until("the metric says so", || metrics().contains(&up(0)).then_some(()));
    let failures = format!("ringway_endpoint_failures_total{{{labels},endpoint=\"{target}\",cause=\"closed\"}} 2");
    assert!(metrics().contains(&failures), "{}", metrics());
    let table = home.works(&["api", "show", "chat"]);
    assert!(table.contains("ENDPOINT") && table.contains("failed") && table.contains("closed"), "{table}");
    let record = node.logged("upstream-closed");
    assert!(record.contains("endpoint=") && record.contains(&target), "{record}");

    endpoint.becomes(Manner::Opens);
    let mut open = Peer::connect(at);
    open.send(client::handshake(&base, "").as_bytes());
    assert!(open.head().starts_with("HTTP/1.1 101 "));
    let line = node.logged("an endpoint works again");
    assert!(line.contains("INFO") && line.contains(&target), "{line}");
    assert_eq!(node.admin.get("/health").expect(200)["status"], "ok");
    assert_eq!(endpoints()[0]["state"], "works");
    assert_eq!(node.admin.all("/connections")[0]["endpoint"], target.as_str());
    assert!(home.works(&["conn", "list"]).contains(&target));
    until("the metric says so", || metrics().contains(&up(1)).then_some(()));
    node.admin.delete(&format!("{api}/deployments/development")).expect(204);
    until("the endpoint leaves the metrics with its route", || {
        (!metrics().contains("ringway_endpoint_up{")).then_some(())
    });
}

#[test]
fn b3_what_was_found_out_about_an_endpoint_outlives_a_change_of_its_api() {
    let node = Node::start("");
    let (bad, good) = (Endpoint::new(Manner::Closes), Endpoint::new(Manner::Opens));
    let (api, base) = serves(&node, "Chat", &[&bad, &good]);
    assert!(head(node.external("development"), &base).starts_with("HTTP/1.1 101 "));
    let definition = json!({
        "name": "Chat", "description": "changed", "targets": [bad.target(), good.target()],
        "policies": { "limits": { "idle_timeout_ms": 600_000 } }
    });
    node.admin.put(&api, &definition).expect(200);
    node.deploy(&api, "development");
    let shown = node.admin.get(&format!("{api}/deployments/development")).expect(200)["endpoints"].clone();
    assert_eq!((&shown[0]["state"], &shown[1]["state"]), (&json!("failed"), &json!("works")), "{shown}");
}

#[test]
fn b3_whoever_deploys_is_warned_of_targets_that_cannot_be_reached() {
    let home = Home::new(USUAL);
    let node = home.start();
    let (_socket, closed) = nobody();
    let targets = [ws(closed), "ws://nosuch.invalid:9".to_owned()];
    let api = node.make("Chat", &targets);
    node.deploy(&api, "development");
    let check = |api: &str| node.admin.post(&format!("{api}/deployments/development/check"), &json!({})).expect(200);
    let checked = check(&api);
    let warnings = checked["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].as_str().unwrap().starts_with(&format!("{}: cannot be reached", targets[0])), "{warnings:?}");
    assert!(warnings[1].as_str().unwrap().contains("its name is not resolved"), "{warnings:?}");
    let (code, _, stderr) = home.run(&["api", "deploy", "chat", "--env", "production"]);
    assert_eq!(code, 0, "the change is made all the same: {stderr}");
    assert!(stderr.contains(&format!("warning: {}: cannot be reached", targets[0])), "{stderr}");
    let place = ["chat", "--env", "production"];
    let (_, _, stopped) = home.run(&[&["api", "stop"][..], &place].concat());
    assert!(!stopped.contains("warning"), "{stopped}");
    let (_, _, started) = home.run(&[&["api", "start"][..], &place].concat());
    assert!(started.contains(&format!("warning: {}: cannot be reached", targets[0])), "{started}");
    let good = Endpoint::new(Manner::Opens);
    let api = node.make("Good", &[good.target()]);
    node.deploy(&api, "development");
    assert_eq!(check(&api), json!({ "warnings": [] }));
    node.logged("a target cannot be reached");
}

#[test]
fn b3_whoever_applies_documents_is_warned_of_targets_that_cannot_be_reached() {
    let home = Home::new(USUAL);
    let _node = home.start();
    let ((_socket, closed), good) = (nobody(), Endpoint::new(Manner::Opens));
    let document = |name: &str, target: &str| {
        format!(
            "apiVersion: ringway/v1\nkind: Api\nname: {name}\nversion: \"1.0\"\ntargets: [\"{target}\"]\n\
             deployments:\n- environment: development\n- environment: production\n"
        )
    };
    let text = format!("{}---\n{}", document("Dead", &ws(closed)), document("Good", &good.target()));
    let folder = Folder::new();
    let file = folder.write("apis.yaml", &text);
    let (_, _, dry) = home.run(&["apply", "-f", &file, "--dry-run"]);
    assert!(!dry.contains("warning"), "{dry}");
    let (code, _, stderr) = home.run(&["apply", "-f", &file]);
    assert_eq!(code, 0, "the change is made all the same: {stderr}");
    for environment in ["development", "production"] {
        let line = format!("warning: default/dead:1.0 in {environment}: {}: cannot be reached", ws(closed));
        assert_eq!(stderr.matches(&line).count(), 1, "{line} is not once in {stderr}");
    }
    assert_eq!(stderr.matches("warning").count(), 2, "{stderr}");
    let (_, _, again) = home.run(&["apply", "-f", &file]);
    assert!(!again.contains("warning"), "nothing was deployed: {again}");
}

#[test]
fn b6_a_target_that_is_an_address_may_have_a_certificate_for_a_name() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let ca = folder.write("ca.pem", &authority.pem());
    let echo = EchoServer::start_tls(secure::server_config(&authority.server(&["chat.internal.test"])));
    let target = format!("wss://127.0.0.1:{}", echo.address().port());
    let environment = |name: &str, more: &str| {
        format!(
            "\n[[environments]]\nname = \"{name}\"\nexternal.listen = \"127.0.0.1:0\"\n\
             internal.listen = \"127.0.0.1:0\"\nupstream_tls.ca = [\"{ca}\"]\n{more}"
        )
    };
    let own = "upstream_tls.server_name = \"chat.internal.test\"\n";
    let node = Node::with(&format!("{}{}", environment("development", ""), environment("production", own)));
    let (api, base) = node.serve("Chat", std::slice::from_ref(&target));
    node.deploy(&api, "production");
    let (status, problem) = answered(node.external("development"), &base);
    assert_eq!((status, problem["code"].as_str()), (502, Some("upstream-certificate-name")));
    // An environment decides for its APIs, and an API for itself.
    assert!(head(node.external("production"), &base).starts_with("HTTP/1.1 101 "));
    let definition = json!({
        "name": "Chat", "targets": [target], "policies": { "upstream_server_name": "chat.internal.test", "preserve_host": true }
    });
    node.admin.put(&api, &definition).expect(200);
    node.deploy(&api, "development");
    assert!(head(node.external("development"), &base).starts_with("HTTP/1.1 101 "), "the Host is not the name");
    let policies = json!({ "upstream_server_name": "a b" });
    let bad = json!({ "name": "Chat", "targets": [target], "policies": policies });
    node.admin.put(&api, &bad).refused(422, "fields-invalid");
}

#[test]
fn b3_a_proxy_alone_logs_its_dead_target_too() {
    let endpoint = Endpoint::new(Manner::Closes);
    let ringway = Ringway::proxy(endpoint.address, &[]);
    answered(ringway.address(), "/");
    let line = ringway.logged("an endpoint does not work");
    assert!(line.contains(&endpoint.target()) && line.contains("closed"), "{line}");
    endpoint.becomes(Manner::Opens);
    drop(head(ringway.address(), "/"));
    ringway.logged("an endpoint works again");
    endpoint.lets_go();
}

mod ports {
    use crate::harness::namespace::in_namespaces;

    in_namespaces! {
        "true";
        b5_a_client_is_told_that_no_local_port_is_left_and_so_is_the_log
    }

    mod inside {
        use std::net::{IpAddr, Ipv4Addr};

        use crate::harness::node::Node;
        use crate::harness::{Peer, client};
        use crate::node::endpoints::{Endpoint, Manner};

        #[test]
        #[ignore = "in a namespace"]
        fn b5_a_client_is_told_that_no_local_port_is_left_and_so_is_the_log() {
            let endpoint = Endpoint::new(Manner::Opens);
            let node = Node::start("");
            let (_, base) = node.serve("Chat", &[endpoint.target()]);
            std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40003").unwrap();
            let mut held = Vec::new();
            // Each client has an address of its own, and so ports of its own.
            let answers: Vec<String> = (2..10_u8)
                .map(|last| {
                    let from = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
                    let mut client = Peer::connect_from(from, node.external("development"));
                    client.send(client::handshake(&base, "").as_bytes());
                    let head = client.head();
                    held.push(client);
                    head
                })
                .collect();
            let last = answers.last().unwrap();
            assert!(answers[0].starts_with("HTTP/1.1 101 ") && last.starts_with("HTTP/1.1 503 "), "{answers:?}");
            let line = node.logged("no local port left towards");
            assert!(line.contains(&endpoint.target()), "{line}");
            node.logged("refused: no-local-port");
        }
    }
}
