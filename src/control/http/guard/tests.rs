//! Requests that the guard lets through, and the refusals of all others.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tower::ServiceExt;

use super::{CameFrom, CameIn, Guard, guard};
use crate::control::identity::authenticator::Authenticator;
use crate::control::identity::failed_logins::{FailedLogins, MAX_FAILURES};
use crate::control::identity::file_token::FileToken;
use crate::control::identity::identities::Identities;

const SECRET: &str = "a-token-of-which-nobody-else-knows";

fn listener(guarded: Guard) -> Router {
    Router::new()
        .route("/thing", post(|| async {}).get(|| async { "thing" }))
        .route("/api/v1/health/live", get(|| async { "live" }).post(|| async {}))
        .layer(from_fn_with_state(guarded, guard))
}

fn callers() -> Authenticator {
    Authenticator::new(token(), Identities::default(), FailedLogins::default(), |_, _| ())
}

fn token() -> FileToken {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("admin-token"), SECRET).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.path().join("admin-token"), mode).unwrap();
    FileToken::of_state(folder.path()).unwrap()
}

fn admin() -> Router {
    listener(Guard::new(
        callers(),
        vec!["admin.example.com".to_owned(), "other.test:8443".to_owned(), "2001:db8::7".to_owned()],
    ))
}

/// A request by its lines: the first is the method and the target.
fn request(text: &str) -> Request<Body> {
    let mut lines = text.lines();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    request.body(Body::empty()).unwrap()
}

/// The status, and the problem's code or what was answered.
async fn answer(router: &Router, request: Request<Body>) -> (u16, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    assert!(!response.headers().keys().any(|name| name.as_str().starts_with("access-control")));
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED {
        assert_eq!(response.headers()["connection"], "close");
    }
    assert_eq!(status == StatusCode::UNAUTHORIZED, response.headers().contains_key("www-authenticate"));
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let code = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|problem| Some(problem.get("code")?.as_str()?.to_owned()));
    (status.as_u16(), code.unwrap_or(text))
}

async fn expect(router: &Router, text: &str, status: u16, says: &str) {
    assert_eq!(answer(router, request(text)).await, (status, says.to_owned()), "{text}");
}

#[tokio::test]
async fn without_the_token_only_the_sign_of_life_is_answered() {
    let admin = admin();
    expect(&admin, "GET /api/v1/health/live\nHost: localhost", 200, "live").await;
    expect(&admin, "HEAD /api/v1/health/live\nHost: localhost", 200, "").await;
    expect(&admin, "POST /api/v1/health/live\nHost: localhost", 401, "token").await;
    for credentials in [
        "",
        "Authorization: Bearer x",
        "Authorization: Bearer",
        "Authorization: Basic a-token-of-which-nobody-else-knows",
    ] {
        expect(&admin, format!("GET /thing\nHost: localhost\n{credentials}").trim_end(), 401, "token").await;
        expect(&admin, format!("GET /nothing\nHost: localhost\n{credentials}").trim_end(), 401, "token").await;
    }
    for scheme in ["Bearer", "bearer", "BEARER "] {
        expect(&admin, &format!("GET /thing\nHost: localhost\nAuthorization: {scheme} {SECRET}"), 200, "thing").await;
    }
    let twice = format!("GET /thing\nHost: localhost\nAuthorization: Bearer {SECRET}\nAuthorization: Bearer {SECRET}");
    expect(&admin, &twice, 401, "token").await;
}

#[tokio::test]
async fn only_the_names_of_this_listener_are_answered_to() {
    let admin = admin();
    let ours = [
        "localhost",
        "LOCALHOST:9600",
        "127.0.0.1:1",
        "[::1]:9600",
        "[::1]",
        "Admin.Example.com:9600",
        "other.test:8443",
        "other.test:08443",
        "[2001:DB8:0::7]:9600",
    ];
    for host in ours {
        expect(&admin, &format!("GET /thing\nHost: {host}\nAuthorization: Bearer {SECRET}"), 200, "thing").await;
    }
    let others = [
        "evil.test",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "10.0.0.1",
        "other.test",
        "localhost.",
        "other.test:844",
        "[2001:db8::8]",
        "[::2]",
        "0.0.0.0",
    ];
    for host in others {
        let text = format!("GET /thing\nHost: {host}\nAuthorization: Bearer {SECRET}");
        expect(&admin, &text, 421, "host-not-allowed").await;
    }
    let absolute = format!("GET http://evil.test/thing\nHost: localhost\nAuthorization: Bearer {SECRET}");
    expect(&admin, &absolute, 421, "host-not-allowed").await;
    for host in [
        "",
        "\nHost: localhost\nHost: localhost",
        "\nHost: user@localhost",
        "\nHost: a b",
        "\nHost: [::1",
        "\nHost: localhost:x",
        "\nHost: localhost:65536",
    ] {
        let text = format!("GET /thing\nAuthorization: Bearer {SECRET}{host}");
        expect(&admin, &text, 400, "host-invalid").await;
    }
}

#[tokio::test]
async fn the_address_that_the_caller_reached_is_one_of_its_names() {
    for (reached, host) in
        [("10.1.2.3:9600", "10.1.2.3"), ("[::ffff:10.1.2.3]:9600", "10.1.2.3:9600"), ("[fd00::1]:1", "[fd00:0::1]:1")]
    {
        let mut asked = request(&format!("GET /thing\nHost: {host}\nAuthorization: Bearer {SECRET}"));
        asked.extensions_mut().insert(CameIn(reached.parse().unwrap()));
        assert_eq!(answer(&admin(), asked).await.0, 200, "{reached}");
        let mut other = request(&format!("GET /thing\nHost: 10.9.9.9\nAuthorization: Bearer {SECRET}"));
        other.extensions_mut().insert(CameIn(reached.parse().unwrap()));
        assert_eq!(answer(&admin(), other).await.0, 421, "{reached}");
    }
}

