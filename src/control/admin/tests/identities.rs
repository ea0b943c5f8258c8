//! Identities: their tokens, and what each role may do.

use serde_json::{Value, json};

use super::{Answer, Node};
use crate::api::Permission;
use crate::control::admin::access::{self, Access, ROUTES};
use crate::control::admin::openapi;

const CHAT: &str = "/apis/default/chat/1.0";

impl Node {
    /// Creates an identity with these roles, and returns the secret of its token.
    async fn identity(&self, name: &str, roles: &[&str]) -> String {
        self.post("/identities", json!({ "name": name, "roles": roles })).await.is(201);
        let made = self.post(&format!("/identities/{name}/tokens"), json!({})).await.is(200);
        made.json["secret"].as_str().unwrap().to_owned()
    }

    async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.ask_as(token, &format!("GET {path}"), &[], None).await
    }

    async fn send_as(&self, token: &str, line: &str, body: Value) -> Answer {
        self.ask_as(token, line, &[], Some(&body)).await
    }
}

/// A request line for an operation of the description, with a value for each name in its path.
fn line(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/api/v1").unwrap();
    let values = [
        ("{project}", "default"),
        ("{identifier}", "chat"),
        ("{version}", "1.0"),
        ("{environment}", "development"),
        ("{number}", "1"),
        ("{page}", "index.html"),
        ("{digest}", "0000"),
        ("{name}", "development"),
        ("{id}", "1"),
        ("{plan}", "gold"),
        ("{consumer}", "acme"),
        ("{application}", "app"),
        ("{major}", "1"),
        ("{key}", "1"),
    ];
    let path = values.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
    assert!(!path.contains('{'), "{path}");
    format!("{method} {path}")
}

/// Every operation of the description, as its method and path.
fn operations() -> Vec<(String, String)> {
    let description: Value = serde_json::from_str(&openapi::document()).unwrap();
    let mut all = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            all.push((method.to_uppercase(), path.clone()));
        }
    }
    all
}

#[test]
fn every_route_is_in_the_table_of_access_once_and_nothing_else_is() {
    let mut described = operations();
    described.extend([("GET", "/metrics"), ("GET", "/api/v1/openapi.json")].map(|(m, p)| (m.to_owned(), p.to_owned())));
    let mut known: Vec<(String, String)> = ROUTES.iter().map(|(m, p, _)| ((*m).to_owned(), (*p).to_owned())).collect();
    described.sort();
    known.sort();
    assert_eq!(known, described);
    let open: Vec<&str> =
        ROUTES.iter().filter(|(.., access)| *access == Access::Open).map(|(_, path, _)| *path).collect();
    assert_eq!(open, ["/api/v1/health/live"]);
}

#[tokio::test]
async fn a_viewer_reads_and_writes_nothing() {
    let node = Node::new();
    node.put(CHAT, json!({ "name": "Chat", "targets": ["ws://a:1"] })).await.is(201);
    let viewer = node.identity("eyes", &["viewer"]).await;
    let before = node.get("/audit?limit=1").await.json["items"][0]["id"].clone();
    let mut writes = 0;
    for (method, path) in operations() {
        let line = line(&method, &path);
        let answer = node.ask_as(&viewer, &line, &[], (method != "GET").then_some(&json!({}))).await;
        let is_allowed = method == "GET" && !path.starts_with("/api/v1/identities");
        if is_allowed {
            assert_ne!((answer.status, answer.code()), (403, "role-missing"), "{line}");
        } else {
            writes += 1;
            let refused = answer.is(403);
            assert_eq!(refused.code(), "role-missing", "{line}");
            assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"ringway\", error=\"insufficient_scope\"");
            let Some(Access::Needs(permission)) = access::of(&method, &path) else { panic!("{line}") };
            let detail = refused.json["detail"].as_str().unwrap();
            assert!(detail.contains(&format!("the role {}", permission.needed())), "{line}: {detail}");
        }
    }
    assert!(writes > 20, "{writes}");
    assert_eq!(node.get("/audit?limit=1").await.json["items"][0]["id"], before, "nothing was changed");
    node.get_as(&viewer, "/metrics").await.is(200);
}

