//! Bad input over the admin API of a running node: for every field of every request what bad values get, naming field and
//! rule; and bodies, paths, queries and heads that are no requests at all. Never a 5xx, and nothing of it is kept.

mod fields;
mod requests;

use serde_json::{Value, json};

use crate::harness::admin::Answer;
use crate::harness::node::Node;

const API: &str = "/apis/default/chat/1.0";

/// A node with an API that is deployed, and what is kept there: nothing of what follows may change it.
struct Scene {
    node: Node,
    kept: String,
}

impl Scene {
    fn new() -> Self {
        let node = Node::start("");
        node.serve("Chat", &["ws://127.0.0.1:9".to_owned()]);
        node.turn(API, "Published");
        let kept = Self::kept(&node);
        Self { node, kept }
    }

    fn kept(node: &Node) -> String {
        ["/apis", "/projects", "/audit", "/snapshot"].map(|path| node.admin.get(path).text).concat()
    }

    /// Asks for what must be refused.
    #[track_caller]
    fn refused(&self, method: &str, path: &str, body: &Value, status: u16, code: &str) -> Value {
        let answer = self.node.admin.send(method, path, Some(body));
        let problem = answer.refused(status, code);
        assert_eq!(problem["type"], "about:blank", "{problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty() && !problem["title"].as_str().unwrap().is_empty());
        problem
    }

    /// Must be refused for this field and rule, whatever else is wrong.
    #[track_caller]
    fn at_fault(
        &self,
        (method, path): (&str, &str),
        body: &Value,
        (status, code): (u16, &str),
        (field, rule): (&str, &str),
    ) {
        let problem = self.refused(method, path, body, status, code);
        let errors = problem["errors"].as_array().unwrap();
        let named = errors.iter().find(|error| error["field"] == field && error["rule"] == rule);
        let named = named.unwrap_or_else(|| panic!("{method} {path} {body:.200}: {field} {rule} is not in {problem}"));
        let message = named["message"].as_str().unwrap();
        assert!(!message.is_empty() && problem["detail"].as_str().unwrap().contains(field), "{problem}");
    }

    /// A problem, and none of the node's own doing.
    #[track_caller]
    fn is_client_s(what: &str, answer: &Answer) {
        assert!((400..500).contains(&answer.status), "{what}: {}{}", answer.head, answer.text);
        let kind = answer.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{what}: {}", answer.head);
        assert!(answer.json["code"].is_string() && answer.json["detail"].is_string(), "{what}: {}", answer.text);
        assert!(answer.text.len() < 8_000, "{what}: an answer of {} bytes", answer.text.len());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert_eq!(Self::kept(&self.node), self.kept, "something of it was kept");
        assert_eq!(self.node.admin.get("/health").expect(200)["status"], "ok");
        let log = self.node.log();
        assert!(!log.contains("panic") && !log.contains("ERROR"), "{log}");
    }
}

/// A request with one field changed, or added.
fn with(base: &Value, field: &str, value: Value) -> Value {
    let mut body = base.clone();
    body[field] = value;
    body
}

fn new_api() -> Value {
    json!({ "name": "New", "version": "1.0", "targets": ["ws://127.0.0.1:9"] })
}
