//! Rules on TLS that every run must keep.

use ringway::engine::TlsFault;
use ringway::proxy::end::End;
use ringway::proxy::record::Record;

use super::{Identity, Misdeed};
use crate::net::Sock;
use crate::peer::{Cut, Peer};
use crate::world::World;

/// Plaintext that is encrypted at a time, and waits for a peer that does not read.
const SEALED: usize = 128 * 1024;
/// A record that is not whole, on its way in or out.
const RECORD: usize = 17 * 1024;

/// The most bytes that TLS may hold for a peer, in either direction.
pub(crate) fn held(sock: &Sock) -> usize {
    if sock.tls.is_some() { SEALED + RECORD } else { 0 }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn misdeed(peer: &Peer) -> Option<Misdeed> {
    peer.plan.tls.as_ref().and_then(|tls| tls.misdeed)
}

/// A handshake that failed did so for a reason, and nothing went upstream.
pub(crate) fn handshake(world: &World, index: usize, record: &Record, client: &Peer) -> Result<(), String> {
    let upstream = &world.peers[index * 2 + 1];
    let line = &world.net.lines[index];
    match record.end {
        End::Insecure(_) => {
            let distrusts = client.plan.tls.as_ref().is_none_or(|tls| !tls.trusts);
            let sent = line.client.map_or(0, |sock| world.net.socks[sock].sent.len());
            ensure(world.scene.tls.down && (distrusts || client.forged), || "nothing was wrong in TLS".to_owned())?;
            ensure(line.dialled.is_empty() && record.status == 0, || "it went on without TLS".to_owned())?;
            // Who has not shown TLS gets an alert, which is no word of HTTP.
            ensure(client.plan.tls.is_none() || sent == 0, || "an answer to who has no TLS".to_owned())?;
        }
        End::Refused(refusal) if refusal.code.starts_with("upstream-certificate") => {
            let identity = upstream.plan.tls.as_ref().map(|tls| tls.identity);
            let wrong = identity.is_some_and(|identity| identity != Identity::Right);
            ensure(wrong || upstream.forged, || "the certificate was right".to_owned())?;
        }
        End::Refused(refusal) if refusal.code == "upstream-not-tls" => {
            // With several endpoints another one may have been tried last.
            let plain = misdeed(upstream) == Some(Misdeed::Banner) || world.scene.failover.is_some();
            ensure(plain || upstream.forged, || "it was TLS".to_owned())?;
        }
        End::Refused(refusal) if refusal.code.starts_with("upstream-tls") => {
            let asks = upstream.plan.tls.as_ref().is_some_and(|tls| tls.asks_for_certificate);
            ensure(upstream.forged || asks, || "nothing was wrong with the upstream's TLS".to_owned())?;
        }
        End::Refused(refusal) if refusal.code == "tls-expected" => {
            ensure(world.scene.tls.down && client.plan.tls.is_none() || client.forged, || "it was TLS".to_owned())?;
        }
        _ => {}
    }
    let socks = line.client.iter().chain(&line.upstream).map(|sock| &world.net.socks[*sock]);
    let untold = socks.filter(|sock| world.scene.smooth && sock.left_untold).count();
    ensure(untold == 0 || record.status != 101 || line.upstream.is_none(), || {
        "closed without close_notify, though nothing was in its way".to_owned()
    })?;
    let Some(peer) = &upstream.plan.tls else { return Ok(()) };
    let trusted = peer.identity == Identity::Right && misdeed(upstream) != Some(Misdeed::Banner);
    let told =
        line.dialled.iter().any(|(sock, _)| world.net.socks.get(*sock).is_some_and(|sock| !sock.sent.is_empty()));
    ensure(trusted || !(told && record.status == 101), || "it was opened to who is not the upstream".to_owned())
}

/// True if this peer may be the reason why a tunnel broke in this way.
pub(crate) fn may_break(peer: &Peer, fault: TlsFault) -> bool {
    let Some(plan) = &peer.plan.tls else { return false };
    match fault {
        TlsFault::Truncated => {
            let cut = matches!(plan.misdeed, Some(Misdeed::Cut(_, Cut::End | Cut::Leave)));
            peer.was_reset || peer.gone || cut || (peer.ended && !peer.said_goodbye) || peer.forged
        }
        TlsFault::Violation => peer.forged,
        _ => false,
    }
}
