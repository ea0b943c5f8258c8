//! Upstream answers to the handshake (RFC 6455 section 4.1, from "the client MUST validate the server's response").

use ringway::proto::frame::Reserved;
use ringway::proto::refusal::Refusal;
use ringway::proto::response::{Agreed, BodyLength};

use super::{Answer, Vector, good, head_of, incomplete, refused, run_responses};

/// The RFC's answer to the RFC's key.
const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const LINES: [&str; 3] = ["Upgrade: websocket", "Connection: Upgrade", ACCEPT];
const OFFER: &str = "Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate, x-other";

fn switching(reserved: Reserved) -> Answer {
    Answer::Switching(Agreed { reserved, is_accept_missing: false })
}

fn starting(first: &str) -> Vec<u8> {
    head_of(first, &LINES.map(str::as_bytes))
}

fn with(more: impl AsRef<[u8]>) -> Vec<u8> {
    let mut lines = LINES.map(str::as_bytes).to_vec();
    lines.push(more.as_ref());
    head_of("HTTP/1.1 101 Switching Protocols", &lines)
}

fn instead(name: &str, replacement: &str) -> Vec<u8> {
    let lines = LINES.map(|line| if line.starts_with(name) { replacement.as_bytes() } else { line.as_bytes() });
    head_of("HTTP/1.1 101 Switching Protocols", &lines)
}

fn without(name: &str) -> Vec<u8> {
    let lines: Vec<_> = LINES.iter().filter(|line| !line.starts_with(name)).map(|line| line.as_bytes()).collect();
    head_of("HTTP/1.1 101 Switching Protocols", &lines)
}

fn opens(name: &str, bytes: Vec<u8>) -> Vector<Answer> {
    good(name, bytes, switching(Reserved::None))
}

#[test]
fn the_switch_itself() {
    let no = |name: &str, bytes: Vec<u8>| refused(name, bytes, Refusal::UPSTREAM_NOT_WEBSOCKET);
    run_responses(
        "",
        vec![
            opens("the_rfcs_answer_opens", starting("HTTP/1.1 101 Switching Protocols")),
            opens("a_101_without_a_reason_opens", starting("HTTP/1.1 101 ")),
            opens("a_101_of_another_reason_opens", starting("HTTP/1.1 101 Web Socket Protocol Handshake")),
            opens("a_101_with_frames_behind_it_opens", [starting("HTTP/1.1 101 OK"), b"\x81\x02hi".to_vec()].concat()),
            opens("upgrade_has_no_case", instead("Upgrade", "uPGRADE: WebSocket")),
            opens("connection_has_no_case", instead("Connection", "CONNECTION: upgrade")),
            opens("connection_may_be_a_list", instead("Connection", "Connection: keep-alive, Upgrade")),
            opens(
                "connection_may_be_two_lines",
                instead("Connection", "Connection: keep-alive\r\nConnection: Upgrade"),
            ),
            opens("other_headers_do_not_matter", with("Server: x\r\nDate: now\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d")),
            no("a_101_without_upgrade_is_refused", without("Upgrade")),
            no("a_101_without_connection_is_refused", without("Connection")),
            no("a_101_to_another_protocol_is_refused", instead("Upgrade", "Upgrade: h2c")),
            // Several protocols mean layers (RFC 9110 section 7.8), not a choice; RFC 6455 wants websocket alone.
            no("a_101_to_websocket_over_another_is_refused", instead("Upgrade", "Upgrade: h2c, websocket")),
            no("a_101_to_another_over_websocket_is_refused", instead("Upgrade", "Upgrade: websocket, x-more")),
            no("a_101_to_another_on_a_second_line_is_refused", with("Upgrade: x-more")),
            opens("empty_elements_of_an_answered_upgrade_are_ignored", instead("Upgrade", "Upgrade: , websocket ,")),
            no("a_101_to_no_protocol_is_refused", instead("Upgrade", "Upgrade:")),
            no("a_101_to_a_longer_word_is_refused", instead("Upgrade", "Upgrade: websocket2")),
            no("a_101_with_another_connection_is_refused", instead("Connection", "Connection: close")),
            refused(
                "a19_a_101_of_http_1_0_is_refused_for_its_version",
                starting("HTTP/1.0 101 Switching Protocols"),
                Refusal::UPSTREAM_HTTP_VERSION,
            ),
        ],
    );
}

