//! The request that goes upstream, byte for byte.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ringway::proto::forward::{ConsumerNames, Via, write_fields, write_start};
use ringway::proto::request::Request;
use ringway::proto::via::{ChainKey, Pseudonym};

use super::{ROOMY, instead, shown_head, starting, with};

/// One written head: the request, and how it is seen on the way.
struct Written {
    name: &'static str,
    request: Vec<u8>,
    via: Via<'static>,
    /// The target's own path.
    base_path: &'static str,
    /// The path on the first line.
    path: &'static str,
    /// Lines of the client that go on, in their place.
    kept: &'static [&'static str],
    /// The lines that tell the upstream of the client.
    told: [&'static str; 4],
    /// The line that tells it of the client's certificate.
    subject: Option<&'static str>,
}

const TOLD: [&str; 4] = [
    "X-Forwarded-For: 192.0.2.7",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: a.test",
    "Forwarded: for=192.0.2.7;host=\"a.test\";proto=http",
];

static PSEUDONYM: LazyLock<Pseudonym> = LazyLock::new(|| ChainKey::new([7; 16]).pseudonym(1));

const HOST: &str = "up.test:9000";

fn written(name: &'static str, request: Vec<u8>, kept: &'static [&'static str]) -> Written {
    Written { name, request, via: via(), base_path: "", path: "/", kept, told: TOLD, subject: None }
}

/// The way of a request from an untrusted 192.0.2.7 to `ws://up.test:9000`.
fn via() -> Via<'static> {
    Via {
        key: b"AQIDBAUGBwgJCgsMDQ4PEA==",
        client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        scheme: "http",
        trusted: false,
        subject: None,
        pseudonym: &PSEUDONYM,
        extensions: Default::default(),
        consumer: None,
    }
}

fn trusted() -> Via<'static> {
    Via { trusted: true, ..via() }
}

fn run(cases: Vec<Written>) {
    for case in cases {
        let mut lines = vec![
            format!("GET {} HTTP/1.1", case.path),
            format!("Host: {HOST}"),
            "Upgrade: websocket".into(),
            "Connection: Upgrade".into(),
            "Sec-WebSocket-Version: 13".into(),
            "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==".into(),
        ];
        lines.extend(case.kept.iter().map(|line| (*line).to_owned()));
        lines.push(format!("Via: 1.1 {}", String::from_utf8_lossy(PSEUDONYM.as_bytes())));
        lines.extend(case.told.iter().chain(&case.subject).map(|line| (*line).to_owned()));
        let expected = lines.join("\n") + "\n\n";
        let request = Request::parse(&case.request, &ROOMY).expect(case.name);
        let mut out = Vec::new();
        write_start(case.base_path, request.path_and_query, HOST, &mut out);
        write_fields(&request, &case.via, &mut out);
        assert_eq!(shown_head(&out), expected, "{}", case.name);
    }
}

#[test]
fn what_a_client_sends_goes_on() {
    run(vec![
        written("the_plain_handshake_is_written_anew", starting("GET / HTTP/1.1"), &[]),
        Written { path: "/a/b?c=d", ..written("path_and_query_go_on_as_sent", starting("GET /a/b?c=d HTTP/1.1"), &[]) },
        written("earlier_hops_stay_before_this_one", with("Via: 1.0 fred (a, b)"), &["Via: 1.0 fred (a, b)"]),
        written("cookies_go_on", with("Cookie: a=b\r\nCookie: c=d"), &["Cookie: a=b", "Cookie: c=d"]),
        written("authorization_goes_on", with("Authorization: Bearer t"), &["Authorization: Bearer t"]),
        written("origin_goes_on", with("Origin: https://a.test"), &["Origin: https://a.test"]),
        written("user_agent_goes_on", with("User-Agent: x/1 (y)"), &["User-Agent: x/1 (y)"]),
        written(
            "subprotocols_go_on_as_sent",
            with("Sec-WebSocket-Protocol: b,a\r\nsec-websocket-protocol: c"),
            &["Sec-WebSocket-Protocol: b,a", "sec-websocket-protocol: c"],
        ),
        written(
            "extensions_go_on_as_sent",
            with("Sec-WebSocket-Extensions: permessage-deflate; a=\"1\", b"),
            &["Sec-WebSocket-Extensions: permessage-deflate; a=\"1\", b"],
        ),
        written("obs_text_goes_on", with(b"X-A: caf\xE9"), &["X-A: caf\\xe9"]),
        written("an_empty_value_goes_on", with("X-A:"), &["X-A: "]),
        written("underscores_go_on_where_they_hide_nothing", with("X_A: b"), &["X_A: b"]),
        written("a_name_that_only_begins_like_ours_goes_on", with("X-Forwarded: a"), &["X-Forwarded: a"]),
        written("a_name_that_ends_like_ours_goes_on", with("My-X-Forwarded-For: a"), &["My-X-Forwarded-For: a"]),
        written("forwarded_with_more_behind_it_goes_on", with("Forwarded-By: a"), &["Forwarded-By: a"]),
    ]);
}

