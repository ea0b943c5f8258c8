//! The pages that may connect.

use ringway::routing::entry::Authentication;
use ringway::routing::origins::Origins;

use super::set_up::{GOOD, text, usual, with_keys};
use crate::harness::shard::{BOTH, Options, TestShard};

fn open_to(origins: Origins) -> Options {
    let mut options = with_keys(usual());
    (options.entry.origins, options.entry.authentication) = (origins, Authentication::None);
    options
}

#[test]
fn a_page_of_another_origin_is_refused_and_a_program_is_not() {
    let listed = ["https://app.test", "null"].map(|origin| origin.parse().unwrap());
    // The client's host is proxy.test.
    for (origins, good, bad) in [
        (
            Origins::Listed(listed.into()),
            vec!["https://app.test", "https://APP.test:443", "null"],
            vec![
                "http://app.test",
                "https://app.test.evil.test",
                "https://app.test:8443",
                "https://proxy.test",
                "",
                "x",
            ],
        ),
        (
            Origins::SameHost,
            vec!["https://proxy.test", "http://PROXY.test", "http://proxy.test:80"],
            vec!["https://proxy.test:8443", "https://evil.test", "null", "https://proxy.test.evil.test"],
        ),
        (Origins::Any, vec!["https://evil.test", "null", ""], vec![]),
    ] {
        let shard = TestShard::start(open_to(origins));
        let mut ended = 0;
        for speaks in BOTH {
            for origin in &good {
                shard.open(speaks, "/", &format!("Origin: {origin}\r\n")).is_alive();
                ended += 1;
            }
            shard.open(speaks, "/", "").is_alive();
            ended += 1;
            for origin in &bad {
                // The record of whoever was open before comes first.
                shard.record(ended - 1);
                let came = shard.refused(speaks, "/", &format!("Origin: {origin}\r\n"));
                came.is_refusal(403, "origin-not-allowed");
                assert_eq!(came.header("www-authenticate"), None);
                let record = shard.record(ended);
                ended += 1;
                assert_eq!(record.note.map(|note| note.to_string()), Some(format!("origin \"{origin}\"")));
            }
        }
    }
}

#[test]
fn an_origin_is_asked_for_before_a_key_and_several_are_none() {
    let mut options = with_keys(usual());
    options.entry.origins = Origins::Listed(["https://app.test".parse().unwrap()].into());
    let shard = TestShard::start(options);
    let key = format!("X-API-Key: {}\r\n", text(GOOD));
    for speaks in BOTH {
        shard.open(speaks, "/", &format!("Origin: https://app.test\r\n{key}")).is_alive();
        let refused = |lines: &str| shard.refused(speaks, "/", lines);
        refused("Origin: https://app.test\r\n").is_refusal(401, "credential-missing");
        refused("Origin: https://evil.test\r\n").is_refusal(403, "origin-not-allowed");
        refused(&format!("Origin: https://evil.test\r\n{key}")).is_refusal(403, "origin-not-allowed");
        let twice = format!("Origin: https://app.test\r\nOrigin: https://app.test\r\n{key}");
        refused(&twice).is_refusal(403, "origin-not-allowed");
        refused(&format!("Origin: https://app.test https://app.test\r\n{key}")).is_refusal(403, "origin-not-allowed");
    }
}
