//! The answers that go to the client, byte for byte.

use ringway::proto::accept::accept_for;
use ringway::proto::outward::Outward;
use ringway::proto::refusal::Refusal;
use ringway::proto::response::{BodyLength, Response};

use super::{ROOMY, head_of, shown_head};

/// The client and the upstream see the same URL.
const SAME: Outward<'_> = Outward { client_path: "", target_path: "", authorities: [None, None] };

struct Written {
    name: &'static str,
    first: &'static str,
    upstream: &'static [&'static str],
    expected: &'static [&'static str],
}

fn heads(case: &Written, write: impl Fn(&Response<'_>, &mut Vec<u8>)) {
    let lines: Vec<_> = case.upstream.iter().map(|line| line.as_bytes()).collect();
    let head = head_of(case.first, &lines);
    let response = Response::parse(&head, &ROOMY).expect(case.name);
    let mut out = Vec::new();
    write(&response, &mut out);
    let expected = case.expected.join("\n") + "\n\n";
    assert_eq!(shown_head(&out), expected, "{}", case.name);
}

#[test]
fn a_switch_is_written_with_the_clients_own_accept() {
    let first = "HTTP/1.1 101 Whatever";
    let ours = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let cases = [
        Written {
            name: "the_upstreams_accept_is_replaced",
            first,
            upstream: &["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: other"],
            expected: &[],
        },
        Written {
            name: "an_accept_in_another_case_is_replaced",
            first,
            upstream: &["UPGRADE: WebSocket", "connection: upgrade", "SEC-WEBSOCKET-ACCEPT: other"],
            expected: &[],
        },
        Written {
            name: "what_was_agreed_goes_on",
            first,
            upstream: &["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate; x=1"],
            expected: &["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate; x=1"],
        },
        Written {
            name: "cookies_and_the_server_go_on",
            first,
            upstream: &["Set-Cookie: a=b", "Set-Cookie: c=d", "Server: x"],
            expected: &["Set-Cookie: a=b", "Set-Cookie: c=d", "Server: x"],
        },
        Written {
            name: "hop_by_hop_lines_end_here",
            first,
            upstream: &["Keep-Alive: timeout=5", "Proxy-Connection: x", "TE: x", "Trailer: x", "X-A: b"],
            expected: &["X-A: b"],
        },
        Written {
            name: "a_named_header_ends_here",
            first,
            upstream: &["Connection: Upgrade, X-A", "X-A: b", "x-a: c", "X-B: d"],
            expected: &["X-B: d"],
        },
    ];
    for case in &cases {
        let expected: Vec<_> = ours.iter().chain([&accept]).chain(case.expected).copied().collect();
        let case = Written { expected: Box::leak(expected.into_boxed_slice()), ..*case };
        heads(&case, |response, out| {
            response.write_switching(Some(&accept_for(super::KEY.as_bytes())), None, &SAME, b"", out);
        });
    }
}

#[test]
fn a5_a_declined_answer_keeps_its_length_or_comes_in_chunks() {
    let cases = [
        Written {
            name: "status_reason_and_headers_go_on",
            first: "HTTP/1.1 401 Unauthorized",
            upstream: &["WWW-Authenticate: Bearer", "Content-Type: text/plain", "Content-Length: 9"],
            expected: &[
                "HTTP/1.1 401 Unauthorized",
                "WWW-Authenticate: Bearer",
                "Content-Type: text/plain",
                "Connection: close",
                "Content-Length: 9",
            ],
        },
        Written {
            name: "a_representation_keeps_its_headers",
            first: "HTTP/1.1 403 Forbidden",
            upstream: &["Content-Encoding: gzip", "ETag: \"x\"", "Content-Length: 40000"],
            expected: &[
                "HTTP/1.1 403 Forbidden",
                "Content-Encoding: gzip",
                "ETag: \"x\"",
                "Connection: close",
                "Content-Length: 40000",
            ],
        },
        Written {
            name: "a_chunked_body_stays_one",
            first: "HTTP/1.1 500 Oops",
            upstream: &["Transfer-Encoding: chunked", "Trailer: X-A"],
            expected: &["HTTP/1.1 500 Oops", "Connection: close", "Transfer-Encoding: chunked"],
        },
        Written {
            name: "http_1_0_is_answered_as_http_1_1",
            first: "HTTP/1.0 404 Not Found",
            upstream: &["Connection: keep-alive", "Keep-Alive: 5"],
            expected: &["HTTP/1.1 404 Not Found", "Connection: close", "Transfer-Encoding: chunked"],
        },
        Written {
            name: "an_empty_reason_stays_empty",
            first: "HTTP/1.1 403 ",
            upstream: &["Content-Length: 0"],
            expected: &["HTTP/1.1 403 ", "Connection: close", "Content-Length: 0"],
        },
        Written {
            name: "redirects_elsewhere_keep_their_location",
            first: "HTTP/1.1 302 Found",
            upstream: &["Location: https://b.test/", "connection: X-Hop, close", "X-Hop: a", "Content-Length: 0"],
            expected: &["HTTP/1.1 302 Found", "Location: https://b.test/", "Connection: close", "Content-Length: 0"],
        },
    ];
    for case in &cases {
        heads(case, |response, out| {
            let length = response.body_length().expect(case.name);
            response.write_declined(length, &SAME, out);
        });
    }
}

#[test]
fn a_declined_answer_without_a_body_has_no_length() {
    // RFC 9110 section 8.6: never in a 204, and in a 304 only that of the answer it stands for.
    let cases = [
        Written {
            name: "a_204_has_no_length",
            first: "HTTP/1.1 204 No Content",
            upstream: &["Content-Length: 0", "X-A: b"],
            expected: &["HTTP/1.1 204 No Content", "X-A: b", "Connection: close"],
        },
        Written {
            name: "a_304_has_no_length",
            first: "HTTP/1.1 304 Not Modified",
            upstream: &["ETag: x"],
            expected: &["HTTP/1.1 304 Not Modified", "ETag: x", "Connection: close"],
        },
    ];
    for case in &cases {
        heads(case, |response, out| response.write_declined(BodyLength::None, &SAME, out));
    }
}

#[test]
fn an_answer_that_asks_for_an_upgrade_says_to_what() {
    // RFC 9110 sections 7.8 and 15.5.22: a 426 has an Upgrade line, and Connection names it.
    let declined = Written {
        name: "an_upstreams_426_asks_for_websocket",
        first: "HTTP/1.1 426 Upgrade Required",
        upstream: &["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 8"],
        expected: &[
            "HTTP/1.1 426 Upgrade Required",
            "Sec-WebSocket-Version: 8",
            "Connection: close, Upgrade",
            "Upgrade: websocket",
            "Content-Length: 5",
        ],
    };
    heads(&declined, |response, out| response.write_declined(BodyLength::Known(5), &SAME, out));
    for refusal in Refusal::ALL {
        let mut out = Vec::new();
        refusal.write(&mut out);
        let answer = String::from_utf8(out).expect("text");
        let asks = refusal.status == 426;
        assert_eq!(answer.contains("\r\nUpgrade: websocket\r\n"), asks, "{}", refusal.code);
        assert_eq!(answer.contains("\r\nSec-WebSocket-Version: 13\r\n"), asks, "{}", refusal.code);
        assert_eq!(answer.contains("\r\nConnection: close, Upgrade\r\n"), asks, "{}", refusal.code);
        assert_eq!(answer.contains("\r\nConnection: close\r\n"), !asks, "{}", refusal.code);
        assert_eq!(answer.contains("\r\nAllow: GET\r\n"), refusal.status == 405, "{}", refusal.code);
    }
}