#[test]
fn what_belongs_to_this_hop_ends_here() {
    run(vec![
        written("keep_alive_ends_here", with("Keep-Alive: timeout=5"), &[]),
        written("te_ends_here", with("TE: trailers"), &[]),
        written("trailer_ends_here", with("Trailer: X-A"), &[]),
        written("proxy_connection_ends_here", with("Proxy-Connection: keep-alive"), &[]),
        written("proxy_authorization_ends_here", with("Proxy-Authorization: Basic eA=="), &[]),
        written("a_length_of_zero_ends_here", with("Content-Length: 0"), &[]),
        written("an_accept_ends_here", with("Sec-WebSocket-Accept: x"), &[]),
        written("other_protocols_are_not_offered_upstream", instead("Upgrade", "Upgrade: h2c, websocket"), &[]),
        written("connection_options_end_here", instead("Connection", "Connection: close, Upgrade"), &[]),
        written("a_named_header_ends_here", instead("Connection", "Connection: Upgrade, X-A\r\nX-A: b"), &[]),
        written("a_named_cookie_ends_here", instead("Connection", "Connection: cookie, Upgrade\r\nCookie: a=b"), &[]),
        written(
            "naming_what_we_say_does_not_silence_us",
            instead("Connection", "Connection: Upgrade, X-Forwarded-For, Forwarded, Host, Sec-WebSocket-Key"),
            &[],
        ),
    ]);
}

#[test]
fn a_stranger_cannot_say_who_it_is() {
    /// All of RFC 9110's `tchar` that is neither a letter nor a digit.
    const TWINS: &str = "X~Forwarded~For: 10.0.0.1\r\nX!Real!IP: a\r\nX#Real$IP: a\r\nX%Real&IP: a\r\nX'Real*IP: a\r\n\
         X+Real^IP: a\r\nX`Real|IP: a\r\nX.Forwarded~Host: a";
    run(vec![
        written("x_forwarded_for_is_dropped", with("X-Forwarded-For: 10.0.0.1"), &[]),
        written("x_forwarded_for_in_another_case_is_dropped", with("x-FORWARDED-for: 10.0.0.1"), &[]),
        written("every_line_of_it_is_dropped", with("X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2"), &[]),
        written("x_forwarded_proto_is_dropped", with("X-Forwarded-Proto: https"), &[]),
        written("x_forwarded_host_is_dropped", with("X-Forwarded-Host: evil.test"), &[]),
        written("x_forwarded_port_is_dropped", with("X-Forwarded-Port: 1"), &[]),
        written("an_unknown_x_forwarded_header_is_dropped", with("X-Forwarded-Whatever: a"), &[]),
        written("forwarded_is_dropped", with("Forwarded: for=10.0.0.1"), &[]),
        written("x_real_ip_is_dropped", with("X-Real-IP: 10.0.0.1"), &[]),
        written("the_underscore_twin_is_dropped", with("X_Forwarded_For: 10.0.0.1"), &[]),
        written("a_mixed_twin_is_dropped", with("X-Forwarded_For: 10.0.0.1\r\nx_forwarded-HOST: e"), &[]),
        written("the_underscore_twin_of_x_real_ip_is_dropped", with("X_Real_IP: 10.0.0.1"), &[]),
        written("the_twin_of_an_unknown_one_is_dropped", with("X_FORWARDED_WHATEVER: a"), &[]),
        written(
            "dots_count_as_dashes",
            with("X.Real.IP: 10.0.0.1\r\nX.Forwarded.For: 10.0.0.1\r\nx.forwarded.any: a"),
            &[],
        ),
        written("so_does_whatever_else_a_name_may_hold", with(TWINS), &[]),
        written(
            "a_dot_goes_on_where_it_hides_nothing",
            with("X.A: b\r\nForwarded.By: a"),
            &["X.A: b", "Forwarded.By: a"],
        ),
        written("an_empty_x_forwarded_for_is_dropped", with("X-Forwarded-For:"), &[]),
        Written {
            told: [
                "X-Forwarded-For: 192.0.2.7",
                "X-Forwarded-Proto: http",
                "X-Forwarded-Host: b.test:81",
                "Forwarded: for=192.0.2.7;host=\"b.test:81\";proto=http",
            ],
            path: "/x",
            ..written("the_host_of_an_absolute_target_is_told", starting("GET http://b.test:81/x HTTP/1.1"), &[])
        },
    ]);
}

