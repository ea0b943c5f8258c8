//! `ringway ws` and `ringway api test` as a socket of the terminal: input that is no text, messages that could drive a terminal, the
//! reason of a close, a reader that goes away.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};

use crate::harness::frame::{BINARY, CLOSE, FIN, TEXT, close_body, plain};
use crate::harness::node::{Home, ws};
use crate::harness::process::PROGRAM;
use crate::harness::terminal::Terminal;
use crate::harness::{EchoServer, Peer, Upstream, until};

fn start(upstream: &Upstream, more: &[&str]) -> Child {
    let url = format!("ws://{}/", upstream.address());
    let mut command = Command::new(PROGRAM);
    command.args([&["ws", &url], more].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The server's end, once the handshake is over.
fn switched(upstream: &Upstream) -> (Peer, String) {
    let mut server = upstream.accept();
    let request = server.head();
    server.switch(&request, "");
    (server, request)
}

#[track_caller]
fn ended(child: Child, code: i32) -> Output {
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn d6_input_that_is_no_text_is_an_error_and_can_be_sent_as_binary() {
    let upstream = Upstream::listen();
    let mut child = start(&upstream, &[]);
    let (mut server, _) = switched(&upstream);
    child.stdin.take().unwrap().write_all(b"ok\n\xff\nthen\n").unwrap();
    server.hears("ok");
    assert_eq!(server.close().0, Some(1000), "the connection ends in order");
    server.send(&plain(FIN | CLOSE, &close_body(1000, "")));
    let output = ended(child, 1);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("line 2 of the input is not UTF-8") && errors.contains("--binary"), "{errors}");

    let mut child = start(&upstream, &["--binary"]);
    let (mut server, _) = switched(&upstream);
    child.stdin.take().unwrap().write_all(b"\xff\n").unwrap();
    let frame = server.frame();
    assert_eq!((frame.opcode(), frame.payload.as_slice()), (BINARY, &b"\xff"[..]));
    server.send(&plain(FIN | BINARY, b"\x00\xfe"));
    server.send(&plain(FIN | TEXT, b"text"));
    assert_eq!(server.close().0, Some(1000));
    server.send(&plain(FIN | CLOSE, &close_body(1000, "")));
    assert_eq!(ended(child, 0).stdout, b"\x00\xfetext", "the bytes and nothing else");
}

#[test]
fn d6_binary_is_shown_in_digits_and_the_reason_of_a_close_without_what_drives_a_terminal() {
    let upstream = Upstream::listen();
    for (close, code, said) in [
        (close_body(4000, "no \u{1b}[2J room"), 1, "the server closed with code 4000: no \\u{1b}[2J room\n"),
        (close_body(1000, "see you"), 0, "the server closed: see you\n"),
        (close_body(1000, ""), 0, ""),
    ] {
        let child = start(&upstream, &[]);
        let (mut server, _) = switched(&upstream);
        server.send(&plain(FIN | BINARY, b"\x00\xff\x1b"));
        server.send(&plain(FIN | TEXT, b"\x1b[31m"));
        server.send(&plain(FIN | CLOSE, &close));
        server.close();
        let output = ended(child, code);
        assert_eq!(output.stdout, b"binary, 3 bytes: 00 ff 1b\n\x1b[31m\n", "a program gets the text as it is");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.ends_with(said) && (!said.is_empty() || errors.is_empty()), "{errors}");
    }
    // A terminal gets escapes.
    let Terminal { mut master, slave } = Terminal::open();
    let url = format!("ws://{}/", upstream.address());
    let mut command = Command::new(PROGRAM);
    let mut child = command.args(["ws", &url]).stdin(Stdio::piped()).stdout(Stdio::from(slave)).spawn().unwrap();
    drop(command);
    let (mut server, _) = switched(&upstream);
    server.send(&plain(FIN | TEXT, b"a\x1b[2Jb"));
    let mut shown = Vec::new();
    while !shown.ends_with(b"b\r\n") {
        let mut byte = [0];
        master.read_exact(&mut byte).unwrap();
        shown.push(byte[0]);
    }
    assert_eq!(shown, b"a\\u{1b}[2Jb\r\n");
    server.send(&plain(FIN | CLOSE, &close_body(1000, "")));
    server.close();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn d6_a_host_of_the_line_replaces_the_urls_and_the_handshakes_own_headers_are_refused() {
    let upstream = Upstream::listen();
    let mut child = start(&upstream, &["-H", "Host: chat.example.com", "-H", "X-Token: t"]);
    let (mut server, request) = switched(&upstream);
    assert_eq!(request.matches("Host: ").count(), 1, "{request}");
    assert!(request.contains("Host: chat.example.com\r\n") && request.contains("X-Token: t\r\n"), "{request}");
    drop(child.stdin.take());
    server.close();
    server.send(&plain(FIN | CLOSE, &close_body(1000, "")));
    ended(child, 0);
    for (header, code, named) in [
        ("Sec-WebSocket-Protocol: a", 3, "--subprotocol"),
        ("connection: close", 3, "by itself"),
        ("Host: a\r\nX: y", 3, "control character"),
    ] {
        let output = ended(start(&upstream, &["-H", header]), code);
        assert!(String::from_utf8_lossy(&output.stderr).contains(named), "{header}: {output:?}");
    }
    let output = ended(start(&upstream, &["-H", "Host: a", "-H", "host: b"]), 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("more than once"), "{output:?}");
}

#[test]
fn d6_a_reader_that_goes_away_is_no_failure() {
    let upstream = Upstream::listen();
    let mut child = start(&upstream, &[]);
    let (mut server, _) = switched(&upstream);
    server.answer("one");
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    drop(stdout);
    server.answer("two");
    assert_eq!(server.close().0, Some(1000));
    server.send(&plain(FIN | CLOSE, &close_body(1000, "")));
    let output = ended(child, 0);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn d7_an_environment_with_host_names_is_tested_at_the_nodes_own_listener() {
    let echo = EchoServer::start();
    let home = Home::new(
        "\n[[environments]]\nname = \"development\"\nhosts = [\"chat.invalid\"]\nexternal.listen = \"127.0.0.1:0\"\n\
         internal.listen = \"127.0.0.1:0\"\n",
    );
    let node = home.start();
    let target = ws(echo.address());
    for (name, access) in [("out", "external"), ("in", "internal")] {
        home.works(&["api", "create", "--name", name, "--version", "1.0", "--target", &target, "--access", access]);
        home.works(&["api", "deploy", name, "--env", "development"]);
        let mut command = Command::new(PROGRAM);
        command.args(["api", "test", name, "--env", "development", "--state"]).arg(home.state());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
        let output = ended(child, 0);
        assert_eq!(output.stdout, b"hello\n");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.starts_with("talking to ws://chat.invalid") && errors.contains(" at 127.0.0.1:"), "{errors}");
    }
    until("the node is there", || node.admin.get("/health").json["status"].as_str().map(str::to_owned));
}
