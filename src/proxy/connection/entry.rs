//! The first stage of a new connection: where its first bytes are looked at, or the answer if it is over a limit.

use std::net::SocketAddr;

use super::stage::Stage;
use crate::command::config::ListenerTls;
use crate::engine::{Socket, Time};
use crate::proto::refusal::Refusal;
use crate::proxy::answer::Answer;
use crate::proxy::end::End;
use crate::proxy::handshake::Handshake;
use crate::proxy::record::Trace;
use crate::proxy::secure::Secure;

/// The stage that looks at the client's own first bytes. `early` are those that were received already.
pub(super) fn first_stage(
    client: Socket,
    peer: SocketAddr,
    tls: Option<&ListenerTls>,
    early: Vec<u8>,
    deadline: Time,
) -> Stage {
    match tls {
        Some(tls) => Stage::Secure(Box::new(Secure::new(client, tls.clone(), early, deadline))),
        None => Stage::Handshake(Box::new(Handshake::new(client, peer, None, early, deadline))),
    }
}

/// The stage that rejects a client over a limit. A client that speaks TLS gets an alert: a handshake, without which it
/// could not read an answer, is the very work that the limit prevents.
pub(super) fn reject_over_limit(
    client: Socket,
    tls: Option<&ListenerTls>,
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
