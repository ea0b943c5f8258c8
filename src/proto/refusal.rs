//! The answer to a client that gets no 101: a status and a problem document (RFC 9457).
//!
//! All texts are fixed here, but for a name that an operator's contract has ([`Refusal::write_naming`]). None holds anything
//! that a peer sent, so no answer can echo a secret.

use std::sync::OnceLock;

/// A reason to refuse a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// A stable word for logs, counters and the document's `code` member.
    pub code: &'static str,
    /// One sentence about what was wrong.
    pub detail: &'static str,
}

/// Seconds after which a client that was refused for lack of capacity may try again.
pub const RETRY_AFTER_SECS: &str = "5";

/// Seconds after which the invalid credentials of an address are forgotten.
pub const CREDENTIALS_RETRY_AFTER_SECS: &str = "60";

/// The most characters of a name that a response has.
const MAX_NAME_CHARS: usize = 128;

macro_rules! refusals {
    ($($name:ident = $status:literal $code:literal $detail:literal;)*) => {
        impl Refusal {
            $(#[doc = $detail] pub const $name: Self = Self { status: $status, code: $code, detail: $detail };)*

            /// All refusals, in the order of the documentation's table.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

refusals! {
    HEAD_MALFORMED = 400 "head-malformed" "The request is not a well-formed HTTP/1.1 head (RFC 9112).";
    HTTP_VERSION = 400 "http-version" "A WebSocket handshake needs HTTP/1.1 (RFC 6455 section 4.1).";
    TARGET_INVALID = 400 "target-invalid" "The request target must be an absolute path, in visible ASCII, without a fragment or dot segments.";
    HOST_MISSING = 400 "host-missing" "The request has no Host header (RFC 9112 section 3.2).";
    HOST_DUPLICATE = 400 "host-duplicate" "The request has more than one Host header (RFC 9112 section 3.2).";
    HOST_INVALID = 400 "host-invalid" "The Host header is not a host with an optional port (RFC 9110 section 7.2).";
    CONNECTION_NOT_UPGRADE = 400 "connection-not-upgrade" "The Connection header does not contain \"upgrade\" (RFC 6455 section 4.2.1).";
    CONNECTION_INVALID = 400 "connection-invalid" "The Connection header is not a list of tokens (RFC 9110 section 7.6.1).";
    KEY_MISSING = 400 "key-missing" "The request has no Sec-WebSocket-Key header (RFC 6455 section 4.2.1).";
    KEY_DUPLICATE = 400 "key-duplicate" "The request has more than one Sec-WebSocket-Key header (RFC 6455 section 11.3.1).";
    KEY_INVALID = 400 "key-invalid" "The Sec-WebSocket-Key is not the base64 of 16 bytes (RFC 6455 section 4.2.1).";
    VERSION_DUPLICATE = 400 "version-duplicate" "The request has more than one Sec-WebSocket-Version header (RFC 6455 section 11.3.5).";
    PROTOCOL_INVALID = 400 "protocol-invalid" "Sec-WebSocket-Protocol is not a list of tokens (RFC 6455 section 4.1), or has more than 64.";
    EXTENSIONS_INVALID = 400 "extensions-invalid" "Sec-WebSocket-Extensions offers more than 64 extensions.";
    LENGTH_INVALID = 400 "length-invalid" "The Content-Length is repeated or not a number (RFC 9110 section 8.6).";
    TRANSFER_ENCODING = 400 "transfer-encoding" "A WebSocket handshake has no body, so no Transfer-Encoding.";
    BODY_MALFORMED = 400 "body-malformed" "The Transfer-Encoding is another one than chunked or stands beside a Content-Length, or the chunks break their grammar (RFC 9112 sections 6.1 and 7.1).";
    QUERY_MISSING = 400 "query-missing" "The query lacks a parameter that the contract of the API requires.";
    QUERY_INVALID = 400 "query-invalid" "A query parameter has a value that the contract of the API does not allow.";
    HEADER_MISSING = 400 "header-missing" "The request lacks a header that the contract of the API requires.";
    HEADER_INVALID = 400 "header-invalid" "A header has a value that the contract of the API does not allow.";
    CREDENTIAL_MULTIPLE = 400 "credential-multiple" "The request has more than one credential (RFC 6750 section 2): send one, in one place.";
    CREDENTIAL_IN_QUERY = 400 "credential-in-query" "The query holds a key, and the API takes none there: send it in a header or as a subprotocol, and replace the key, because queries are logged and kept on the way.";
    TLS_EXPECTED = 400 "tls-expected" "This port speaks TLS: connect with wss:// or https://.";
    CREDENTIAL_MISSING = 401 "credential-missing" "The API needs a key, and the request has none in a place where the API takes one.";
    CREDENTIAL_INVALID = 401 "credential-invalid" "The key is not valid here.";
    CERTIFICATE_REQUIRED = 403 "certificate-required" "The API needs a client certificate, and the connection has none.";
    NOT_SUBSCRIBED = 403 "not-subscribed" "The key is valid, and its application has no open subscription to the API.";
    ORIGIN_NOT_ALLOWED = 403 "origin-not-allowed" "The API takes no connections from pages of this origin (RFC 6455 section 10.2).";
    ROUTE_NOT_FOUND = 404 "route-not-found" "Nothing is served at this path.";
    CHANNEL_NOT_FOUND = 404 "channel-not-found" "The API has no channel at this path.";
    PARAMETER_INVALID = 404 "parameter-invalid" "A parameter of the path has a value that the contract of the API does not allow.";
    METHOD = 405 "method" "A WebSocket handshake is a GET request (RFC 6455 section 4.1). A library that sends other requests first has a switch: see docs/libraries.md of Ringway.";
    HANDSHAKE_TIMEOUT = 408 "handshake-timeout" "The request did not arrive in time.";
    BODY = 413 "body" "A WebSocket handshake has no body.";
    BODY_TOO_LARGE = 413 "body-too-large" "The body is longer than 16 KiB.";
    MISDIRECTED = 421 "misdirected" "The Host header names another host than the TLS handshake did (RFC 9110 section 15.5.20).";
    UPGRADE_REQUIRED = 426 "upgrade-required" "This address speaks WebSocket only: the request has no \"Upgrade: websocket\" (RFC 6455 section 4.2.1). A library that polls first has a switch: see docs/libraries.md of Ringway.";
    VERSION_UNSUPPORTED = 426 "version-unsupported" "Only version 13 of the WebSocket protocol is spoken (RFC 6455 section 4.4).";
    TOO_MANY_FROM_ADDRESS = 429 "too-many-from-address" "Too many connections from this address.";
    TOO_MANY_INVALID_CREDENTIALS = 429 "too-many-invalid-credentials" "Too many requests from this address had a credential that is not valid.";
    HEAD_TOO_LARGE = 431 "head-too-large" "The request head is longer than the limit.";
    HEAD_TOO_MANY_LINES = 431 "head-too-many-lines" "The request has more header lines than the limit.";
    UPSTREAM_UNREACHABLE = 502 "upstream-unreachable" "The upstream refused the connection or could not be reached.";
    UPSTREAM_CLOSED = 502 "upstream-closed" "The upstream closed the connection before it answered.";
    UPSTREAM_MALFORMED = 502 "upstream-malformed" "The upstream's answer is not a well-formed HTTP/1.1 head.";
    UPSTREAM_HEAD_TOO_LARGE = 502 "upstream-head-too-large" "The head of the upstream's answer is longer than the limit.";
    UPSTREAM_HTTP_VERSION = 502 "upstream-http-version" "The upstream's 101 is HTTP/1.0: a WebSocket handshake needs HTTP/1.1 (RFC 6455 section 4.1).";
    UPSTREAM_NOT_WEBSOCKET = 502 "upstream-not-websocket" "The upstream answered 101 without \"Upgrade: websocket\" and \"Connection: Upgrade\".";
    UPSTREAM_ACCEPT = 502 "upstream-accept" "The upstream's Sec-WebSocket-Accept does not answer the key that was sent.";
    UPSTREAM_PROTOCOL = 502 "upstream-protocol" "The upstream chose a subprotocol that was not offered.";
    UPSTREAM_EXTENSION = 502 "upstream-extension" "The upstream chose an extension that was not offered, or one that does not fit the grammar (RFC 6455 section 9.1).";
    UPSTREAM_BODY = 502 "upstream-body" "The upstream's 101 announces a body (RFC 9110 section 8.6).";
    UPSTREAM_NOT_TLS = 502 "upstream-not-tls" "The upstream does not speak TLS.";
    UPSTREAM_CERTIFICATE_EXPIRED = 502 "upstream-certificate-expired" "The upstream's certificate has expired or is not valid yet.";
    UPSTREAM_CERTIFICATE_NAME = 502 "upstream-certificate-name" "The upstream's certificate is for another name.";
    UPSTREAM_CERTIFICATE_UNTRUSTED = 502 "upstream-certificate-untrusted" "The upstream's certificate leads to no authority that is trusted.";
    UPSTREAM_CERTIFICATE_INVALID = 502 "upstream-certificate-invalid" "The upstream's certificate is not one for a server, or is malformed.";
    UPSTREAM_TLS_REFUSED = 502 "upstream-tls-refused" "The upstream refused the TLS handshake.";
    UPSTREAM_TLS = 502 "upstream-tls" "The TLS handshake with the upstream failed.";
    DRAINING = 503 "draining" "The proxy is shutting down.";
    API_BLOCKED = 503 "api-blocked" "The API at this path is blocked.";
    API_STOPPED = 503 "api-stopped" "The API at this path is stopped.";
    POLICY_UNAVAILABLE = 503 "policy-unavailable" "The rules of the API at this path cannot be loaded, and it is not served without them.";
    API_CHANGING = 503 "api-changing" "The API at this path changed while this connection was being made.";
    TOO_MANY_CONNECTIONS = 503 "too-many-connections" "The proxy is at its limit of connections.";
    NO_DESCRIPTORS = 503 "no-descriptors" "The proxy has no file descriptor left for this connection.";
    NO_LOCAL_PORT = 503 "no-local-port" "The proxy has no local port left for a connection to the upstream.";
    UPSTREAM_UNRESOLVED = 503 "upstream-unresolved" "The upstream's name has not been resolved yet.";
    UPSTREAM_TIMEOUT = 504 "upstream-timeout" "The upstream did not answer in time.";
    LOOP_DETECTED = 508 "loop-detected" "The request has been here before: the target leads back to this address (RFC 9110 section 7.6).";
}

/// The whole answer to a client for whom no file descriptor is left. A listener has it ready.
#[must_use]
pub fn no_descriptors() -> &'static [u8] {
    static ANSWER: OnceLock<Vec<u8>> = OnceLock::new();
    ANSWER.get_or_init(|| {
        let mut answer = Vec::new();
        Refusal::NO_DESCRIPTORS.write(&mut answer);
        answer
    })
}

impl Refusal {
    /// Appends the whole response: head and problem document. The connection is closed after it.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_document(&self.document(), out);
    }

    /// Appends the whole response, with the name of what is missing or wrong: at the end of the detail, and as the member
    /// `name`. It comes from the contract that an operator gave, and never from a peer. 128 characters of it are shown.
    pub fn write_naming(&self, name: &str, out: &mut Vec<u8>) {
        let name: String = name.chars().take(MAX_NAME_CHARS).collect();
        let mut document = self.document();
        if let Some(members) = document.as_object_mut() {
            let detail = format!("{}: {name}.", self.detail.trim_end_matches('.'));
            members.insert("detail".to_owned(), detail.into());
            members.insert("name".to_owned(), name.into());
        }
        self.write_document(&document, out);
    }

    fn document(&self) -> serde_json::Value {
        serde_json::json!({
            "type": "about:blank",
            "title": reason_phrase(self.status),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        })
    }

    fn write_document(&self, document: &serde_json::Value, out: &mut Vec<u8>) {
        let title = reason_phrase(self.status);
        let document = document.to_string();
        write_status_line(self.status, title.as_bytes(), out);
        out.extend(b"Content-Type: application/problem+json\r\nCache-Control: no-store\r\n");
        write_close(self.status, out);
        match self.status {
            401 | 403 => self.write_challenge(out),
            405 => out.extend(b"Allow: GET\r\n"),
            426 => out.extend(b"Sec-WebSocket-Version: 13\r\n"),
            429 | 503 => {
                let is_of_credentials = *self == Self::TOO_MANY_INVALID_CREDENTIALS;
                let seconds = if is_of_credentials { CREDENTIALS_RETRY_AFTER_SECS } else { RETRY_AFTER_SECS };
                out.extend(b"Retry-After: ");
                out.extend(seconds.as_bytes());
                out.extend(b"\r\n");
            }
            _ => {}
        }
        out.extend(b"Content-Length: ");
        out.extend(document.len().to_string().as_bytes());
        out.extend(b"\r\n\r\n");
        out.extend(document.as_bytes());
    }

    /// Appends the challenge of a refusal that is about a credential (RFC 6750 section 3). A request without one is told no error.
    fn write_challenge(&self, out: &mut Vec<u8>) {
        let error = match *self {
            Self::CREDENTIAL_MISSING => "",
            Self::CREDENTIAL_INVALID => ", error=\"invalid_token\"",
            Self::NOT_SUBSCRIBED => ", error=\"insufficient_scope\"",
            // Another credential would not help.
            _ => return,
        };
        out.extend(b"WWW-Authenticate: Bearer realm=\"ringway\"");
        out.extend(error.as_bytes());
        out.extend(b"\r\n");
    }
}

/// Appends `HTTP/1.1 <status> <reason>\r\n`.
pub(super) fn write_status_line(status: u16, reason: &[u8], out: &mut Vec<u8>) {
    out.extend(b"HTTP/1.1 ");
    out.extend(status.to_string().as_bytes());
    out.push(b' ');
    out.extend(reason);
    out.extend(b"\r\n");
}

/// Appends the `Connection` line of an answer after which the connection is closed. A 426 must name the protocol to
/// upgrade to, and `Connection` must name each header that is for this hop alone (RFC 9110 sections 7.8 and 15.5.22).
pub(super) fn write_close(status: u16, out: &mut Vec<u8>) {
    out.extend(match status {
        426 => &b"Connection: close, Upgrade\r\nUpgrade: websocket\r\n"[..],
        _ => b"Connection: close\r\n",
    });
}

pub(super) fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        508 => "Loop Detected",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    #[test]
    fn every_refusal_is_a_whole_response_with_its_own_code() {
        let mut codes = std::collections::HashSet::new();
        for refusal in Refusal::ALL {
            let mut out = Vec::new();
            refusal.write(&mut out);
            let text = String::from_utf8(out).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let document: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(document["status"], refusal.status);
            assert_eq!(document["code"], refusal.code);
            assert_ne!(document["title"], "Error", "{} has no reason phrase", refusal.status);
            assert!(head.contains(&format!("Content-Length: {}", body.len())));
            assert!(codes.insert(refusal.code), "{} twice", refusal.code);
        }
    }

    #[test]
    fn a_name_of_the_contract_is_escaped_and_cut() {
        let refused = |name: &str| {
            let mut out = Vec::new();
            Refusal::QUERY_MISSING.write_naming(name, &mut out);
            let text = String::from_utf8(out).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())) && !head.contains("evil"));
            serde_json::from_str::<serde_json::Value>(body).unwrap()
        };
        let document = refused("room\"id\r\nevil: \u{e4}");
        assert_eq!(document["name"], "room\"id\r\nevil: \u{e4}");
        let detail = document["detail"].as_str().unwrap();
        assert!(detail.starts_with("The query lacks"), "{detail}");
        assert!(detail.ends_with("requires: room\"id\r\nevil: \u{e4}."), "{detail}");
        assert_eq!(refused(&"\u{e4}".repeat(500))["name"].as_str().unwrap().chars().count(), 128);
    }
}
