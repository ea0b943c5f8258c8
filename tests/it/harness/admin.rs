//! A client of the admin API: HTTP/1.1 by hand over a connection of each request's own, and what it answers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::peer;
use super::wait::PATIENCE;

/// Where all of the API is.
const PREFIX: &str = "/api/v1";

/// Speaks to one node's admin listener.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    address: SocketAddr,
    token: String,
    actor: Option<String>,
}

/// An answer of the admin API.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
    /// The body; null where there is none, or it is no JSON.
    pub(crate) json: Value,
}

impl Admin {
    pub(crate) fn new(address: SocketAddr, token: &str) -> Self {
        Self { address, token: token.trim().to_owned(), actor: None }
    }

    /// A client whose changes are recorded under this name.
    pub(crate) fn named(&self, actor: &str) -> Self {
        Self { actor: Some(actor.to_owned()), ..self.clone() }
    }

    /// A client with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(body))
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, Some(body))
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None)
    }

    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.try_send(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends a request to a node that may end at any moment.
    pub(crate) fn try_send(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        let text = body.map(Value::to_string);
        let kind = if body.is_some() { "Content-Type: application/json\r\n" } else { "" };
        self.try_send_raw(method, path, kind, text.as_deref().unwrap_or_default().as_bytes())
    }

    /// Sends a request with header lines and a body of the test's own; each line ends with CR LF.
    pub(crate) fn try_send_raw(&self, method: &str, path: &str, lines: &str, body: &[u8]) -> io::Result<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let Self { address, token, actor } = self;
        let who = actor.as_ref().map(|actor| format!("Ringway-Actor: {actor}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} {PREFIX}{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
             Content-Length: {}\r\n{who}{lines}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        // What is refused for its head may be answered before all of its body was read.
        let sent = stream.write_all(body);
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        if bytes.is_empty() {
            sent.and(read)?;
        }
        Answer::parse(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the answer is not whole"))
    }

    /// The figures, as they are written for a scraper that accepts OpenMetrics.
    #[track_caller]
    pub(crate) fn figures(&self) -> Answer {
        self.figures_for("Accept: application/openmetrics-text\r\n")
    }

    /// The figures, as they are written for a scraper with these header lines.
    #[track_caller]
    pub(crate) fn figures_for(&self, lines: &str) -> Answer {
        let Self { address, token, .. } = self;
        let asks = format!(
            "GET /metrics HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{lines}Connection: close\r\n\r\n"
        );
        let answer = raw(*address, &asks);
        assert_eq!(answer.status, 200, "{}{}", answer.head, answer.text);
        answer
    }

    /// Every item of a list, page by page.
    #[track_caller]
    pub(crate) fn all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let from = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = self.get(&format!("{path}{sign}limit=1000{from}")).expect(200);
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return items;
            }
        }
    }
}

/// Sends these bytes and returns the answer. The request must ask for the end of the connection.
#[track_caller]
pub(crate) fn raw(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).expect("it takes the request");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("it answers and closes");
    let answer = if request.starts_with("HEAD ") { Answer::head_of(&bytes) } else { Answer::parse(&bytes) };
    answer.unwrap_or_else(|| panic!("no whole answer: {:?}", String::from_utf8_lossy(&bytes)))
}

impl Answer {
    /// An answer that is whole: as long as its head says.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let answer = Self::head_of(bytes)?;
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        length.is_none_or(|length: usize| length == answer.text.len()).then_some(answer)
    }

    /// An answer to HEAD, whose length is that of a body which does not come.
    fn head_of(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end + 4].to_vec()).ok()?;
        let body = &bytes[end + 4..];
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let text = String::from_utf8(body.to_vec()).ok()?;
        let json = serde_json::from_str(&text).unwrap_or_default();
        Some(Self { status, head, text, json })
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}{}", self.head, self.text);
        self.json
    }

    /// Must be a problem: of this status and code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        let kind = peer::header(&self.head, "content-type");
        let said = (self.status, kind, self.json["code"].as_str());
        assert_eq!(said, (status, Some("application/problem+json"), Some(code)), "{}{}", self.head, self.text);
        assert_eq!(self.json["status"], status);
        self.json
    }

    /// The problem's code; empty where it is none.
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        peer::header(&self.head, name)
    }
}
