//! An upstream that is lost. A path says how: `/{way}/{client}/{manner}`. Each path's first connections are lost, the next one
//! stays.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::harness::peer::{Peer, header};

/// The connections of a path that are lost, one after the other.
pub(super) const LOSSES: usize = 2;

/// A way to be lost without a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// The process that holds the connection is killed.
    Killed,
    Reset,
    /// The upstream ends its sending, and goes on reading.
    Ended,
    /// The upstream reads nothing any more, so that its host acknowledges nothing, and answers no ping. Without Ringway nobody would notice.
    Silent,
}

impl Manner {
    pub(super) const ALL: [Self; 4] = [Self::Killed, Self::Reset, Self::Ended, Self::Silent];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Reset => "reset",
            Self::Ended => "ended",
            Self::Silent => "silent",
        }
    }
}

pub(super) struct LostUpstream {
    pub(super) address: SocketAddr,
    opened: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl LostUpstream {
    pub(super) fn start() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        // A window that one long message fills.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(128).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let opened = Arc::new(Mutex::new(BTreeMap::new()));
        let (counts, held) = (Arc::clone(&opened), Arc::new(Mutex::new(Vec::new())));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counts, held) = (Arc::clone(&counts), Arc::clone(&held));
                thread::spawn(move || serve(stream, &counts, &held));
            }
        });
        Self { address, opened }
    }

    /// The WebSockets that were opened on a path.
    pub(super) fn opened(&self, path: &str) -> usize {
        self.opened.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

fn serve(stream: TcpStream, counts: &Mutex<BTreeMap<String, usize>>, held: &Mutex<Vec<TcpStream>>) {
    let mut peer = Peer::over(stream);
    let request = peer.head();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let speaks_graphql = header(&request, "sec-websocket-protocol").is_some();
    peer.switch(&request, if speaks_graphql { "Sec-WebSocket-Protocol: graphql-transport-ws\r\n" } else { "" });
    let count = {
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(path.clone()).or_default();
        *count += 1;
        *count
    };
    let manner = Manner::ALL.into_iter().find(|manner| path.ends_with(manner.name())).expect("a manner");
    if speaks_graphql {
        assert!(String::from_utf8_lossy(&peer.frame().payload).contains("connection_init"));
        peer.answer(r#"{"type":"connection_ack"}"#);
        if manner != Manner::Silent {
            // Nothing is left unread, or the end would be a reset.
            assert!(String::from_utf8_lossy(&peer.frame().payload).contains("subscribe"));
        }
    } else {
        peer.answer("\"said before\"");
    }
    if count > LOSSES {
        return stay(&peer);
    }
    match manner {
        Manner::Killed => {
            let holder = Stdio::from(OwnedFd::from(peer.stream));
            let mut process = Command::new("sleep").arg("1000").stdin(holder).spawn().unwrap();
            process.kill().unwrap();
            process.wait().unwrap();
        }
        Manner::Reset => peer.reset(),
        Manner::Ended => {
            peer.finish();
            stay(&peer);
        }
        Manner::Silent => held.lock().unwrap().push(peer.stream),
    }
}

/// Reads to the end, whatever comes and however it ends.
fn stay(peer: &Peer) {
    let _ = std::io::copy(&mut &peer.stream, &mut std::io::sink());
}