#[tokio::test]
async fn another_sites_page_is_refused_with_the_token_and_without() {
    let admin = admin();
    for origin in [
        "null",
        "http://evil.test",
        "http://localhost",
        "http://localhost:3000",
        "ftp://localhost:9600",
        "localhost:9600",
    ] {
        for token in ["", SECRET] {
            let text = format!("GET /thing\nHost: localhost:9600\nOrigin: {origin}\nAuthorization: Bearer {token}");
            expect(&admin, text.trim_end(), 403, "origin-not-allowed").await;
        }
    }
    let both = format!(
        "GET /thing\nHost: a\nOrigin: http://localhost:9600\nOrigin: http://evil.test\nAuthorization: Bearer {SECRET}"
    );
    expect(&admin, &both.replace("Host: a", "Host: localhost:9600"), 403, "origin-not-allowed").await;
    let preflight =
        "OPTIONS /thing\nHost: localhost:9600\nOrigin: http://evil.test\nAccess-Control-Request-Method: PUT";
    expect(&admin, preflight, 403, "origin-not-allowed").await;
    let own =
        format!("GET /thing\nHost: localhost:9600\nOrigin: http://LOCALHOST:9600\nAuthorization: Bearer {SECRET}");
    expect(&admin, &own, 200, "thing").await;
}

#[tokio::test]
async fn a_body_is_json_and_bounded() {
    let admin = admin();
    let ask = |lines: &str| format!("POST /thing\nHost: localhost\nAuthorization: Bearer {SECRET}\n{lines}");
    for kind in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""] {
        expect(&admin, &ask(&format!("Content-Length: 2\nContent-Type: {kind}")), 200, "").await;
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=latin1",
        "application/json, text/plain",
    ] {
        expect(&admin, &ask(&format!("Content-Length: 2\nContent-Type: {kind}")), 415, "content-type").await;
        expect(&admin, &ask(&format!("Transfer-Encoding: chunked\nContent-Type: {kind}")), 415, "content-type").await;
    }
    expect(&admin, &ask("Content-Length: 2"), 415, "content-type").await;
    expect(
        &admin,
        &ask("Content-Length: 2\nContent-Type: application/json\nContent-Type: text/plain"),
        415,
        "content-type",
    )
    .await;
    expect(&admin, &ask("Content-Length: 0"), 200, "").await;
    expect(&admin, &ask("Content-Length: 1048576\nContent-Type: application/json"), 200, "").await;
    expect(&admin, &ask("Content-Length: 1048577\nContent-Type: application/json"), 413, "body-too-large").await;
}

#[tokio::test]
async fn what_the_router_refuses_is_a_problem_too() {
    let admin = admin();
    expect(&admin, &format!("GET /nothing\nHost: localhost\nAuthorization: Bearer {SECRET}"), 404, "path-not-found")
        .await;
    expect(&admin, &format!("PUT /thing\nHost: localhost\nAuthorization: Bearer {SECRET}"), 405, "method-not-allowed")
        .await;
}

#[tokio::test]
async fn a_listener_of_figures_asks_for_no_token_and_still_keeps_pages_out() {
    let open = listener(Guard::open());
    expect(&open, "GET /thing\nHost: ringway.example", 200, "thing").await;
    expect(&open, "GET /thing\nHost: ringway.example\nOrigin: http://evil.test", 403, "origin-not-allowed").await;
}

#[tokio::test]
async fn wrong_tokens_from_one_address_are_limited_and_the_right_one_always_passes() {
    let admin = admin();
    let from = |text: &str| {
        let mut asked = request(text);
        asked.extensions_mut().insert(CameFrom("192.0.2.7:1".parse().unwrap()));
        asked
    };
    let wrong = "GET /thing\nHost: localhost\nAuthorization: Bearer rwa_wrong";
    let right = format!("GET /thing\nHost: localhost\nAuthorization: Bearer {SECRET}");
    for _ in 0..MAX_FAILURES {
        // The store of these tests is not open: a token of an identity may be right.
        assert_eq!(answer(&admin, from(wrong)).await, (503, "store-unavailable".to_owned()));
        assert_eq!(answer(&admin, from(&wrong.replace("rwa_", ""))).await, (401, "token".to_owned()));
    }
    let limited = admin.clone().oneshot(from(&wrong.replace("rwa_", ""))).await.unwrap();
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = limited.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait) && limited.headers()["connection"] == "close", "{wait}");
    assert_eq!(answer(&admin, from(&right)).await.0, 200);
    assert_eq!(answer(&admin, from("GET /thing\nHost: localhost")).await.0, 401, "no token is no guess");
    let mut other = request(&wrong.replace("rwa_", ""));
    other.extensions_mut().insert(CameFrom("192.0.2.8:1".parse().unwrap()));
    assert_eq!(answer(&admin, other).await.0, 401, "another address");
}

#[tokio::test]
async fn a_challenge_names_an_error_only_where_a_token_was_shown() {
    for (credentials, challenge) in [
        ("", "Bearer realm=\"ringway\""),
        ("\nAuthorization: Bearer wrong", "Bearer realm=\"ringway\", error=\"invalid_token\""),
    ] {
        let asked = request(&format!("GET /thing?access_token={SECRET}\nHost: localhost{credentials}"));
        let refused = admin().oneshot(asked).await.unwrap();
        let all: Vec<_> =
            refused.headers().get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!((refused.status(), all), (StatusCode::UNAUTHORIZED, vec![challenge]), "a token in a URL is none");
    }
}
