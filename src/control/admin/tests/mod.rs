//! The handlers over a real store, with shards that take everything at once.

mod consumers;
mod contracts;
mod docs;
mod fields;
mod flows;
mod identities;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use super::Admin;
use crate::api::environment::RunningEnvironment;
use crate::api::{Environments, PolicyLayer};
use crate::command::Command;
use crate::command::view::{ConnectionPage, KernelBytes, Report};
use crate::config::limits::LimitArgs;
use crate::control::contracts::Contracts;
use crate::control::identity::file_token::FileToken;
use crate::control::manage::{Manager, Origin, Settings};
use crate::control::notes::Notes;
use crate::control::publish::no_shards::NoShards;
use crate::control::shards::testing::played;
use crate::control::state_dir::{ADMIN_TOKEN, StateDir};
use crate::control::store::Store;
use crate::engine::Figures;

const SECRET: &str = "the-token-of-these-tests-and-no-other";

/// A node without a listener.
struct Node {
    router: Router,
    _folder: TempDir,
}

/// An answer of the admin API.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    json: Value,
}

fn shard(command: Command) {
    match command {
        Command::Report(reply) => {
            reply.send(Report {
                snapshot: 0,
                figures: Figures::default(),
                connections: 0,
                kernel: KernelBytes::default(),
                routes: Vec::new(),
            });
        }
        Command::List(_, reply) => reply.send(ConnectionPage::default()),
        Command::Close(_, reply) => reply.send(0),
        _ => {}
    }
}

fn place(name: &str, port: u16) -> RunningEnvironment {
    RunningEnvironment {
        name: name.parse().unwrap(),
        external: format!("127.0.0.1:{port}"),
        internal: format!("127.0.0.1:{}", port + 10),
        external_url: format!("ws://127.0.0.1:{port}"),
        internal_url: format!("ws://127.0.0.1:{}", port + 10),
        hosts: Vec::new(),
        variables: BTreeMap::from([("CHAT".to_owned(), "ws://10.0.0.1:9000".to_owned())]),
        policies: PolicyLayer::default(),
    }
}

impl Node {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::take(folder.path()).unwrap();
        let origin = Origin::Store(Store::open(&state).unwrap());
        let environments = Environments::new(
            LimitArgs::default().policies(false),
            vec![place("development", 8081), place("production", 8080)],
        );
        let contracts = Contracts::of(folder.path());
        let started = Manager::start(origin, NoShards, contracts, environments, Settings::default()).unwrap();
        std::fs::write(folder.path().join(ADMIN_TOKEN), SECRET).unwrap();
        std::fs::set_permissions(folder.path().join(ADMIN_TOKEN), std::fs::Permissions::from_mode(0o600)).unwrap();
        let token = FileToken::of_state(folder.path()).unwrap();
        let router = Admin::new(started.manager, played(vec![shard, shard]), Notes::default(), Arc::default())
            .router(token, Vec::new());
        Self { router, _folder: folder }
    }

    /// Asks with the token of the file, and with these header lines besides.
    async fn ask(&self, line: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        self.ask_as(SECRET, line, headers, body).await
    }

    /// Asks with a token, and with these header lines besides.
    async fn ask_as(&self, token: &str, line: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let uri = if path == "/metrics" { path.to_owned() } else { format!("/api/v1{path}") };
        let mut request = Request::builder().method(method).uri(uri).header("host", "localhost");
        request = request.header("authorization", format!("Bearer {token}"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json");
            request = request.header("content-length", body.to_string().len());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 16 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status >= 400 {
            assert_eq!(headers["content-type"], "application/problem+json", "{line}: {json}");
            assert_eq!(json["status"], status, "{line}: {json}");
            assert_ne!(status, 500, "{line}: {json}");
        }
        Answer { status, headers, json }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[], None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(&format!("POST {path}"), &[], Some(&body)).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask(&format!("PUT {path}"), &[], Some(&body)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.ask(&format!("DELETE {path}"), &[], None).await
    }
}

impl Answer {
    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.json);
        self
    }

    fn etag(&self) -> &str {
        self.headers["etag"].to_str().unwrap()
    }

    fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// Each field at fault, with the rule.
    fn faults(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let errors = self.json["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| (text(&error["field"]), text(&error["rule"]))).collect()
    }
}
