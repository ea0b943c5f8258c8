//! A key in each place: the client is let in, and its upstream sees everything but the key.

use ringway::routing::route::Service;

use super::set_up::{GOOD, everywhere, text, usual, with_keys};
use crate::harness::peer::{header, headers};
use crate::harness::shard::{BOTH, TestShard};

#[test]
fn a_key_lets_a_client_in_from_each_place_and_goes_no_further() {
    let shard = TestShard::start(with_keys(everywhere()));
    let key = text(GOOD);
    for (number, (target, lines)) in [
        ("/room?x=1", format!("Authorization: Bearer {key}\r\nX-Other: 1\r\n")),
        ("/room?x=1", format!("authorization: bEARER  {key}\r\nX-Other: 1\r\n")),
        ("/room?x=1", format!("x-api-key: {key}\r\nX-Other: 1\r\n")),
        (&*format!("/room?x=1&apikey={key}"), "X-Other: 1\r\n".to_owned()),
        (&format!("/room?%61pikey={}&x=1", key.replace('_', "%5F")), "X-Other: 1\r\n".to_owned()),
        ("/room?x=1", format!("Cookie: ringway_key=\"{key}\"\r\nX-Other: 1\r\n")),
        ("/room?x=1", format!("Sec-WebSocket-Protocol: ringway.bearer, {key}\r\nX-Other: 1\r\n")),
    ]
    .into_iter()
    .flat_map(|case| BOTH.map(|speaks| (speaks, case.clone())))
    .enumerate()
    .map(|(number, (speaks, case))| ((number, speaks), case))
    {
        let mut open = shard.open(number.1, target, &lines);
        assert!(open.request.starts_with("GET /up/room?x=1 HTTP/1.1\r\n"), "{}", open.request);
        assert!(!open.request.contains("rwk_") && !open.answer.contains("rwk_"), "{}", open.request);
        for name in ["authorization", "x-api-key", "cookie", "sec-websocket-protocol", "ringway-consumer"] {
            assert_eq!(header(&open.request, name), None, "{}", open.request);
        }
        assert_eq!(header(&open.request, "x-other"), Some("1"));
        open.is_alive();
        let view = shard.connections().pop().expect("it is listed");
        let holder = view.consumer.as_ref().unwrap().key_holder().unwrap();
        assert_eq!((holder.key.0, &*holder.application.name), (1, "app 1"));
        drop(open);
        let record = shard.record(number.0);
        assert_eq!(record.consumer.map(|consumer| consumer.to_string()).as_deref(), Some("acme"));
        assert_eq!(&*record.path, "/room");
    }
}

#[test]
fn what_is_no_key_goes_to_the_upstream() {
    let shard = TestShard::start(with_keys(everywhere()));
    let lines = format!(
        "Authorization: Basic dTpw\r\nCookie: a=1; ringway_key={}; b=2\r\nSec-WebSocket-Protocol: v2, v1\r\nX_API_Key: a\r\n",
        text(GOOD)
    );
    for speaks in BOTH {
        let mut open = shard.open(speaks, "/?API_KEY=1&apikeys=2", &lines);
        assert!(open.request.starts_with("GET /up/?API_KEY=1&apikeys=2 HTTP/1.1\r\n"), "{}", open.request);
        assert_eq!(header(&open.request, "authorization"), Some("Basic dTpw"));
        assert_eq!(header(&open.request, "cookie"), Some("a=1; b=2"));
        assert_eq!(header(&open.request, "sec-websocket-protocol"), Some("v2, v1"));
        assert_eq!(header(&open.request, "x_api_key"), Some("a"));
        open.is_alive();
    }
    // Not a place of this route: a credential of the upstream's own.
    let shard = TestShard::start(with_keys(usual()));
    let lines = format!("X-API-Key: {}\r\nCookie: ringway_key=secret\r\n", text(GOOD));
    let open = shard.open(BOTH[0], "/?apikey=secret", &lines);
    assert!(open.request.starts_with("GET /up/?apikey=secret "), "{}", open.request);
    assert_eq!(header(&open.request, "cookie"), Some("ringway_key=secret"));
}

