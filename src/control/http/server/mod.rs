//! HTTP/1.1 on a listener, with a bound on everything that a client can make it wait for or hold.

mod places;
mod secure;
mod session;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use self::places::{Place, Places};
pub use self::secure::ServingTls;
pub(crate) use self::session::Session;
use super::arrival::{CameFrom, CameIn};
use super::socket::{self, Bounded};
use crate::tls::NO_ROOM;

/// The bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections at one time.
    pub(super) connections: usize,
    /// Places beside these for requests that need no token, while all others are busy.
    pub(super) probes: usize,
    /// Beyond these, how many may be told so at one time. Who comes then is closed without a word.
    pub(super) refusing: usize,
    /// The longest time for a request's head to arrive, and for a connection to be idle between two requests.
    pub(super) head: Duration,
    /// The bounds of each connection's socket.
    pub(super) socket: socket::Bounds,
}

/// In all listeners of the control plane.
pub(super) const BOUNDS: Bounds = Bounds {
    connections: MAX_CALLERS,
    probes: 16,
    refusing: 64,
    head: Duration::from_secs(10),
    socket: socket::BOUNDS,
};

/// Header lines of a request, and bytes of its head.
const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Bytes that hyper buffers for a connection.
const BUFFER_BYTES: usize = 64 << 10;
/// The longest time that requests under way may take when the process stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// After an accept that failed: with no descriptor left the next would fail at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener, and what answers there.
#[derive(Debug)]
pub struct Listener {
    /// Bound already.
    pub socket: std::net::TcpListener,
    /// The router that answers.
    pub router: Router,
    /// Connections at one time.
    pub connections: usize,
    /// TLS with clients; `None` for plain text.
    pub tls: Option<ServingTls>,
}

/// Connections of an admin listener.
pub const MAX_CALLERS: usize = 256;
/// Connections of a listener of figures: each may hold a text of its own, which is long where there are many APIs.
pub const MAX_SCRAPERS: usize = 4;

/// The task that serves listeners.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    runtime: Handle,
    serving: JoinHandle<()>,
}

/// Serves listeners in tasks of `runtime`.
///
/// # Errors
/// A socket cannot be used without blocking.
pub fn start(runtime: &Handle, listeners: Vec<Listener>) -> io::Result<Running> {
    let (stop, stopped) = watch::channel(false);
    let mut serving = JoinSet::new();
    for Listener { socket, router, connections, tls } in listeners {
        let bounds = Bounds { connections, ..BOUNDS };
        socket.set_nonblocking(true)?;
        let _entered = runtime.enter();
        serving.spawn_on(serve(TcpListener::from_std(socket)?, router, tls, bounds, stopped.clone()), runtime);
    }
    let serving = runtime.spawn(async move { while serving.join_next().await.is_some() {} });
    Ok(Running { stop, runtime: runtime.clone(), serving })
}

impl Running {
    /// Takes no more connections, and waits, within bounds, until what was asked is answered. Blocks: not for a thread of the
    /// runtime.
    pub fn stop(self) {
        let Self { stop, runtime, serving } = self;
        drop(stop);
        // A panic of the task was logged already.
        let _ = runtime.block_on(serving);
    }
}

/// Serves until `stop` says so or is gone, and then for as long as the requests under way take, within bounds.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<ServingTls>,
    bounds: Bounds,
    mut stop: watch::Receiver<bool>,
) {
    let places = Places::new(bounds.connections, bounds.probes);
    let refusing = Arc::new(Semaphore::new(bounds.refusing));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            () = told(&mut stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Some(place) = places.take() {
                    let caller =
                        Caller { peer, router: router.clone(), bounds, stop: stop.clone(), place: Arc::new(place) };
                    connections.spawn(caller.begin(stream, tls.clone()));
                } else if let Ok(place) = Arc::clone(&refusing).try_acquire_owned() {
                    let answer = if tls.is_some() { &NO_ROOM } else { NO_PLACE };
                    connections.spawn(async move {
                        refuse(Bounded::new(stream, bounds.socket), answer).await;
                        drop(place);
                    });
                }
            }
            Err(error) => {
                warn!(%error, "a connection to the admin listener was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if timeout(STOP_TIMEOUT, async { while connections.join_next().await.is_some() {} }).await.is_err() {
        debug!(left = connections.len(), "requests to the admin listener were cut off by the stop");
    }
}

/// Waits until the listener is to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // An error says that whoever could say it is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// One connection, and what it needs.
struct Caller {
    peer: SocketAddr,
    router: Router,
    bounds: Bounds,
    stop: watch::Receiver<bool>,
    place: Arc<Place>,
}

impl Caller {
    /// Speaks HTTP with the client, over TLS if the listener does.
    async fn begin(mut self, stream: TcpStream, tls: Option<ServingTls>) {
        let _ = stream.set_nodelay(true);
        let Ok(local) = stream.local_addr() else { return };
        let bounds = self.bounds;
        let Some(tls) = tls else {
            return self.converse(Bounded::new(stream, bounds.socket), local).await;
        };
        let shake = timeout(bounds.head, tls.accept(stream, bounds.socket));
        let secured = tokio::select! {
            secured = shake => secured.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            () = self.place.lost() => return,
            () = told(&mut self.stop) => return,
        };
        match secured {
            Ok(stream) => self.converse(stream, local).await,
            Err(error) => debug!(peer = %self.peer, %error, "a client of the admin listener did not begin with TLS"),
        }
    }

    /// From the first request to the last.
    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, local: SocketAddr) {
        let Self { peer, router, bounds, mut stop, place } = self;
        let session = Session::new(stop.clone());
        let service = {
            let (session, place) = (session.clone(), Arc::clone(&place));
            service_fn(move |mut request: hyper::Request<Incoming>| {
                place.heard();
                let noted = request.extensions_mut();
                noted.insert(CameIn(local));
                noted.insert(CameFrom(peer));
                noted.insert(place.lane());
                noted.insert(session.clone());
                answer(router.clone(), request)
            })
        };
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(bounds.head)
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(BUFFER_BYTES)
            // A client that ends its sending behind its request still gets its answer.
            .half_close(true);
        let conversation = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        tokio::pin!(conversation);
        let ended = tokio::select! {
            ended = &mut conversation => ended,
            () = place.lost() => return,
            () = told(&mut stop) => {
                conversation.as_mut().graceful_shutdown();
                conversation.await
            }
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "a connection to the admin listener broke");
        } else if let Some(conversation) = session.take() {
            conversation.await;
        }
    }
}

async fn answer(router: Router, request: hyper::Request<Incoming>) -> Result<Response, Infallible> {
    let request: Request = request.map(Body::new);
    TowerToHyperService::new(router).call(request).await
}

/// Tells who comes when every place is taken.
async fn refuse(mut stream: Bounded, answer: &[u8]) {
    if stream.write_all(answer).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n\
    Cache-Control: no-store\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 164\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"code\":\"too-many-connections\",\
    \"detail\":\"This listener is at its limit of connections.\",\"errors\":[]}";

#[cfg(test)]
mod tests;
