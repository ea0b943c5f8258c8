//! Ports of peers: free ones, and whether something listens or answers there.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;

/// Ports for peers are below the range of local ports for connections (net.ipv4.ip_local_port_range): in that range,
/// one of the benchmark's many connections may use the port before the peer does.
const PORTS: std::ops::Range<u16> = 19_000..32_000;
/// The distance between the first ports that two consecutively started processes try.
const STRIDE: u32 = 997;

/// Returns a port that was free a moment ago and was not returned before.
///
/// # Errors
/// Fails if there is no free port.
pub fn free_port() -> Result<u16, String> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    // Two benchmarks at once would otherwise get the same port, and programs that share a port share its clients.
    let first = std::process::id().wrapping_mul(STRIDE) % count;
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from((first + given % count) % count).ok().and_then(|place| PORTS.start.checked_add(place));
        let Some(port) = port.filter(|_| given < count) else {
            return Err(format!("no free port from {} to {}", PORTS.start, PORTS.end));
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
}

/// Returns `true` if a socket of this host listens on the port.
pub(super) fn listens(port: u16) -> bool {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .any(|path| fs::read_to_string(path).is_ok_and(|table| listens_in(&table, port)))
}

/// Searches the kernel's table for a socket in the state LISTEN: a test connection would count as a client.
pub(super) fn listens_in(table: &str, port: u16) -> bool {
    const LISTEN: &str = "0A";
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let local = words.next().and_then(|address| address.rsplit_once(':')).map(|(_, port)| port);
        let state = words.nth(1);
        state == Some(LISTEN) && local.and_then(|hex| u16::from_str_radix(hex, 16).ok()) == Some(port)
    })
}

/// The status line of the answer to a plain request.
pub(super) fn answer(port: u16, tls: Option<&Arc<ClientConfig>>) -> Option<String> {
    let wait = Some(Duration::from_secs(1));
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(wait).ok()?;
    stream.set_write_timeout(wait).ok()?;
    match tls {
        None => asked(&mut stream),
        Some(config) => {
            let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
            let mut session = rustls::ClientConnection::new(Arc::clone(config), name).ok()?;
            asked(&mut rustls::Stream::new(&mut session, &mut stream))
        }
    }
}

fn asked(stream: &mut (impl Read + Write)) -> Option<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut head = [0; 64];
    let length = stream.read(&mut head).ok().filter(|&length| length > 0)?;
    let text = String::from_utf8_lossy(head.get(..length)?).into_owned();
    text.lines().next().map(str::to_owned)
}
