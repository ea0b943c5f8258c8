//! The handshake's own headers (RFC 6455 sections 4.1, 4.2.1 and 11.3) and those that speak of a body.

use ringway::proto::refusal::Refusal;

use super::{KEY, Parsed, Vector, good, instead, keeping, plain, refused, run_requests, with, without};

fn is_plain(name: &str, bytes: Vec<u8>) -> Vector<Parsed> {
    good(name, bytes, plain())
}

#[test]
fn upgrade() {
    let bad = |name: &str, line: &str| refused(name, instead("Upgrade", line), Refusal::UPGRADE_REQUIRED);
    run_requests(vec![
        refused("a_missing_upgrade_is_refused_with_426", without("Upgrade"), Refusal::UPGRADE_REQUIRED),
        bad("an_empty_upgrade_is_refused", "Upgrade:"),
        bad("another_protocol_is_refused", "Upgrade: h2c"),
        bad("a_longer_word_is_another_protocol", "Upgrade: websockets"),
        bad("a_shorter_word_is_another_protocol", "Upgrade: websocke"),
        bad("websocket_with_a_version_is_another_protocol", "Upgrade: websocket/13"),
        bad("websocket_in_quotes_is_another_protocol", "Upgrade: \"websocket\""),
        bad("websocket_behind_a_semicolon_is_no_element", "Upgrade: h2c;websocket"),
        is_plain("websocket_has_no_case", instead("Upgrade", "Upgrade: WEBsocket")),
        is_plain("websocket_may_stand_among_other_protocols", instead("Upgrade", "Upgrade: h2c, websocket, IRC/6.9")),
        is_plain("websocket_may_stand_on_a_later_line", instead("Upgrade", "Upgrade: h2c\r\nUpgrade: websocket")),
        is_plain("empty_elements_of_upgrade_are_ignored", instead("Upgrade", "Upgrade: , ,websocket,")),
        is_plain(
            "white_space_around_elements_of_upgrade_is_ignored",
            instead("Upgrade", "Upgrade: h2c\t,\twebsocket\t"),
        ),
        is_plain("websocket_may_be_said_twice", with("Upgrade: websocket")),
    ]);
}

#[test]
fn connection() {
    let lacks = |name: &str, line: &str| refused(name, instead("Connection", line), Refusal::CONNECTION_NOT_UPGRADE);
    let bad = |name: &str, line: &str| refused(name, instead("Connection", line), Refusal::CONNECTION_INVALID);
    run_requests(vec![
        refused("a_missing_connection_is_refused", without("Connection"), Refusal::CONNECTION_NOT_UPGRADE),
        lacks("an_empty_connection_is_refused", "Connection:"),
        lacks("keep_alive_is_not_upgrade", "Connection: keep-alive"),
        lacks("a_longer_word_is_not_upgrade", "Connection: upgrades"),
        lacks("websocket_is_not_upgrade", "Connection: websocket"),
        bad("a_parameter_is_no_connection_option", "Connection: Upgrade;q=1"),
        bad("a_quoted_word_is_no_connection_option", "Connection: \"Upgrade\""),
        bad("two_words_are_no_connection_option", "Connection: keep-alive Upgrade"),
        is_plain("upgrade_has_no_case", instead("Connection", "Connection: uPGRADE")),
        is_plain("upgrade_may_stand_in_a_list", instead("Connection", "Connection: keep-alive, Upgrade")),
        is_plain("upgrade_may_stand_beside_close", instead("Connection", "Connection: close, Upgrade")),
        is_plain(
            "upgrade_may_stand_on_a_later_line",
            instead("Connection", "Connection: close\r\nConnection: Upgrade"),
        ),
        is_plain("empty_elements_of_connection_are_ignored", instead("Connection", "Connection: ,, Upgrade ,")),
    ]);
}

