//! The messages of one channel in each direction: those of its operations, of the replies that come on it, and of the channel
//! itself if the document has neither.

use std::collections::HashMap;

use super::atlas::Atlas;
use super::words;
use crate::contract::model::{Channel, Direction, Message};

/// The most words of the document that stand beside a message.
const MAX_WORDS: usize = 5;

/// A message in a direction.
#[derive(Debug)]
pub(super) struct Carried<'m> {
    /// The position in the model.
    pub(super) position: usize,
    pub(super) message: &'m Message,
    /// The document's words: those of the operations, and the requests that the message replies to.
    pub(super) words: Vec<String>,
}

/// The messages of a channel.
#[derive(Debug, Default)]
pub(super) struct Traffic<'m> {
    sends: Vec<Carried<'m>>,
    receives: Vec<Carried<'m>>,
    seen: HashMap<(Direction, &'m str), usize>,
    /// True if the document does not say who sends what.
    pub(super) is_undirected: bool,
}

impl<'m> Traffic<'m> {
    pub(super) fn new(atlas: &Atlas<'m>, channel: &'m Channel) -> Self {
        let mut traffic = Self::default();
        for operation in &channel.operations {
            let name = operation.name.as_deref().map(words::name).unwrap_or_default();
            let of_reply = operation.reply.as_ref().and_then(|reply| atlas.channel_of(reply));
            let elsewhere = of_reply.filter(|other| other.name != channel.name);
            let reply = elsewhere.map(|other| format!("; the reply is in {}", words::name(&other.name)));
            let said = format!("{} {name}", operation.word);
            let said = format!("{}{}", said.trim_end(), reply.unwrap_or_default());
            traffic.add(atlas, operation.direction, &operation.messages, &said);
            if let Some(reply) = operation.reply.as_ref().filter(|_| of_reply.is_none()) {
                traffic.add(atlas, operation.direction.opposite(), &reply.messages, &reply_to(&name, operation.word));
            }
        }
        let replies = atlas.replies_in(channel);
        for (operation, reply) in replies {
            let name = operation.name.as_deref().map(words::name).unwrap_or_default();
            traffic.add(atlas, operation.direction.opposite(), &reply.messages, &reply_to(&name, operation.word));
        }
        if channel.operations.is_empty() && replies.is_empty() {
            traffic.is_undirected = true;
            for direction in [Direction::ClientSends, Direction::ClientReceives] {
                traffic.add(atlas, direction, &channel.messages, "in no operation");
            }
        }
        traffic
    }

    fn add(&mut self, atlas: &Atlas<'m>, direction: Direction, ids: &'m [String], said: &str) {
        let list = match direction {
            Direction::ClientSends => &mut self.sends,
            Direction::ClientReceives => &mut self.receives,
        };
        for id in ids {
            let Some((position, message)) = atlas.message(id) else { continue };
            let at = *self.seen.entry((direction, id.as_str())).or_insert_with(|| {
                list.push(Carried { position, message, words: Vec::new() });
                list.len().saturating_sub(1)
            });
            if let Some(words) = list.get_mut(at).map(|carried| &mut carried.words)
                && words.len() < MAX_WORDS
            {
                words.push(said.to_owned());
            }
        }
    }

    /// The messages of a direction, in the order of the document.
    pub(super) fn of(&self, direction: Direction) -> &[Carried<'m>] {
        match direction {
            Direction::ClientSends => &self.sends,
            Direction::ClientReceives => &self.receives,
        }
    }

    /// True if a message is one of the channel's in a direction.
    pub(super) fn carries(&self, direction: Direction, id: &str) -> bool {
        self.seen.contains_key(&(direction, id))
    }
}

fn reply_to(name: &str, word: &str) -> String {
    format!("reply to {}", if name.is_empty() { word } else { name })
}
