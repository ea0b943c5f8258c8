//! The Host header (RFC 9112 section 3.2, RFC 9110 section 7.2, RFC 3986 section 3.2).

use ringway::proto::refusal::Refusal;

use super::{Parsed, Vector, good, instead, plain, refused, run_requests, with, without};

fn is_host(name: &str, value: &str) -> Vector<Parsed> {
    good(name, instead("Host", format!("Host: {value}")), Parsed { host: value.into(), ..plain() })
}

fn is_no_host(name: &str, value: impl AsRef<[u8]>) -> Vector<Parsed> {
    refused(name, instead("Host", [b"Host: ", value.as_ref()].concat()), Refusal::HOST_INVALID)
}

#[test]
fn how_often() {
    run_requests(vec![
        refused("a_missing_host_header_is_refused", without("Host"), Refusal::HOST_MISSING),
        refused("a_second_host_header_is_refused", with("Host: b.test"), Refusal::HOST_DUPLICATE),
        refused("a_second_host_header_of_the_same_value_is_refused", with("Host: a.test"), Refusal::HOST_DUPLICATE),
        refused("an_empty_second_host_header_is_refused", with("Host:"), Refusal::HOST_DUPLICATE),
    ]);
}

#[test]
fn values_that_are_hosts() {
    run_requests(vec![
        is_host("a_name_is_a_host", "a.test"),
        is_host("a_name_with_a_port_is_a_host", "a.test:8080"),
        is_host("a_port_may_be_empty", "a.test:"),
        is_host("the_greatest_port_is_a_port", "a.test:65535"),
        is_host("an_ipv4_address_is_a_host", "192.0.2.1:80"),
        is_host("an_ipv6_address_is_a_host", "[2001:db8::1]"),
        is_host("an_ipv6_address_with_a_port_is_a_host", "[::1]:8080"),
        is_host("an_ipv6_address_with_an_ipv4_tail_is_a_host", "[::ffff:192.0.2.1]"),
        is_host("a_name_may_end_with_a_dot", "a.test."),
        is_host("a_name_may_hold_an_underscore", "my_service"),
        is_host("a_name_keeps_its_case", "A.Test"),
        is_host("a_name_may_be_percent_encoded", "caf%C3%A9.test"),
        is_host("a_name_may_hold_sub_delims", "a!$&'()*+,;=b"),
        good("white_space_around_a_host_is_not_part_of_it", instead("Host", "Host: \ta.test\t "), plain()),
    ]);
}

#[test]
fn values_that_are_no_hosts() {
    run_requests(vec![
        is_no_host("an_empty_host_is_refused", ""),
        is_no_host("a_port_without_a_host_is_refused", ":80"),
        is_no_host("a_host_with_user_information_is_refused", "user@a.test"),
        is_no_host("a_host_with_a_password_is_refused", "user:secret@a.test"),
        is_no_host("a_host_with_a_path_is_refused", "a.test/x"),
        is_no_host("a_host_with_a_query_is_refused", "a.test?x"),
        is_no_host("a_host_with_a_fragment_is_refused", "a.test#x"),
        is_no_host("a_host_with_a_scheme_is_refused", "http://a.test"),
        is_no_host("a_host_with_a_backslash_is_refused", "a.test\\x"),
        is_no_host("two_hosts_in_one_line_are_refused", "a.test, b.test"),
        is_no_host("a_percent_sign_without_digits_is_refused", "a%.test"),
        is_no_host("a_percent_sign_with_one_digit_is_refused", "a.test%4"),
        is_no_host("a_percent_sign_with_other_letters_is_refused", "a%zz.test"),
        is_no_host("a_percent_sign_before_the_port_is_refused", "a%:80"),
        is_no_host("a_host_with_a_space_is_refused", "a test"),
        is_no_host("a_host_with_a_tab_is_refused", "a\ttest"),
        is_no_host("a_host_with_a_quote_is_refused", "a\".test"),
        is_no_host("a_host_with_angle_brackets_is_refused", "<a.test>"),
        is_no_host("a_host_in_utf_8_is_refused", "caf\u{e9}.test"),
        is_no_host("a_host_with_obs_text_is_refused", b"caf\xE9.test"),
        is_no_host("a_port_that_is_no_number_is_refused", "a.test:http"),
        is_no_host("a_signed_port_is_refused", "a.test:+80"),
        is_no_host("a_port_above_65535_is_refused", "a.test:65536"),
        is_no_host("a_port_of_twenty_digits_is_refused", "a.test:99999999999999999999"),
        is_no_host("two_ports_are_refused", "a.test:80:81"),
        is_no_host("an_ipv6_address_without_brackets_is_refused", "2001:db8::1"),
        is_no_host("an_open_bracket_is_refused", "[::1"),
        is_no_host("a_closing_bracket_alone_is_refused", "::1]"),
        is_no_host("empty_brackets_are_refused", "[]"),
        is_no_host("a_name_in_brackets_is_refused", "[a.test]"),
        is_no_host("an_ipv4_address_in_brackets_is_refused", "[192.0.2.1]"),
        is_no_host("a_name_behind_brackets_is_refused", "[::1]a"),
        is_no_host("a_zone_is_refused", "[fe80::1%25eth0]"),
        is_no_host("an_ipv6_address_with_a_bad_port_is_refused", "[::1]:x"),
    ]);
}
