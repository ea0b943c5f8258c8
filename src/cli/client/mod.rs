//! A client of the admin API: in, what is to be done; out, what the node answered, or a message that says what to do.
//!
//! One connection, blocking, kept from one request to the next. The token goes to the node and nowhere else: no
//! redirect is followed, no proxy of the environment is used. How long an answer may take and how much of it is read is
//! bounded.

mod fixed_address;
mod locate;
mod problem;
mod resource;
#[cfg(test)]
pub(super) mod testing;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::{Method, Request, Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

use self::fixed_address::FixedAddress;
use self::locate::NodeAccess;
pub(super) use self::locate::authorities;
pub(super) use self::resource::ResourcePath;
use super::Failure;
use super::global_options::GlobalOptions;
use crate::api::Page;
use crate::api::misfit::misfit;
use crate::tls;

/// Limits for connecting and for a whole request: the node answers a change when it is active on every shard.
const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(60);
const BRIEF: Duration = Duration::from_secs(1);
/// The most of an answer that is read: a page of a thousand APIs with all their targets is less.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;
/// Things asked for at once where all are wanted.
const PAGE: usize = 500;
const JSON: &str = "application/json";
const FILE: &str = "application/octet-stream";

/// A node, to be asked.
pub(super) struct Client {
    agent: Agent,
    node: NodeAccess,
    actor: String,
}

/// An answer with its entity tag, which an update must send back.
pub(super) struct Tagged<T> {
    pub(super) value: T,
    pub(super) etag: Option<String>,
}

impl Client {
    /// Finds the node that the line names. Nothing is sent yet.
    pub(super) fn new(globals: &GlobalOptions) -> Result<Self, Failure> {
        Self::within(globals, WHOLE)
    }

    /// Like [`new`](Self::new), for a shell that waits for a key: a request may take a second.
    pub(super) fn brief(globals: &GlobalOptions) -> Result<Self, Failure> {
        Self::within(globals, BRIEF)
    }

