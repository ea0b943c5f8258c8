//! The command line of the real program: exit codes, messages, the small commands, the log.

#![allow(unsafe_code, reason = "system calls without a safe wrapper")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use tungstenite::{Error, Message};

use crate::harness::frame::{CLOSE, CONTINUATION, FIN, TEXT, close_body, masked};
use crate::harness::process::{PROGRAM, run};
use crate::harness::{EchoServer, Peer, Ringway, Upstream, client, nobody, until};

#[test]
fn usage_errors_end_with_2_and_name_the_option() {
    let serve = ["proxy", "--listen", "127.0.0.1:0"];
    let proxy = ["proxy", "--listen", "127.0.0.1:0", "--target", "ws://127.0.0.1:9"];
    for (base, more, named) in [
        (&[][..], &[][..], "Usage"),
        (&[], &["prxy"], "prxy"),
        (&serve, &[], "--target"),
        (&proxy, &["--cpus"], "--cpus"),
        (&proxy, &["--colour", "red"], "--colour"),
    ] {
        let (code, stdout, stderr) = run(&[base, more].concat());
        assert_eq!((code, stdout.as_str()), (2, ""), "{base:?} {more:?}: {stderr}");
        assert!(stderr.contains(named), "{named} is not in {stderr}");
    }
}

#[test]
fn values_that_cannot_be_end_with_3_and_name_the_option() {
    let serve = ["proxy", "--listen", "127.0.0.1:0"];
    let proxy = ["proxy", "--listen", "127.0.0.1:0", "--target", "ws://127.0.0.1:9"];
    for (base, more, named) in [
        (&serve[..], &["--target", "127.0.0.1:9"][..], "ws://, wss://, http:// or https://"),
        (&serve, &["--target", "ftp://a"], "ws://, wss://, http:// or https://"),
        (&serve, &["--target", "ws://unix:/tmp/x.sock"], "a Unix socket cannot be a target"),
        (&serve, &["--target", "ws://bücher.example"], "xn--"),
        (&serve, &["--target", "ws://a/%zz"], "two hexadecimal digits"),
        (&proxy, &["--idle-timeout", "5"], "--idle-timeout"),
        (&proxy, &["--cpus", "3-1"], "--cpus"),
        (&proxy, &["--max-frame-bytes", "1KB"], "--max-frame-bytes"),
        (&proxy, &["--max-connections", "0"], "--max-connections"),
        (&proxy, &["--trusted-proxies", "10.0.0.0/8,nobody"], "--trusted-proxies"),
        (&proxy, &["--resolver", "10.0.0.53,dns.test"], "--resolver"),
        (&["echo", "--listen", "localhost"], &[], "--listen"),
    ] {
        let (code, stdout, stderr) = run(&[base, more].concat());
        assert_eq!((code, stdout.as_str()), (3, ""), "{base:?} {more:?}: {stderr}");
        assert!(stderr.contains(named), "{named} is not in {stderr}");
    }
    for (more, named) in [
        (["--cpus", "999"], "--cpus names CPU 999"),
        (["--max-head-bytes", "1"], "--max-head-bytes is 1; it must be from 256 to 262144"),
        (["--max-head-lines", "129"], "--max-head-lines is 129"),
        (["--log-level", "a=b=c"], "--log-level: `b=c` is not a level"),
        (["--log-level", "verbose"], "did you mean `debug`?"),
    ] {
        let (code, stdout, stderr) =
            run(&[&["proxy", "--listen", "127.0.0.1:0", "--target", "ws://127.0.0.1:9"][..], &more].concat());
        assert_eq!((code, stdout.as_str()), (3, ""), "{more:?}: {stderr}");
        assert!(stderr.contains(named), "{named} is not in {stderr}");
    }
}

#[test]
fn a_target_that_can_never_be_found_ends_with_3_and_says_why() {
    let label = "x".repeat(64);
    let long = [label[1..].to_owned(), label[1..].to_owned(), label[1..].to_owned(), label[1..].to_owned()].join(".");
    let proxy = |target: &str, more: &[&str]| {
        // An option that ends the start by itself, later: a target that is not refused does not hang its test.
        run(&[&["proxy", "--listen", "127.0.0.1:0", "--cpus", "999", "--target", target], more].concat())
    };
    for host in ["a..b", ".a", "a$b", "a!b", "..", ".", &label, &format!("a.{label}.b"), &long] {
        for scheme in ["ws", "wss"] {
            let (code, stdout, stderr) = proxy(&format!("{scheme}://{host}:9/"), &[]);
            assert_eq!((code, stdout.as_str()), (3, ""), "{host}: {stderr}");
            assert!(stderr.contains("--target") && stderr.contains(host), "{stderr}");
            assert!(stderr.contains("not a name of DNS"), "{stderr}");
        }
    }
    let resolver = ["--resolver", "10.0.0.53"];
    for target in ["ws://127.0.0.1:9", "wss://[::1]:9"] {
        let (code, stdout, stderr) = proxy(target, &resolver);
        assert_eq!((code, stdout.as_str()), (3, ""), "{target}: {stderr}");
        assert!(stderr.contains("--resolver applies to names only") && stderr.contains(target), "{stderr}");
    }
    for host in ["a", "a.", "under_score.test", "-a.b-", "1.a", &label[1..]] {
        let (code, _, stderr) = proxy(&format!("ws://{host}:9"), &resolver);
        assert!(code == 3 && stderr.contains("--cpus names CPU 999"), "{host}: {stderr}");
    }
}

