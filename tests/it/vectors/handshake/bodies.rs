//! How the body of an answer that is not a 101 ends (RFC 9112 section 6.3).

use ringway::proto::refusal::Refusal;
use ringway::proto::response::BodyLength;

use super::{Answer, Vector, good, head_of, run_responses};

fn body(name: &str, status: u16, lines: &[&str], length: Result<BodyLength, Refusal>) -> Vector<Answer> {
    let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
    good(name, head_of(format!("HTTP/1.1 {status} Text"), &lines), Answer::Other(status, length))
}

#[test]
fn lengths() {
    let known = |name: &str, line: &str, bytes: u64| body(name, 200, &[line], Ok(BodyLength::Known(bytes)));
    let no = |name: &str, lines: &[&str]| body(name, 200, lines, Err(Refusal::UPSTREAM_MALFORMED));
    run_responses(
        "",
        vec![
            known("a_length_is_read", "Content-Length: 12", 12),
            known("a_length_of_zero_is_read", "Content-Length: 0", 0),
            known("a_length_with_leading_zeros_is_read", "content-length: 007", 7),
            known("the_greatest_length_is_read", "Content-Length: 18446744073709551615", u64::MAX),
            no("a_length_beyond_64_bits_is_refused", &["Content-Length: 18446744073709551616"]),
            no("an_empty_length_is_refused", &["Content-Length:"]),
            no("a_length_with_a_plus_sign_is_refused", &["Content-Length: +5"]),
            no("a_length_with_a_minus_sign_is_refused", &["Content-Length: -5"]),
            no("a_hexadecimal_length_is_refused", &["Content-Length: 0x5"]),
            no("a_list_of_lengths_is_refused", &["Content-Length: 5, 5"]),
            no("two_lengths_are_refused", &["Content-Length: 5", "Content-Length: 6"]),
            no("the_same_length_twice_is_refused", &["Content-Length: 5", "Content-Length: 5"]),
            no("a_word_is_no_length", &["Content-Length: many"]),
        ],
    );
}

#[test]
fn codings() {
    let chunked = |name: &str, line: &str| body(name, 502, &[line], Ok(BodyLength::Chunked));
    let no = |name: &str, lines: &[&str]| body(name, 200, lines, Err(Refusal::UPSTREAM_MALFORMED));
    run_responses(
        "",
        vec![
            chunked("chunked_is_read", "Transfer-Encoding: chunked"),
            chunked("chunked_has_no_case", "TRANSFER-ENCODING: Chunked"),
            // We send no TE header, so nobody may compress for this hop (RFC 9112 section 7.4).
            no("another_coding_before_chunked_is_refused", &["Transfer-Encoding: gzip, chunked"]),
            no("another_coding_behind_chunked_is_refused", &["Transfer-Encoding: chunked, gzip"]),
            no("another_coding_alone_is_refused", &["Transfer-Encoding: gzip"]),
            no("identity_is_refused", &["Transfer-Encoding: identity"]),
            no("chunked_with_a_parameter_is_refused", &["Transfer-Encoding: chunked;x=1"]),
            no("chunked_twice_is_refused", &["Transfer-Encoding: chunked, chunked"]),
            no("chunked_on_two_lines_is_refused", &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]),
            no("an_empty_coding_is_refused", &["Transfer-Encoding:"]),
            no("a_coding_and_a_length_are_refused", &["Transfer-Encoding: chunked", "Content-Length: 5"]),
            no("a_length_and_a_coding_are_refused", &["Content-Length: 0", "Transfer-Encoding: chunked"]),
        ],
    );
}

#[test]
fn statuses_without_a_body() {
    run_responses(
        "",
        vec![
            body("204_has_no_body", 204, &[], Ok(BodyLength::None)),
            body("204_has_no_body_whatever_its_length", 204, &["Content-Length: 5"], Ok(BodyLength::None)),
            body("304_has_no_body_whatever_its_length", 304, &["Content-Length: 5"], Ok(BodyLength::None)),
            body("304_has_no_body_whatever_its_coding", 304, &["Transfer-Encoding: chunked"], Ok(BodyLength::None)),
        ],
    );
}

#[test]
fn bodies_that_end_with_the_connection() {
    run_responses(
        "",
        vec![
            body("without_a_length_a_body_ends_with_the_connection", 200, &["X-A: b"], Ok(BodyLength::UntilClose)),
            body("so_does_that_of_an_error", 500, &[], Ok(BodyLength::UntilClose)),
            body("so_does_that_of_a_redirect", 302, &["Location: /x"], Ok(BodyLength::UntilClose)),
            good(
                "so_does_that_of_http_1_0",
                head_of("HTTP/1.0 404 Not Found", &[b"Server: x"]),
                Answer::Other(404, Ok(BodyLength::UntilClose)),
            ),
            good(
                "http_1_0_may_tell_a_length",
                head_of("HTTP/1.0 404 Not Found", &[b"Content-Length: 3"]),
                Answer::Other(404, Ok(BodyLength::Known(3))),
            ),
        ],
    );
}