    fn within(globals: &GlobalOptions, whole: Duration) -> Result<Self, Failure> {
        let node = locate::node(globals)?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT.min(whole)))
            .timeout_global(Some(whole))
            .user_agent(concat!("ringway/", env!("CARGO_PKG_VERSION")));
        if node.base.starts_with("https://") {
            let roots = authorities(globals.admin_ca.as_deref())?;
            let roots: Vec<_> =
                roots.iter().map(|der| ureq::tls::Certificate::from_der(der.as_ref()).to_owned()).collect();
            let roots = RootCerts::new_with_certs(&roots);
            let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(tls::provider()).root_certs(roots);
            config = config.tls_config(tls.build());
        }
        let config = config.build();
        let agent = match node.dialled {
            Some(address) => Agent::with_parts(config, DefaultConnector::default(), FixedAddress(address)),
            None => config.into(),
        };
        Ok(Self { agent, node, actor: locate::user() })
    }

    /// The address of the node's admin API: `http://ADDRESS`.
    pub(super) fn base(&self) -> &str {
        &self.node.base
    }

    /// The host that `--admin` names, if it was given: what is local to the node is not local here.
    pub(super) fn remote_host(&self) -> Option<&str> {
        self.node.remote_host.as_deref()
    }

    /// Reads something.
    pub(super) fn get<T: DeserializeOwned>(&self, place: &ResourcePath) -> Result<T, Failure> {
        self.tagged(place).map(|tagged| tagged.value)
    }

    /// Reads something that is to be changed; `None` if it does not exist.
    pub(super) fn tagged_if_there<T: DeserializeOwned>(
        &self,
        place: &ResourcePath,
    ) -> Result<Option<Tagged<T>>, Failure> {
        let response = self.answer(&Method::GET, place, None, None)?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = self.accepted(response)?;
        let etag = etag(&response);
        Ok(Some(Tagged { value: self.read(response)?, etag }))
    }

    /// Reads a file as it is.
    pub(super) fn bytes(&self, place: &ResourcePath) -> Result<Vec<u8>, Failure> {
        let mut response = self.send(&Method::GET, place, None, None)?;
        let reader = response.body_mut().with_config().limit(MAX_ANSWER_BYTES);
        reader.read_to_vec().map_err(|error| Failure::Failed(self.node.unreachable(&error)))
    }

    /// Sends a file as it is.
    pub(super) fn upload<T: DeserializeOwned>(&self, place: &ResourcePath, bytes: Vec<u8>) -> Result<T, Failure> {
        let response = self.send(&Method::POST, place, Some((FILE, bytes)), None)?;
        self.read(response)
    }

    /// Reads something that is to be changed.
    pub(super) fn tagged<T: DeserializeOwned>(&self, place: &ResourcePath) -> Result<Tagged<T>, Failure> {
        let response = self.send(&Method::GET, place, None, None)?;
        let etag = etag(&response);
        Ok(Tagged { value: self.read(response)?, etag })
    }

    /// Reads a list, all its pages, or as much of it as is asked for.
    pub(super) fn list<T: DeserializeOwned>(
        &self,
        place: &ResourcePath,
        limit: Option<usize>,
    ) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let left = limit.map_or(PAGE, |limit| limit.saturating_sub(all.len()).min(PAGE));
            if left == 0 {
                return Ok(all);
            }
            let page = place.clone().with("limit", &left.to_string()).with_some("cursor", cursor.as_deref());
            let mut page: Page<T> = self.get(&page)?;
            page.items.truncate(left);
            all.append(&mut page.items);
            match page.next {
                Some(next) if cursor.as_ref() == Some(&next) => {
                    return Err(self.failed("the list does not go on: one page was answered twice"));
                }
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Reads a list that has no pages.
    pub(super) fn whole<T: DeserializeOwned>(&self, place: &ResourcePath) -> Result<Vec<T>, Failure> {
        self.get(place).map(|page: Page<T>| page.items)
    }

    /// Makes something, or has something done.
    pub(super) fn post<T: DeserializeOwned>(&self, place: &ResourcePath, body: &impl Serialize) -> Result<T, Failure> {
        let response = self.send(&Method::POST, place, Some((JSON, self.body(body)?)), None)?;
        self.read(response)
    }

    /// Puts something where it belongs. With a tag, only if it is what it was.
    pub(super) fn put<T: DeserializeOwned>(
        &self,
        place: &ResourcePath,
        body: &impl Serialize,
        if_match: Option<&str>,
    ) -> Result<T, Failure> {
        self.put_tagged(place, body, if_match).map(|tagged| tagged.value)
    }

    /// Like [`put`](Self::put), with the entity tag of the state after the change.
    pub(super) fn put_tagged<T: DeserializeOwned>(
        &self,
        place: &ResourcePath,
        body: &impl Serialize,
        if_match: Option<&str>,
    ) -> Result<Tagged<T>, Failure> {
        let response = self.send(&Method::PUT, place, Some((JSON, self.body(body)?)), if_match)?;
        let etag = etag(&response);
        Ok(Tagged { value: self.read(response)?, etag })
    }

    /// Takes something away.
    pub(super) fn delete(&self, place: &ResourcePath) -> Result<(), Failure> {
        self.send(&Method::DELETE, place, None, None).map(drop)
    }

    fn body(&self, body: &impl Serialize) -> Result<Vec<u8>, Failure> {
        serde_json::to_vec(body).map_err(|error| self.failed(&format!("the request cannot be written: {error}")))
    }

    /// Sends a request, and gives back an answer that is no refusal.
    fn send(
        &self,
        method: &Method,
        place: &ResourcePath,
        body: Option<(&str, Vec<u8>)>,
        if_match: Option<&str>,
    ) -> Result<Response<ureq::Body>, Failure> {
        self.accepted(self.answer(method, place, body, if_match)?)
    }

    /// Sends a request with a body of a media type, and gives back the answer.
    fn answer(
        &self,
        method: &Method,
        place: &ResourcePath,
        body: Option<(&str, Vec<u8>)>,
        if_match: Option<&str>,
    ) -> Result<Response<ureq::Body>, Failure> {
        let uri = format!("{}/api/v1{place}", self.node.base);
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.node.token))
            .header(header::ACCEPT, JSON)
            .header("Ringway-Actor", &self.actor);
        if let Some(address) = self.node.dialled {
            // The listener's usual name: that of its certificate may be for others.
            request = request.header(header::HOST, address.to_string());
        }
        if let Some(etag) = if_match {
            request = request.header(header::IF_MATCH, etag);
        }
        let unfit = |error: ureq::http::Error| self.failed(&format!("the request cannot be made: {error}"));
        let answer = match body {
            Some((kind, body)) => self.agent.run(request.header(header::CONTENT_TYPE, kind).body(body).map_err(unfit)?),
            None => self.agent.run(request.body(()).map_err(unfit)?),
        };
        answer.map_err(|error| Failure::Failed(self.node.unreachable(&error)))
    }

    /// The answer, unless it is a refusal.
    fn accepted(&self, response: Response<ureq::Body>) -> Result<Response<ureq::Body>, Failure> {
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response)) }
    }

    fn read<T: DeserializeOwned>(&self, mut response: Response<ureq::Body>) -> Result<T, Failure> {
        if !kind(&response).is_some_and(|kind| kind.eq_ignore_ascii_case(JSON)) {
            return Err(self.failed("it does not answer in JSON: is it the admin API of a Ringway node?"));
        }
        let reader = response.body_mut().with_config().limit(MAX_ANSWER_BYTES);
        let bytes = reader.read_to_vec().map_err(|error| Failure::Failed(self.node.unreachable(&error)))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let why = misfit(&error.to_string()).message;
            self.failed(&format!("its answer is not understood ({why}): is it of the same version as this program?"))
        })
    }

    /// The message of a refusal: from its problem document, or from its status alone.
    fn refusal(&self, mut response: Response<ureq::Body>) -> Failure {
        let status = response.status();
        let kind = kind(&response);
        let body = response.body_mut().with_config().limit(problem::MAX_BYTES).read_to_vec().unwrap_or_default();
        let is_problem = kind.is_some_and(|kind| kind.eq_ignore_ascii_case(problem::MEDIA_TYPE));
        let message = if is_problem {
            problem::message(status, &body)
        } else {
            let found = &self.node;
            format!("{found}: answered {status} and no more: is it the admin API of a Ringway node?")
        };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::NotAuthorised(message),
            // The node found what this program could have found: a value that breaks a rule.
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY if is_problem => Failure::Configuration(message),
            _ => Failure::Failed(message),
        }
    }

    fn failed(&self, why: &str) -> Failure {
        Failure::Failed(format!("{}: {why}", self.node))
    }
}

