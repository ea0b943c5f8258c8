//! The server's side of the opening handshake, for requests that hyper has parsed.

use std::future::Future;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use httparse::Header;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::stream::{Bounds, WebSocketStream};
use crate::proto::accept::Accept;
use crate::proto::refusal::Refusal;
use crate::proto::request;

/// A stream that was a connection of hyper's.
pub type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// A request that asks for a WebSocket and may have one.
#[derive(Debug)]
pub struct Upgrade {
    accept: Accept,
    protocol: Option<&'static str>,
    upgrade: OnUpgrade,
}

impl Upgrade {
    /// Checks a request by the rules that hold on a shard (RFC 6455 section 4.2.1). Of the subprotocols that the client
    /// offers, the first of `protocols` is selected.
    ///
    /// # Errors
    /// The rule that the request breaks.
    pub fn new(request: &mut Request, protocols: &[&'static str]) -> Result<Self, Refusal> {
        let headers = request.headers().iter();
        let lines = headers.map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() });
        let accept = request::check_parsed(request.method().as_str(), lines)?;
        let offers = |name: &str| {
            let lines = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
            lines.flat_map(|line| line.split(',')).any(|offered| offered.trim() == name)
        };
        let protocol = protocols.iter().copied().find(|name| offers(name));
        let upgrade = request.extensions_mut().remove().ok_or(Refusal::UPGRADE_REQUIRED)?;
        Ok(Self { accept, protocol, upgrade })
    }

    /// The client's 101, and a future that must be run: `talk` begins once the client has the 101.
    pub fn accept<F, T>(self, bounds: Bounds, talk: F) -> (Response, impl Future<Output = ()> + Send + 'static)
    where
        F: FnOnce(WebSocketStream<Upgraded>) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let Self { accept, protocol, upgrade } = self;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        }
        if let Ok(accept) = HeaderValue::from_bytes(&accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        let session = async move {
            // An error says that the client left before it had the 101.
            if let Ok(upgraded) = upgrade.await {
                talk(WebSocketStream::server(TokioIo::new(upgraded), bounds)).await;
            }
        };
        (response, session)
    }
}