#[tokio::test]
async fn what_is_in_no_table_is_refused_to_all_but_an_admin() {
    let node = Node::new();
    let all = node.identity("all", &["viewer", "developer", "publisher"]).await;
    assert_eq!(node.send_as(&all, "PUT /audit", json!({})).await.is(403).code(), "role-missing");
    assert_eq!(node.put("/audit", json!({})).await.is(405).code(), "method-not-allowed");
    assert_eq!(node.get_as(&all, "/nothing").await.is(404).code(), "path-not-found");
}

#[tokio::test]
async fn a_room_publisher_is_told_who_it_is_and_nothing_else() {
    let node = Node::new();
    let scope =
        json!({ "apis": ["default/chat:1.0"], "rooms": ["news/*"], "messages_per_second": 5, "connections": 2 });
    let new = json!({ "name": "scores", "roles": ["room-publisher"], "room_scope": scope });
    let made = node.post("/identities", new).await.is(201);
    assert_eq!(made.json["room_scope"], scope);
    let token = node.post("/identities/scores/tokens", json!({})).await.is(200).json["secret"].clone();
    let token = token.as_str().unwrap();
    for (method, path) in operations() {
        let line = line(&method, &path);
        let answer = node.ask_as(token, &line, &[], (method != "GET").then_some(&json!({}))).await;
        let is_allowed = access::of(&method, &path) == Some(Access::Needs(Permission::Ask));
        let is_open = access::of(&method, &path) == Some(Access::Open);
        assert_eq!(answer.status, if is_allowed || is_open { 200 } else { 403 }, "{line}");
    }
    let caller = node.get_as(token, "/whoami").await.is(200).json;
    assert_eq!(caller, json!({ "name": "scores", "authenticated_by": "token 1", "roles": ["room-publisher"] }));
}

#[tokio::test]
async fn a_developer_deploys_everywhere_but_in_the_last_environment() {
    let node = Node::new();
    let (developer, publisher) =
        (node.identity("dev", &["developer"]).await, node.identity("pub", &["publisher"]).await);
    let chat = json!({ "name": "Chat", "targets": ["ws://a:1"] });
    node.send_as(&publisher, &format!("PUT {CHAT}"), chat.clone()).await.is(403);
    node.send_as(&developer, &format!("PUT {CHAT}"), chat).await.is(201);
    let deploy = |environment: &str| format!("PUT {CHAT}/deployments/{environment}");
    node.send_as(&developer, &deploy("development"), json!({})).await.is(201);
    let promotion = json!({ "from": "development", "to": "production" });
    for (line, body) in [
        (deploy("production"), json!({})),
        (format!("POST {CHAT}/promote"), promotion.clone()),
        (format!("DELETE {CHAT}/deployments/production"), json!({})),
        (format!("POST {CHAT}/deployments/production/stop"), json!({})),
        (format!("POST {CHAT}/deployments/production/start"), json!({})),
        (format!("POST {CHAT}/deployments/production/rollback"), json!({ "revision": 1 })),
        (format!("PUT {CHAT}/lifecycle"), json!({ "state": "Published" })),
        ("POST /connections/close".to_owned(), json!({ "environment": "production" })),
    ] {
        let refused = node.send_as(&developer, &line, body).await.is(403);
        assert!(
            refused.json["detail"].as_str().unwrap().contains("publisher or admin, and dev has developer"),
            "{line}"
        );
    }
    node.send_as(&publisher, &format!("POST {CHAT}/promote"), promotion).await.is(201);
    node.send_as(&publisher, &format!("PUT {CHAT}/lifecycle"), json!({ "state": "Published" })).await.is(200);
    // Now consumers use it: neither of the two alone may delete it.
    for one in [&developer, &publisher] {
        node.ask_as(one, &format!("DELETE {CHAT}"), &[], None).await.is(403);
    }
    node.ask_as(&publisher, &format!("DELETE {CHAT}/deployments/production"), &[], None).await.is(204);
    node.ask_as(&developer, &format!("DELETE {CHAT}"), &[], None).await.is(204);
}

