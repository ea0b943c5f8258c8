//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 section 9.1).

use ringway::proto::refusal::Refusal;

use super::{Parsed, Vector, good, keeping, owned, refused, run_requests, with};

fn offers(name: &str, value: &str, names: &[&str]) -> Vector<Parsed> {
    let line = format!("Sec-WebSocket-Extensions: {value}");
    good(name, with(&line), Parsed { extensions: owned(names), ..keeping(&[line.as_str()]) })
}

fn bad(name: &str, value: impl AsRef<[u8]>) -> Vector<Parsed> {
    let line = [b"Sec-WebSocket-Extensions: ", value.as_ref()].concat();
    refused(name, with(line), Refusal::EXTENSIONS_INVALID)
}

#[test]
fn values_that_fit() {
    run_requests(vec![
        offers("a_name_alone_fits", "foo", &["foo"]),
        offers("the_rfcs_first_example_fits", "bar; baz=2", &["bar"]),
        offers("the_rfcs_second_example_fits", "foo, bar; baz=2", &["foo", "bar"]),
        offers(
            "the_rfcs_deflate_example_fits",
            "deflate-stream, mux; max-channels=4; flow-control, deflate-stream",
            &["deflate-stream", "mux", "deflate-stream"],
        ),
        offers("a_parameter_without_a_value_fits", "foo; bar", &["foo"]),
        offers("several_parameters_fit", "a; b; c=1; d=x", &["a"]),
        offers("the_same_extension_with_other_parameters_fits", "a; b=1, a; b=2, a", &["a", "a", "a"]),
        offers("a_quoted_value_fits", "a; b=\"10\"", &["a"]),
        offers("no_white_space_is_needed", "a;b=1,c;d", &["a", "c"]),
        offers("white_space_around_separators_is_ignored", "a  ; b =  1 , c", &["a", "c"]),
        offers("empty_elements_of_extensions_are_ignored", ", a,, b,", &["a", "b"]),
        good(
            "an_empty_line_beside_an_extension_is_ignored",
            with("Sec-WebSocket-Extensions:\r\nSec-WebSocket-Extensions: a"),
            Parsed {
                extensions: owned(&["a"]),
                ..keeping(&["Sec-WebSocket-Extensions: ", "Sec-WebSocket-Extensions: a"])
            },
        ),
        offers("an_extensions_name_keeps_its_case", "Permessage-Deflate", &["Permessage-Deflate"]),
        good(
            "extensions_may_stand_on_several_lines",
            with("Sec-WebSocket-Extensions: a; b\r\nsec-websocket-extensions: c"),
            Parsed {
                extensions: owned(&["a", "c"]),
                ..keeping(&["Sec-WebSocket-Extensions: a; b", "sec-websocket-extensions: c"])
            },
        ),
    ]);
}

#[test]
fn values_that_do_not_fit() {
    run_requests(vec![
        // Section 9.1: 1#extension, so at least one; whoever reads less must fail the handshake.
        bad("an_empty_list_is_refused", ""),
        bad("a_list_of_empty_elements_is_refused", ", ,"),
        bad("empty_lists_on_two_lines_are_refused", "\r\nSec-WebSocket-Extensions:"),
        bad("a_parameter_without_an_extension_is_refused", "; a"),
        bad("an_empty_parameter_at_the_end_is_refused", "a;"),
        bad("an_empty_parameter_inside_is_refused", "a; ; b"),
        bad("a_parameter_without_a_name_is_refused", "a; =1"),
        bad("a_parameter_with_an_empty_value_is_refused", "a; b="),
        bad("a_parameter_with_two_values_is_refused", "a; b=1=2"),
        bad("an_extension_with_a_value_is_refused", "a=1"),
        bad("an_extension_of_two_words_is_refused", "a b"),
        bad("a_parameter_of_two_words_is_refused", "a; b c"),
        bad("a_value_of_two_words_is_refused", "a; b=c d"),
        bad("an_extension_in_quotes_is_refused", "\"a\""),
        bad("a_parameters_name_in_quotes_is_refused", "a; \"b\"=1"),
        bad("an_open_quote_is_refused", "a; b=\"1"),
        bad("an_open_quote_over_a_comma_is_refused", "a; b=\"1, c"),
        bad("a_quote_inside_a_value_is_refused", "a; b=1\"2\""),
        bad("text_behind_a_quoted_value_is_refused", "a; b=\"1\"2"),
        bad("an_empty_quoted_value_is_refused", "a; b=\"\""),
        bad("a_quoted_value_that_is_no_token_is_refused", "a; b=\"1 2\""),
        bad("a_quoted_comma_is_no_token", "a; b=\"1,2\""),
        bad("a_quoted_semicolon_is_no_token", "a; b=\"1;2\""),
        bad("an_escaped_quote_is_no_token", "a; b=\"1\\\"2\""),
        // Valid if what is escaped is a token byte; nobody escapes those, and parsers disagree on escapes.
        bad("an_escape_in_a_quoted_value_is_refused", "a; b=\"1\\0\""),
        bad("an_escape_outside_quotes_is_refused", "a; b=\\1"),
        bad("a_slash_in_a_name_is_refused", "a/1"),
        bad("obs_text_in_a_name_is_refused", b"caf\xE9"),
        bad("obs_text_in_a_quoted_value_is_refused", b"a; b=\"\xE9\""),
        bad("a_bad_extension_behind_a_good_one_is_refused", "a, b c"),
        bad("a_bad_second_line_is_refused", "a\r\nSec-WebSocket-Extensions: b;"),
        bad("a_bare_quote_is_refused", "\""),
        bad("a_value_of_one_quote_is_refused", "a; b=\""),
    ]);
}
