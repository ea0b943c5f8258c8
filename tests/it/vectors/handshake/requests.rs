//! Methods, versions and the shape of the first line (RFC 9112 section 3, RFC 6455 section 4.2.1).

use ringway::proto::refusal::Refusal;

use super::{Parsed, good, head_of, incomplete, keeping, plain, plain_lines, refused, run_requests, starting, with};

#[test]
fn whole_handshakes() {
    let rfc_example = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let browser = "GET /socket?room=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive, Upgrade\r\n\
         Pragma: no-cache\r\nUpgrade: websocket\r\nOrigin: http://127.0.0.1:8080\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    let mut reversed = plain_lines();
    reversed.reverse();
    run_requests(vec![
        good("the_shortest_valid_handshake_is_accepted", starting("GET / HTTP/1.1"), plain()),
        good(
            "the_rfcs_example_is_accepted",
            rfc_example,
            Parsed {
                path: "/chat".into(),
                host: "server.example.com".into(),
                protocols: vec!["chat".into(), "superchat".into()],
                ..keeping(&["Origin: http://example.com", "Sec-WebSocket-Protocol: chat, superchat"])
            },
        ),
        good(
            "a_browsers_handshake_is_accepted",
            browser,
            Parsed {
                path: "/socket?room=1".into(),
                host: "127.0.0.1:8080".into(),
                extensions: vec!["permessage-deflate".into()],
                ..keeping(&[
                    "Pragma: no-cache",
                    "Origin: http://127.0.0.1:8080",
                    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
                ])
            },
        ),
        good("the_order_of_the_lines_does_not_matter", head_of("GET / HTTP/1.1", &reversed), plain()),
        good(
            "bytes_behind_the_head_are_not_part_of_it",
            [starting("GET / HTTP/1.1"), b"\x81\x80\0\0\0\0\r\n\r\n".to_vec()].concat(),
            plain(),
        ),
        good("white_space_around_values_is_not_part_of_them", with("X-A: \t b \t"), keeping(&["X-A: b"])),
    ]);
}

#[test]
fn methods() {
    let post = [starting("POST / HTTP/1.1"), b"body".to_vec()].concat();
    run_requests(vec![
        refused("post_is_refused", post, Refusal::METHOD),
        refused("head_is_refused", starting("HEAD / HTTP/1.1"), Refusal::METHOD),
        refused("put_is_refused", starting("PUT / HTTP/1.1"), Refusal::METHOD),
        refused("delete_is_refused", starting("DELETE / HTTP/1.1"), Refusal::METHOD),
        refused("patch_is_refused", starting("PATCH / HTTP/1.1"), Refusal::METHOD),
        refused("trace_is_refused", starting("TRACE / HTTP/1.1"), Refusal::METHOD),
        refused("options_of_everything_is_refused", starting("OPTIONS * HTTP/1.1"), Refusal::METHOD),
        refused("connect_is_refused", starting("CONNECT a.test:443 HTTP/1.1"), Refusal::METHOD),
        refused("a_lower_case_get_is_another_method", starting("get / HTTP/1.1"), Refusal::METHOD),
        refused("a_method_that_begins_like_get_is_refused", starting("GETS / HTTP/1.1"), Refusal::METHOD),
        refused("a_method_of_odd_token_bytes_is_a_method", starting("!#$%&'*+-.^_`|~9 / HTTP/1.1"), Refusal::METHOD),
        refused("a_first_line_of_one_word_is_refused", starting([b'A'; 40]), Refusal::HEAD_MALFORMED),
        refused(
            "a_long_unknown_method_is_refused_as_a_method",
            starting(format!("{} / HTTP/1.1", "A".repeat(40))),
            Refusal::METHOD,
        ),
        refused("an_empty_method_is_refused", starting(" / HTTP/1.1"), Refusal::HEAD_MALFORMED),
        refused("a_method_that_is_no_token_is_refused", starting("G@T / HTTP/1.1"), Refusal::HEAD_MALFORMED),
        refused("a_quoted_method_is_refused", starting("\"GET\" / HTTP/1.1"), Refusal::HEAD_MALFORMED),
        refused("a_method_with_a_nul_is_refused", starting("G\0T / HTTP/1.1"), Refusal::HEAD_MALFORMED),
        refused("a_method_with_obs_text_is_refused", starting(b"G\xC9T / HTTP/1.1"), Refusal::HEAD_MALFORMED),
    ]);
}

#[test]
fn versions() {
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    run_requests(vec![
        refused("http_1_0_is_refused", starting("GET / HTTP/1.0"), Refusal::HTTP_VERSION),
        refused("http_2_0_is_refused", starting("GET / HTTP/2.0"), Refusal::HTTP_VERSION),
        refused("the_http_2_preface_is_refused", preface, Refusal::HTTP_VERSION),
        refused("http_0_9_is_refused", starting("GET /"), Refusal::HEAD_MALFORMED),
        refused("http_1_9_does_not_exist", starting("GET / HTTP/1.9"), Refusal::HTTP_VERSION),
        refused("http_3_0_is_refused", starting("GET / HTTP/3.0"), Refusal::HTTP_VERSION),
        refused("the_protocols_name_is_case_sensitive", starting("GET / http/1.1"), Refusal::HTTP_VERSION),
        refused("another_protocol_is_refused", starting("GET / ICAP/1.1"), Refusal::HTTP_VERSION),
        refused("a_version_without_a_dot_is_refused", starting("GET / HTTP/11"), Refusal::HTTP_VERSION),
        refused("a_version_without_a_minor_number_is_refused", starting("GET / HTTP/1."), Refusal::HTTP_VERSION),
        refused("an_empty_version_is_refused", starting("GET / "), Refusal::HTTP_VERSION),
        refused("a_version_with_a_digit_too_many_is_refused", starting("GET / HTTP/1.11"), Refusal::HEAD_MALFORMED),
        refused("a_version_with_a_comment_is_refused", starting("GET / HTTP/1.1;x"), Refusal::HEAD_MALFORMED),
    ]);
}

