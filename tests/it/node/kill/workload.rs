//! A client that changes APIs of its own, one change at a time, and knows of each what it must be: what was acknowledged,
//! and of the one change that was cut off that it was made or was not.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use serde_json::{Value, json};

use crate::harness::admin::{Admin, Answer};
use crate::harness::node::Node;

/// Numbers that look random (xorshift64*), the same for the same seed.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }
}

/// APIs of a worker.
const APIS: u64 = 4;

/// The known state of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    description: String,
    lifecycle: String,
    /// By environment: the revision, and whether it is stopped.
    deployments: BTreeMap<String, (u64, bool)>,
    /// The description of each revision, from the first on.
    revisions: Vec<String>,
}

/// A change: what to ask for, and what the API is when it is made.
struct Change {
    api: String,
    method: &'static str,
    path: String,
    body: Option<Value>,
    after: Option<Known>,
}

pub(super) struct Worker {
    name: String,
    target: String,
    random: Random,
    number: u64,
    known: BTreeMap<String, Known>,
    /// The change that was not answered.
    unsure: Option<Change>,
    /// How many entries of the audit are its.
    changes: u64,
}

impl Worker {
    pub(super) fn new(client: u64, seed: u64, target: &str) -> Self {
        Self {
            name: format!("client-{client}"),
            target: target.to_owned(),
            random: Random::new(seed.wrapping_add(1000).wrapping_mul(client + 1)),
            number: 0,
            known: BTreeMap::new(),
            unsure: None,
            changes: 0,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How many changes it knows to have been made.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn is_unsure(&self) -> bool {
        self.unsure.is_some()
    }

    /// Asks for a change. Whether it was answered.
    pub(super) fn step(&mut self, admin: &Admin) -> bool {
        self.number += 1;
        let change = self.change();
        let asked = admin.named(&self.name).try_send(
            change.method,
            &format!("/apis/default/{}/1.0{}", change.api, change.path),
            change.body.as_ref(),
        );
        match asked {
            Ok(answer) => {
                self.answered(&change, &answer);
                self.made(change);
                true
            }
            // Nobody was there any more to ask.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => false,
            Err(_) => {
                self.unsure = Some(change);
                false
            }
        }
    }

    /// A change that is allowed, and changes something.
    fn change(&mut self) -> Change {
        let api = format!("{}-{}", self.name, self.random.below(APIS));
        let description = format!("change {}", self.number);
        let definition = json!({ "name": api, "targets": [self.target], "description": description });
        let Some(known) = self.known.get(&api) else {
            let after = Known {
                description,
                lifecycle: "Created".to_owned(),
                deployments: BTreeMap::new(),
                revisions: Vec::new(),
            };
            return Change { api, method: "PUT", path: String::new(), body: Some(definition), after: Some(after) };
        };
        let mut after = known.clone();
        let choice = self.random.below(10);
        let (method, path, body) = match choice {
            0 if self.random.below(3) == 0 => {
                return Change { api, method: "DELETE", path: String::new(), body: None, after: None };
            }
            1 if after
                .deployments
                .get("development")
                .is_some_and(|dev| after.deployments.get("production") != Some(&(dev.0, false))) =>
            {
                let (revision, _) = after.deployments["development"];
                after.deployments.insert("production".to_owned(), (revision, false));
                ("POST", "/promote".to_owned(), Some(json!({ "from": "development", "to": "production" })))
            }
            2 if !after.deployments.is_empty() => {
                let environment = after.deployments.keys().next().unwrap().clone();
                let deployment = after.deployments.get_mut(&environment).unwrap();
                deployment.1 = !deployment.1;
                let what = if deployment.1 { "stop" } else { "start" };
                ("POST", format!("/deployments/{environment}/{what}"), None)
            }
            3 if !after.deployments.is_empty() => {
                let environment = after.deployments.keys().next_back().unwrap().clone();
                after.deployments.remove(&environment);
                ("DELETE", format!("/deployments/{environment}"), None)
            }
            4 => {
                let next = match after.lifecycle.as_str() {
                    "Created" => "Published",
                    "Published" => "Blocked",
                    "Blocked" => "Deprecated",
                    _ => "Published",
                };
                after.lifecycle = next.to_owned();
                ("PUT", "/lifecycle".to_owned(), Some(json!({ "state": next })))
            }
            // A definition that no revision has is deployed.
            5..=7 if after.revisions.last() != Some(&after.description) => {
                after.revisions.push(after.description.clone());
                let revision = after.revisions.len() as u64;
                after.deployments.insert("development".to_owned(), (revision, false));
                ("PUT", "/deployments/development".to_owned(), Some(json!({})))
            }
            _ => {
                after.description = description;
                ("PUT", String::new(), Some(definition))
            }
        };
        Change { api, method, path, body, after: Some(after) }
    }

    fn answered(&self, change: &Change, answer: &Answer) {
        assert!(answer.status < 300, "{}: {} {}: {}", change.api, change.method, change.path, answer.text);
    }

    fn made(&mut self, change: Change) {
        self.changes += 1;
        match change.after {
            Some(after) => self.known.insert(change.api, after),
            None => self.known.remove(&change.api),
        };
    }

    /// Compares all that it knows with what a node says, and learns what became of the change that was cut off.
    pub(super) fn check(&mut self, node: &Node, at: &str) {
        if let Some(change) = self.unsure.take() {
            let now = show(node, &change.api);
            if now == change.after && now.as_ref() != self.known.get(&change.api) {
                self.made(change);
            }
        }
        for number in 0..APIS {
            let api = format!("{}-{number}", self.name);
            assert_eq!(show(node, &api).as_ref(), self.known.get(&api), "{at}: {api}");
        }
    }
}

/// The node's state of an API.
fn show(node: &Node, api: &str) -> Option<Known> {
    let path = format!("/apis/default/{api}/1.0");
    let answer = node.admin.get(&path);
    if answer.status == 404 {
        return None;
    }
    let shown = answer.expect(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let deployment =
        |it: &Value| (text(&it["environment"]), (it["revision"].as_u64().unwrap(), it["status"] == "stopped"));
    let mut revisions = node.admin.all(&format!("{path}/revisions"));
    revisions.sort_by_key(|revision| revision["number"].as_u64());
    for (revision, number) in revisions.iter().zip(1_u64..) {
        assert_eq!(revision["number"], number, "{api}: revisions have no gap");
    }
    Some(Known {
        description: text(&shown["description"]),
        lifecycle: text(&shown["lifecycle"]),
        deployments: shown["deployments"].as_array().unwrap().iter().map(deployment).collect(),
        revisions: revisions.iter().map(|revision| text(&revision["definition"]["description"])).collect(),
    })
}
