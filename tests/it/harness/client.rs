//! Clients: handshakes as text, and tungstenite.

use std::net::{SocketAddr, TcpStream};

use tungstenite::WebSocket;
use tungstenite::client::IntoClientRequest;

use super::patient::Patient;
use super::upstream::unlimited;
use super::wait::PATIENCE;

/// RFC 6455's own key.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A right request, with `lines` besides; each ends with CR LF.
pub(crate) fn handshake(path: &str, lines: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: proxy.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{lines}\r\n"
    )
}

/// tungstenite, connected.
#[track_caller]
pub(crate) fn connect(to: SocketAddr) -> WebSocket<Patient> {
    try_connect(to).expect("a handshake")
}

/// A handshake for a path.
#[track_caller]
pub(crate) fn connect_path(to: SocketAddr, path: &str) -> WebSocket<Patient> {
    try_connect_path(to, path).expect("a handshake")
}

pub(crate) fn try_connect(to: SocketAddr) -> Result<WebSocket<Patient>, Box<dyn std::error::Error>> {
    try_connect_path(to, "/")
}

fn try_connect_path(to: SocketAddr, path: &str) -> Result<WebSocket<Patient>, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("ws://{to}{path}").into_client_request()?;
    Ok(tungstenite::client::client_with_config(request, Patient(stream), Some(unlimited()))?.0)
}
