//! The health path: whether a balancer should send this listener new clients.

use crate::proto::plain::{Method, PlainResponse};
use crate::proto::refusal::RETRY_AFTER_SECS;
use crate::proxy::context::Readiness;

const JSON: &str = "application/json";

/// The status and the whole answer: 200 while the shard takes new clients for good, 503 once the process is about to end.
pub(super) fn answer(method: Method, readiness: Readiness) -> (u16, Vec<u8>) {
    let retry = format!("Retry-After: {RETRY_AFTER_SECS}\r\n");
    let response = match readiness {
        Readiness::Ready => {
            PlainResponse { status: 200, content_type: JSON, lines: ALLOW, body: b"{\"status\":\"ok\"}\n" }
        }
        Readiness::Ending => {
            PlainResponse { status: 503, content_type: JSON, lines: &retry, body: b"{\"status\":\"draining\"}\n" }
        }
    };
    let mut out = Vec::with_capacity(256);
    response.write(method, &mut out);
    (response.status, out)
}

/// RFC 9110 section 9.3.7: an answer to OPTIONS says what is allowed.
const ALLOW: &str = "Allow: GET, HEAD, OPTIONS\r\n";
