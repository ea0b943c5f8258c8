//! Request targets (RFC 9112 section 3.2, RFC 3986 sections 3.3 and 5.2.4).

use ringway::proto::refusal::Refusal;

use super::{Parsed, Vector, good, head_of, plain, plain_lines, refused, run_requests, starting};

fn aims(name: &str, target: &str, path: &str, host: &str) -> Vector<Parsed> {
    good(name, starting(format!("GET {target} HTTP/1.1")), Parsed { path: path.into(), host: host.into(), ..plain() })
}

fn misses(name: &str, target: impl AsRef<[u8]>) -> Vector<Parsed> {
    misses_with(name, target, Refusal::TARGET_INVALID)
}

fn misses_with(name: &str, target: impl AsRef<[u8]>, refusal: Refusal) -> Vector<Parsed> {
    refused(name, starting([b"GET ", target.as_ref(), b" HTTP/1.1"].concat()), refusal)
}

#[test]
fn origin_form() {
    run_requests(vec![
        aims("the_root_is_a_path", "/", "/", "a.test"),
        aims("path_and_query_are_kept_as_sent", "/a/b?c=d&e", "/a/b?c=d&e", "a.test"),
        aims("an_empty_query_is_kept", "/a?", "/a?", "a.test"),
        aims("a_slash_at_the_end_is_kept", "/a/", "/a/", "a.test"),
        aims("empty_segments_are_kept", "/a//b", "/a//b", "a.test"),
        aims("a_path_that_looks_like_an_authority_is_a_path", "//b.test/x", "//b.test/x", "a.test"),
        aims("percent_encoding_is_kept_as_sent", "/%41%2f%2F%c3%a9", "/%41%2f%2F%c3%a9", "a.test"),
        aims("every_byte_of_a_segment_is_kept", "/-._~!$&'()*+,;=:@9Az", "/-._~!$&'()*+,;=:@9Az", "a.test"),
        aims("a_query_may_hold_slashes_and_question_marks", "/?a/b?c", "/?a/b?c", "a.test"),
        aims("dots_in_a_query_are_data", "/a?x=/../b&..", "/a?x=/../b&..", "a.test"),
        aims("a_url_in_a_query_is_data", "/a?u=http://b.test/", "/a?u=http://b.test/", "a.test"),
        aims("a_url_in_a_path_is_data", "/http://b.test/", "/http://b.test/", "a.test"),
    ]);
}

#[test]
fn absolute_form() {
    run_requests(vec![
        aims("an_absolute_http_target_gives_path_and_host", "http://b.test/x?y", "/x?y", "b.test"),
        aims("an_absolute_https_target_is_read", "https://b.test/x", "/x", "b.test"),
        aims("an_absolute_ws_target_is_read", "ws://b.test/x", "/x", "b.test"),
        aims("an_absolute_wss_target_is_read", "wss://b.test/x", "/x", "b.test"),
        aims("a_scheme_has_no_case", "HtTp://b.test/x", "/x", "b.test"),
        aims("an_absolute_target_without_a_path_means_the_root", "http://b.test", "/", "b.test"),
        aims("an_absolute_target_keeps_its_port", "http://b.test:81/x", "/x", "b.test:81"),
        aims("an_absolute_target_may_name_an_ipv6_address", "http://[2001:db8::1]:81/", "/", "[2001:db8::1]:81"),
        aims("an_absolute_target_keeps_empty_segments", "http://b.test//x", "//x", "b.test"),
        // Valid (an empty path and a query), but sent by nobody: clients write the slash (RFC 9112 section 3.2.1).
        misses("an_absolute_target_with_a_query_but_no_path_is_refused", "http://b.test?x"),
        misses("an_absolute_target_without_a_host_is_refused", "http:///x"),
        misses("an_absolute_target_with_one_slash_is_refused", "http:/b.test/x"),
        misses("an_absolute_target_of_another_scheme_is_refused", "ftp://b.test/x"),
        misses("a_scheme_alone_is_refused", "http://"),
        misses("an_absolute_target_with_user_information_is_refused", "http://u:p@b.test/"),
        misses("an_absolute_target_with_a_port_that_is_no_number_is_refused", "http://b.test:8a/"),
        misses("an_absolute_target_with_a_port_above_65535_is_refused", "http://b.test:65536/"),
        misses("an_absolute_target_with_an_open_bracket_is_refused", "http://[::1/"),
        misses("an_absolute_target_with_a_fragment_is_refused", "http://b.test/x#y"),
        misses("an_absolute_target_with_a_fragment_for_a_path_is_refused", "http://b.test#y"),
        misses("an_absolute_target_with_dot_segments_is_refused", "http://b.test/../x"),
        misses("an_absolute_target_with_a_backslash_in_its_host_is_refused", "http://b.test\\x/"),
    ]);
    let no_host: Vec<_> = plain_lines().into_iter().filter(|line| !line.starts_with(b"Host")).collect();
    run_requests(vec![refused(
        "an_absolute_target_does_not_replace_a_missing_host_header",
        head_of("GET http://b.test/ HTTP/1.1", &no_host),
        Refusal::HOST_MISSING,
    )]);
}

