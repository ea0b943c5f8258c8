use super::{Misuse, Place, Places, find, query_without, redacted, strip};
use crate::proto::head::HeadLimits;
use crate::proto::request::Request;

fn places() -> Places {
    Places {
        header: Some("X-API-Key".into()),
        query: Some("apikey".into()),
        cookie: Some("key".into()),
        has_subprotocol: true,
    }
}

fn head(target: &str, lines: &[&str]) -> Vec<u8> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )
    .into_bytes()
}

fn parsed(head: &[u8]) -> Request<'_> {
    Request::parse(head, &HeadLimits { max_bytes: 64 * 1024, max_lines: 100 }).unwrap()
}

type FoundText = Result<Option<(Place, String)>, Misuse>;

fn found(target: &str, lines: &[&str], places: &Places) -> FoundText {
    let head = head(target, lines);
    let request = parsed(&head);
    let found = find(&request, places)?;
    Ok(found.map(|found| (found.place, String::from_utf8_lossy(&found.text).into_owned())))
}

fn one(place: Place, text: &str) -> FoundText {
    Ok(Some((place, text.to_owned())))
}

#[test]
fn a_credential_is_found_in_each_place() {
    use Place::{Cookie, Header, Query, Subprotocol};
    // printf rwk_a | base64 gives cndrX2E=
    let encoded = "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.cndrX2E, chat";
    for (target, lines, is) in [
        ("/", &["Authorization: Bearer rwk_a"][..], one(Header, "rwk_a")),
        ("/", &["AUTHORIZATION:   bEARER \t rwk_a  "], one(Header, "rwk_a")),
        ("/", &["Authorization: Bearer rwk_a, Bearer rwk_b"], one(Header, "rwk_a, Bearer rwk_b")),
        ("/", &["X-Api-Key: rwk_a"], one(Header, "rwk_a")),
        ("/", &["x-api-key: whatever"], one(Header, "whatever")),
        ("/", &["X-API-Key:"], one(Header, "")),
        ("/?apikey=rwk_a", &[], one(Query, "rwk_a")),
        ("/?x=1&%61pi%6Bey=rwk%5Fa&y", &[], one(Query, "rwk_a")),
        ("/?apikey=a+b%zz", &[], one(Query, "")),
        ("/?apikey", &[], one(Query, "")),
        ("/", &["Sec-WebSocket-Protocol: ringway.bearer, rwk_a, chat"], one(Subprotocol, "rwk_a")),
        (
            "/",
            &["Sec-WebSocket-Protocol: chat,,ringway.bearer ,", "Sec-WebSocket-Protocol: rwk_a"],
            one(Subprotocol, "rwk_a"),
        ),
        ("/", &["Sec-WebSocket-Protocol: ringway.bearer, ringway.bearer, rwk_a, rwk_a"], one(Subprotocol, "rwk_a")),
        ("/", &["Sec-WebSocket-Protocol: ringway.bearer, chat"], one(Subprotocol, "chat")),
        ("/", &["Sec-WebSocket-Protocol: rwk_a"], one(Subprotocol, "rwk_a")),
        ("/", &[encoded], one(Subprotocol, "rwk_a")),
        ("/", &["Cookie: x=1; key=\"rwk_a\""], one(Cookie, "rwk_a")),
    ] {
        assert_eq!(found(target, lines, &places()), is, "{target} {lines:?}");
    }
}

#[test]
fn a_text_of_another_kind_belongs_to_the_upstream() {
    for (target, lines) in [
        ("/", &[][..]),
        ("/?apikeys=a&API_KEY=b&Apikey=c&api%6key=d", &[]),
        ("/?&&=", &[]),
        ("/apikey=a", &[]),
        ("/", &["Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.e30.c2ln"]),
        ("/", &["Authorization: Basic cndrX2E="]),
        ("/", &["Authorization: Bearerrwk_a"]),
        ("/", &["Authorization: Bearer"]),
        ("/", &["Authorization: rwk_a"]),
        ("/", &["X_API_Key: rwk_a"]),
        ("/", &["Sec-WebSocket-Protocol: ringway.bearer"]),
        ("/", &["Sec-WebSocket-Protocol: Ringway.Bearer, chat"]),
        (
            "/",
            &[
                "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.ZXlK, base64url.bearer.authorization.k8s.io.!",
            ],
        ),
        ("/", &["Cookie: KEY=rwk_a; keyring=rwk_b"]),
        // A header that Connection names is for this hop alone.
        ("/", &["Connection: upgrade, authorization", "Authorization: Bearer rwk_a"]),
    ] {
        assert_eq!(found(target, lines, &places()), Ok(None), "{target} {lines:?}");
    }
}

#[test]
fn only_the_places_of_the_route_count() {
    let lines =
        ["Authorization: Bearer rwk_a", "X-API-Key: b", "Cookie: key=c", "Sec-WebSocket-Protocol: ringway.bearer, d"];
    assert_eq!(found("/?apikey=e", &lines, &Places::default()), Ok(None));
    let query = Places { query: Some("apikey".into()), ..Places::default() };
    assert_eq!(found("/?apikey=e", &lines, &query), one(Place::Query, "e"));
    assert_eq!(
        found("/", &lines[2..3], &Places { cookie: Some("key".into()), ..Places::default() }),
        one(Place::Cookie, "c")
    );
    let head = head("/?apikey=e", &lines);
    let mut request = parsed(&head);
    let before = format!("{request:?}");
    assert_eq!(strip(&mut request, &Places::default()), None);
    assert_eq!(format!("{request:?}"), before);
}

