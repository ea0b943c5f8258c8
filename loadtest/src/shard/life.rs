//! A client connection's life: connect, ask, be answered, be open, close.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use ringway::engine::{Fault, Next, Received, Sent, Slot, Socket, Time, Transport};
use ringway::proto::accept::{self, Key};
use ringway::proto::close;
use ringway::proto::forward::{ClientRequest, write_client_request};
use ringway::proto::head;
use ringway::proto::response::{Expected, Response};
use ringway::proxy::terminated::{Arrival, Wire};
use ringway::tls::SecureTransport;
use ringway::tls::fault::explained;

use super::client::{Client, Purpose, Stage};
use super::conversation::{converse, read};
use super::post::Replies;
use super::script::{Opened, Script};
use super::secure;
use super::state::{Cx, HEAD, ShardState};
use crate::plan::Speech;
use crate::record::{Event, Trouble};

/// Receives in one step.
const RECEIVES: usize = 4;
/// The longest wait for the server to finish the closing handshake.
const CLOSING: Duration = Duration::from_secs(2);
/// The time and the number of bytes for which the first connection's refusal is read.
const LISTENING: Duration = Duration::from_secs(1);
const MAX_BODY_BYTES: usize = 4096;

/// The result of a step.
enum Turn<S> {
    To(Stage<S>),
    Stay(Next, Stage<S>),
    Gone,
}