#[test]
fn accept_values() {
    let no = |name: &str, bytes: Vec<u8>| refused(name, bytes, Refusal::UPSTREAM_ACCEPT);
    let other = |value: &str| instead("Sec-WebSocket-Accept", &format!("Sec-WebSocket-Accept: {value}"));
    run_responses(
        "",
        vec![
            no("a_missing_accept_is_refused", without("Sec-WebSocket-Accept")),
            no("an_empty_accept_is_refused", other("")),
            no("the_accept_of_another_key_is_refused", other("HSmrc0sMlYUkAGmm5OPpG2HaGWk=")),
            no("an_accept_in_another_case_is_refused", other("S3PPLMBITXAQ9KYGZZHZRBK+XOO=")),
            no("an_accept_without_padding_is_refused", other("s3pPLMBiTxaQ9kYGzzhZRbK+xOo")),
            no("an_accept_with_more_behind_it_is_refused", other("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, x")),
            no("the_key_itself_is_no_accept", other(super::KEY)),
            no("a_second_accept_is_refused", with("Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=")),
            no("the_same_accept_twice_is_refused", with(ACCEPT)),
            opens("white_space_around_an_accept_is_ignored", other(" \ts3pPLMBiTxaQ9kYGzzhZRbK+xOo=\t ")),
            opens(
                "the_accept_headers_name_has_no_case",
                instead("Sec", &ACCEPT.replace("Sec-WebSocket", "sec-websocket")),
            ),
        ],
    );
}

#[test]
fn a_switch_has_no_body() {
    let no = |name: &str, more: &str| refused(name, with(more), Refusal::UPSTREAM_BODY);
    run_responses(
        "",
        vec![
            no("a_101_with_a_length_is_refused", "Content-Length: 5"),
            // nchan sends it, and nothing can be read wrong in it.
            opens("a_101_with_a_length_of_zero_is_forgiven", with("Content-Length: 0")),
            no("a_101_with_two_lengths_of_zero_is_refused", "Content-Length: 0\r\nContent-Length: 0"),
            no("a_101_with_a_length_that_is_not_plainly_zero_is_refused", "Content-Length: 00"),
            no("a_101_with_a_coding_is_refused", "Transfer-Encoding: chunked"),
            no("a_101_with_an_empty_coding_is_refused", "transfer-encoding:"),
            no("a_101_with_both_is_refused", "Content-Length: 0\r\nTransfer-Encoding: identity"),
        ],
    );
}

#[test]
fn subprotocols() {
    let no = |name: &str, more: &str| refused(name, with(more), Refusal::UPSTREAM_PROTOCOL);
    run_responses(
        OFFER,
        vec![
            opens("no_protocol_need_be_chosen", starting("HTTP/1.1 101 OK")),
            opens("an_offered_protocol_may_be_chosen", with("Sec-WebSocket-Protocol: chat")),
            opens("the_last_offered_protocol_may_be_chosen", with("sec-websocket-protocol: superchat ")),
            no("a_protocol_that_was_not_offered_is_refused", "Sec-WebSocket-Protocol: other"),
            no("a_protocol_of_another_case_was_not_offered", "Sec-WebSocket-Protocol: Chat"),
            opens("a6_an_empty_protocol_is_none", with("Sec-WebSocket-Protocol:")),
            opens("a6_a_list_of_empty_protocols_is_none", with("Sec-WebSocket-Protocol: ,")),
            opens("a6_the_same_protocol_twice_says_nothing_new", with("Sec-WebSocket-Protocol: chat, chat")),
            opens(
                "a6_nor_does_it_on_another_line",
                with("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: chat"),
            ),
            no(
                "a_protocol_that_connection_keeps_from_the_client_is_refused",
                "Sec-WebSocket-Protocol: chat\r\nConnection: sec-websocket-protocol",
            ),
            no("two_protocols_in_one_line_are_refused", "Sec-WebSocket-Protocol: chat, superchat"),
            no("two_protocol_lines_are_refused", "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: superchat"),
        ],
    );
    run_responses(
        "",
        vec![
            no("nothing_offered_nothing_chosen", "Sec-WebSocket-Protocol: chat"),
            opens("a6_nothing_offered_none_chosen", with("Sec-WebSocket-Protocol:")),
        ],
    );
}