#[test]
fn other_forms() {
    run_requests(vec![
        misses("asterisk_form_is_refused", "*"),
        misses("authority_form_is_refused", "a.test:80"),
        misses("a_relative_path_is_refused", "a/b"),
        misses("a_query_alone_is_refused", "?x"),
        misses("a_backslash_is_no_slash", "\\a"),
        misses("a_scheme_relative_name_is_refused", "mailto:a@b.test"),
    ]);
}

#[test]
fn bytes_that_have_no_place_in_a_target() {
    run_requests(vec![
        misses("a_fragment_is_refused", "/a#b"),
        misses("an_empty_fragment_is_refused", "/#"),
        misses("a_fragment_behind_a_query_is_refused", "/a?b#c"),
        misses("a_path_in_utf_8_is_refused", "/caf\u{e9}"),
        misses("a_query_in_utf_8_is_refused", "/?caf\u{e9}"),
        misses_with("a_byte_that_is_not_utf_8_is_refused", b"/caf\xE9", Refusal::HEAD_MALFORMED),
        misses_with("a_nul_in_a_target_is_refused", b"/a\0b", Refusal::HEAD_MALFORMED),
        misses_with("a_control_byte_in_a_target_is_refused", b"/a\x01b", Refusal::HEAD_MALFORMED),
        misses_with("an_escape_byte_in_a_target_is_refused", b"/a\x1B[0m", Refusal::HEAD_MALFORMED),
        misses_with("a_delete_byte_in_a_target_is_refused", b"/a\x7Fb", Refusal::HEAD_MALFORMED),
        misses_with("a_bare_cr_in_a_target_is_refused", b"/a\rb", Refusal::HEAD_MALFORMED),
        misses_with("a_bare_lf_in_a_target_is_refused", b"/a\nb", Refusal::HEAD_MALFORMED),
    ]);
}

#[test]
fn dot_segments() {
    run_requests(vec![
        misses("one_dot_is_refused", "/."),
        misses("two_dots_are_refused", "/.."),
        misses("one_dot_between_slashes_is_refused", "/a/./b"),
        misses("two_dots_between_slashes_are_refused", "/a/../b"),
        misses("two_dots_at_the_end_are_refused", "/a/.."),
        misses("two_dots_before_a_query_are_refused", "/a/..?x"),
        misses("encoded_dots_are_refused", "/%2e%2e/a"),
        misses("encoded_dots_in_upper_case_are_refused", "/%2E%2E/a"),
        misses("a_plain_and_an_encoded_dot_are_refused", "/.%2e/a"),
        misses("an_encoded_and_a_plain_dot_are_refused", "/a/%2E."),
        misses("one_encoded_dot_is_refused", "/a/%2e/b"),
        misses("dots_with_a_path_parameter_are_refused", "/..;x=1/a"),
        misses("dots_with_an_empty_path_parameter_are_refused", "/a/..;/b"),
        misses("dots_behind_a_backslash_are_refused", "/a\\..\\b"),
        // Servers that decode before they split would climb.
        misses("dots_before_an_encoded_slash_are_refused", "/..%2fa"),
        misses("dots_behind_an_encoded_slash_are_refused", "/a%2F.."),
        misses("dots_before_an_encoded_backslash_are_refused", "/..%5ca"),
        misses("encoded_dots_between_encoded_slashes_are_refused", "/a%2f%2e%2E%2fb"),
        misses("dots_behind_an_encoded_backslash_are_refused", "/a%5C..;x/b"),
        misses("dots_with_an_encoded_path_parameter_are_refused", "/..%3bx/a"),
        aims("encoded_slashes_without_dots_are_data", "/a%2fb%5Cc", "/a%2fb%5Cc", "a.test"),
        aims("encoded_slashes_beside_names_with_dots_are_data", "/a.%2f.b%2F...", "/a.%2f.b%2F...", "a.test"),
        aims("three_dots_are_a_name", "/.../a", "/.../a", "a.test"),
        aims("a_dot_begins_a_name", "/.well-known/a", "/.well-known/a", "a.test"),
        aims("two_dots_begin_a_name", "/..a/b", "/..a/b", "a.test"),
        aims("two_dots_end_a_name", "/a../b", "/a../b", "a.test"),
        aims("an_encoded_dot_begins_a_name", "/%2ea", "/%2ea", "a.test"),
        aims("dots_in_a_path_parameter_are_data", "/a;../b", "/a;../b", "a.test"),
        aims("a_twice_encoded_dot_is_data", "/%252e%252e/a", "/%252e%252e/a", "a.test"),
    ]);
}