/// The entity tag of an answer.
fn etag(response: &Response<ureq::Body>) -> Option<String> {
    response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned)
}

/// The media type of an answer, without its parameters.
fn kind(response: &Response<ureq::Body>) -> Option<String> {
    let value = response.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use serde_json::{Value, json};

    use super::testing::{Answer, FakeNode, at_state, at_url};
    use super::{Client, ResourcePath};
    use crate::cli::Failure;

    fn failed(result: Result<impl Sized, Failure>) -> (u8, String) {
        let (why, code) = result.map(drop).unwrap_err().into_message_and_code();
        (code, why)
    }

    #[test]
    fn a_request_bears_the_token_and_who_asks_and_its_path_is_encoded() {
        let node = FakeNode::new(|_| Answer::json(r#"{"a":1}"#));
        let place = ResourcePath::new(["apis", "a b", "ü/..", "1.0"]).with("q", "x&y=z").with_some("none", None);
        let value: Value = node.client().get(&place).unwrap();
        assert_eq!(value, json!({"a": 1}));
        let asked = &node.asked()[0];
        assert_eq!(asked.line, "GET /api/v1/apis/a%20b/%C3%BC%2F../1.0?q=x%26y%3Dz");
        assert_eq!(asked.header("authorization"), Some("Bearer the-token"));
        assert_eq!(asked.header("ringway-actor"), Some(super::locate::user().as_str()));
        assert!(asked.header("host").is_some_and(|host| host.starts_with("127.0.0.1:")), "{asked:?}");
    }

    #[test]
    fn a_change_is_json_and_brings_its_tag_back() {
        let node = FakeNode::new(|asked| match asked.line.split(' ').next() {
            Some("GET") => {
                Answer(200, "content-type: application/json; charset=utf-8\r\netag: \"7\"\r\n".into(), "{}".into())
            }
            Some("DELETE") => Answer::empty(204),
            _ => Answer::json("{}"),
        });
        let client = node.client();
        let place = ResourcePath::new(["apis"]).at("p");
        let etag = client.tagged::<Value>(&place).unwrap().etag;
        let _: Value = client.put(&place, &json!({"name": "n"}), etag.as_deref()).unwrap();
        let _: Value = client.post(&place, &json!({})).unwrap();
        client.delete(&place).unwrap();
        let asked = node.asked();
        assert_eq!(node.lines()[1..], ["PUT /api/v1/apis/p", "POST /api/v1/apis/p", "DELETE /api/v1/apis/p"]);
        assert_eq!((asked[1].header("if-match"), asked[1].body.as_str()), (Some("\"7\""), r#"{"name":"n"}"#));
        assert_eq!(asked[1].header("content-type"), Some("application/json"));
        assert_eq!(asked[2].header("if-match"), None);
        assert_eq!(asked[3].header("content-type"), None);
    }

    #[test]
    fn a_list_is_read_page_by_page_and_not_beyond_what_is_asked_for() {
        let node = FakeNode::new(|asked| {
            let next = if asked.line.contains("cursor=c1") { "null" } else { r#""c1""# };
            Answer::json(&format!(r#"{{"items":[1,2,3],"next":{next}}}"#))
        });
        let place = ResourcePath::new(["apis"]);
        assert_eq!(node.client().list::<u8>(&place, None).unwrap(), [1, 2, 3, 1, 2, 3]);
        assert_eq!(node.client().list::<u8>(&place, Some(2)).unwrap(), [1, 2]);
        assert_eq!(node.client().list::<u8>(&place, Some(0)).unwrap(), [0; 0]);
        let expected =
            ["?limit=500", "?limit=500&cursor=c1", "?limit=2"].map(|query| format!("GET /api/v1/apis{query}"));
        assert_eq!(node.lines(), expected);
    }

    #[test]
    fn a_list_that_turns_in_a_circle_ends() {
        let node = FakeNode::new(|_| Answer::json(r#"{"items":[1],"next":"same"}"#));
        let (code, why) = failed(node.client().list::<u8>(&ResourcePath::new(["apis"]), None));
        assert!(code == 1 && why.contains("one page was answered twice"), "{why}");
    }

    #[test]
    fn a_refusal_is_a_message_and_an_exit_code() {
        for (status, expected) in [(400, 3), (401, 4), (403, 4), (404, 1), (409, 1), (422, 3), (503, 1)] {
            let node = FakeNode::new(move |_| Answer::problem(status, "some-code", "this is why"));
            let (code, why) = failed(node.client().get::<Value>(&ResourcePath::new(["apis"])));
            assert_eq!((code, why), (expected, format!("this is why ({status} some-code)")));
        }
    }

    #[test]
    fn what_is_no_node_is_told_as_that() {
        for answer in [
            || Answer(200, "content-type: text/html\r\n".into(), "<html>".into()),
            || Answer(302, "location: http://127.0.0.1:9/\r\n".into(), String::new()),
            || Answer(404, "content-type: text/html\r\n".into(), "<html>".into()),
            || Answer::json("{"),
        ] {
            let node = FakeNode::new(move |_| answer());
            let (code, why) = failed(node.client().get::<Value>(&ResourcePath::new(["apis"])));
            assert_eq!(code, 1);
            assert!(why.starts_with("http://127.0.0.1:") && why.contains("admin.addr"), "{why}");
            assert!(why.contains("is it the admin API of a Ringway node?") || why.contains("same version"), "{why}");
            assert_eq!(node.lines().len(), 1, "a redirect is not followed");
        }
    }

    #[test]
    fn a_node_that_is_gone_is_told_with_its_address_its_origin_and_what_to_do() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = crate::tls::testing::Folder::new();
        folder.write("admin.addr", &free.to_string());
        let token = folder.write("admin-token", "t");
        let by_state = Client::new(&at_state(&folder.path(""))).unwrap();
        let (code, why) = failed(by_state.get::<Value>(&ResourcePath::new(["apis"])));
        assert_eq!(code, 1);
        for part in [&format!("no answer from http://{free}"), "admin.addr", "connection refused", " serve --state"] {
            assert!(why.contains(part), "{part}: {why}");
        }
        let by_url = Client::new(&at_url(&format!("http://{free}"), &token)).unwrap();
        let (_, why) = failed(by_url.get::<Value>(&ResourcePath::new(["apis"])));
        assert!(why.contains("(from --admin)") && why.contains("admin listener"), "{why}");
    }

    #[test]
    fn a_node_over_tls_is_believed_by_the_authority_that_was_named() {
        use crate::tls::testing::{Authority, Folder};
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let leaf = ours.leaf(&["localhost"]);
        let folder = Folder::new();
        let (certificate, key) = (folder.write("c", &leaf.certificate), folder.write("k", &leaf.key));
        let server =
            crate::tls::server::ServerTls::new(vec![(certificate, key)], crate::tls::server::ClientCertificates::Off);
        let server = server.load(None).unwrap().config;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut session = rustls::ServerConnection::new(std::sync::Arc::clone(&server)).unwrap();
                let mut stream = stream.unwrap();
                let mut tls = rustls::Stream::new(&mut session, &mut stream);
                let answer = b"HTTP/1.1 200 x\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n7";
                // A client that does not believe ends in the handshake.
                let _ =
                    std::io::Read::read(&mut tls, &mut [0; 4096]).and_then(|_| std::io::Write::write(&mut tls, answer));
            }
        });
        let token = folder.write("t", "secret");
        let ask = |authority: &Authority| {
            let mut line = at_url(&url, &token);
            line.admin_ca = Some(folder.write("ca", &authority.certificate));
            Client::new(&line).unwrap().get::<u8>(&ResourcePath::new(["x"]))
        };
        assert_eq!(ask(&ours).unwrap(), 7);
        let (code, why) = failed(ask(&theirs));
        assert!(code == 1 && why.contains("certificate"), "{why}");
    }
}
