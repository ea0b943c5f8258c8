//! TLS of a listener: the certificates that it serves now, and the handshake with a client.

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::control::http::socket::{self, Bounded};
use crate::tls::is_client_hello;

/// The TLS configuration of a listener, which may be replaced while the listener serves. Clones are the same.
#[derive(Clone)]
pub struct ServingTls(Arc<ArcSwap<ServerConfig>>);

impl fmt::Debug for ServingTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServingTls(..)")
    }
}

impl ServingTls {
    /// Serves with this configuration.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(ArcSwap::new(config)))
    }

    /// Connections that begin from now on get another configuration.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        self.0.store(config);
    }

    /// The handshake with a client. One that speaks plain text is told so in plain text.
    pub(super) async fn accept(&self, stream: TcpStream, bounds: socket::Bounds) -> io::Result<TlsStream<Bounded>> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut stream = Bounded::new(stream, bounds);
        let [byte] = first;
        if !is_client_hello(byte) {
            if stream.write_all(TLS_EXPECTED).await.is_ok() {
                let _ = stream.shutdown().await;
            }
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it speaks plain text"));
        }
        TlsAcceptor::from(self.0.load_full()).accept(stream).await
    }
}

const TLS_EXPECTED: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n\
    Cache-Control: no-store\r\nConnection: close\r\nContent-Length: 149\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"code\":\"tls-expected\",\
    \"detail\":\"This listener speaks TLS: call it by https://.\",\"errors\":[]}";

#[cfg(test)]
mod tests {
    use super::TLS_EXPECTED;

    #[test]
    fn the_answer_in_plain_text_is_as_long_as_it_says() {
        let text = std::str::from_utf8(TLS_EXPECTED).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len()))
                || head.ends_with(&format!("Content-Length: {}", body.len())),
            "{}",
            body.len()
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["code"], "tls-expected");
    }
}