#[test]
fn two_credentials_are_none() {
    use Place::{Cookie, Header, Query, Subprotocol};
    for (target, lines, of) in [
        ("/", &["Authorization: Bearer rwk_a", "X-API-Key: rwk_a"][..], [Header, Header]),
        ("/", &["X-API-Key: rwk_a", "x-api-key: rwk_a"], [Header, Header]),
        ("/?apikey=a", &["X-API-Key: a"], [Header, Query]),
        ("/?apikey=a&apikey=a", &[], [Query, Query]),
        ("/?apikey=a&api%6bey=", &[], [Query, Query]),
        ("/?apikey=a", &["Sec-WebSocket-Protocol: ringway.bearer, rwk_a"], [Subprotocol, Query]),
        ("/", &["Sec-WebSocket-Protocol: ringway.bearer, rwk_a, rwk_b"], [Subprotocol, Subprotocol]),
        (
            "/",
            &["Sec-WebSocket-Protocol: rwk_a, base64url.bearer.authorization.k8s.io.cndrX2E"],
            [Subprotocol, Subprotocol],
        ),
        ("/", &["Cookie: key=a; key=a"], [Cookie, Cookie]),
        ("/", &["Cookie: key=a", "Cookie: key=b"], [Cookie, Cookie]),
        ("/", &["Cookie: key=a", "Authorization: Bearer rwk_a"], [Cookie, Header]),
    ] {
        assert_eq!(found(target, lines, &places()), Err(Misuse::Several(of)), "{target} {lines:?}");
    }
}

#[test]
fn a_key_in_the_query_of_a_route_that_takes_none_there_is_a_misuse() {
    let header = Places { header: Some("X-API-Key".into()), ..Places::default() };
    for target in ["/?apikey=rwk_a", "/?token=rwk_a", "/?x=1&access_token=rwk%5fa", "/?x=%72wk_"] {
        assert_eq!(found(target, &[], &header), Err(Misuse::InQuery), "{target}");
        assert_eq!(found(target, &["X-API-Key: rwk_b"], &header), Err(Misuse::InQuery), "{target}");
    }
    assert_eq!(found("/?token=rwk_a&apikey=rwk_b", &[], &places()), Err(Misuse::InQuery), "another name is not taken");
    for target in ["/?apikey=abc", "/?rwk_a=1", "/rwk_a?x=arwk_b", "/?apikey"] {
        assert_eq!(found(target, &[], &header), Ok(None), "{target}");
    }
}

/// The lines that are forwarded, the subprotocols that are offered, and the answer's.
fn stripped(lines: &[&str]) -> (Vec<String>, Vec<String>, Option<&'static str>) {
    let head = head("/", lines);
    let mut request = parsed(&head);
    let answer = strip(&mut request, &places());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines = request.end_to_end.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
    (lines, request.protocols.iter().map(|name| text(name)).collect(), answer)
}

#[test]
fn an_upstream_gets_no_credential_and_everything_else() {
    let (lines, protocols, answer) = stripped(&[
        "Authorization: Bearer rwk_a",
        "authorization: Basic eA==",
        "X-API-KEY: rwk_b",
        "x-api-keys: c",
        "Cookie: a=1; key=rwk_c; b=2",
        "Cookie: key=rwk_d",
        "Sec-WebSocket-Protocol: v2.chat, ringway.bearer",
        "Origin: https://a.test",
        "Sec-WebSocket-Protocol: rwk_e, v1.chat, base64url.bearer.authorization.k8s.io.cndrX2E",
    ]);
    let left = [
        "authorization: Basic eA==",
        "x-api-keys: c",
        "Cookie: a=1; b=2",
        "Sec-WebSocket-Protocol: v2.chat, v1.chat",
        "Origin: https://a.test",
    ];
    assert_eq!(lines, left);
    assert_eq!((protocols, answer), (vec!["v2.chat".to_owned(), "v1.chat".to_owned()], None));
}

#[test]
fn the_marker_is_the_answer_where_no_other_subprotocol_is_offered() {
    for (list, left, answer) in [
        ("ringway.bearer, rwk_a", "", Some("ringway.bearer")),
        ("ringway.bearer, rwk_a, chat", "chat", None),
        ("ringway.bearer", "", Some("ringway.bearer")),
        ("rwk_a", "", None),
        ("chat", "chat", None),
    ] {
        let (lines, protocols, given) = stripped(&[&format!("Sec-WebSocket-Protocol: {list}")]);
        assert_eq!((protocols.join(", ").as_str(), given), (left, answer), "{list}");
        let line = (!left.is_empty()).then(|| format!("Sec-WebSocket-Protocol: {left}"));
        assert_eq!(lines, Vec::from_iter(line), "{list}");
    }
}

#[test]
fn a_path_is_shown_without_the_keys_in_it() {
    for (path, shown) in [
        ("/", "/"),
        ("/default/chat/v1", "/default/chat/v1"),
        ("/rwk_AbC-_9/room", "/rwk_../room"),
        ("/a/rwk_x", "/a/rwk_.."),
        ("/rwk_a.rwk_b%20rwk_", "/rwk_...rwk_..%20rwk_"),
        ("/rwk_rwk_a", "/rwk_rwk_.."),
        ("", ""),
    ] {
        assert_eq!(redacted(path), shown);
    }
}

#[test]
fn a_parameter_is_taken_out_of_a_query() {
    for (given, left) in [
        ("/a?apikey=rwk_a", Some("/a")),
        ("/a?apikey=rwk_a&x=%31", Some("/a?x=%31")),
        ("/a?x&api%6Bey=1&&y=apikey&apikey", Some("/a?x&&y=apikey")),
        ("?apikey=1", Some("")),
        ("/a?x=1", None),
        ("/a?apikeys=1&Apikey=1", None),
        ("/a", None),
        ("", None),
        ("/a?", None),
    ] {
        assert_eq!(query_without(given, "apikey").as_deref(), left, "{given}");
    }
}
