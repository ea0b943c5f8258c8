//! The form of header lines (RFC 9112 section 5, RFC 9110 section 5).

use ringway::proto::head::is_token_byte;
use ringway::proto::refusal::Refusal;

use super::{Parsed, Vector, good, head_of, instead, keeping, plain, plain_lines, refused, run_requests, with};

fn malformed(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Vector<Parsed> {
    refused(name, bytes, Refusal::HEAD_MALFORMED)
}

#[test]
fn line_ends() {
    run_requests(vec![
        malformed("a_bare_lf_between_lines_is_refused", with("X-A: b\nX-C: d")),
        malformed("a_bare_lf_before_a_smuggled_length_is_refused", with("X-A: b\nContent-Length: 5")),
        malformed("a_bare_cr_in_a_value_is_refused", with("X-A: b\rc")),
        malformed("a_bare_cr_between_lines_is_refused", with("X-A: b\rTransfer-Encoding: chunked")),
        malformed("a_bare_cr_at_the_end_of_a_value_is_refused", with("X-A: b\r")),
        malformed("a_bare_cr_in_a_name_is_refused", with("X-\rA: b")),
        malformed("a_bare_lf_before_the_empty_line_is_refused", with("X-A: b\n")),
        malformed("lf_cr_is_no_line_end", with("X-A: b\n\rX-C: d")),
    ]);
}

#[test]
fn folded_lines() {
    run_requests(vec![
        malformed("a_line_folded_with_a_space_is_refused", with("X-A: b\r\n c")),
        malformed("a_line_folded_with_a_tab_is_refused", with("X-A: b\r\n\tc")),
        malformed("a_folded_upgrade_is_refused", instead("Upgrade", "Upgrade:\r\n websocket")),
        malformed("a_folded_transfer_encoding_is_refused", with("Transfer-Encoding:\r\n chunked")),
        malformed("a_fold_behind_the_first_line_is_refused", head_of("GET / HTTP/1.1", &[b" X-A: b", b"Host: a.test"])),
        malformed("a_line_of_white_space_is_refused", with("X-A: b\r\n ")),
    ]);
}

#[test]
fn names() {
    run_requests(vec![
        malformed("a_space_before_the_colon_is_refused", with("X-A : b")),
        malformed("a_tab_before_the_colon_is_refused", with("X-A\t: b")),
        malformed("a_space_before_the_colon_of_a_length_is_refused", with("Content-Length : 5")),
        malformed("a_space_before_the_colon_of_a_coding_is_refused", with("Transfer-Encoding : chunked")),
        malformed("a_space_in_a_name_is_refused", with("X A: b")),
        malformed("a_line_without_a_colon_is_refused", with("X-A")),
        malformed("an_empty_name_is_refused", with(": b")),
        malformed("a_nul_in_a_name_is_refused", with("X-\0A: b")),
        malformed("obs_text_in_a_name_is_refused", with(b"X-\xE9: b")),
        good("an_underscore_in_a_name_is_allowed", with("X_A: b"), keeping(&["X_A: b"])),
        good("a_name_keeps_its_case", with("x-a: b"), keeping(&["x-a: b"])),
    ]);
    // RFC 9110 section 5.6.2: the token bytes, and no others. The colon ends the name; CR and LF are cases above.
    let vectors = (0..=u8::MAX).filter(|byte| !b":\r\n".contains(byte)).map(|byte| {
        let line = [b"X", &[byte][..], b"A: b"].concat();
        if byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte) {
            let kept = format!("{}: b", String::from_utf8_lossy(&[b'X', byte, b'A']));
            good(format!("byte_{byte:#04x}_may_stand_in_a_name"), with(line), keeping(&[kept.as_str()]))
        } else {
            malformed(format!("byte_{byte:#04x}_may_not_stand_in_a_name"), with(line))
        }
    });
    run_requests(vectors.collect());
    for byte in 0..=u8::MAX {
        let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert_eq!(is_token_byte(byte), token, "{byte:#04x}");
    }
}

