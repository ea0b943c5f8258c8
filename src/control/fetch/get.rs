//! One GET request over TLS, to an address that was checked before.
//!
//! In: a URL, the addresses of its host, and the node's trust. Out: the body of a 200, or where a redirect leads. No proxy
//! variable is read, no cookie and no credential is sent, and an encoded body is not decoded.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, HOST, LOCATION, USER_AGENT};
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::url::Url;
use crate::tls::client::server_name;

/// The addresses of a host that are tried.
const MAX_ADDRESSES: usize = 4;
/// The limit of one connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The answer to a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// The body of a 200.
    Body(Vec<u8>),
    /// The `Location` of a redirect.
    Redirect(String),
}

/// Asks for a URL at one of these addresses, and reads at most `most` bytes.
///
/// # Errors
/// No connection, no trusted certificate, another status than 200, or a body that is too large.
pub(super) async fn get(
    url: &Url,
    addresses: &[IpAddr],
    trust: Arc<ClientConfig>,
    most: usize,
) -> Result<Answer, String> {
    let stream = connected(url, addresses).await?;
    let name = server_name(&url.host)?;
    let stream = TlsConnector::from(trust).connect(name, stream).await;
    let stream = stream.map_err(|error| format!("TLS with {}: {error}", url.authority()))?;
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", url.authority());
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    // A set, which ends the connection's task when this request is over or dropped.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::get(&url.path)
        .header(HOST, url.authority())
        .header(USER_AGENT, concat!("ringway/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/yaml, application/json, text/plain;q=0.9, */*;q=0.5")
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close")
        .body(Body::empty())
        .map_err(|error| failed(&error))?;
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    read(url, response, most).await
}

/// Connects to the first address that answers.
async fn connected(url: &Url, addresses: &[IpAddr]) -> Result<TcpStream, String> {
    let mut fault = format!("{} has no address", url.host);
    for address in addresses.iter().take(MAX_ADDRESSES) {
        let to = SocketAddr::new(*address, url.port);
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(to)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => fault = format!("{} at {to}: {error}", url.host),
            Err(_) => fault = format!("{} at {to}: no connection within {} s", url.host, CONNECT_TIMEOUT.as_secs()),
        }
    }
    Err(fault)
}

async fn read(url: &Url, response: Response<Incoming>, most: usize) -> Result<Answer, String> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let status = response.status();
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        let location = text(LOCATION).ok_or_else(|| format!("{} redirects to nowhere", url.authority()))?;
        return Ok(Answer::Redirect(location.to_owned()));
    }
    if status != StatusCode::OK {
        return Err(format!("{} answered {}", url.authority(), status.as_u16()));
    }
    if let Some(encoding) = text(CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let encoding: String = encoding.chars().take(40).collect();
        return Err(format!("{} answered with the encoding {encoding}, which was not asked for", url.authority()));
    }
    let body = to_bytes(Body::new(response.into_body()), most).await;
    let body =
        body.map_err(|error| format!("{}: the body ended, or has more than {most} bytes: {error}", url.authority()))?;
    Ok(Answer::Body(body.into()))
}
