//! Targets that are none: one line that says why, no report, and one connection.

use std::io::Write;
use std::net::TcpStream;

use crate::harness::{Done, Server, head, nobody, run, start, swallow, switching};

/// Runs with ten connections against a server that answers the first request like this.
#[track_caller]
fn refused_by(answer: impl Fn(&mut TcpStream, &str) + Send + Sync + 'static) -> Done {
    let server = Server::start(move |_, mut stream| {
        if let Some(head) = head(&mut stream) {
            answer(&mut stream, &head);
            let _ = stream.flush();
        }
    });
    let done = start("echo", server.address(), &["--connections", "10", "--duration", "1s"]).ends();
    assert_eq!(server.served(), 1, "{done:?}");
    says_why(&done);
    done
}

#[track_caller]
fn says_why(done: &Done) {
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(done.stdout, "", "{done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
    assert!(done.stderr.starts_with("ringway-load: "), "{done:?}");
}

#[test]
fn nobody_listening_is_said_in_one_line() {
    let (_held, address) = nobody();
    let done = start("echo", address, &["--connections", "10"]).ends();
    says_why(&done);
    assert!(done.stderr.contains("refused"), "{done:?}");
}

#[test]
fn a_problem_in_a_refusal_is_quoted() {
    let body = r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"no key for this API"}"#;
    let answer = format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let done = refused_by(move |stream, _| stream.write_all(answer.as_bytes()).unwrap());
    assert!(done.stderr.contains("403"), "{done:?}");
    assert!(done.stderr.contains("no key for this API"), "{done:?}");
}

#[test]
fn a_problem_that_comes_in_pieces_is_quoted_whole() {
    let done = refused_by(|stream, _| {
        let head = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\nContent-Length: 36\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        for byte in br#"{"status":403,"detail":"no key yet"}"# {
            stream.write_all(&[*byte]).unwrap();
        }
    });
    assert!(done.stderr.contains("403"), "{done:?}");
    assert!(done.stderr.contains("no key yet"), "{done:?}");
}

#[test]
fn lines_and_escapes_of_a_refusal_do_not_reach_the_terminal() {
    let done = refused_by(|stream, _| {
        let body = "first\r\nsecond\n\x1b[31mred\x07";
        let head = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(head.as_bytes()).unwrap();
    });
    assert!(done.stderr.contains("403"), "{done:?}");
    assert!(!done.stderr.contains(['\x1b', '\x07', '\r']), "{done:?}");
}

#[test]
fn a_page_instead_of_a_handshake_is_named_by_its_status() {
    let done = refused_by(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    });
    assert!(done.stderr.contains("200"), "{done:?}");
}

#[test]
fn a_wrong_accept_is_no_handshake() {
    let done = refused_by(|stream, request| {
        let key = crate::harness::header(request, "sec-websocket-key").unwrap();
        let right = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let wrong = tungstenite::handshake::derive_accept_key(b"another key");
        stream.write_all(switching(request, "").replace(&right, &wrong).as_bytes()).unwrap();
    });
    assert!(done.stderr.to_lowercase().contains("accept"), "{done:?}");
}

#[test]
fn garbage_is_no_handshake() {
    refused_by(|stream, _| stream.write_all(b"\x00\x01\x02 garbage\r\n\r\n").unwrap());
    refused_by(|stream, _| stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").unwrap());
    refused_by(|stream, _| stream.write_all(&[b'x'; 200_000]).unwrap_or(()));
}

#[test]
fn a_server_that_closes_at_once_is_said_so() {
    let done = refused_by(|_, _| {});
    assert!(done.stderr.contains("clos") || done.stderr.contains("end"), "{done:?}");
    // Without even reading.
    let server = Server::start(|_, stream| drop(stream));
    let done = start("echo", server.address(), &["--connections", "10", "--duration", "1s"]).ends();
    says_why(&done);
    assert_eq!(server.served(), 1);
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let server = Server::start(|_, mut stream| {
        swallow(&mut stream);
    });
    let begun = std::time::Instant::now();
    let done = start("echo", server.address(), &["--connections", "10", "--timeout", "500ms"]).ends();
    assert!(begun.elapsed().as_millis() >= 500);
    says_why(&done);
    assert!(done.stderr.contains("time"), "{done:?}");
    assert_eq!(server.served(), 1);
}

#[test]
fn a_server_that_answers_drop_by_drop_is_given_up_too() {
    let server = Server::start(|_, mut stream| {
        while stream.write_all(b"H").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    let done = start("echo", server.address(), &["--timeout", "500ms"]).ends();
    says_why(&done);
}

#[test]
fn a_name_without_an_address_is_said_in_one_line() {
    let done = run(&["echo", "--url", "ws://no-such-host.invalid/", "--json", "-"]);
    says_why(&done);
    assert!(done.stderr.contains("no-such-host.invalid"), "{done:?}");
}

#[test]
fn every_scenario_says_why() {
    for scenario in ["hold", "storm", "fanout"] {
        let server = Server::start(|_, mut stream| {
            if head(&mut stream).is_some() {
                let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
            }
        });
        let done = start(scenario, server.address(), &[]).ends();
        says_why(&done);
        assert!(done.stderr.contains("403"), "{scenario}: {done:?}");
        assert_eq!(server.served(), 1, "{scenario}");
    }
}