#[test]
fn first_lines() {
    run_requests(vec![
        refused("a_trailing_space_is_refused", starting("GET / HTTP/1.1 "), Refusal::HEAD_MALFORMED),
        refused("two_spaces_before_the_target_are_refused", starting("GET  / HTTP/1.1"), Refusal::HEAD_MALFORMED),
        refused("a_leading_space_is_refused", starting(" GET / HTTP/1.1"), Refusal::HEAD_MALFORMED),
        refused("a_tab_before_the_target_is_refused", starting("GET\t/ HTTP/1.1"), Refusal::HEAD_MALFORMED),
        refused("a_tab_behind_the_target_is_refused", starting("GET /\tHTTP/1.1"), Refusal::HEAD_MALFORMED),
        // Behind the second space stands no version.
        refused("two_spaces_behind_the_target_are_refused", starting("GET /  HTTP/1.1"), Refusal::HTTP_VERSION),
        refused("a_space_in_the_target_is_refused", starting("GET /a b HTTP/1.1"), Refusal::HTTP_VERSION),
        refused("a_first_line_without_a_target_is_refused", starting("GET HTTP/1.1"), Refusal::HEAD_MALFORMED),
        refused("a_bare_lf_behind_the_first_line_is_refused", bare_first("\n"), Refusal::HEAD_MALFORMED),
        refused("a_bare_cr_behind_the_first_line_is_refused", bare_first("\r"), Refusal::HEAD_MALFORMED),
        refused("a_doubled_cr_behind_the_first_line_is_refused", bare_first("\r\r\n"), Refusal::HEAD_MALFORMED),
        // RFC 9112 section 2.2: at least one empty line before the request should be ignored.
        good("an_empty_line_before_the_request_is_ignored", starting("\r\nGET / HTTP/1.1"), plain()),
        refused("two_empty_lines_are_no_request", starting("\r\n\r\nGET / HTTP/1.1"), Refusal::HEAD_MALFORMED),
        refused("a_bare_lf_before_the_request_is_refused", starting("\nGET / HTTP/1.1"), Refusal::HEAD_MALFORMED),
        refused("a_bare_cr_before_the_request_is_refused", starting("\rGET / HTTP/1.1"), Refusal::HEAD_MALFORMED),
        refused("an_empty_line_before_a_tls_hello_is_refused", b"\r\n\x16\x03\x01", Refusal::HEAD_MALFORMED),
        incomplete("an_empty_line_is_not_yet_a_request", "\r\n"),
        incomplete("the_start_of_an_empty_line_is_not_yet_a_request", "\r"),
        refused("a_response_is_no_request", "HTTP/1.1 200 OK\r\n\r\n", Refusal::HEAD_MALFORMED),
        refused("a_folded_first_line_is_refused", starting("GET /\r\n HTTP/1.1"), Refusal::HEAD_MALFORMED),
        refused("a_tls_hello_is_refused_before_it_is_whole", b"\x16\x03\x01\x02\0\x01", Refusal::HEAD_MALFORMED),
        incomplete("nothing_is_not_yet_a_request", ""),
        incomplete("a_method_alone_is_not_yet_a_request", "GET"),
        incomplete("a_head_without_its_empty_line_is_not_yet_a_request", "GET / HTTP/1.1\r\nHost: a.test\r\n"),
        incomplete("an_empty_line_without_its_lf_is_not_yet_an_end", "GET / HTTP/1.1\r\nHost: a.test\r\n\r"),
        // RFC 9112 section 2.2 allows a lone LF as a line's end and does not ask for it.
        refused("a2_a_head_of_bare_lf_lines_is_refused", "GET / HTTP/1.1\nHost: a.test\n\n", Refusal::HEAD_MALFORMED),
        refused("a2_a_bare_lf_needs_no_more", "GET / HTTP/1.1\n", Refusal::HEAD_MALFORMED),
        refused("a18_a_nul_needs_no_more", "GET / HTTP/1.1\r\nA\0: b", Refusal::HEAD_MALFORMED),
        refused("a18_a_lone_cr_in_the_first_line_needs_no_more", "GET /\rx", Refusal::HEAD_MALFORMED),
        refused("a18_the_banner_of_another_protocol_needs_no_more", "SSH-2.0-x\r\n", Refusal::HEAD_MALFORMED),
        refused("a18_a_header_line_without_a_colon_needs_no_more", "GET / HTTP/1.1\r\nA\r\n", Refusal::HEAD_MALFORMED),
        refused("a18_another_version_needs_no_more", "GET / HTTP/3\r\n", Refusal::HTTP_VERSION),
    ]);
}

fn bare_first(end: &str) -> Vec<u8> {
    let mut bytes = b"GET / HTTP/1.1".to_vec();
    bytes.extend(end.as_bytes());
    bytes.extend(super::PLAIN_LINES.join("\r\n").as_bytes());
    bytes.extend(b"\r\n\r\n");
    bytes
}