#[tokio::test]
async fn documents_are_no_way_around_a_role() {
    let node = Node::new();
    let developer = node.identity("dev", &["developer"]).await;
    let document = |environment: &str| {
        let text = format!(
            "apiVersion: ringway/v1\nkind: Api\nname: Chat\nversion: 1.0\ntargets: [\"ws://a:1\"]\ndeployments:\n\
             - environment: {environment}\n"
        );
        json!({ "files": [{ "name": "chat.yaml", "text": text }] })
    };
    let refused = node.send_as(&developer, "POST /apply", document("production")).await.is(403);
    assert_eq!(refused.code(), "role-missing");
    node.get(CHAT).await.is(404);
    node.send_as(&developer, "POST /apply", document("development")).await.is(200);
    let both = node.identity("both", &["developer", "publisher"]).await;
    node.send_as(&both, "POST /apply", document("production")).await.is(200);
}

#[tokio::test]
async fn a_token_is_shown_once_and_refused_once_it_is_revoked() {
    let node = Node::new();
    node.post("/identities", json!({ "name": "ci", "roles": ["viewer"], "description": "Deploys" })).await.is(201);
    let asked = json!({ "description": "job", "expires_at": "2999-01-01T00:00:00Z" });
    let made = node.post("/identities/ci/tokens", asked).await.is(200).json;
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("rwa_") && secret.len() == 47, "{}", secret.len());
    assert_eq!((&made["token"]["id"], &made["token"]["last_used"]), (&json!(1), &Value::Null));
    assert_eq!(node.get_as(secret, "/whoami").await.is(200).json["authenticated_by"], "token 1");
    // The use is noted behind the answer, in the order of the store's queue.
    let shown = node.get("/identities/ci").await.is(200).json;
    let day = shown["tokens"][0]["last_used"].as_str().unwrap();
    assert!(day.len() == 10 && day.starts_with("20"), "{day}");
    for path in ["/identities/ci", "/identities", "/audit"] {
        let text = node.get(path).await.is(200).json.to_string();
        assert!(!text.contains(secret) && !text.contains(&secret[4..]), "{path}");
    }
    node.delete("/identities/ci/tokens/1").await.is(204);
    node.get_as(secret, "/whoami").await.is(401);
    node.delete("/identities/ci/tokens/1").await.is(204);
    let audit = node.get("/audit?limit=2").await.json;
    assert_eq!(
        (&audit["items"][0]["action"], &audit["items"][0]["subject"]),
        (&json!("token.revoke"), &json!("ci token 1"))
    );
    let again = node.post("/identities/ci/tokens", json!({})).await.is(200).json;
    assert_eq!(again["token"]["id"], 2, "a number is never given twice");
}

#[tokio::test]
async fn a_role_counts_at_once_and_a_revoked_identity_is_gone_with_its_tokens() {
    let node = Node::new();
    let token = node.identity("ci", &["viewer"]).await;
    node.send_as(&token, "PUT /projects/a", json!({})).await.is(403);
    let shown = node.get("/identities/ci").await.is(200);
    let tag = shown.etag().to_owned();
    let role = json!({ "roles": ["developer"] });
    node.ask("PUT /identities/ci", &[("if-match", "\"9-9\"")], Some(&role)).await.is(412);
    node.ask("PUT /identities/ci", &[("if-match", &tag)], Some(&role)).await.is(200);
    node.send_as(&token, "PUT /projects/a", json!({})).await.is(201);
    assert_eq!(node.get("/projects/a").await.json["created_by"], "ci");
    let entry = &node.get("/audit?limit=1").await.json["items"][0];
    assert_eq!((&entry["who"], &entry["authenticated_by"]), (&json!("ci"), &json!("token 1")));
    node.delete("/identities/ci").await.is(204);
    node.get_as(&token, "/whoami").await.is(401);
    node.delete("/identities/ci").await.is(204);
    // Another of the same name is another, and the old token is none of its.
    node.post("/identities", json!({ "name": "ci", "roles": ["admin"] })).await.is(201);
    node.get_as(&token, "/whoami").await.is(401);
}