#[test]
fn what_does_not_work_ends_with_1_and_says_what_and_where() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, stderr) = run(&["proxy", "--listen", &address, "--target", "ws://127.0.0.1:9"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains(&format!("cannot listen on {address}")), "{stderr}");

    let (_held, address) = nobody();
    let address = address.to_string();
    let (code, _, stderr) = run(&["ws", &format!("ws://{address}/")]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains(&address), "{stderr}");
}

#[test]
fn a_target_whose_name_nobody_knows_does_not_keep_the_proxy_from_starting() {
    // RFC 6761 section 6.4: the answer to this name needs no server.
    let ringway = Ringway::proxy_to("ws://nobody.invalid:80", None, &[]);
    assert!(ringway.announced().contains("target: ws://nobody.invalid:80 (not resolved yet)\n"));
    let line = ringway.logged("the target's name is not resolved");
    assert!(line.contains("ERROR") && line.contains("name=nobody.invalid") && line.contains("NXDOMAIN"), "{line}");
}

#[test]
fn help_version_completions_and_manual_go_to_standard_output() {
    for (arguments, holds) in [
        (&["--version"][..], "ringway 0."),
        (&["--help"], "ringway [OPTIONS] <COMMAND>"),
        (&["proxy", "--help"], "--trusted-proxies"),
        (&["completions", "bash"], "RINGWAY_COMPLETE=\"bash\""),
        (&["completions", "zsh"], "#compdef ringway"),
        (&["man"], ".TH ringway"),
    ] {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(stdout.contains(holds), "{holds} is not in what {arguments:?} prints");
    }
}

#[test]
fn a_process_whose_standard_output_is_closed_serves_all_the_same() {
    // As with `ringway proxy .. | head -1`.
    for log in ["info", "off"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        // Held all the while, so that no other test is given it; the program says of its socket too that it shares.
        let (_held, address) = nobody();
        let (stdout, stderr) = (OwnedFd::from(writer.try_clone().unwrap()), OwnedFd::from(writer));
        let mut child = Command::new(PROGRAM)
            .args(["echo", "--listen", &address.to_string(), "--log-level", log])
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut socket = until("it serves", || {
            assert_eq!(child.try_wait().unwrap(), None, "it has ended");
            client::try_connect(address).ok()
        });
        socket.send(Message::text("hello")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("hello"));
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
        drop(socket);
        // SAFETY: the process is a child that has not been waited for, so the number is its.
        assert_eq!(unsafe { libc::kill(i32::try_from(child.id()).unwrap(), libc::SIGTERM) }, 0);
        let status = until("it ends", || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0));
    }
}

