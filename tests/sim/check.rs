//! Rules that every run must keep.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ringway::command::Cause;
use ringway::engine::Fault;
use ringway::proto::refusal::Refusal;
use ringway::proxy::end::{End, SideRecord};
use ringway::proxy::record::Record;
use ringway::routing::policy::Timeouts;
use ringway::routing::route::Service;

use crate::channels;
use crate::echo;
use crate::failover;
use crate::flow::{Flow, flow, nonces_in};
use crate::keys;
use crate::net::Line;
use crate::operator::check as operator;
use crate::peer::Peer;
use crate::plain;
use crate::plan::{Outcome, balancer_address, client_of};
use crate::scene::announcement;
use crate::table::{self, Told};
use crate::tls::check as tls;
use crate::wire;
use crate::world::World;

/// The memory that a direction may hold: what one receive can bring, and a control frame that is not yet whole.
const HELD: usize = 128 * 1024 + 256 + 131;

/// Checks a run that came to its end; gives each connection's end.
pub(crate) fn check(world: &World) -> Result<Vec<Record>, String> {
    let (mut records, mut by_connection) = (Vec::new(), BTreeMap::new());
    for index in 0..world.scene.connections.len() {
        if world.net.lines[index].client.is_none() {
            continue;
        }
        let addresses = [client_of(&world.scene, index), balancer_address(index)];
        let mut own = world.records.iter().filter(|record| addresses.contains(&record.peer));
        let (Some(record), None) = (own.next(), own.next()) else {
            return Err(format!("connection {index} does not have one record"));
        };
        connection(world, index, record).map_err(|what| format!("connection {index} ({}): {what}", record.end))?;
        records.push(record.clone());
        by_connection.insert(index, record);
    }
    operator::run(world, &by_connection)?;
    failover::run(world)?;
    keys::run(world, &by_connection)?;
    Ok(records)
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn connection(world: &World, index: usize, record: &Record) -> Result<(), String> {
    let (client, upstream) = (&world.peers[index * 2], &world.peers[index * 2 + 1]);
    in_time(world, index, client, upstream)?;
    handshake(world, index, record, client)?;
    who(world, index, record)?;
    if record.status != 101 {
        let nothing = SideRecord::default();
        return ensure(record.client == nothing && record.upstream == nothing, || format!("{record:?}"));
    }
    if world.scene.service == Service::Echo {
        return echo::check(world, index, record);
    }
    tunnel(world, index, record, client, upstream)
}

/// A connection that comes through a balancer is the client's from the moment at which it is named.
fn who(world: &World, index: usize, record: &Record) -> Result<(), String> {
    let plan = &world.scene.connections[index];
    let unannounced = matches!(record.end, End::Unannounced(_));
    let unnamed = [
        End::LeftEarly,
        End::LeftSilently,
        End::Drained(Cause::Shutdown),
        End::Refused(Refusal::DRAINING),
        End::Refused(Refusal::TOO_MANY_CONNECTIONS),
    ];
    let right = match record.peer == client_of(&world.scene, index) {
        true => plan.balanced.as_ref().is_none_or(|header| *header == announcement(index)),
        false => plan.balanced.as_ref().is_some_and(|header| {
            unannounced || unnamed.contains(&record.end) || header.starts_with(b"PROXY UNKNOWN\r\n") || is_local(header)
        }),
    };
    ensure(right, || format!("the record names {}", record.peer))?;
    let sent = world.net.lines[index].client.map_or(0, |sock| world.net.socks[sock].sent.len());
    ensure(!unannounced || sent == 0, || "it was not named, and answered".to_owned())
}

/// True if a balancer says that it connects on its own behalf.
fn is_local(header: &[u8]) -> bool {
    header.starts_with(b"\r\n\r\n\0\r\nQUIT\n\x20")
}

fn in_time(world: &World, index: usize, client: &Peer, upstream: &Peer) -> Result<(), String> {
    let gone = world.gone_at[index].ok_or("no end")?;
    let mut last = client.last_act.max(upstream.last_act).max(world.scene.connections[index].at);
    if let Some(drained) = world.drained_at {
        last = last.max(drained.min(gone));
    }
    if let Some(operator) = &world.operator {
        // When its turn has come to end is another matter.
        last = last.max(operator.watch.seen[index].closing_at.unwrap_or(0));
    }
    let bound = world.bound();
    last = last.max(keys::last_change(world, gone));
    ensure(gone <= last + bound, || format!("lived until {gone}, nothing happened after {last}, bound {bound}"))
}

fn handshake(world: &World, index: usize, record: &Record, client: &Peer) -> Result<(), String> {
    let line = &world.net.lines[index];
    let Some(sock) = line.client else { return Err("no socket".to_owned()) };
    let sent = &world.net.socks[sock].sent;
    let sent = plain::without_interim(sent);
    let status = if sent.len() >= 12 { wire::status(sent) } else { 0 };
    ensure(status == record.status || (sent.len() < 12 && client_is_lost(record)), || {
        format!("status {} in the record, {status} on the wire", record.status)
    })?;
    tls::handshake(world, index, record, client)?;
    if record.end == End::UnexpectedTls {
        unexpected_tls(world, index, client, sent)?;
    }
    if world.operator.is_some() {
        return operator::handshake(world, index, record);
    }
    if let Some(targets) = &world.scene.failover {
        return failover::handshake(world, index, record, targets);
    }
    if let Outcome::Plain(asked) = world.scene.connections[index].outcome {
        return plain::answered(world, index, record, asked);
    }
    channels::handshake(world, index, record)?;
    let (path, request_line) = channels::request(world, index);
    ensure(record.path.is_empty() || *record.path == *path, || format!("path {}", record.path))?;
    let dialled: Vec<_> = line.dialled.iter().map(|(_, address)| *address).collect();
    let known = [Some(&world.scene.addresses), world.scene.moves.as_ref().map(|(_, addresses)| addresses)];
    let in_order = match world.scene.service {
        // A dial goes by the addresses of its beginning to its end.
        Service::Relay => known.into_iter().flatten().any(|addresses| in_turn(world, line, addresses, &dialled)),
        Service::Echo => dialled.is_empty(),
    };
    ensure(in_order, || format!("dialled {dialled:?}"))?;
    for peer in line.upstream.iter().map(|sock| &world.net.socks[*sock]) {
        let requests = peer.sent.windows(9).filter(|window| window == b" HTTP/1.1").count();
        let head = wire::head_len(&peer.sent).unwrap_or(peer.sent.len());
        let whole = peer.sent.starts_with(request_line.as_bytes());
        ensure(whole || peer.sent.len() < request_line.len(), || "not the request that was due".to_owned())?;
        ensure(requests <= 1 || peer.sent[head..].len() > 100, || format!("{requests} requests"))?;
    }
    if !world.scene.smooth {
        return Ok(());
    }
    let drained = world.drained_at.is_some_and(|at| at <= world.gone_at[index].unwrap_or(0));
    if drained && matches!(record.end, End::Refused(refusal) if refusal.code == "draining") {
        if client.plan.tls.is_some() && !world.scene.tls.down {
            // It was told before it had said that it speaks TLS, and makes nothing of the answer.
            return Ok(());
        }
        return whole_answer(client, sent, 503, "draining");
    }
    if record.end == End::Drained(Cause::Shutdown) && record.status == 0 {
        // In the middle of a TLS handshake there is no saying why.
        return ensure(drained && world.scene.tls.down && sent.is_empty(), || "no answer".to_owned());
    }
    if matches!(record.end, End::LeftEarly | End::LeftSilently) {
        return ensure(client.ended || client.gone, || "the client had not left".to_owned());
    }
    match &world.scene.connections[index].outcome {
        Outcome::Opens => ensure(record.status == 101, || format!("status {}, not 101", record.status)),
        Outcome::Refused(status, code) => {
            ensure(record.status == *status, || format!("status {}, not {status} {code}", record.status))?;
            whole_answer(client, sent, *status, code)
        }
        Outcome::Declined(status, body) => {
            ensure(record.status == *status, || format!("status {}, not {status}", record.status))?;
            ensure(record.end == End::Declined, || "not declined".to_owned())?;
            let head = wire::head_len(sent).unwrap_or(0);
            ensure(wire::body(&sent[..head], &sent[head..]).as_ref() == Some(body), || "another body".to_owned())?;
            ensure(client.given == sent, || "the answer did not come to the client whole".to_owned())
        }
        Outcome::Insecure => ensure(matches!(record.end, End::Insecure(_)), || "TLS came about".to_owned()),
        Outcome::SpeaksTls => ensure(record.end == End::UnexpectedTls, || "TLS was not noticed".to_owned()),
        Outcome::Plain(_) | Outcome::Open => Ok(()),
    }
}

fn unexpected_tls(world: &World, index: usize, client: &Peer, sent: &[u8]) -> Result<(), String> {
    let wait = world.scene.settings.policy.timeouts.close.as_millis();
    let lived = world.gone_at[index].unwrap_or(0).saturating_sub(client.last_act);
    let speaks_tls = client.plan.tls.is_some() || {
        let preface = world.scene.connections[index].balanced.as_ref().map_or(0, Vec::len);
        client.said().get(preface) == Some(&wire::TLS_HANDSHAKE)
    };
    let is_plain =
        !world.scene.tls.down || world.scene.connections[index].ask.as_ref().is_some_and(|ask| ask.listener > 0);
    ensure(speaks_tls && is_plain, || "the client did not speak TLS".to_owned())?;
    ensure(sent.is_empty(), || "an answer in plain text to who speaks TLS".to_owned())?;
    ensure(u128::from(lived) <= wait + 10, || format!("closed {lived} ms after the client's last word"))
}

/// True if the proxy dialled these in the order of the DNS answer, except for one that goes first because it answered before.
fn in_turn(world: &World, line: &Line, addresses: &[SocketAddr], dialled: &[SocketAddr]) -> bool {
    let Some((begun, first)) = line.dialled.first() else { return true };
    let before = world.net.lines.iter().flat_map(|line| &line.dialled);
    // One that accepted goes first; one that accepted and did not serve makes way for the next.
    let next = |address| {
        let at = addresses.iter().position(|known| known == address)?;
        addresses.get((at + 1) % addresses.len())
    };
    let answered = before
        .filter(|(sock, address)| sock < begun && (address == first || next(address) == Some(first)))
        .any(|(sock, _)| world.net.socks[*sock].connected);
    let first = addresses.iter().filter(|address| answered && *address == first);
    let others = |first| addresses.iter().filter(move |address| *address != first);
    let given = addresses.first();
    first.chain(given).any(|first| std::iter::once(first).chain(others(first)).take(dialled.len()).eq(dialled))
}

fn client_is_lost(record: &Record) -> bool {
    // Status of an answer that could not be sent.
    record.status != 0
}

pub(crate) fn whole_answer(client: &Peer, sent: &[u8], status: u16, code: &str) -> Result<(), String> {
    let text = String::from_utf8_lossy(sent);
    let named = text.contains(&format!("\"code\":\"{code}\"")) && wire::status(sent) == status;
    ensure(named, || format!("the answer is not {status} {code}: {text}"))?;
    let head = wire::head_len(sent).unwrap_or(0);
    let length = wire::header_value(&sent[..head], "content-length").unwrap_or_default();
    ensure((sent.len() - head).to_string() == length, || "the answer was cut off".to_owned())?;
    ensure(client.given == sent, || "the answer did not come to the client whole".to_owned())
}

/// The bytes that went to the upstream, and to the client.
pub(crate) fn flows(world: &World, index: usize) -> Result<(Flow, Flow), String> {
    let (client, upstream) = (&world.peers[index * 2], &world.peers[index * 2 + 1]);
    let line = &world.net.lines[index];
    let (Some(down), Some(up)) = (line.client, line.upstream) else { return Err("101 without sockets".to_owned()) };
    let (to_client, to_upstream) = (&world.net.socks[down].sent, &world.net.socks[up].sent);
    let nonces = &world.net.nonces;
    let client_start = wire::head_len(to_client).unwrap_or(to_client.len());
    let upstream_start = wire::head_len(to_upstream).ok_or("no request")?;
    let client_asked = nonces_in(to_client, client_start, nonces);
    let upstream_asked = nonces_in(to_upstream, upstream_start, nonces);
    let forth = flow(client, to_upstream, upstream_start, &client_asked, nonces)?;
    let back = flow(upstream, to_client, client_start, &upstream_asked, nonces)?;
    Ok((forth, back))
}

fn tunnel(world: &World, index: usize, record: &Record, client: &Peer, upstream: &Peer) -> Result<(), String> {
    let (forth, back) = flows(world, index)?;
    let line = &world.net.lines[index];
    let (Some(down), Some(up)) = (line.client, line.upstream) else { return Err("101 without sockets".to_owned()) };
    let (to_client, to_upstream) = (&world.net.socks[down].sent, &world.net.socks[up].sent);
    let start = |sent: &[u8]| wire::head_len(sent).unwrap_or(sent.len());
    let (client_start, upstream_start) = (start(to_client), start(to_upstream));
    for (flow, side, sock, start) in
        [(&forth, &record.client, down, upstream_start), (&back, &record.upstream, up, client_start)]
    {
        counts(flow, side, world.scene.smooth)?;
        let held = HELD + tls::held(&world.net.socks[down]) + tls::held(&world.net.socks[up]);
        memory(&world.net.socks[sock], flow, start, held)?;
    }
    closes(world, record, &forth, &back)?;
    resets(world, [(down, upstream), (up, client)])?;
    ends(world, index, record, client, upstream)?;
    if world.scene.smooth {
        arrived(world, record, (client, &forth), (upstream, &back))?;
        ensure(client.given == *to_client && upstream.given == *to_upstream, || {
            "what was sent did not come to its reader whole".to_owned()
        })?;
    }
    Ok(())
}

fn counts(flow: &Flow, side: &SideRecord, smooth: bool) -> Result<(), String> {
    let bytes = if smooth { flow.bytes..=flow.bytes } else { flow.bytes..=flow.bytes_said };
    ensure(bytes.contains(&side.bytes), || format!("{} bytes recorded, {bytes:?} went through", side.bytes))?;
    let messages = flow.messages..=flow.messages_said;
    ensure(messages.contains(&side.messages), || {
        format!("{} messages recorded, {messages:?} went through", side.messages)
    })?;
    ensure(!(smooth && flow.complete_but_close) || side.messages == flow.messages, || {
        format!("{} messages recorded, {} went through", side.messages, flow.messages)
    })?;
    ensure(side.close_received.is_none() || side.close_received == flow.close_said, || {
        format!("close {:?} recorded, {:?} said", side.close_received, flow.close_said)
    })
}

fn memory(sock: &crate::net::Sock, flow: &Flow, start: usize, bound: usize) -> Result<(), String> {
    for (received, sent) in &sock.marks {
        let held = (*received).min(flow.reached).saturating_sub(sent.saturating_sub(start));
        let bound = bound + flow.swallowed_bytes;
        ensure(held <= bound + 2048, || format!("{held} bytes were held"))?;
    }
    Ok(())
}

fn closes(world: &World, record: &Record, forth: &Flow, back: &Flow) -> Result<(), String> {
    for (flow, told, side) in [(back, &record.client, Told::Client), (forth, &record.upstream, Told::Upstream)] {
        if let Some((code, reason, ours)) = &flow.close {
            ensure(told.close_sent == Some(*code), || format!("close_sent {:?}, on the wire {code}", told.close_sent))?;
            if *ours {
                let of_a_lost_upstream = world.scene.settings.policy.abnormal_close_code;
                let row = table::row(record.end, side, of_a_lost_upstream);
                // Who has closed gets its own code back when the other side is lost without an answer.
                let own = told.close_received == Some(*code) && reason.is_empty();
                let answered = table::is_closed_by(record.end, side) && own;
                let (said, smooth) = ((*code, reason.as_str()), world.scene.smooth);
                let right = answered || table::allows(&row, record.end, side, said, of_a_lost_upstream, smooth);
                ensure(right, || format!("{side:?} was told {code} {reason:?}, due was {row:?}"))?;
            }
        } else if world.scene.smooth {
            ensure(told.close_sent.is_none(), || format!("{side:?}: close_sent {:?} never went out", told.close_sent))?;
        }
    }
    Ok(())
}

/// A side is reset only when the other was, and only by a host that was told all (which the network checks).
fn resets(world: &World, sides: [(usize, &Peer); 2]) -> Result<(), String> {
    for (sock, other) in sides {
        let sock = &world.net.socks[sock];
        let side = if sock.is_upstream { "upstream" } else { "client" };
        ensure(!sock.aborted || other.was_reset || other.gone, || {
            format!("the {side} was reset, and the other side was not")
        })?;
    }
    Ok(())
}

/// The record's reason is something that happened.
fn ends(world: &World, index: usize, record: &Record, client: &Peer, upstream: &Peer) -> Result<(), String> {
    let of = |side| if table::is_client(side) { client } else { upstream };
    let real = match record.end {
        End::Closed(side) => of(side).close_said,
        End::Ended(side) if of(side).plan.tls.is_some() => of(side).said_goodbye,
        End::Ended(side) => of(side).ended || of(side).was_reset,
        End::Broken(side, Fault::Tls(fault)) => tls::may_break(of(side), fault),
        End::Broken(side, fault) => of(side).was_reset || (of(side).gone && fault == Fault::Reset),
        End::Violated(side, violation) => of(side).violated == Some(violation.code()),
        End::Idle => world.waits().any(|waits| waits.idle.is_some()),
        End::Silent(side) => {
            let interval = |waits: &Timeouts| match table::is_client(side) {
                true => waits.ping_interval,
                false => waits.upstream_ping_interval,
            };
            world.waits().any(|waits| interval(waits).is_some()) && !world.scene.smooth
        }
        End::Drained(cause) if world.operator.is_some() => return operator::ended(world, index, cause),
        End::Drained(Cause::Shutdown) => world.drained_at.is_some(),
        // The rules of keys are looked at for all connections together.
        End::Drained(Cause::Revoked | Cause::Expired | Cause::Unsubscribed) => world.scene.keys.is_some(),
        End::Refused(_)
        | End::Unannounced(_)
        | End::Declined
        | End::LeftEarly
        | End::LeftSilently
        | End::Answered
        | End::Insecure(_)
        | End::UnexpectedTls
        | End::Drained(_) => false,
    };
    ensure(real, || "that never happened".to_owned())?;
    ensure(!world.scene.smooth || !matches!(record.end, End::Broken(..)), || "broken, though nothing broke".to_owned())
}

/// The flow towards the side that an end is the doing of.
fn own_told<'a>(end: End, forth: &'a Flow, back: &'a Flow) -> &'a Flow {
    match end {
        End::Closed(side) if table::is_client(side) => back,
        _ => forth,
    }
}

/// Nothing was in the way: all that was said before the end came through, and the table's words with it.
fn arrived(
    world: &World,
    record: &Record,
    (client, forth): (&Peer, &Flow),
    (upstream, back): (&Peer, &Flow),
) -> Result<(), String> {
    let of_a_lost_upstream = world.scene.settings.policy.abnormal_close_code;
    let side_of = |side| {
        if table::is_client(side) { ((client, forth), (upstream, back)) } else { ((upstream, back), (client, forth)) }
    };
    match record.end {
        End::Closed(side) | End::Ended(side) | End::Violated(side, _) => {
            let ((_, own), (other_peer, other)) = side_of(side);
            let closed = matches!(record.end, End::Closed(_));
            ensure(if closed { own.complete } else { own.complete_but_close }, || {
                "its own words did not all arrive".to_owned()
            })?;
            // The other goes on until it answers or ends.
            ensure(other.complete_but_close, || "the other's words did not all arrive".to_owned())?;
            // RFC 6455 section 5.5.1: a close frame is answered.
            let answered = own_told(record.end, forth, back).close.is_some()
                || !(other_peer.close_said || other_peer.violated.is_some());
            ensure(!closed || answered, || "its close frame was not answered".to_owned())?;
        }
        _ => {}
    }
    for (flow, side) in [(back, Told::Client), (forth, Told::Upstream)] {
        if let Some((code, reason)) = table::row(record.end, side, of_a_lost_upstream) {
            let told = flow.close.as_ref().map(|(code, reason, _)| (*code, reason.as_str()));
            ensure(told == Some((code, reason)), || format!("{side:?} was told {told:?}, due was {code} {reason:?}"))?;
        }
    }
    Ok(())
}
