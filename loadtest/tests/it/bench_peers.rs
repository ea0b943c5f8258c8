//! The peers' configurations, each with the real program: a WebSocket goes through it. What is not installed is passed over,
//! unless `RINGWAY_REQUIRE_PEERS=1` asks for all;
//! `RINGWAY_PEER_PATH` names more folders to look in, separated as in PATH.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ringway_load::bench::downstream::{Certificate, Downstream};
use ringway_load::bench::peer::{self, Installed, PEERS, Peer, Presence, Role};
use ringway_load::bench::process::{Running, Scratch, Trouble};
use ringway_load::bench::run::{Setup, start};
use tungstenite::{Message, WebSocket};

use crate::harness::{PATIENCE, Patient, patient};

static GO_ON: AtomicBool = AtomicBool::new(false);

fn setup(certificate: Option<Arc<Certificate>>) -> Setup {
    Setup {
        generator: PathBuf::new(),
        rounds: 1,
        duration: Duration::from_secs(1),
        cpu: 0,
        load_cpus: "0".to_owned(),
        files: ringway_load::proc::open_files_limit().unwrap_or(1024),
        certificate,
    }
}

/// The peers that are installed, without Ringway.
fn installed(role: Role) -> Vec<(&'static Peer, Installed)> {
    let more = std::env::var_os("RINGWAY_PEER_PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&more).filter(|path| !path.as_os_str().is_empty()).collect();
    let peers = PEERS.iter().filter(|peer| peer.role == role);
    let found = peers.filter_map(|peer| match peer::find(peer, Downstream::Plain, None, &folders) {
        Presence::Found(installed) => Some((peer, installed)),
        Presence::NotNeeded | Presence::LeftOut(_) => None,
        Presence::Missing(how) => {
            let required = std::env::var_os("RINGWAY_REQUIRE_PEERS").is_some_and(|value| value == "1");
            assert!(!required, "{} is missing, and RINGWAY_REQUIRE_PEERS=1 asks for it: {how}", peer.id);
            let _ = writeln!(std::io::stderr(), "{} is missing and was passed over: {how}", peer.id);
            None
        }
    });
    found.collect()
}

fn started(
    peer: &Peer,
    installed: &Installed,
    certificate: Option<Arc<Certificate>>,
    upstream: u16,
    scratch: &Scratch,
) -> (u16, Running) {
    match start(&setup(certificate), peer, installed, upstream, scratch.path(), &GO_ON) {
        Ok(up) => up,
        Err(Trouble::Failed(why)) => panic!("{why}"),
        Err(Trouble::Interrupted) => panic!("nobody interrupts"),
    }
}

fn connected(port: u16, path: &str) -> WebSocket<Patient> {
    let stream = patient(TcpStream::connect(("127.0.0.1", port)).expect("the peer listens"), PATIENCE);
    let (socket, response) = tungstenite::client(format!("ws://127.0.0.1:{port}{path}"), stream).expect("a 101");
    assert_eq!(response.status(), 101);
    socket
}

/// Answers the messages of every connection with themselves.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                // A readiness probe is not a WebSocket.
                let Ok(mut socket) = tungstenite::accept(stream) else { return };
                while let Ok(message) = socket.read() {
                    let data = message.is_binary() || message.is_text();
                    if data && socket.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[test]
fn every_installed_peer_relays_a_websocket() {
    let upstream = echo();
    for (peer, installed) in installed(Role::Relays) {
        let scratch = Scratch::new().expect("a folder");
        let (port, running) = started(peer, &installed, None, upstream, &scratch);
        let mut socket = connected(port, "/chat?x=1");
        for size in [0, 64, 200_000] {
            let message = Message::binary(vec![7u8; size]);
            socket.send(message.clone()).expect("sent");
            assert_eq!(socket.read().expect("an answer"), message, "{}, {size} bytes", peer.id);
        }
        let family = ringway_load::proc::family(running.pid()).expect("it runs");
        let memory = ringway_load::proc::anonymous_bytes(&family).expect("it runs");
        assert!(memory > 100_000, "{} has {memory} bytes in {family:?}", peer.id);
        drop(socket);
        drop(running);
        assert!(ringway_load::proc::cpu(&family).is_err(), "{} is left behind", peer.id);
    }
}

#[test]
fn every_installed_peer_terminates_tls_on_the_terms_that_all_have_in_common() {
    use crate::harness::{Folder, run};
    let upstream = echo();
    let certificate = Arc::new(Certificate::new().expect("a certificate"));
    for (peer, installed) in installed(Role::Relays) {
        let scratch = Scratch::new().expect("a folder");
        certificate.write(scratch.path()).expect("written");
        let (port, _running) = started(peer, &installed, Some(Arc::clone(&certificate)), upstream, &scratch);
        let folder = Folder::new();
        let (url, ca) = (format!("wss://127.0.0.1:{port}/chat"), scratch.path().join("ca.pem").display().to_string());
        // Everything is offered: it is the peer that keeps to the terms.
        for size in ["64", "200000"] {
            let report = folder.file("report.json");
            let fixed = ["echo", "--url", &url, "--tls-ca", &ca, "--json", &report, "--sleep", "--no-progress"];
            let more = ["--connections", "3", "--duration", "200ms", "--warmup", "off", "--size", size];
            let done = run(&[&fixed[..], &more[..]].concat());
            let report = std::fs::read_to_string(&report).unwrap_or_else(|_| panic!("{}: {done:?}", peer.id));
            let report: ringway_load::report::model::Report = serde_json::from_str(&report).expect("a report");
            let suite_is_its_choice = !matches!(peer.id, "envoy" | "traefik");
            for agreed in &report.tls {
                assert_eq!((agreed.version.as_str(), agreed.group.as_str()), ("TLSv1.3", "X25519"), "{}", peer.id);
                assert!(!suite_is_its_choice || agreed.suite == "TLS_AES_128_GCM_SHA256", "{agreed:?}, {}", peer.id);
            }
            assert_eq!(report.tls.iter().map(|agreed| agreed.count).sum::<u64>(), 3, "{}: {:?}", peer.id, report.tls);
            assert!(report.messages.as_ref().is_some_and(|messages| messages.received > 0), "{}: {done:?}", peer.id);
            assert!(report.errors.is_empty(), "{}: {:?}", peer.id, report.errors);
        }
    }
}

/// The `ringway` beside `ringway-load`; `None` if there is none of today, or one CPU alone, which is said.
fn ringway_beside() -> Option<PathBuf> {
    let ringway = PathBuf::from(crate::harness::PROGRAM).with_file_name("ringway");
    let help = std::process::Command::new(&ringway).args(["proxy", "--help"]).output();
    let speaks = help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--tls-cert"));
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    if !speaks || cpus < 2 {
        let missing = "this test needs two CPUs, and a ringway of today beside ringway-load (cargo build --workspace)";
        let _ = writeln!(std::io::stderr(), "passed over: {missing}");
        return None;
    }
    Some(ringway)
}

/// The results of a quick bench with TLS.
fn bench_with_tls(options: &[&str]) -> ringway_load::bench::result::Results {
    use crate::harness::{Folder, run};
    let folder = Folder::new();
    let out = folder.file("report");
    let fixed = ["bench", "--tls", "--quick", "--duration", "300ms", "--out", &out];
    let done = run(&[&fixed[..], options].concat());
    assert_eq!(done.code, 0, "{done:?}");
    let text = std::fs::read_to_string(PathBuf::from(&out).join("runs.json")).expect("written");
    serde_json::from_str(&text).expect("results")
}

#[test]
fn a_bench_with_tls_measures_ringway_beside_nginx() {
    let nginx = installed(Role::Relays).iter().any(|(peer, _)| peer.id == "nginx");
    if ringway_beside().is_none() || !nginx {
        return;
    }
    let results = bench_with_tls(&["--peers", "ringway,nginx", "--only", "echo-64,handshake-full,handshake-resumed"]);
    assert!(results.how.tls.as_ref().is_some_and(|terms| terms.contains("TLSv1.3, TLS_AES_128_GCM_SHA256, X25519")));
    assert_eq!(results.runs.len(), 6, "{:?}", results.runs);
    for run in &results.runs {
        assert!(!run.void && run.failure.is_none() && run.values.contains_key("cpu"), "{run:?}");
        let report = run.report.as_ref().expect("a report");
        let resumed: u64 = report.tls.iter().filter(|agreed| agreed.resumed).map(|agreed| agreed.count).sum();
        assert_eq!(resumed > 0, run.figure == "handshake-resumed", "{run:?}");
    }
}

#[test]
fn a_bench_measures_an_earlier_build_in_the_same_rounds_and_with_tls() {
    let Some(before) = ringway_beside() else { return };
    let before = format!("{} --close-timeout 2s", before.display());
    let results = bench_with_tls(&["--before", &before, "--peers", "ringway", "--only", "echo-64,handshake-full"]);
    let order: Vec<&str> = results.runs.iter().map(|run| run.peer.as_str()).collect();
    assert_eq!(order, ["ringway", "before", "ringway", "before"], "{:?}", results.runs);
    for run in &results.runs {
        assert!(!run.void && run.failure.is_none() && run.values.contains_key("cpu"), "{run:?}");
    }
    for table in &results.tables {
        let before = table.rows.iter().find(|row| row.peer == "before").expect("a row");
        assert!(before.cells[0].is_some_and(|cell| cell.ratio.is_some()), "{before:?}");
    }
    let started = &results.peers.iter().find(|peer| peer.id == "before").expect("a peer").command;
    assert!(started.starts_with("ringway proxy --listen") && started.ends_with("--close-timeout 2s"), "{started}");
}

#[test]
fn a_build_that_is_not_there_is_refused_before_anything_runs() {
    let done = crate::harness::run(&["bench", "--dry-run", "--before", "/nowhere/ringway"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("--before /nowhere/ringway: there is no such program"), "{done:?}");
}

#[test]
fn nchan_passes_a_post_on_to_a_subscriber() {
    use std::io::Read;
    for (peer, installed) in installed(Role::FansOut) {
        let scratch = Scratch::new().expect("a folder");
        let (port, _running) = started(peer, &installed, None, 1, &scratch);
        let mut socket = connected(port, "/sub");
        let mut publisher = TcpStream::connect(("127.0.0.1", port)).expect("the peer listens");
        let head = "POST /pub HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        publisher.write_all(head.as_bytes()).expect("sent");
        let mut answer = String::new();
        publisher.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        assert_eq!(socket.read().expect("a message").into_data(), &b"hello"[..], "{}", peer.id);
    }
}