#[test]
fn who_showed_a_certificate_is_ours_to_say() {
    const FORGED: &str = "Ringway-Client-Subject: CN=root\r\nRINGWAY-CLIENT-SUBJECT: CN=root\r\n\
         Ringway_Client_Subject: CN=root\r\nringway-client_subject:\r\nRingway.Client.Subject: CN=root\r\n\
         Ringway~Client|Subject: CN=root\r\nRingway-Consumer: root\r\nringway_plan: gold\r\nRINGWAY-: a\r\n\
         Ringway-Of-Tomorrow: a\r\nRingways-Client: a\r\nRingway: a";
    run(vec![
        written("a_forged_subject_is_dropped_in_every_spelling", with(FORGED), &["Ringways-Client: a", "Ringway: a"]),
        Written {
            via: trusted(),
            ..written("a_trusted_peers_word_on_it_is_dropped_too", with(FORGED), &["Ringways-Client: a", "Ringway: a"])
        },
        Written {
            via: Via { subject: Some("CN=alice"), ..via() },
            subject: Some("Ringway-Client-Subject: CN=alice"),
            ..written("the_verified_subject_is_told", with(FORGED), &["Ringways-Client: a", "Ringway: a"])
        },
        Written {
            via: Via { subject: Some(""), ..via() },
            subject: Some("Ringway-Client-Subject: "),
            ..written("a_certificate_without_a_subject_is_told_of", starting("GET / HTTP/1.1"), &[])
        },
        Written {
            via: Via { subject: Some("CN=alice"), ..via() },
            subject: Some("Ringway-Client-Subject: CN=alice"),
            ..written(
                "naming_it_does_not_silence_us",
                instead("Connection", "Connection: Upgrade, Ringway-Client-Subject"),
                &[],
            )
        },
    ]);
}

#[test]
fn the_consumer_is_told_in_visible_ascii() {
    let names = ConsumerNames { consumer: "R\u{e4}ume 100%\r\nEvil: 1", application: "desk", plan: "" };
    let request = with("Ringway-Consumer: root\r\nRingway_Application: root");
    let request = Request::parse(&request, &ROOMY).unwrap();
    let mut out = Vec::new();
    write_fields(&request, &Via { consumer: Some(names), ..via() }, &mut out);
    let text = String::from_utf8(out).unwrap();
    let told: Vec<&str> = text.lines().filter(|line| line.starts_with("Ringway")).collect();
    let expected =
        ["Ringway-Consumer: R%C3%A4ume%20100%25%0D%0AEvil:%201", "Ringway-Application: desk", "Ringway-Plan: "];
    assert_eq!(told, expected);
    assert!(!text.contains("root") && !text.contains("\nEvil"), "{text}");
}

