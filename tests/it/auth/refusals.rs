//! Each situation of docs/auth.md in which a client may not enter: its status, its challenge, and the note of its record.

use ringway::routing::entry::Authentication;

use super::set_up::{CLOSED, EXPIRED, FOREIGN, GOOD, OTHER, UNKNOWN, UNSUBSCRIBED, everywhere, text, usual, with_keys};
use crate::harness::peer::header;
use crate::harness::shard::{BOTH, Speaks, TestShard};

const BARE: Option<&str> = Some("Bearer realm=\"ringway\"");
const INVALID: Option<&str> = Some("Bearer realm=\"ringway\", error=\"invalid_token\"");
const FORBIDDEN: Option<&str> = Some("Bearer realm=\"ringway\", error=\"insufficient_scope\"");

#[test]
fn every_situation_has_its_refusal_and_its_record() {
    let shard = TestShard::start(with_keys(usual()));
    let by_header = |key: u8| format!("X-API-Key: {}\r\n", text(key));
    let (good, sha) = (text(GOOD), "as the one in the header, whose SHA-256 begins with ");
    let cases = [
        ("/", String::new(), 401, "credential-missing", BARE, ""),
        ("/", "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n".into(), 401, "credential-missing", BARE, ""),
        ("/", format!("Cookie: ringway_key={good}\r\n"), 401, "credential-missing", BARE, ""),
        (
            "/",
            "X-API-Key: guess\r\n".into(),
            401,
            "credential-invalid",
            INVALID,
            "in the header does not have the form",
        ),
        ("/", format!("X-API-Key: {}\r\n", "x".repeat(8000)), 401, "credential-invalid", INVALID, "the form of a key"),
        ("/", format!("X-API-Key: {good}, {good}\r\n"), 401, "credential-invalid", INVALID, "the form of a key"),
        (
            "/",
            "Sec-WebSocket-Protocol: ringway.bearer, chat\r\n".into(),
            401,
            "credential-invalid",
            INVALID,
            "in the subprotocol",
        ),
        ("/", by_header(UNKNOWN), 401, "credential-invalid", INVALID, sha),
        ("/", by_header(EXPIRED), 401, "credential-invalid", INVALID, "key 5 has expired"),
        ("/", by_header(FOREIGN), 401, "credential-invalid", INVALID, "key 6 is for development"),
        (
            "/",
            by_header(UNSUBSCRIBED),
            403,
            "not-subscribed",
            FORBIDDEN,
            "app 3 of acme has no subscription to default/chat:1",
        ),
        ("/", by_header(CLOSED), 403, "not-subscribed", FORBIDDEN, "app 2 of acme, plan free, is closed"),
        (
            "/",
            format!("{0}Authorization: Bearer {good}\r\n", by_header(GOOD)),
            400,
            "credential-multiple",
            None,
            "two in the header",
        ),
        (
            "/",
            format!("{0}Sec-WebSocket-Protocol: ringway.bearer, {good}\r\n", by_header(OTHER)),
            400,
            "credential-multiple",
            None,
            "one in the header, one in the subprotocol",
        ),
        (&*format!("/?apikey={good}"), String::new(), 400, "credential-in-query", None, ""),
        ("/?token=rwk%5Fx", by_header(GOOD), 400, "credential-in-query", None, ""),
    ];
    let all = cases.iter().flat_map(|case| BOTH.map(|speaks| (speaks, case)));
    for (number, (speaks, (target, lines, status, code, challenge, note))) in all.enumerate() {
        let came = shard.refused(speaks, target, lines);
        came.is_refusal(*status, code);
        assert_eq!(came.header("www-authenticate").as_deref(), *challenge, "{lines}");
        assert!(!came.text().contains(&good), "{}", came.text());
        let record = shard.record(number);
        assert_eq!((record.status, record.end.to_string()), (*status, format!("refused: {code}")));
        let told = record.note.map(|note| note.to_string()).unwrap_or_default();
        assert!(
            told.contains(note) && told.is_empty() == note.is_empty() && !told.contains("rwk_"),
            "{told:?}: {note}"
        );
        assert_eq!(record.consumer, None);
        assert!(shard.upstream.try_accept().is_none(), "nothing was dialled");
    }
}