#[tokio::test]
async fn a_token_is_replaced_with_an_overlap() {
    let node = Node::new();
    let old = node.identity("ci", &["viewer"]).await;
    let made = node.post("/identities/ci/tokens/1/rotate", json!({ "overlap_ms": 60_000 })).await.is(200).json;
    let new = made["secret"].as_str().unwrap().to_owned();
    for token in [&old, &new] {
        node.get_as(token, "/whoami").await.is(200);
    }
    let tokens = node.get("/identities/ci").await.json["tokens"].clone();
    assert!(tokens[0]["expires_at"].is_string() && tokens[1]["expires_at"].is_null(), "{tokens}");
    let last = node.post("/identities/ci/tokens/2/rotate", json!({ "overlap_ms": 0 })).await.is(200).json;
    let expired = node.get_as(&new, "/whoami").await.is(401);
    assert!(expired.json["detail"].as_str().unwrap().contains("has expired"), "{}", expired.json);
    node.get_as(last["secret"].as_str().unwrap(), "/whoami").await.is(200);
    // A rotation does not lengthen the life of a token that ends earlier.
    node.post("/identities/ci/tokens/2/rotate", json!({ "overlap_ms": 60_000 })).await.is(200);
    node.get_as(&new, "/whoami").await.is(401);
    assert_eq!(node.post("/identities/ci/tokens/99/rotate", json!({})).await.is(404).code(), "token-not-found");
    node.identity("other", &["viewer"]).await;
    assert_eq!(node.post("/identities/other/tokens/1/rotate", json!({})).await.is(404).code(), "token-not-found");
}

#[tokio::test]
async fn identities_are_bounded_listed_and_refused_with_their_rule() {
    let node = Node::new();
    for _ in 0..2 {
        node.post("/identities", json!({ "name": "ci", "roles": ["viewer"] })).await;
    }
    assert_eq!(
        node.post("/identities", json!({ "name": "ci", "roles": ["admin"] })).await.is(409).code(),
        "identity-exists"
    );
    let reserved = node.post("/identities", json!({ "name": "admin", "roles": ["root"] })).await.is(422);
    let of = |field: &str, rule: &str| (field.to_owned(), rule.to_owned());
    assert_eq!(reserved.faults(), [of("name", "reserved"), of("roles[0]", "one-of")]);
    let past = node.post("/identities/ci/tokens", json!({ "expires_at": "2020-01-01T00:00:00Z" })).await.is(422);
    assert_eq!(past.faults(), [of("expires_at", "past")]);
    for _ in 0..16 {
        node.post("/identities/ci/tokens", json!({})).await.is(200);
    }
    assert_eq!(node.post("/identities/ci/tokens", json!({})).await.is(409).code(), "identities-full");
    node.post("/identities/none/tokens", json!({})).await.is(404);
    node.put("/identities/ada@example.com", json!({ "roles": ["admin"] })).await.is(201);
    let page = node.get("/identities?limit=1").await.is(200).json;
    assert_eq!(page["items"][0]["name"], "ada@example.com");
    let rest = node.get(&format!("/identities?cursor={}", page["next"].as_str().unwrap())).await.is(200).json;
    assert_eq!((&rest["items"][0]["name"], &rest["next"]), (&json!("ci"), &Value::Null));
    assert_eq!(
        node.get("/identities/ada@exmple.com").await.is(404).json["detail"],
        "There is no identity ada@exmple.com: did you mean ada@example.com?"
    );
}