impl<S> Client<S> {
    /// Does what can be done now.
    pub fn step<T, P>(&mut self, script: &mut P, scratch: &mut [u8], cx: &mut Cx<'_, T>) -> Next
    where
        T: SecureTransport,
        P: Script<State = S>,
    {
        loop {
            if let Stage::Open { wire, state, replies } = &mut self.stage {
                match converse(wire, state, replies.as_mut(), script, scratch, cx) {
                    Ok(next) => return next,
                    Err(why) => {
                        self.lose(why, script, cx);
                        return Next::Done;
                    }
                }
            }
            let turn = match mem::replace(&mut self.stage, Stage::Gone) {
                Stage::Connecting { socket, key } => self.connect(socket, key, script, scratch, cx),
                Stage::Answering { wire, key, head } => self.hear_answer(wire, key, head, script, scratch, cx),
                Stage::Declined { socket, status, body } => self.hear_refusal(socket, status, body, scratch, cx),
                Stage::Closing { wire } => self.await_close(wire, scratch, cx),
                Stage::Open { .. } | Stage::Gone => Turn::Gone,
            };
            match turn {
                Turn::To(stage) => self.stage = stage,
                Turn::Stay(next, stage) => {
                    self.stage = stage;
                    return next;
                }
                Turn::Gone => return Next::Done,
            }
        }
    }

    fn connect<T, P>(
        &mut self,
        socket: Socket,
        key: Key,
        script: &mut P,
        scratch: &mut [u8],
        cx: &mut Cx<'_, T>,
    ) -> Turn<S>
    where
        T: SecureTransport,
        P: Script<State = S>,
    {
        let mut request = Vec::with_capacity(512);
        let plan = &cx.shard.plan;
        let place = plan.place(self.number);
        let speech = place.speech;
        let asked = ClientRequest {
            host: &place.target.authority,
            path_and_query: &place.path,
            key: &key,
            protocols: &plan.protocols,
            headers: &plan.headers,
        };
        if speech == Speech::WebSocket {
            write_client_request(&asked, &mut request);
        }
        let mut wire = Wire::client(socket, cx.net.now());
        // The scenarios compare what comes with what they sent.
        wire.websocket.skip_text_check();
        // The first send tells whether the socket is connected and TLS agreed. The rest of the request waits.
        let sent = cx.net.send(socket, &request);
        if let (Sent::Bytes(_), Some(agreed)) = (sent, secure::agreed(cx.net, socket)) {
            cx.shard.recorder.secured(agreed);
        }
        match sent {
            Sent::Bytes(n) => match wire.send(cx.net, request.get(n..).unwrap_or_default()) {
                Ok(()) if speech == Speech::Post => self.enter(wire, Some(Replies::default()), script, scratch, cx),
                Ok(()) => Turn::To(Stage::Answering { wire, key, head: Vec::new() }),
                Err(fault) => self.fail(socket, Trouble::connecting(fault), cx),
            },
            Sent::Blocked if cx.net.now() >= self.deadline => self.fail(socket, Trouble::Connect("timed-out"), cx),
            Sent::Blocked => Turn::Stay(Next::Wait(Some(self.deadline)), Stage::Connecting { socket, key }),
            Sent::Failed(fault) => self.fail(socket, Trouble::connecting(fault), cx),
        }
    }

    fn hear_answer<T, P>(
        &mut self,
        mut wire: Wire,
        key: Key,
        head: Vec<u8>,
        script: &mut P,
        scratch: &mut [u8],
        cx: &mut Cx<'_, T>,
    ) -> Turn<S>
    where
        T: Transport,
        P: Script<State = S>,
    {
        if let Err(fault) = wire.flush(cx.net, &mut cx.shard.pool) {
            return self.fail(wire.socket, Trouble::connecting(fault), cx);
        }
        let seen = head.len();
        if let Some(start) = scratch.get_mut(..seen) {
            start.copy_from_slice(&head);
        }
        let n = match cx.net.recv(wire.socket, scratch.get_mut(seen..).unwrap_or_default()) {
            Received::Bytes(n) => n,
            Received::Blocked if cx.net.now() >= self.deadline => {
                return self.fail(wire.socket, Trouble::Handshake("timed-out"), cx);
            }
            Received::Blocked => {
                return Turn::Stay(Next::Wait(Some(self.deadline)), Stage::Answering { wire, key, head });
            }
            Received::End => return self.fail(wire.socket, Trouble::Handshake("closed without an answer"), cx),
            // A server may refuse a client's certificate after the client has finished its handshake (RFC 8446 section 4.4.2.4).
            Received::Failed(Fault::Tls(fault)) => return self.fail(wire.socket, Trouble::Tls(fault), cx),
            Received::Failed(fault) => return self.fail(wire.socket, Trouble::Handshake(fault.code()), cx),
        };
        let mut bytes = scratch.get(..seen.saturating_add(n)).unwrap_or_default();
        let mut seen = seen;
        let (response, behind) = loop {
            let end = match head::find_end(bytes, seen, &HEAD) {
                Ok(Some(end)) => end,
                Ok(None) => {
                    let head = bytes.to_vec();
                    return Turn::To(Stage::Answering { wire, key, head });
                }
                Err(_) => return self.fail(wire.socket, Trouble::Handshake("the answer is too long"), cx),
            };
            let (answer, behind) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            match Response::parse(answer, &HEAD) {
                // Another response follows, and may have been received already.
                Ok(response) if response.is_interim() => (bytes, seen) = (behind, 0),
                Ok(response) => break (response, behind),
                Err(refusal) => return self.fail(wire.socket, Trouble::Handshake(refusal.detail), cx),
            }
        };
        if response.status != 101 {
            return self.decline(wire.socket, response.status, behind, cx);
        }
        let expected = Expected::without_extensions(accept::accept_for(&key), &cx.shard.plan.protocols);
        if let Err(refusal) = response.verify(&expected) {
            return self.fail(wire.socket, Trouble::Handshake(refusal.detail), cx);
        }
        wire.websocket.keep(behind);
        self.enter(wire, None, script, scratch, cx)
    }

    /// Opens the connection: the 101 has come, or none is needed.
    fn enter<T, P>(
        &mut self,
        mut wire: Wire,
        mut replies: Option<Replies>,
        script: &mut P,
        scratch: &mut [u8],
        cx: &mut Cx<'_, T>,
    ) -> Turn<S>
    where
        T: Transport,
        P: Script<State = S>,
    {
        let now = Time::of_the_clock();
        cx.shard.recorder.opened(self.due, now);
        if mem::take(&mut self.purpose) == Purpose::Probe {
            cx.shard.recorder.tell(Event::Probed(Ok(())));
        }
        match script.opened(self.number, self.due, &mut wire, cx) {
            Opened::Leave => self.leave(wire, cx),
            Opened::Stay(mut state) => {
                // Bytes that came with the head are read before more is received.
                let end = wire.websocket.restore(scratch);
                let read = read(end, &mut wire, &mut state, replies.as_mut(), script, scratch, cx);
                self.stage = Stage::Open { wire, state, replies };
                match read {
                    Ok(()) => Turn::To(mem::replace(&mut self.stage, Stage::Gone)),
                    Err(why) => {
                        self.lose(why, script, cx);
                        Turn::Gone
                    }
                }
            }
        }
    }

    /// Closes an open connection that was lost.
    fn lose<T, P>(&mut self, why: Trouble, script: &mut P, cx: &mut Cx<'_, T>)
    where
        T: Transport,
        P: Script<State = S>,
    {
        if let Stage::Open { mut wire, state, .. } = mem::replace(&mut self.stage, Stage::Gone) {
            script.ended(state, cx);
            cx.shard.recorder.ended(why);
            wire.close(cx.net, &mut cx.shard.pool);
        }
    }

    /// Ends an open connection on purpose.
    fn leave<T: Transport>(&mut self, mut wire: Wire, cx: &mut Cx<'_, T>) -> Turn<S> {
        cx.shard.recorder.left();
        if cx.shard.plan.reset {
            wire.abort(cx.net, &mut cx.shard.pool);
            return Turn::Gone;
        }
        self.deadline = cx.net.now().after(CLOSING);
        if wire.send_close(cx.net, close::NORMAL, "").is_err() {
            wire.close(cx.net, &mut cx.shard.pool);
            return Turn::Gone;
        }
        Turn::To(Stage::Closing { wire })
    }

    /// Ends the connection on purpose, in any stage.
    pub fn dismiss<T, P>(&mut self, script: &mut P, cx: &mut Cx<'_, T>) -> Next
    where
        T: Transport,
        P: Script<State = S>,
    {
        let turn = match mem::replace(&mut self.stage, Stage::Gone) {
            // A connection for POSTs has no closing handshake.
            Stage::Open { mut wire, state, replies: Some(_) } => {
                script.ended(state, cx);
                cx.shard.recorder.left();
                wire.close(cx.net, &mut cx.shard.pool);
                Turn::Gone
            }
            Stage::Open { wire, state, replies: None } => {
                script.ended(state, cx);
                self.leave(wire, cx)
            }
            // A connection that was due in the window and is not open is lost; one that was due before it is not counted.
            Stage::Connecting { socket, .. } | Stage::Declined { socket, .. } => {
                cx.shard.recorder.lost(self.due, 1);
                cx.net.close(socket);
                Turn::Gone
            }
            Stage::Answering { mut wire, .. } => {
                cx.shard.recorder.lost(self.due, 1);
                wire.close(cx.net, &mut cx.shard.pool);
                Turn::Gone
            }
            Stage::Closing { wire } => Turn::To(Stage::Closing { wire }),
            Stage::Gone => Turn::Gone,
        };
        match turn {
            Turn::To(stage) | Turn::Stay(_, stage) => {
                self.stage = stage;
                Next::Wait(Some(self.deadline))
            }
            Turn::Gone => Next::Done,
        }
    }

    fn await_close<T: Transport>(&mut self, mut wire: Wire, scratch: &mut [u8], cx: &mut Cx<'_, T>) -> Turn<S> {
        for _ in 0..RECEIVES {
            let flushed = wire.flush(cx.net, &mut cx.shard.pool);
            match wire.receive(cx.net, scratch) {
                Arrival::Blocked if cx.net.now() < self.deadline && flushed.is_ok() => {
                    return Turn::Stay(Next::Wait(Some(self.deadline)), Stage::Closing { wire });
                }
                // The server ends the connection first (RFC 6455 section 7.1.1). Bytes that come until then do not count.
                Arrival::Bytes { .. } if flushed.is_ok() && cx.net.now() < self.deadline => {}
                _ => {
                    wire.close(cx.net, &mut cx.shard.pool);
                    return Turn::Gone;
                }
            }
        }
        Turn::Stay(Next::Again, Stage::Closing { wire })
    }

    fn decline<T: Transport>(&mut self, socket: Socket, status: u16, body: &[u8], cx: &mut Cx<'_, T>) -> Turn<S> {
        if self.purpose != Purpose::Probe {
            return self.fail(socket, Trouble::Status(status), cx);
        }
        self.deadline = self.deadline.min(cx.net.now().after(LISTENING));
        Turn::To(Stage::Declined { socket, status, body: body.to_vec() })
    }

    fn hear_refusal<T: Transport>(
        &mut self,
        socket: Socket,
        status: u16,
        mut body: Vec<u8>,
        scratch: &mut [u8],
        cx: &mut Cx<'_, T>,
    ) -> Turn<S> {
        while body.len() < MAX_BODY_BYTES && cx.net.now() < self.deadline {
            match cx.net.recv(socket, scratch) {
                Received::Bytes(n) => body.extend_from_slice(scratch.get(..n).unwrap_or_default()),
                Received::Blocked => {
                    return Turn::Stay(Next::Wait(Some(self.deadline)), Stage::Declined { socket, status, body });
                }
                Received::End | Received::Failed(_) => break,
            }
        }
        body.truncate(MAX_BODY_BYTES);
        if mem::take(&mut self.purpose) == Purpose::Probe {
            cx.shard.recorder.tell(Event::Probed(Err(one_line(status, &body))));
        }
        self.fail(socket, Trouble::Status(status), cx)
    }

    fn fail<T: Transport>(&mut self, socket: Socket, why: Trouble, cx: &mut Cx<'_, T>) -> Turn<S> {
        cx.net.close(socket);
        cx.shard.recorder.failed(why);
        if mem::take(&mut self.purpose) == Purpose::Probe {
            let text = match why {
                Trouble::Connect(reason) => format!("cannot connect: {reason}"),
                Trouble::Tls(fault) => explained(fault),
                _ => format!("the handshake failed: {}", why.reason()),
            };
            cx.shard.recorder.tell(Event::Probed(Err(text)));
        }
        Turn::Gone
    }
}

/// Describes a refusal in one line without control characters.
fn one_line(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    let body: String = words.join(" ").chars().filter(|c| !c.is_control()).take(1000).collect();
    if body.is_empty() {
        format!("the server answered {status}")
    } else {
        format!("the server answered {status}: {body}")
    }
}

/// Starts to connect.
///
/// # Errors
/// The fault, if connecting fails at once.
pub(super) fn dial<S, T: SecureTransport>(
    number: u32,
    due: Time,
    owner: Slot,
    purpose: Purpose,
    shard: &mut ShardState,
    net: &mut T,
) -> Result<Client<S>, Fault> {
    let place = shard.plan.place(number);
    let socket = net.dial(owner, shard.plan.source(number), place.address)?;
    if let Some((config, name)) = shard.tls.as_ref().zip(place.tls.as_ref())
        && let Err(fault) = net.connect_tls(socket, Arc::clone(config), name.clone())
    {
        net.close(socket);
        return Err(fault);
    }
    let mut nonce = [0; 16];
    net.random(&mut nonce);
    let deadline = net.now().after(shard.plan.timeout);
    Ok(Client::new(number, due, deadline, socket, accept::key_from(nonce), purpose))
}