#[test]
fn the_answer_names_the_applications_subprotocol_or_the_marker_and_never_the_key() {
    let shard = TestShard::start(with_keys(usual()));
    let key = text(GOOD);
    // printf rwk_.. | basenc --base64url
    let encoded = format!("base64url.bearer.authorization.k8s.io.{}", base64url(key.as_bytes()));
    for (offered, forwarded, chosen, answered) in [
        (format!("ringway.bearer, {key}"), None, "", Some("ringway.bearer")),
        (format!("ringway.bearer, {key}, chat"), Some("chat"), "chat", Some("chat")),
        (format!("v2, ringway.bearer,{key} ,, v1"), Some("v2, v1"), "v1", Some("v1")),
        (format!("{encoded}, chat"), Some("chat"), "chat", Some("chat")),
        (encoded.clone(), None, "", None),
        // As without Ringway: the upstream chose none of those that it was offered.
        (format!("ringway.bearer, {key}, chat"), Some("chat"), "", None),
    ] {
        for speaks in BOTH {
            let lines = format!("Sec-WebSocket-Protocol: {offered}\r\n");
            let chosen = match chosen {
                "" => String::new(),
                chosen => format!("Sec-WebSocket-Protocol: {chosen}\r\n"),
            };
            let open = shard.open_over(shard.connect(speaks), "/", &lines, &chosen);
            assert_eq!(header(&open.request, "sec-websocket-protocol"), forwarded, "{offered}");
            assert_eq!(headers(&open.answer, "sec-websocket-protocol").collect::<Vec<_>>(), Vec::from_iter(answered));
        }
    }
    // Ringway itself answers an echo.
    let echo = TestShard::start(super::set_up::with_service(with_keys(usual()), Service::Echo));
    for (offered, answered) in
        [(format!("ringway.bearer, {key}"), "ringway.bearer"), (format!("chat, ringway.bearer, {key}"), "chat")]
    {
        let mut client = echo.connect(BOTH[0]);
        let lines = format!("Sec-WebSocket-Protocol: {offered}\r\n");
        client.send(crate::harness::client::handshake("/", &lines).as_bytes());
        assert_eq!(header(&client.head(), "sec-websocket-protocol"), Some(answered));
    }
}

/// RFC 4648 section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().chain([&0; 2]).take(3).fold(0_usize, |group, byte| group << 8 | usize::from(*byte));
        let digits = (0..=chunk.len()).map(|digit| char::from(ALPHABET[group >> (18 - 6 * digit) & 63]));
        text.extend(digits);
    }
    text
}

#[test]
fn an_upstream_is_told_the_consumer_and_believes_nobody_else() {
    let mut options = with_keys(usual());
    options.entry.forwards_identity = true;
    let (told, silent) = (TestShard::start(options), TestShard::start(with_keys(usual())));
    let forged =
        "Ringway-Consumer: root\r\nringway_application: root\r\nRingway-Plan: root\r\nRingway-Scopes: root\r\n";
    let lines = format!("X-API-Key: {}\r\n{forged}", text(GOOD));
    for speaks in BOTH {
        let open = told.open(speaks, "/", &lines);
        let names = ["ringway-consumer", "ringway-application", "ringway-plan"];
        let values = names.map(|name| headers(&open.request, name).collect::<Vec<_>>());
        assert_eq!(values, [vec!["acme"], vec!["app%201"], vec!["free"]], "{}", open.request);
        assert!(!open.request.contains("root"), "{}", open.request);
        let open = silent.open(speaks, "/", &lines);
        assert!(!open.request.to_ascii_lowercase().contains("ringway-co") && !open.request.contains("root"));
    }
}
