//! Before anything was heard of a client: where its own first bytes are looked at, and what it gets that there is no room
//! for.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;

use super::Stage;
use crate::engine::{Socket, Time};
use crate::proto::refusal::Refusal;
use crate::proxy::answer::Answer;
use crate::proxy::handshake::Handshake;
use crate::proxy::end::End;
use crate::proxy::record::Trace;
use crate::proxy::secure::Secure;

/// The stage in which a client's own first bytes are looked at: `early` are those that were received already.
pub(super) fn first_words(
    client: Socket,
    peer: SocketAddr,
    tls: Option<&Arc<ServerConfig>>,
    early: Vec<u8>,
    deadline: Time,
) -> Stage {
    match tls {
        Some(config) => Stage::Secure(Box::new(Secure::new(client, Arc::clone(config), early, deadline))),
        None => Stage::Handshake(Box::new(Handshake::new(client, peer.ip(), None, early, deadline))),
    }
}

/// The answer to a client that there is no room for. Who is to speak TLS gets its alert: a handshake, so that an answer
/// could be read, is the very work that there is no room for.
pub(super) fn no_room(
    client: Socket,
    tls: Option<&Arc<ServerConfig>>,
    refusal: Refusal,
    trace: &mut Trace,
    deadline: Time,
) -> Stage {
    let answer = if tls.is_some() {
        Answer::new(client, crate::tls::NO_ROOM.to_vec(), deadline)
    } else {
        trace.status = refusal.status;
        Answer::refusal(client, &refusal, deadline)
    };
    Stage::Answer(Box::new(answer), End::Refused(refusal))
}