#[test]
fn extensions() {
    let no = |name: &str, more: &str| {
        refused(name, with(format!("Sec-WebSocket-Extensions: {more}")), Refusal::UPSTREAM_EXTENSION)
    };
    let agrees = |name: &str, more: &str, reserved: Reserved| {
        good(name, with(format!("Sec-WebSocket-Extensions: {more}")), switching(reserved))
    };
    run_responses(
        OFFER,
        vec![
            agrees("deflate_may_use_the_first_reserved_bit", "permessage-deflate", Reserved::Deflate),
            agrees(
                "parameters_do_not_matter_here",
                "permessage-deflate; server_max_window_bits=\"10\"",
                Reserved::Deflate,
            ),
            agrees("an_unknown_extension_may_use_any_reserved_bit", "x-other", Reserved::Any),
            agrees("several_extensions_may_use_any_reserved_bit", "permessage-deflate, x-other", Reserved::Any),
            agrees("their_order_does_not_matter", "x-other, permessage-deflate", Reserved::Any),
            agrees(
                "extensions_may_stand_on_several_lines",
                "permessage-deflate\r\nSec-WebSocket-Extensions: x-other",
                Reserved::Any,
            ),
            no("an_extension_that_was_not_offered_is_refused", "x-third"),
            agrees("a4_an_empty_list_of_extensions_is_none", "", Reserved::None),
            agrees("a4_a_list_of_empty_extensions_is_none", ", ,", Reserved::None),
            agrees("a4_any_quoted_string_passes", "x-other; a=\"b:,;\\\" c\"", Reserved::Any),
            agrees("a4_an_empty_parameter_is_ignored", "permessage-deflate;", Reserved::Deflate),
            no("a4_an_element_that_is_no_token_is_refused", "x-       -frame"),
            no("a4_it_is_refused_beside_a_right_one", "permessage-deflate, x-       -frame"),
            agrees(
                "an_empty_line_beside_an_extension_is_ignored",
                "\r\nSec-WebSocket-Extensions: x-other",
                Reserved::Any,
            ),
            no("one_among_several_that_was_not_offered_is_refused", "permessage-deflate, x-third"),
            no("one_on_a_second_line_that_was_not_offered_is_refused", "x-other\r\nSec-WebSocket-Extensions: x-third"),
            no(
                "an_extension_that_connection_keeps_from_the_client_is_refused",
                "x-other\r\nConnection: Sec-WebSocket-Extensions",
            ),
            no("an_extension_that_breaks_the_grammar_is_refused", "permessage-deflate; =1"),
            no("an_open_quote_is_refused", "permessage-deflate; a=\"1"),
        ],
    );
    run_responses("", vec![no("deflate_that_was_not_offered_is_refused", "permessage-deflate")]);
}

#[test]
fn interim_answers_come_before_the_final_one() {
    let head = |first: &str| head_of(first, &[b"X-A: b"]);
    run_responses(
        "",
        vec![
            good("100_is_interim", head("HTTP/1.1 100 Continue"), Answer::Interim(100)),
            good("102_is_interim", head("HTTP/1.1 102 Processing"), Answer::Interim(102)),
            good("103_is_interim", head("HTTP/1.1 103 Early Hints"), Answer::Interim(103)),
            good("199_is_interim", head("HTTP/1.1 199 "), Answer::Interim(199)),
            good(
                "what_follows_an_interim_answer_is_not_part_of_it",
                [head("HTTP/1.1 100 Continue"), starting("HTTP/1.1 101 OK")].concat(),
                Answer::Interim(100),
            ),
            good("200_is_final", head("HTTP/1.1 200 OK"), Answer::Other(200, Ok(BodyLength::UntilClose))),
        ],
    );
}

#[test]
fn heads_that_are_none() {
    let no = |name: &str, bytes: &[u8]| refused(name, bytes, Refusal::UPSTREAM_MALFORMED);
    run_responses(
        "",
        vec![
            no("a_status_of_two_digits_is_refused", b"HTTP/1.1 20 OK\r\n\r\n"),
            no("a_status_of_four_digits_is_refused", b"HTTP/1.1 2000 OK\r\n\r\n"),
            no("a_status_below_100_is_refused", b"HTTP/1.1 099 Low\r\n\r\n"),
            no("a_status_above_599_is_refused", b"HTTP/1.1 600 High\r\n\r\n"),
            no("a_status_of_letters_is_refused", b"HTTP/1.1 OK OK\r\n\r\n"),
            no("another_version_is_refused", b"HTTP/2.0 200 OK\r\n\r\n"),
            no("another_protocol_is_refused", b"ICY 200 OK\r\n\r\n"),
            no("a_request_is_no_response", b"GET / HTTP/1.1\r\n\r\n"),
            no("a_bare_lf_is_refused", b"HTTP/1.1 200 OK\nX-A: b\r\n\r\n"),
            no("a_bare_cr_is_refused", b"HTTP/1.1 200 OK\r\nX-A: b\rc\r\n\r\n"),
            no("a_nul_is_refused", b"HTTP/1.1 200 OK\r\nX-A: b\0c\r\n\r\n"),
            no("a_control_byte_in_a_reason_is_refused", b"HTTP/1.1 200 O\x1BK\r\n\r\n"),
            no("a_folded_line_is_refused", b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\r\n"),
            no("a_space_before_the_colon_is_refused", b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n"),
            no("a_line_without_a_colon_is_refused", b"HTTP/1.1 200 OK\r\nX-A\r\n\r\n"),
            no("an_empty_name_is_refused", b"HTTP/1.1 200 OK\r\n: b\r\n\r\n"),
            incomplete("nothing_is_not_yet_an_answer", ""),
            incomplete("a_status_line_is_not_yet_an_answer", "HTTP/1.1 101 Switching Protocols\r\n"),
        ],
    );
}