#[test]
fn values() {
    run_requests(vec![
        good("an_empty_value_is_kept", with("X-A:"), keeping(&["X-A: "])),
        good("a_value_of_white_space_is_empty", with("X-A: \t "), keeping(&["X-A: "])),
        good("no_white_space_behind_the_colon_is_needed", with("X-A:b"), keeping(&["X-A: b"])),
        good("colons_in_a_value_are_kept", with("X-A: b:c: d"), keeping(&["X-A: b:c: d"])),
        good("a_tab_in_a_value_is_kept", with("X-A: b\tc"), keeping(&["X-A: b\\tc"])),
        good("obs_text_in_a_value_is_kept", with(b"X-A: b\xE9\xFF\x80"), keeping(&["X-A: b\\xe9\\xff\\x80"])),
        good("utf_8_in_a_value_is_kept", with("X-A: caf\u{e9}"), keeping(&["X-A: caf\\xc3\\xa9"])),
        good(
            "repeated_lines_keep_their_order",
            with("X-A: 1\r\nX-B: 2\r\nX-A: 3"),
            keeping(&["X-A: 1", "X-B: 2", "X-A: 3"]),
        ),
    ]);
    let controls = (0..0x20_u8).chain([0x7F]).filter(|byte| !b"\t\r\n".contains(byte)).map(|byte| {
        malformed(
            format!("control_byte_{byte:#04x}_may_not_stand_in_a_value"),
            with([b"X-A: b", &[byte][..], b"c"].concat()),
        )
    });
    run_requests(controls.collect());
}

#[test]
fn names_have_no_case() {
    let lines: [&[u8]; 5] = [
        b"hOST: a.test",
        b"UPGRADE: WebSocket",
        b"connection: UPGRADE",
        b"sec-websocket-version: 13",
        b"SEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    run_requests(vec![
        good("names_and_tokens_have_no_case", head_of("GET / HTTP/1.1", &lines), plain()),
        refused("a_coding_in_another_case_is_found", with("tRANSFER-eNCODING: chunked"), Refusal::TRANSFER_ENCODING),
        refused("a_length_in_another_case_is_found", with("CONTENT-length: 5"), Refusal::BODY),
        refused("a_second_host_in_another_case_is_found", with("HOST: a.test"), Refusal::HOST_DUPLICATE),
    ]);
}

#[test]
fn hop_by_hop_lines_end_here() {
    let named = |connection: &str, more: &str| {
        let mut lines = plain_lines();
        lines[2] = connection.as_bytes();
        lines.push(more.as_bytes());
        head_of("GET / HTTP/1.1", &lines)
    };
    run_requests(vec![
        good("keep_alive_ends_here", with("Keep-Alive: timeout=5"), plain()),
        good("proxy_connection_ends_here", with("Proxy-Connection: keep-alive"), plain()),
        good("proxy_authorization_ends_here", with("Proxy-Authorization: Basic eA=="), plain()),
        good("te_ends_here", with("TE: trailers"), plain()),
        good("trailer_ends_here", with("Trailer: X-A"), plain()),
        good("an_accept_value_from_a_client_ends_here", with("Sec-WebSocket-Accept: x"), plain()),
        good("a_header_that_connection_names_ends_here", named("Connection: Upgrade, X-A", "X-A: b"), plain()),
        good("a_header_is_named_without_case", named("Connection: x-a, upgrade", "X-A: b"), plain()),
        good("every_line_of_a_named_header_ends_here", named("Connection: Upgrade, X-A", "X-A: b\r\nX-A: c"), plain()),
        good(
            "a_name_counts_on_any_connection_line",
            named("Connection: Upgrade", "X-A: b\r\nX-B: c\r\nConnection: X-A"),
            keeping(&["X-B: c"]),
        ),
        good(
            "protocols_that_connection_names_are_not_offered",
            named("Connection: Upgrade, sec-websocket-protocol", "Sec-WebSocket-Protocol: chat"),
            plain(),
        ),
        good(
            "extensions_that_connection_names_are_not_offered",
            named("Connection: Sec-WebSocket-Extensions, Upgrade", "Sec-WebSocket-Extensions: permessage-deflate"),
            plain(),
        ),
        good(
            "a_name_that_only_begins_like_another_passes",
            named("Connection: Upgrade, X", "X-A: b"),
            keeping(&["X-A: b"]),
        ),
        good(
            "authorization_cookies_and_origin_pass",
            with("Authorization: Bearer t\r\nCookie: a=b\r\nCookie: c=d\r\nOrigin: null"),
            keeping(&["Authorization: Bearer t", "Cookie: a=b", "Cookie: c=d", "Origin: null"]),
        ),
    ]);
}