#[test]
fn a_trusted_peer_is_believed_and_appended_to() {
    let all = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: first.test\r\n\
         Forwarded: for=10.0.0.1;proto=https\r\nX-Real-IP: 10.0.0.1\r\nX-Forwarded-Port: 443";
    run(vec![
        Written {
            via: trusted(),
            told: [
                "X-Forwarded-For: 10.0.0.1, 192.0.2.7",
                "X-Forwarded-Proto: https",
                "X-Forwarded-Host: first.test",
                "Forwarded: for=10.0.0.1;proto=https, for=192.0.2.7;host=\"a.test\";proto=http",
            ],
            ..written(
                "what_a_trusted_peer_says_comes_first",
                with(all),
                &["X-Real-IP: 10.0.0.1", "X-Forwarded-Port: 443"],
            )
        },
        Written { via: trusted(), ..written("a_silent_trusted_peer_is_told_of", starting("GET / HTTP/1.1"), &[]) },
        Written {
            via: trusted(),
            told: ["X-Forwarded-For: 10.0.0.1, 10.0.0.2, 10.0.0.3, 192.0.2.7", TOLD[1], TOLD[2], TOLD[3]],
            ..written(
                "several_lines_are_joined_in_their_order",
                with("X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\nX-Forwarded-For: 10.0.0.3"),
                &[],
            )
        },
        Written {
            via: trusted(),
            ..written("an_empty_value_of_a_trusted_peer_adds_nothing", with("X-Forwarded-For:\r\nForwarded:"), &[])
        },
        Written {
            via: trusted(),
            ..written("the_twin_of_a_trusted_peer_is_still_dropped", with("X_Forwarded_For: 10.0.0.1"), &[])
        },
        Written {
            via: trusted(),
            ..written(
                "its_dotted_twin_too",
                with("X.Forwarded.For: 10.0.0.1\r\nX.Real-IP: a\r\nX-Forwarded.Port: 1"),
                &[],
            )
        },
    ]);
}

#[test]
fn clients_and_targets_of_other_shapes() {
    let v6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    let mapped: IpAddr = IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0207));
    run(vec![
        Written {
            via: Via { client: v6, ..via() },
            told: [
                "X-Forwarded-For: 2001:db8::1",
                TOLD[1],
                TOLD[2],
                "Forwarded: for=\"[2001:db8::1]\";host=\"a.test\";proto=http",
            ],
            ..written("an_ipv6_client_stands_in_brackets_and_quotes", starting("GET / HTTP/1.1"), &[])
        },
        Written {
            via: Via { client: mapped, ..via() },
            ..written("a_mapped_ipv4_client_is_an_ipv4_client", starting("GET / HTTP/1.1"), &[])
        },
        Written {
            via: Via { scheme: "https", ..via() },
            told: [
                TOLD[0],
                "X-Forwarded-Proto: https",
                TOLD[2],
                "Forwarded: for=192.0.2.7;host=\"a.test\";proto=https",
            ],
            ..written("a_client_that_came_by_tls_is_told_of", starting("GET / HTTP/1.1"), &[])
        },
        Written {
            base_path: "/base/v1",
            path: "/base/v1/x?y",
            ..written("the_targets_own_path_comes_first", starting("GET /x?y HTTP/1.1"), &[])
        },
        Written {
            base_path: "/base",
            path: "/base/",
            ..written("the_root_below_the_targets_own_path", starting("GET / HTTP/1.1"), &[])
        },
        Written {
            told: [
                TOLD[0],
                TOLD[1],
                "X-Forwarded-Host: [::1]:80",
                "Forwarded: for=192.0.2.7;host=\"[::1]:80\";proto=http",
            ],
            ..written("an_ipv6_host_is_told_in_quotes", instead("Host", "Host: [::1]:80"), &[])
        },
    ]);
}
