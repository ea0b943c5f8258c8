//! `chat`: the protocol of the reference sample, WSO2's `chat-service-nodejs`.
//!
//! A client sends `{"type":"Connect","username":"ann"}`, then `{"type":"Data","message":"hi"}`. Users share rooms. The
//! room is notified when a user joins or leaves; a user's message goes to the others in the room, and the sender gets
//! the bare text `Message sent`. Field names and field order are the sample's.
//!
//! This role deviates from the sample where the sample's behaviour cannot be intended. A message that is not JSON ends
//! the sample's process; an unknown message, and a message from a user who has not connected, the sample ignores
//! silently. Here the client gets an error text in all three cases. The sample accepts a second `Connect` as a second
//! user whom nothing removes; here that is an error too. The sample reads each byte as a character; here text is UTF-8.
//! The sample limits nothing.

use std::mem;
use std::num::NonZeroU32;

use ringway::engine::{Fault, Slot, Transport};
use ringway::proto::frame::{self, Opcode};
use ringway::proto::scan::FrameLimits;
use ringway::proxy::terminated::Wire;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::role::{Cx, Leave, Peers, Role};
use super::rooms::Rooms;

/// The longest message from a client, in bytes.
const MAX_MESSAGE_BYTES: u64 = 256 * 1024;
/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 128;
/// The most bytes that may wait on a connection. A connection with more is closed.
const MAX_WAITING_BYTES: usize = 1024 * 1024;
/// The close code for a client that does not read (RFC 6455 section 7.4.1: policy violation), and the reason.
const TOO_SLOW: (u16, &str) = (1008, "too slow");

/// The text that the sender of a message gets.
const SENT: &str = "Message sent";
const NOT_A_MESSAGE: &str = "Error: not a JSON object with a type";
const UNKNOWN_TYPE: &str = "Error: the type is neither Connect nor Data";
const BAD_NAME: &str = "Error: a username is a text of 1 to 128 bytes";
const CONNECTED_BEFORE: &str = "Error: connected before";
const NOT_CONNECTED: &str = "Error: not connected";

/// Options of the chat.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Users that fit into a room; all are in one if `None`.
    pub room_size: Option<NonZeroU32>,
    /// `true` if joins and leaves are not announced.
    pub quiet: bool,
}

/// The chat role of one shard.
#[derive(Debug)]
pub struct Chat {
    plan: Plan,
    rooms: Rooms,
    /// Frames for other connections, from the connection that is being stepped.
    post: Vec<Letter>,
    /// Connections that do not read the answers to what they send.
    slow: Vec<Slot>,
    text: Vec<u8>,
    frame: Vec<u8>,
}

/// A frame for the members of a room.
#[derive(Debug)]
struct Letter {
    room: usize,
    /// This connection gets no frame: it is the sender, or was notified already.
    except: Slot,
    frame: Vec<u8>,
    payload_len: usize,
}

/// The chat's state of one connection.
#[derive(Debug)]
pub struct State {
    slot: Slot,
    user: Option<User>,
    /// The payload of the current message received until now.
    message: Vec<u8>,
}

#[derive(Debug)]
struct User {
    name: Box<str>,
    room: usize,
}

/// A message from a client. Unknown members are ignored.
#[derive(Debug, Deserialize)]
struct Incoming {
    #[serde(rename = "type")]
    kind: String,
    username: Option<Value>,
    message: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notice<'a> {
    r#type: &'static str,
    room: usize,
    user_count: usize,
    /// `null` where the sample has no limit: in a room for all users.
    max_users: Option<NonZeroU32>,
    status: &'static str,
    username: &'a str,
    total_users: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    r#type: &'static str,
    from: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a Value>,
    total_users: usize,
}