/// `ringway ws`, with its standard input and output.
fn ws(url: &str, more: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(PROGRAM)
        .args([&["ws", url], more].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

fn lines_come_back(url: &str) {
    let (mut child, mut stdout) = ws(url, &["-H", "X-Token: t"]);
    let mut stdin = child.stdin.take().unwrap();
    for line in ["one", "", "grüße", &"long ".repeat(40_000)] {
        writeln!(stdin, "{line}").unwrap();
        let mut came = String::new();
        stdout.read_line(&mut came).unwrap();
        assert!(came == format!("{line}\n"), "{} bytes came for {}", came.len(), line.len());
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn ws_sends_lines_and_prints_what_comes_back() {
    let server = EchoServer::start();
    lines_come_back(&format!("ws://{}/path?query=1", server.address()));
}

#[test]
fn ws_talks_through_the_proxy_to_the_echo() {
    let echo = Ringway::echo(&[]);
    let proxy = Ringway::proxy(echo.address(), &[]);
    lines_come_back(&format!("ws://{}/", proxy.address()));
    drop(proxy);
}

#[test]
fn ws_sends_its_headers_and_subprotocols_and_ends_with_1_on_an_abnormal_close() {
    let upstream = Upstream::listen();
    let url = format!("ws://{}/a?b=c", upstream.address());
    let (mut child, mut stdout) = ws(&url, &["-H", "X-Token: t", "--subprotocol", "one", "--subprotocol", "two"]);
    let mut server = upstream.accept();
    let request = server.head();
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
    assert!(
        request.contains("X-Token: t\r\n") && request.contains("Sec-WebSocket-Protocol: one, two\r\n"),
        "{request}"
    );
    server.switch(&request, "Sec-WebSocket-Protocol: two\r\n");
    server.answer("from the server");
    server.send(&crate::harness::frame::plain(FIN | CLOSE, &close_body(1011, "broken")));
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "from the server\n");
    assert_eq!(server.close().0, Some(1011));
    let output = child.wait_with_output_after(&mut stdout);
    assert_eq!(output.0, Some(1));
    assert!(output.1.contains("1011"), "{}", output.1);
}

/// The exit code and standard error of a child.
trait Ended {
    fn wait_with_output_after(&mut self, stdout: &mut impl BufRead) -> (Option<i32>, String);
}

impl Ended for Child {
    fn wait_with_output_after(&mut self, stdout: &mut impl BufRead) -> (Option<i32>, String) {
        let _ = stdout.read_to_end(&mut Vec::new());
        let mut stderr = String::new();
        std::io::Read::read_to_string(&mut self.stderr.take().unwrap(), &mut stderr).unwrap();
        (self.wait().unwrap().code(), stderr)
    }
}

#[test]
fn ws_shows_what_a_server_that_declines_says() {
    let upstream = Upstream::listen();
    let (mut child, mut stdout) = ws(&format!("ws://{}/", upstream.address()), &[]);
    let mut server = upstream.accept();
    server.head();
    server.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nnot\x1byou");
    drop(server);
    let (code, stderr) = child.wait_with_output_after(&mut stdout);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("403") && stderr.contains("notyo"), "{stderr}");
}

#[test]
fn echo_answers_pings_and_closes_and_refuses_text_that_is_not_utf8_with_1007() {
    let echo = Ringway::echo(&[]);
    let mut socket = client::connect(echo.address());
    socket.send(Message::Ping("payload".into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("payload".into()));
    socket.send(Message::binary(vec![0xFF, 0xFE])).unwrap();
    assert_eq!(socket.read().unwrap(), Message::binary(vec![0xFF, 0xFE]));
    socket.close(None).unwrap();
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
    drop(socket);
    for bad in [
        masked(FIN | TEXT, b"caf\xe9"),
        masked(FIN | TEXT, b"cut \xe4\xb8"),
        [masked(TEXT, b"cut \xe4\xb8"), masked(FIN | CONTINUATION, b"x")].concat(),
        [masked(TEXT, b"cut \xe4\xb8"), masked(FIN | CONTINUATION, b"")].concat(),
    ] {
        let mut peer = Peer::connect(echo.address());
        peer.send(client::handshake("/", "").as_bytes());
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer.send(&bad);
        let close = std::iter::repeat_with(|| peer.frame()).find(|frame| frame.opcode() == CLOSE).unwrap();
        assert_eq!(close.close().0, Some(1007), "{bad:?}");
    }
    // A frame whose text is still to come is not begun, so that a close frame may take its place.
    let mut peer = Peer::connect(echo.address());
    peer.send(client::handshake("/", "").as_bytes());
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    let frame = masked(FIN | TEXT, b"begins well, caf\xe9");
    peer.send(&frame[..18]);
    peer.send(&frame[18..]);
    assert_eq!(peer.frame().close().0, Some(1007));
    // A character that two frames share is one.
    let mut peer = Peer::connect(echo.address());
    peer.send(client::handshake("/", "Sec-WebSocket-Protocol: a, b\r\n").as_bytes());
    assert!(peer.head().contains("Sec-WebSocket-Protocol: a\r\n"));
    peer.send(&[masked(TEXT, b"\xe4\xb8"), masked(FIN | CONTINUATION, b"\x96")].concat());
    assert_eq!((peer.frame().payload, peer.frame().payload), (b"\xe4\xb8".to_vec(), b"\x96".to_vec()));
}

#[test]
fn the_access_record_tells_how_a_connection_went_and_holds_no_secret() {
    let server = EchoServer::start();
    let ringway = Ringway::proxy(server.address(), &["--log-format", "json"]);
    let mut peer = Peer::connect(ringway.address());
    let from = peer.stream.local_addr().unwrap();
    let secrets = "Authorization: Bearer S3cret\r\nCookie: id=S3cret\r\n";
    peer.send(client::handshake("/rooms/7?token=S3cret", secrets).as_bytes());
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    peer.say("S3cret message");
    peer.hears("S3cret message");
    peer.send(&masked(FIN | CLOSE, &close_body(4000, "S3cret reason")));
    assert_eq!(peer.close().0, Some(4000));
    drop(peer);
    let line = ringway.logged("closed by client");
    let record: serde_json::Value = serde_json::from_str(&line).unwrap();
    for (field, value) in [
        ("level", serde_json::json!("INFO")),
        ("target", serde_json::json!("ringway::access")),
        ("client", serde_json::json!(from.to_string())),
        ("path", serde_json::json!("/rooms/7")),
        ("status", serde_json::json!(101)),
        ("messages_up", serde_json::json!(1)),
        ("messages_down", serde_json::json!(1)),
        ("bytes_up", serde_json::json!(6 + 14 + 6 + 15)),
        ("bytes_down", serde_json::json!(2 + 14 + 2 + 15)),
        ("client_close", serde_json::json!(4000)),
        ("client_told", serde_json::json!(4000)),
        ("upstream_close", serde_json::json!(4000)),
        ("upstream_told", serde_json::json!(4000)),
        ("end", serde_json::json!("closed by client")),
    ] {
        assert_eq!(record[field], value, "{field} in {line}");
    }
    assert!(record["duration_ms"].is_u64() && record["timestamp"].is_string(), "{line}");
    assert!(!ringway.log().contains("S3cret"), "{}", ringway.log());
}

#[test]
fn c12_the_record_has_the_path_whenever_the_request_line_came() {
    let upstream = Upstream::listen();
    let ringway = Ringway::proxy(upstream.address(), &["--log-format", "json", "--handshake-timeout", "300ms"]);
    let long = format!("GET /long HTTP/1.1\r\nA: {}\r\n", "x".repeat(17_000));
    for (request, path) in [
        ("GET /plain?token=S3cret HTTP/1.1\r\nHost: a\r\n\r\n", Some("/plain")),
        ("POST /posted HTTP/1.1\r\nHost: a\r\n\r\n", Some("/posted")),
        ("GET /old HTTP/1.0\r\n\r\n", Some("/old")),
        ("GET /nul HTTP/1.1\r\nA\0: b\r\n\r\n", Some("/nul")),
        ("GET http://user:S3cret@a.test/absolute?S3cret HTTP/1.1\r\nHost: a\r\n\r\n", Some("/absolute")),
        ("GET /slow HTTP/1.1\r\nHost", Some("/slow")),
        (&long, Some("/long")),
        ("GET /unfinished", None),
        ("nonsense\r\n\r\n", None),
    ] {
        let records = || {
            let log = ringway.log();
            let records = log.lines().filter(|line| line.contains("ringway::access"));
            records.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>()
        };
        let before = records().len();
        let mut peer = Peer::connect(ringway.address());
        peer.send(request.as_bytes());
        peer.rest();
        drop(peer);
        let record = until("it is recorded", || records().get(before).cloned());
        assert_eq!(record["path"].as_str(), path, "{record}");
        let time = record["timestamp"].as_str().unwrap();
        assert_eq!(time.len(), "2026-11-30T19:39:45.912Z".len(), "{time}");
    }
    assert!(!ringway.log().contains("S3cret"), "{}", ringway.log());
}

#[test]
fn c2_a_level_is_known_or_an_error_and_warning_is_warn() {
    let upstream = Upstream::listen();
    for (level, warns) in [("warning", true), ("WARN", true), ("ringway::access=off", true), ("off", false)] {
        // Few descriptors are a reason to warn.
        let options = ["--log-level", level, "--max-connections", "100000000"];
        let ringway = Ringway::proxy(upstream.address(), &options);
        ringway.signal(libc::SIGTERM);
        assert_eq!(ringway.ended().code(), Some(0));
        let log = ringway.log();
        assert_eq!(log.contains("the limit on connections is more"), warns, "{level}: {log}");
        assert_eq!(log.contains("shutting down"), level == "ringway::access=off", "{level}: {log}");
    }
}

#[test]
fn a_refused_handshake_leaves_a_record_too_and_the_records_can_be_switched_off() {
    let upstream = Upstream::listen();
    for (level, recorded) in [("info", true), ("info,ringway::access=off", false), ("warn", false)] {
        let ringway = Ringway::proxy(upstream.address(), &["--log-format", "json", "--log-level", level]);
        let mut peer = Peer::connect(ringway.address());
        peer.send(b"POST /x HTTP/1.1\r\nHost: a\r\n\r\n");
        peer.rest();
        drop(peer);
        if recorded {
            let record: serde_json::Value = serde_json::from_str(&ringway.logged("refused: method")).unwrap();
            assert_eq!(
                (&record["status"], &record["client_close"]),
                (&serde_json::json!(405), &serde_json::Value::Null)
            );
        }
        ringway.signal(libc::SIGTERM);
        assert_eq!(ringway.ended().code(), Some(0));
        assert_eq!(ringway.log().contains("ringway::access"), recorded, "{level}");
    }
}
