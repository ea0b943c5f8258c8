//! The form of a published message: bare, or the JSON of the chat sample.
//!
//! The sample's users say `{"type":"Connect","username":"ann"}` once and `{"type":"Data","message":"hi"}` then. Each hears
//! `Connect` and `Disconnect` of the others in his room, his own `Connect` too, `Data` of the others, and a bare
//! `Message sent` for each of his own.

use std::borrow::Cow;

use serde::Deserialize;

/// The form of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// Messages as they are.
    Plain,
    /// The chat sample's protocol.
    Chat {
        /// Receivers of each message: the others in the sender's room.
        others: u64,
        /// Users in all rooms.
        users: u64,
    },
}

/// A text that a member of a chat received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// A user's message.
    Data(Cow<'a, str>),
    /// A user joined.
    Connect(Cow<'a, str>),
    /// A text that the scenario ignores.
    Else,
    /// A text that the sample never sends.
    Nonsense,
}

#[derive(Deserialize)]
struct Heard<'a> {
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    username: Option<Cow<'a, str>>,
}

/// The name of the user on a connection.
pub(super) fn name(number: u32) -> String {
    format!("user-{number}")
}

/// The text that joins a chat.
pub(super) fn connect(number: u32) -> String {
    format!(r#"{{"type":"Connect","username":"{}"}}"#, name(number))
}

/// Puts the sample's JSON around a payload, which needs no escapes: it is of letters, digits, `+`, `/`, dots and spaces.
pub(super) fn write_data(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"Data","message":""#);
    out.extend_from_slice(payload);
    out.extend_from_slice(br#""}"#);
}

/// Reads a text that a member of a chat received.
pub(super) fn read(text: &[u8]) -> Said<'_> {
    if text == b"Message sent" {
        return Said::Else;
    }
    let Ok(heard) = serde_json::from_slice::<Heard<'_>>(text) else { return Said::Nonsense };
    match (heard.kind.as_ref(), heard.message, heard.username) {
        ("Data", Some(message), _) => Said::Data(message),
        ("Connect", _, Some(name)) => Said::Connect(name),
        ("Disconnect", ..) => Said::Else,
        _ => Said::Nonsense,
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, connect, read, write_data};

    #[test]
    fn what_the_sample_says_is_understood() {
        let own = br#"{"type":"Connect","room":3,"userCount":1,"maxUsers":5,"status":"Online","username":"user-7","totalUsers":9}"#;
        assert_eq!(read(own), Said::Connect("user-7".into()));
        assert_eq!(read(br#"{"type":"Data","from":"user-1","message":"hi","totalUsers":2}"#), Said::Data("hi".into()));
        assert_eq!(read(b"Message sent"), Said::Else);
        assert_eq!(read(br#"{"type":"Disconnect","username":"user-1"}"#), Said::Else);
        for nonsense in
            ["", "Message", "[1]", r#"{"type":"Data"}"#, r#"{"type":"Data","message":7}"#, r#"{"kind":"Data"}"#]
        {
            assert_eq!(read(nonsense.as_bytes()), Said::Nonsense, "{nonsense}");
        }
    }

    #[test]
    fn what_is_said_reads_back() {
        let mut out = Vec::new();
        write_data(b"AAAA+/ab c.9", &mut out);
        assert_eq!(read(&out), Said::Data("AAAA+/ab c.9".into()));
        assert_eq!(read(connect(7).as_bytes()), Said::Connect("user-7".into()));
    }
}