#[test]
fn a_key_in_the_query_counts_where_the_route_takes_it_there() {
    let shard = TestShard::start(with_keys(everywhere()));
    for speaks in BOTH {
        shard.refused(speaks, &format!("/?apikey={}", text(UNKNOWN)), "").is_refusal(401, "credential-invalid");
        shard.refused(speaks, "/?apikey=", "").is_refusal(401, "credential-invalid");
        let twice = format!("/?apikey={0}&api%6bey={0}", text(GOOD));
        shard.refused(speaks, &twice, "").is_refusal(400, "credential-multiple");
        let other = format!("/?key={0}&apikey={0}", text(GOOD));
        shard.refused(speaks, &other, "").is_refusal(400, "credential-in-query");
    }
}

#[test]
fn without_a_table_nobody_is_let_in_and_nobody_is_a_stranger() {
    let mut options = with_keys(usual());
    options.keys = None;
    let shard = TestShard::start(options);
    for speaks in BOTH {
        for lines in [String::new(), format!("X-API-Key: {}\r\n", text(GOOD))] {
            let came = shard.refused(speaks, "/", &lines);
            came.is_refusal(503, "policy-unavailable");
            assert!(came.header("retry-after").is_some());
        }
    }
    shard.change_keys(Some(super::set_up::table()), Default::default());
    shard.open(Speaks::Plain, "/", &format!("X-API-Key: {}\r\n", text(GOOD))).is_alive();
}

#[test]
fn an_address_that_sends_invalid_keys_is_slowed_down_and_valid_keys_pass() {
    let mut options = with_keys(usual());
    options.max_invalid_credentials = Some(3);
    options.trusted_proxies = &["127.0.0.1/32"];
    let shard = TestShard::start(options);
    let from = |client: &str, key: u8| format!("X-Forwarded-For: {client}\r\nX-API-Key: {}\r\n", text(key));
    for speaks in BOTH {
        // Every address of an IPv6 network counts as one; both listeners count together.
        let (client, neighbour) = match speaks {
            Speaks::Plain => ("192.0.2.1", "192.0.2.1"),
            Speaks::Tls => ("2001:db8::1", "2001:db8::ffff:2"),
        };
        for _ in 0..3 {
            shard.refused(speaks, "/", &from(client, UNKNOWN)).is_refusal(401, "credential-invalid");
        }
        let came = shard.refused(speaks, "/", &from(neighbour, UNKNOWN));
        came.is_refusal(429, "too-many-invalid-credentials");
        assert_eq!(came.header("retry-after").as_deref(), Some("60"));
        assert_eq!(came.header("www-authenticate"), None);
        // A request without an invalid key is treated as ever.
        shard.refused(speaks, "/", &format!("X-Forwarded-For: {client}\r\n")).is_refusal(401, "credential-missing");
        shard.refused(speaks, "/", &from(client, CLOSED)).is_refusal(403, "not-subscribed");
        shard.open(speaks, "/", &from(client, GOOD)).is_alive();
        shard.refused(speaks, "/", &from("198.51.100.7", UNKNOWN)).is_refusal(401, "credential-invalid");
    }
}

#[test]
fn a_certificate_lets_a_client_in_where_the_route_asks_for_one() {
    let mut options = with_keys(usual());
    options.entry.authentication = Authentication::Certificate;
    options.keys = None;
    let shard = TestShard::start(options);
    for speaks in BOTH {
        let came = shard.refused(speaks, "/", &format!("X-API-Key: {}\r\n", text(GOOD)));
        came.is_refusal(403, "certificate-required");
        assert_eq!(came.header("www-authenticate"), None);
    }
    let shown = shard.certificate("desk");
    let lines = "Ringway-Client-Subject: CN=root\r\nX-API-Key: of-the-upstream\r\n";
    let mut open = shard.open_over(shard.connect_tls(Some(&shown)), "/?apikey=rwk_x", lines, "");
    let subject = header(&open.request, "ringway-client-subject").expect("it is told").to_owned();
    assert!(subject.contains("CN=desk"), "{subject}");
    // With certificates a text that looks like a key means nothing here.
    assert_eq!(header(&open.request, "x-api-key"), Some("of-the-upstream"));
    assert!(open.request.starts_with("GET /up/?apikey=rwk_x "), "{}", open.request);
    open.is_alive();
    let view = shard.connections().pop().unwrap();
    assert_eq!(view.consumer.map(|consumer| consumer.to_string()), Some(subject));
}