impl Chat {
    /// Creates a chat without users. The whole chat is on one shard.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let rooms = Rooms::new(plan.room_size);
        Self { plan, rooms, post: Vec::new(), slow: Vec::new(), text: Vec::new(), frame: Vec::new() }
    }

    fn hear<T: Transport>(
        &mut self,
        message: &[u8],
        state: &mut State,
        wire: &mut Wire,
        cx: &mut Cx<'_, T>,
    ) -> Result<(), Fault> {
        // Serde would read a JSON array as the members in their order.
        let is_object = message.trim_ascii_start().first() == Some(&b'{');
        let Some(incoming) = serde_json::from_slice::<Incoming>(message).ok().filter(|_| is_object) else {
            return self.say(NOT_A_MESSAGE, wire, cx);
        };
        match (incoming.kind.as_str(), &state.user) {
            ("Connect", Some(_)) => self.say(CONNECTED_BEFORE, wire, cx),
            ("Connect", None) => match incoming.username {
                Some(Value::String(name)) if (1..=MAX_NAME_BYTES).contains(&name.len()) => {
                    self.connect(name.into(), state, wire, cx)
                }
                _ => self.say(BAD_NAME, wire, cx),
            },
            ("Data", Some(user)) => {
                let total_users = self.rooms.users();
                let data = Data { r#type: "Data", from: &user.name, message: incoming.message.as_ref(), total_users };
                self.write(&data);
                self.send_to_others(user.room, state.slot);
                self.say(SENT, wire, cx)
            }
            ("Data", None) => self.say(NOT_CONNECTED, wire, cx),
            // The sample knows this message and does nothing: only the end of the connection counts.
            ("Disconnect", _) => Ok(()),
            _ => self.say(UNKNOWN_TYPE, wire, cx),
        }
    }

    fn connect<T: Transport>(
        &mut self,
        name: Box<str>,
        state: &mut State,
        wire: &mut Wire,
        cx: &mut Cx<'_, T>,
    ) -> Result<(), Fault> {
        let room = self.rooms.join(state.slot);
        let told = if self.plan.quiet {
            Ok(())
        } else {
            self.write_notice("Connect", &name, room, self.rooms.users());
            self.send_to_others(room, state.slot);
            self.send_frame(wire, cx)
        };
        state.user = Some(User { name, room });
        told
    }

    fn write_notice(&mut self, kind: &'static str, username: &str, room: usize, total_users: usize) {
        let notice = Notice {
            r#type: kind,
            // The sample draws its room numbers at random; none of them is 0.
            room: room.saturating_add(1),
            user_count: self.rooms.members(room).len(),
            max_users: self.rooms.size(),
            status: "Online",
            username,
            total_users,
        };
        self.write(&notice);
    }

    /// Serializes `value` as JSON and makes its frame.
    fn write(&mut self, value: &impl Serialize) {
        self.text.clear();
        // Serializing these types cannot fail.
        let _ = serde_json::to_writer(&mut self.text, value);
        self.make_frame();
    }

    /// Makes the frame of `text`.
    fn make_frame(&mut self) {
        self.frame.clear();
        frame::write_header(Opcode::Text, true, 0, self.text.len() as u64, None, &mut self.frame);
        self.frame.extend_from_slice(&self.text);
    }

    /// Queues the frame for the others in the room; `settle` sends it after the step.
    fn send_to_others(&mut self, room: usize, except: Slot) {
        if self.rooms.members(room).iter().any(|member| *member != except) {
            self.post.push(Letter { room, except, frame: self.frame.clone(), payload_len: self.text.len() });
        }
    }

    /// Sends the frame to the connection that is being stepped.
    fn send_frame<T: Transport>(&self, wire: &mut Wire, cx: &mut Cx<'_, T>) -> Result<(), Fault> {
        cx.kit.totals.sent_messages.add(1);
        cx.kit.totals.sent_bytes.add(self.text.len() as u64);
        wire.send(cx.net, &self.frame)
    }

    fn say<T: Transport>(&mut self, text: &str, wire: &mut Wire, cx: &mut Cx<'_, T>) -> Result<(), Fault> {
        self.text.clear();
        self.text.extend_from_slice(text.as_bytes());
        self.make_frame();
        self.send_frame(wire, cx)
    }
}

impl Role for Chat {
    type State = State;

    fn frames(&self) -> FrameLimits {
        FrameLimits { max_frame_bytes: MAX_MESSAGE_BYTES, max_message_bytes: MAX_MESSAGE_BYTES }
    }

    fn opened<T: Transport>(&mut self, slot: Slot, _cx: &mut Cx<'_, T>) -> State {
        State { slot, user: None, message: Vec::new() }
    }

    fn payload(&mut self, state: &mut State, piece: &[u8]) {
        state.message.extend_from_slice(piece);
    }

    fn message<T: Transport>(&mut self, state: &mut State, wire: &mut Wire, cx: &mut Cx<'_, T>) -> Result<(), Leave> {
        let message = mem::take(&mut state.message);
        self.hear(&message, state, wire, cx)?;
        if wire.waiting() > MAX_WAITING_BYTES {
            self.slow.push(state.slot);
        }
        Ok(())
    }

    fn ended<T: Transport>(&mut self, state: State, cx: &mut Cx<'_, T>) {
        let Some(user) = state.user else { return };
        // The sample counts the leaving user among all users, but not among the room's.
        let total_users = self.rooms.users();
        self.rooms.leave(state.slot, user.room);
        if !self.plan.quiet && !cx.kit.draining {
            self.write_notice("Disconnect", &user.name, user.room, total_users);
            self.send_to_others(user.room, state.slot);
        }
    }

    fn settle<T: Transport>(&mut self, peers: &mut impl Peers<State>, cx: &mut Cx<'_, T>) {
        for letter in self.post.drain(..) {
            for slot in self.rooms.members(letter.room).iter().copied().filter(|slot| *slot != letter.except) {
                let Some((wire, _)) = peers.open(slot) else { continue };
                cx.kit.totals.sent_messages.add(1);
                cx.kit.totals.sent_bytes.add(letter.payload_len as u64);
                if wire.send(cx.net, &letter.frame).is_err() {
                    // The connection is broken; its next step finds the cause.
                    cx.net.wake(slot);
                }
                if wire.waiting() > MAX_WAITING_BYTES {
                    dismiss(slot, peers, cx);
                }
            }
        }
        for slot in self.slow.drain(..) {
            dismiss(slot, peers, cx);
        }
    }
}

/// Closes a connection whose client does not read, once.
fn dismiss<T: Transport>(slot: Slot, peers: &mut impl Peers<State>, cx: &mut Cx<'_, T>) {
    if peers.open(slot).is_some() {
        cx.kit.totals.too_slow.add(1);
        peers.tell_to_leave(slot, TOO_SLOW.0, TOO_SLOW.1, cx.net);
    }
}
