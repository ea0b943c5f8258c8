//! The test page's socket: a WebSocket that sends every message back, so that a page can be tried without an upstream.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Admin;
use crate::control::http::problem::{self, Refused};
use crate::control::http::server::Session;
use crate::control::http::websocket::{Bounds, Incoming, Upgrade, Upgraded, WebSocketStream};
use crate::proto::close;
use crate::proto::frame::Opcode;
use crate::proto::refusal::Refusal;
use crate::proto::terminated::Timeouts;

/// Test sockets that may be open at one time.
pub(super) const MAX_TEST_SOCKETS: usize = 16;
/// The subprotocol that is selected if the client offers it.
const PROTOCOL: &str = "ringway.test";
const BOUNDS: Bounds = Bounds {
    max_message_bytes: 64 << 10,
    timeouts: Timeouts { idle: Some(Duration::from_secs(300)), close: Duration::from_secs(2) },
};

pub(super) fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(connect))
}

/// Open a WebSocket that sends every message back
#[utoipa::path(get, path = "/test-socket", tag = "test",
    responses(
        (status = 101, description = "The WebSocket."),
        (status = 400, description = "`handshake-invalid`")))]
async fn connect(State(admin): State<Admin>, mut request: Request) -> Result<Response, Refused> {
    let refused = |refusal: Refusal| Refused::new(problem::HANDSHAKE_INVALID, refusal.detail);
    let upgrade = Upgrade::new(&mut request, &[PROTOCOL]).map_err(refused)?;
    let session = request.extensions().get::<Session>().ok_or_else(|| refused(Refusal::UPGRADE_REQUIRED))?;
    let Ok(place) = Arc::clone(admin.test_sockets()).try_acquire_owned() else {
        let detail = format!("{MAX_TEST_SOCKETS} test sockets are open already.");
        return Err(Refused::new(problem::TOO_MANY_CONNECTIONS, detail));
    };
    let stopped = session.stopped();
    let (response, conversation) = upgrade.accept(BOUNDS, move |socket| async move {
        echo(socket, stopped).await;
        drop(place);
    });
    session.start(conversation);
    Ok(response)
}

/// Sends every message back until either side closes.
async fn echo(mut socket: WebSocketStream<Upgraded>, stopped: impl Future<Output = ()>) {
    let mut stopped = pin!(stopped);
    loop {
        let incoming = tokio::select! {
            incoming = socket.next() => incoming,
            () = &mut stopped => {
                socket.close(close::GOING_AWAY, "node is shutting down");
                break;
            }
        };
        let sent = match incoming {
            Ok(Incoming::Text(text)) => socket.send(Opcode::Text, text.as_bytes()).await,
            Ok(Incoming::Binary(bytes)) => socket.send(Opcode::Binary, &bytes).await,
            Ok(Incoming::Expired(_)) => {
                socket.close(close::GOING_AWAY, "idle timeout");
                break;
            }
            Ok(Incoming::Close(..) | Incoming::Violation(_) | Incoming::End) | Err(_) => break,
        };
        if sent.is_err() {
            return;
        }
    }
    socket.finish().await;
}
