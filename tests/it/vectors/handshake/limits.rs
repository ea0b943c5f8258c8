//! How much a head may take up. Every limit is met exactly, and missed by one.

use ringway::proto::head::{HeadLimits, MAX_LINES, find_end};
use ringway::proto::refusal::Refusal;

use super::{
    Answer, Parsed, ROOMY, Vector, good, head_of, incomplete, keeping, plain, plain_lines, refused, run_requests,
    run_responses, starting, with,
};

fn request_of(bytes: usize) -> (Vec<u8>, Parsed) {
    let padding = "a".repeat(bytes - with("X-A: ").len());
    (with(format!("X-A: {padding}")), keeping(&[format!("X-A: {padding}").as_str()]))
}

fn request_with_lines(lines: usize) -> (Vec<u8>, Parsed) {
    let more: Vec<String> = (0..lines - plain_lines().len()).map(|i| format!("X-{i}: b")).collect();
    let kept: Vec<&str> = more.iter().map(String::as_str).collect();
    (with(more.join("\r\n")), keeping(&kept))
}

#[test]
fn request_bytes() {
    let (exact, parsed) = request_of(300);
    let (above, _) = request_of(301);
    let then_frames = [exact.clone(), vec![b'x'; 500]].concat();
    let smuggled = [starting("GET / HTTP/1.1"), vec![b'x'; 500], b"\r\n\r\n".to_vec()].concat();
    run_requests(vec![
        good("a_head_of_exactly_the_limit_is_accepted", exact.clone(), parsed.clone()).within(300, 100),
        refused("a_head_one_byte_above_the_limit_is_refused", above.clone(), Refusal::HEAD_TOO_LARGE).within(300, 100),
        good("bytes_behind_the_head_do_not_count", then_frames, parsed).within(300, 100),
        good("a_second_empty_line_beyond_the_limit_does_not_count", smuggled, plain()).within(300, 100),
        incomplete("one_byte_below_the_limit_more_may_come", exact[..299].to_vec()).within(300, 100),
        refused("at_the_limit_without_an_end_it_is_too_large", above[..300].to_vec(), Refusal::HEAD_TOO_LARGE)
            .within(300, 100),
        refused("an_endless_target_is_refused", format!("GET /{}", "a".repeat(400)), Refusal::HEAD_TOO_LARGE)
            .within(300, 100),
        refused("an_endless_method_is_refused", "A".repeat(400), Refusal::HEAD_TOO_LARGE).within(300, 100),
        refused("an_end_across_the_limit_is_refused", exact, Refusal::HEAD_TOO_LARGE).within(298, 100),
    ]);
}

#[test]
fn request_lines() {
    let (exact, parsed) = request_with_lines(12);
    let (above, _) = request_with_lines(13);
    let (most, most_parsed) = request_with_lines(MAX_LINES);
    let (beyond, _) = request_with_lines(MAX_LINES + 1);
    run_requests(vec![
        good("exactly_as_many_lines_as_the_limit_are_accepted", exact, parsed).within(4096, 12),
        refused("one_line_above_the_limit_is_refused", above, Refusal::HEAD_TOO_MANY_LINES).within(4096, 12),
        good("the_most_lines_that_can_be_configured_are_accepted", most, most_parsed).within(4096, MAX_LINES),
        refused("one_line_above_the_most_is_refused", beyond, Refusal::HEAD_TOO_MANY_LINES).within(4096, MAX_LINES),
        good("an_empty_line_before_the_request_is_no_header_line", starting("\r\nGET / HTTP/1.1"), plain())
            .within(4096, plain_lines().len()),
        refused("a_limit_of_no_lines_refuses_any", starting("GET / HTTP/1.1"), Refusal::HEAD_TOO_MANY_LINES)
            .within(4096, 0),
    ]);
}

#[test]
fn response_bytes_and_lines() {
    let response = |more: usize| head_of("HTTP/1.1 200 OK", &[format!("X-A: {}", "a".repeat(more)).as_bytes()]);
    let exact = response(100 - response(0).len());
    let above = response(101 - response(0).len());
    let lines = |count: usize| head_of("HTTP/1.1 204 No Content", &vec![&b"X-A: b"[..]; count]);
    let ok = || Answer::Other(200, Ok(ringway::proto::response::BodyLength::UntilClose));
    let no_content = || Answer::Other(204, Ok(ringway::proto::response::BodyLength::None));
    let too_large =
        |name: &str, bytes: Vec<u8>| -> Vector<Answer> { refused(name, bytes, Refusal::UPSTREAM_HEAD_TOO_LARGE) };
    run_responses(
        "",
        vec![
            good("a_response_of_exactly_the_limit_is_read", exact.clone(), ok()).within(100, 10),
            too_large("a_response_one_byte_above_the_limit_is_refused", above).within(100, 10),
            good("a_body_behind_the_limit_does_not_count", [exact.clone(), vec![b'x'; 300]].concat(), ok())
                .within(100, 10),
            incomplete("a_response_may_go_on_below_the_limit", exact[..99].to_vec()).within(100, 10),
            good("as_many_response_lines_as_the_limit_are_read", lines(10), no_content()).within(4096, 10),
            too_large("one_response_line_above_the_limit_is_refused", lines(11)).within(4096, 10),
            good("the_most_response_lines_are_read", lines(MAX_LINES), no_content()).within(4096, MAX_LINES),
            too_large("one_response_line_above_the_most_is_refused", lines(MAX_LINES + 1)).within(4096, MAX_LINES),
        ],
    );
}

#[test]
fn the_end_is_found_wherever_the_search_left_off() {
    let bytes = b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest\r\n\r\n";
    for seen in 0..24 {
        assert_eq!(find_end(bytes, seen, &ROOMY), Ok(Some(24)), "{seen} seen");
    }
    assert_eq!(find_end(bytes, 0, &HeadLimits { max_bytes: 24, max_lines: 1 }), Ok(Some(24)));
    assert!(find_end(bytes, 0, &HeadLimits { max_bytes: 23, max_lines: 1 }).is_err());
    assert_eq!(find_end(b"\r\n\r", 0, &ROOMY), Ok(None));
    assert_eq!(find_end(b"\r\n\r\n", 3, &ROOMY), Ok(Some(4)));
}