#[test]
fn key() {
    let bad = |name: &str, key: &str| {
        refused(name, instead("Sec-WebSocket-Key", format!("Sec-WebSocket-Key: {key}")), Refusal::KEY_INVALID)
    };
    let is_key = |name: &str, key: &str| {
        let bytes = instead("Sec-WebSocket-Key", format!("Sec-WebSocket-Key: {key}"));
        good(name, bytes, Parsed { key: key.trim_ascii().into(), ..plain() })
    };
    run_requests(vec![
        refused("a_missing_key_is_refused", without("Sec-WebSocket-Key"), Refusal::KEY_MISSING),
        refused("a_second_key_is_refused", with("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), Refusal::KEY_DUPLICATE),
        refused("the_same_key_twice_is_refused", with(format!("Sec-WebSocket-Key: {KEY}")), Refusal::KEY_DUPLICATE),
        bad("an_empty_key_is_refused", ""),
        bad("a_key_of_15_bytes_is_refused", "AAAAAAAAAAAAAAAAAAAA"),
        bad("a_key_of_17_bytes_is_refused", "AAAAAAAAAAAAAAAAAAAAAAA="),
        bad("a_key_of_18_bytes_is_refused", "AAAAAAAAAAAAAAAAAAAAAAAA"),
        bad("a_key_of_13_bytes_is_refused", "AAAAAAAAAAAAAAAAAA=="),
        bad("a_key_without_padding_is_refused", "AAAAAAAAAAAAAAAAAAAAAA"),
        bad("a_key_with_half_its_padding_is_refused", "AAAAAAAAAAAAAAAAAAAAAA="),
        bad("a_key_with_too_much_padding_is_refused", "AAAAAAAAAAAAAAAAAAAAAA==="),
        bad("a_key_with_padding_inside_is_refused", "AAAAAAAAAAA==AAAAAAAAA=="),
        bad("a_key_in_the_url_safe_alphabet_is_refused", "-_-_-_-_-_-_-_-_-_-_-g=="),
        bad("a_key_with_a_byte_outside_the_alphabet_is_refused", "AAAAAAAAAA!AAAAAAAAAAA=="),
        bad("a_key_with_a_space_inside_is_refused", "AAAAAAAAAA AAAAAAAAAAA=="),
        bad("two_keys_in_one_line_are_refused", &format!("{KEY}, {KEY}")),
        bad("a_key_in_quotes_is_refused", &format!("\"{KEY}\"")),
        is_key("a_key_of_zeros_is_a_key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        is_key("the_whole_alphabet_may_be_used", "+/+/+/+/+/+/+/+/+/+/+g=="),
        // RFC 4648 section 3.5 leaves it to the decoder; RFC 6455 asks for 16 bytes, not for zero bits behind them.
        is_key("unused_bits_of_a_key_may_be_set", "AAAAAAAAAAAAAAAAAAAAAB=="),
        is_key("white_space_around_a_key_is_not_part_of_it", "  dGhlIHNhbXBsZSBub25jZQ==\t"),
    ]);
}

#[test]
fn version() {
    let bad =
        |name: &str, line: &str| refused(name, instead("Sec-WebSocket-Version", line), Refusal::VERSION_UNSUPPORTED);
    run_requests(vec![
        refused(
            "a_missing_version_is_refused_with_426",
            without("Sec-WebSocket-Version"),
            Refusal::VERSION_UNSUPPORTED,
        ),
        bad("version_8_is_refused", "Sec-WebSocket-Version: 8"),
        bad("version_14_is_refused", "Sec-WebSocket-Version: 14"),
        bad("version_0_is_refused", "Sec-WebSocket-Version: 0"),
        bad("version_255_is_refused", "Sec-WebSocket-Version: 255"),
        bad("an_empty_version_is_refused", "Sec-WebSocket-Version:"),
        bad("a_list_of_versions_is_refused", "Sec-WebSocket-Version: 13, 8"),
        bad("a_version_with_a_leading_zero_is_refused", "Sec-WebSocket-Version: 013"),
        bad("a_signed_version_is_refused", "Sec-WebSocket-Version: +13"),
        bad("a_version_with_a_fraction_is_refused", "Sec-WebSocket-Version: 13.0"),
        refused("a_second_version_is_refused", with("Sec-WebSocket-Version: 8"), Refusal::VERSION_DUPLICATE),
        refused("the_same_version_twice_is_refused", with("Sec-WebSocket-Version: 13"), Refusal::VERSION_DUPLICATE),
        is_plain(
            "white_space_around_a_version_is_not_part_of_it",
            instead("Sec-WebSocket-Version", "Sec-WebSocket-Version: \t13 "),
        ),
    ]);
}

#[test]
fn content_length() {
    let bad =
        |name: &str, value: &str| refused(name, with(format!("Content-Length: {value}")), Refusal::LENGTH_INVALID);
    run_requests(vec![
        is_plain("a_length_of_zero_is_no_body", with("Content-Length: 0")),
        is_plain("a_length_of_many_zeros_is_no_body", with("Content-Length: 0000000000000000000000")),
        refused("a_length_of_five_is_a_body", with("Content-Length: 5"), Refusal::BODY),
        refused("a_length_of_05_is_a_body", with("Content-Length: 05"), Refusal::BODY),
        refused("a_length_beyond_64_bits_is_a_body", with("Content-Length: 99999999999999999999"), Refusal::BODY),
        refused("a_length_that_wraps_to_zero_is_a_body", with("Content-Length: 18446744073709551616"), Refusal::BODY),
        refused("a_second_length_is_refused", with("Content-Length: 0\r\nContent-Length: 5"), Refusal::LENGTH_INVALID),
        refused(
            "the_same_length_twice_is_refused",
            with("Content-Length: 0\r\nContent-Length: 0"),
            Refusal::LENGTH_INVALID,
        ),
        bad("a_list_of_lengths_is_refused", "0, 0"),
        bad("an_empty_length_is_refused", ""),
        bad("a_length_with_a_plus_sign_is_refused", "+0"),
        bad("a_length_with_a_minus_sign_is_refused", "-0"),
        bad("a_hexadecimal_length_is_refused", "0x0"),
        bad("a_length_with_a_space_is_refused", "0 0"),
        bad("a_length_with_an_underscore_is_refused", "0_0"),
        bad("a_length_with_a_fraction_is_refused", "0.0"),
        bad("a_word_is_no_length", "none"),
        bad("digits_that_are_not_ascii_are_no_length", "\u{660}"),
    ]);
}

#[test]
fn transfer_encoding() {
    let bad = |name: &str, lines: &str| refused(name, with(lines), Refusal::TRANSFER_ENCODING);
    run_requests(vec![
        bad("chunked_is_refused", "Transfer-Encoding: chunked"),
        bad("identity_is_refused", "Transfer-Encoding: identity"),
        bad("gzip_and_chunked_is_refused", "Transfer-Encoding: gzip, chunked"),
        bad("an_unknown_coding_is_refused", "Transfer-Encoding: xchunked"),
        bad("an_empty_coding_is_refused", "Transfer-Encoding:"),
        bad("a_coding_beside_a_length_is_refused", "Content-Length: 0\r\nTransfer-Encoding: chunked"),
        bad("a_coding_before_a_length_is_refused", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        bad("two_codings_are_refused", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
        refused(
            "a_coding_that_connection_names_is_refused",
            instead("Connection", "Connection: Upgrade, Transfer-Encoding\r\nTransfer-Encoding: chunked"),
            Refusal::TRANSFER_ENCODING,
        ),
        refused(
            "a_coding_behind_a_vertical_tab_is_refused",
            with("Transfer-Encoding:\x0Bchunked"),
            Refusal::HEAD_MALFORMED,
        ),
    ]);
}

#[test]
fn subprotocols() {
    let offers = |name: &str, lines: &[&str], names: &[&str]| {
        good(name, with(lines.join("\r\n")), Parsed { protocols: super::owned(names), ..keeping(lines) })
    };
    let passes = |name: &str, line: &str, names: &[&str]| {
        let passed = format!("Sec-WebSocket-Protocol: {}", names.join(", "));
        let kept: &[&str] = if names.is_empty() { &[] } else { &[&passed] };
        let expected = Parsed { protocols: super::owned(names), ..keeping(kept) };
        good(name, with(format!("Sec-WebSocket-Protocol: {line}")), expected)
    };
    let bad = |name: &str, line: &str| {
        refused(name, with(format!("Sec-WebSocket-Protocol: {line}")), Refusal::PROTOCOL_INVALID)
    };
    run_requests(vec![
        offers("one_protocol_is_offered", &["Sec-WebSocket-Protocol: chat"], &["chat"]),
        offers("protocols_keep_their_order", &["Sec-WebSocket-Protocol: b, a,c"], &["b", "a", "c"]),
        offers(
            "protocols_may_stand_on_several_lines",
            &["Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Protocol: c"],
            &["a", "b", "c"],
        ),
        offers("empty_elements_of_protocols_are_ignored", &["Sec-WebSocket-Protocol: ,a,, b ,"], &["a", "b"]),
        offers("protocols_of_different_case_are_different", &["Sec-WebSocket-Protocol: chat, Chat"], &["chat", "Chat"]),
        offers(
            "every_token_byte_may_name_a_protocol",
            &["Sec-WebSocket-Protocol: !#$%&'*+-.^_`|~9Az"],
            &["!#$%&'*+-.^_`|~9Az"],
        ),
        // RFC 9110 section 5.6.1.2: an empty list is none, and there is nothing to pass on.
        passes("a6_an_empty_line_beside_a_protocol_is_not_passed_on", "\r\nSec-WebSocket-Protocol: a", &["a"]),
        passes("a6_an_empty_list_of_protocols_is_none", "", &[]),
        passes("a6_a_list_of_empty_protocols_is_none", ", ,", &[]),
        passes("a6_a_protocol_twice_in_one_line_is_passed_on_once", "chat, b, chat", &["chat", "b"]),
        passes(
            "a6_a_protocol_twice_on_two_lines_is_passed_on_once",
            "chat\r\nSec-WebSocket-Protocol: b, chat",
            &["chat", "b"],
        ),
        bad("a_protocol_with_a_space_is_refused", "chat room"),
        bad("a_protocol_with_a_slash_is_refused", "chat/2"),
        bad("a_protocol_with_a_parameter_is_refused", "chat;v=2"),
        bad("a_protocol_in_quotes_is_refused", "\"chat\""),
        bad("a_protocol_with_brackets_is_refused", "chat(2)"),
        bad("a_protocol_with_an_equals_sign_is_refused", "v=2"),
        bad("a_protocol_with_an_at_sign_is_refused", "chat@2"),
        bad("a_protocol_in_utf_8_is_refused", "caf\u{e9}"),
        bad("a_bad_protocol_behind_a_good_one_is_refused", "chat, super chat"),
    ]);
}

#[test]
fn the_most_useful_refusal_comes_first() {
    let visit = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n";
    run_requests(vec![
        refused("a_browsers_visit_is_told_to_upgrade", visit, Refusal::UPGRADE_REQUIRED),
        refused("a_request_without_any_line_lacks_a_host", "GET / HTTP/1.1\r\n\r\n", Refusal::HOST_MISSING),
    ]);
}
