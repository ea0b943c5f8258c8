//! The way of an API from a contract to its consumers, with the service that the contract describes: `ringway-load upstream
//! chat`, which speaks the protocol of WSO2's sample and answers each message with bare text that its contract does not allow.

use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::api::talked;
use crate::harness::https::{Https, ok};
use crate::harness::node::{Home, Node, USUAL, ws};
use crate::harness::pki::{Authority, Folder};
use crate::harness::process::PROGRAM;
use crate::harness::{Peer, client, until};

/// A contract with the shape of `wso2-bijira-chat.yaml`: one channel, one message for both directions, examples of OpenAPI's
/// kind, and a server that the service is not at.
const CHAT: &str = "asyncapi: '2.0.0'
info:
  title: 'Chat API'
  version: 1.0.0
  description: 'Rooms in which people talk'
servers:
  localhost:
    url: wss://chat.example/samples/chat/v1.0
    protocol: wss
channels:
  /:
   publish:
     operationId: ReceiveMessage
     message: {$ref: '#/components/messages/message'}
   subscribe:
     operationId: SendMessage
     message: {$ref: '#/components/messages/message'}
components:
  messages:
    message:
      name: message
      summary: \"A message of the chat\"
      payload:
        type: object
        properties:
          type: {type: string, description: \"Type of the message\", example: \"connect\"}
          message: {type: string, description: \"Content\", example: \"Hello from user1\"}
";

/// The service of the contract. Dropping it ends it.
struct Service {
    child: Child,
    address: SocketAddr,
}

impl Service {
    /// `None`, and a line that says so, where the workspace's other program was not built.
    fn start() -> Option<Self> {
        let program = Path::new(PROGRAM).with_file_name("ringway-load");
        if !program.is_file() {
            let missing = "SKIPPED: no ringway-load beside ringway: cargo build --workspace";
            let _ = writeln!(std::io::stderr(), "{missing}");
            return None;
        }
        let mut command = Command::new(program);
        command.args(["upstream", "chat", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}"));
        Some(Self { child, address: address.parse().unwrap() })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The documents of the story: our own, and that of others where `RINGWAY_CONTRACTS` names it.
fn documents() -> Vec<String> {
    let mut documents = vec![CHAT.to_owned()];
    match std::env::var_os("RINGWAY_CONTRACTS") {
        Some(folder) => {
            documents.push(std::fs::read_to_string(Path::new(&folder).join("wso2-bijira-chat.yaml")).unwrap());
        }
        None => {
            let missing = "SKIPPED in part: RINGWAY_CONTRACTS names no folder with the documents of others";
            let _ = writeln!(std::io::stderr(), "{missing}");
        }
    }
    documents
}

/// A user of the chat in production, connected through the node.
fn user(node: &Node, name: &str) -> Peer {
    let mut peer = Peer::connect(node.external("production"));
    peer.send(client::handshake("/default/chat-api/v1.0", "").as_bytes());
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    peer.say(&format!(r#"{{"type":"Connect","username":"{name}"}}"#));
    peer
}

/// Reads messages up to one that `is_it` takes.
fn until_heard(peer: &mut Peer, is_it: impl Fn(&str) -> bool) -> String {
    loop {
        let text = String::from_utf8(peer.frame().payload).unwrap();
        if is_it(&text) {
            return text;
        }
    }
}

fn data(message: &str) -> String {
    format!(r#"{{"type":"Data","message":"{message}"}}"#)
}

/// Gives the API policies, and has production run them.
fn with_policies(home: &Home, policies: &[&str]) {
    let mut arguments = vec!["api", "update", "chat-api"];
    arguments.extend(policies.iter().flat_map(|policy| ["--policy", policy]));
    home.works(&arguments);
    home.works(&["api", "deploy", "chat-api", "--env", "development"]);
    home.works(&["api", "promote", "chat-api"]);
}

/// The samples of violations in production, once there are so many.
fn violations(home: &Home, count: usize) -> Vec<Value> {
    until("violations are shown", || {
        let shown = home.works(&["api", "violations", "chat-api", "--env", "production", "-o", "json"]);
        let shown: Vec<Value> = serde_json::from_str(&shown).unwrap();
        (shown.len() >= count).then_some(shown)
    })
}

/// From an imported contract to messages that are checked. `import` makes the API from the document.
fn story(document: &str, import: impl FnOnce(&Home, &str)) {
    let Some(service) = Service::start() else { return };
    let home = Home::new(USUAL);
    let node = home.start();
    import(&home, &ws(service.address));
    assert_eq!(home.works(&["api", "contract", "show", "chat-api", "--raw"]), document);
    home.works(&["api", "deploy", "chat-api", "--env", "development"]);
    // The contract's own example goes through to the service, which has something to say about it.
    let documented: Value = serde_json::from_str(&home.works(&["api", "docs", "chat-api"])).unwrap();
    let example = &documented["contract"]["messages"][0]["examples"][0]["payload"];
    assert_eq!(example["message"], "Hello from user1", "{documented}");
    let answer = talked(&home, &["api", "test", "chat-api", "--env", "development"], &format!("{example}\n"));
    assert!(answer.starts_with("Error: the type is neither Connect nor Data"), "{answer}");
    home.works(&["api", "promote", "chat-api"]);
    home.works(&["api", "lifecycle", "chat-api", "--to", "published", "--yes"]);
    reports_the_answers_of_the_service(&home, &node);
    refuses_what_breaks_the_contract(&home, &node);
}

fn reports_the_answers_of_the_service(home: &Home, node: &Node) {
    with_policies(home, &["validation.client_sends=report", "validation.client_receives=report"]);
    let (mut ann, mut bob) = (user(node, "ann"), user(node, "bob"));
    until_heard(&mut ann, |text| text.contains("\"bob\""));
    for number in 0..3 {
        ann.say(&data(&format!("number {number}")));
        until_heard(&mut ann, |text| text == "Message sent");
        let came = until_heard(&mut bob, |text| text.contains("number"));
        assert!(came.contains(&format!("\"message\":\"number {number}\"")), "{came}");
    }
    let shown = violations(home, 3);
    assert_eq!(shown.len(), 3, "{shown:?}");
    for one in &shown {
        let facts = ["direction", "rule", "action", "channel"].map(|name| one[name].as_str().unwrap());
        assert_eq!(facts, ["client_receives", "not-json", "forwarded", "/"]);
    }
}

fn refuses_what_breaks_the_contract(home: &Home, node: &Node) {
    let (mut ann, mut eve) = (user(node, "ann2"), user(node, "eve"));
    until_heard(&mut ann, |text| text.contains("\"eve\""));
    with_policies(home, &["validation.client_sends=enforce", "validation.client_receives=off"]);
    eve.say(r#"{"type":5}"#);
    eve.say(&data("after five"));
    // The service heard of the second message alone: it answers the first kind with an error.
    assert_eq!(until_heard(&mut eve, |text| !text.starts_with('{')), "Message sent");
    until_heard(&mut ann, |text| text.contains("after five"));
    ann.say(&data("still here"));
    assert_eq!(until_heard(&mut ann, |text| !text.starts_with('{')), "Message sent");
    until_heard(&mut eve, |text| text.contains("still here"));
    let dropped = violations(home, 4);
    let last = dropped.iter().find(|one| one["direction"] == "client_sends").unwrap();
    let facts = ["rule", "pointer", "action"].map(|name| last[name].as_str().unwrap());
    assert_eq!((dropped.len(), facts), (4, ["type", "/type", "dropped"]));
}

#[test]
fn a_contract_in_a_file_becomes_a_published_api_whose_messages_are_checked() {
    for document in documents() {
        story(&document, |home, target| {
            let folder = TempDir::new().unwrap();
            let file = folder.path().join("chat.yaml");
            std::fs::write(&file, &document).unwrap();
            home.works(&["api", "import", file.to_str().unwrap(), "--yes", "--target", target]);
        });
    }
}

#[test]
fn a_contract_at_an_https_url_becomes_a_published_api_whose_messages_are_checked() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let host = Https::start(&authority, &["127.0.0.1"]);
    let trusted = folder.write("ca.pem", &authority.pem());
    for document in documents() {
        host.has("/contracts/chat.yaml", ok(&document));
        story(&document, |home, target| {
            let url = format!("https://127.0.0.1:{}/contracts/chat.yaml", host.port());
            let import = |trust: &str| {
                let mut command = Command::new(PROGRAM);
                command.args(["api", "import", &url, "--yes", "--target", target]).arg("--state").arg(home.state());
                command.env("SSL_CERT_FILE", trust).env_remove("SSL_CERT_DIR").stdin(Stdio::null()).output().unwrap()
            };
            // A host that nobody vouches for is not believed.
            let (asked, stranger) = (host.heads().len(), folder.write("other.pem", &Authority::new().pem()));
            let refused = import(&stranger);
            assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stderr));
            assert_eq!(host.heads().len(), asked);
            let imported = import(&trusted);
            assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        });
    }
}
