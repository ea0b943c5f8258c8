//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 section 9.1).

use ringway::proto::refusal::Refusal;

use super::{Parsed, Vector, good, keeping, owned, refused, run_requests, with};

fn offers(name: &str, value: &str, names: &[&str]) -> Vector<Parsed> {
    let line = format!("Sec-WebSocket-Extensions: {value}");
    good(name, with(&line), Parsed { extensions: owned(names), ..keeping(&[line.as_str()]) })
}

/// The part of a value that is offered to the upstream; an empty list is not passed on.
fn becomes(name: &str, value: impl AsRef<[u8]>, passed: &str, names: &[&str]) -> Vector<Parsed> {
    let line = [b"Sec-WebSocket-Extensions: ", value.as_ref()].concat();
    let passed = format!("Sec-WebSocket-Extensions: {passed}");
    let kept: &[&str] = if names.is_empty() { &[] } else { &[&passed] };
    good(name, with(line), Parsed { extensions: owned(names), ..keeping(kept) })
}

/// An element that has no meaning is not offered; its neighbours are.
fn bad(name: &str, element: impl AsRef<[u8]>) -> Vector<Parsed> {
    becomes(
        name,
        [b"before; x=1, ", element.as_ref(), b"\r\nSec-WebSocket-Extensions: behind"].concat(),
        "before; x=1, behind",
        &["before", "behind"],
    )
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
fn a4_any_quoted_string_passes_as_it_is() {
    run_requests(vec![
        // obuspa; the extension is in IANA's registry, and its value is no token.
        offers(
            "a_quoted_value_with_colons_passes",
            "bbf-usp-protocol; eid=\"os::012345-0000000001\"",
            &["bbf-usp-protocol"],
        ),
        offers("an_empty_quoted_value_passes", "a; b=\"\"", &["a"]),
        offers("a_quoted_value_of_two_words_passes", "a; b=\"1 2\"", &["a"]),
        offers("a_quoted_comma_separates_nothing", "a; b=\"1,2\", c", &["a", "c"]),
        offers("a_quoted_semicolon_separates_nothing", "a; b=\"1;2\"; c=d", &["a"]),
        offers("an_escaped_quote_ends_nothing", "a; b=\"1\\\"2, \", c", &["a", "c"]),
        offers("an_escape_in_a_quoted_value_passes", "a; b=\"1\\0\"", &["a"]),
        good(
            "obs_text_in_a_quoted_value_passes",
            with(b"Sec-WebSocket-Extensions: a; b=\"\xE9\""),
            Parsed { extensions: owned(&["a"]), ..keeping(&["Sec-WebSocket-Extensions: a; b=\"\\xe9\""]) },
        ),
    ]);
}

#[test]
fn a4_what_is_no_extension_is_dropped_from_the_offer_and_the_rest_stays() {
    run_requests(vec![
        becomes("an_empty_list_is_none", "", "", &[]),
        becomes("a_list_of_empty_elements_is_none", ", ,", "", &[]),
        becomes("empty_lists_on_two_lines_are_none", "\r\nSec-WebSocket-Extensions:", "", &[]),
        becomes("nothing_but_malformed_elements_is_none", "b c, \"d\"", "", &[]),
        // faye-websocket-node: somebody on the way blanks words that he does not like.
        becomes(
            "a_blanked_word_is_dropped",
            "x-webkit-       -frame, permessage-deflate",
            "permessage-deflate",
            &["permessage-deflate"],
        ),
        // RFC 9110 section 5.6.6 lets a recipient ignore an empty parameter.
        becomes(
            "an_empty_parameter_at_the_end_is_left_out",
            "permessage-deflate;",
            "permessage-deflate",
            &["permessage-deflate"],
        ),
        becomes("an_empty_parameter_inside_is_left_out", "a; ; b=\";\", c", "a; b=\";\", c", &["a", "c"]),
        bad("a_parameter_without_an_extension_is_dropped", "; a"),
        bad("a_parameter_without_a_name_is_dropped", "a; =1"),
        bad("a_parameter_with_an_empty_value_is_dropped", "a; b="),
        bad("a_parameter_with_two_values_is_dropped", "a; b=1=2"),
        bad("an_extension_with_a_value_is_dropped", "a=1"),
        bad("an_extension_of_two_words_is_dropped", "a b"),
        bad("a_parameter_of_two_words_is_dropped", "a; b c"),
        bad("a_value_of_two_words_is_dropped", "a; b=c d"),
        bad("an_extension_in_quotes_is_dropped", "\"a\""),
        bad("a_parameters_name_in_quotes_is_dropped", "a; \"b\"=1"),
        bad("an_open_quote_is_dropped", "a; b=\"1"),
        bad("an_open_quote_holds_all_that_follows_on_its_line", "a; b=\"1, c"),
        bad("an_escaped_quote_does_not_close", "a; b=\"1\\\""),
        bad("a_quote_inside_a_value_is_dropped", "a; b=1\"2\""),
        bad("text_behind_a_quoted_value_is_dropped", "a; b=\"1\"2"),
        bad("two_quoted_values_are_dropped", "a; b=\"1\"\"2\""),
        bad("an_escape_outside_quotes_is_dropped", "a; b=\\1"),
        bad("a_slash_in_a_name_is_dropped", "a/1"),
        bad("obs_text_in_a_name_is_dropped", b"caf\xE9"),
        bad("a_bare_quote_is_dropped", "\""),
        bad("a_value_of_one_quote_is_dropped", "a; b=\""),
    ]);
}

#[test]
fn more_extensions_than_a_shard_keeps_are_refused() {
    let offer = format!("Sec-WebSocket-Extensions: {}", vec!["a"; 65].join(","));
    run_requests(vec![refused("sixty_five_extensions", with(offer), Refusal::EXTENSIONS_INVALID)]);
}
