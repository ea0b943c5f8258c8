//! `ringway-load fanout`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::common::{self, Common, Extra, MessageArgs, Publishers};
use super::finish;
use crate::control;
use crate::failure::Failure;
use crate::plan::Speech;
use crate::report::model::Scenario;
use crate::schedule::Rate;
use crate::shard::script::fanout::{Cast, Fanout, Shared};
use crate::shard::script::talk::Talk;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Number of subscribers
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Number of publishers; 0 if the server publishes by itself, as `ringway-load upstream feed` does
    #[arg(long, value_name = "M", default_value_t = 1)]
    publishers: u32,
    /// The URL that publishers connect to; by default the one of the subscribers
    #[arg(long, value_name = "URL")]
    publish_url: Option<String>,
    /// The protocol that publishers use
    #[arg(long, value_name = "HOW", default_value = "ws")]
    publish: Publish,
    /// Speak the chat sample's protocol: every connection joins as a user, and each message goes to the others in its
    /// sender's room. `ringway-load upstream chat` is such a chat
    #[arg(long, conflicts_with = "publish")]
    chat: bool,
    /// With --chat: users in a room, as the server is configured; `all` for one room
    #[arg(long, value_name = "N", default_value = "5", value_parser = room_size, requires = "chat")]
    room_size: RoomSize,
    /// Messages a second over all publishers
    #[arg(long, value_name = "N", default_value = "20", value_parser = common::rate)]
    rate: Rate,
    #[command(flatten)]
    messages: MessageArgs,
    /// Length of the warm-up before the measurement; `off` for none
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = common::warmup)]
    warmup: Duration,
}

/// The way in which publishers send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Publish {
    /// Each message is a WebSocket message.
    Ws,
    /// Each message is an HTTP POST.
    Post,
}

/// Users that fit into a room, or `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RoomSize(Option<u64>);

fn room_size(text: &str) -> Result<RoomSize, String> {
    match text {
        "all" => Ok(RoomSize(None)),
        _ => match text.parse() {
            Ok(size) if size >= 2 => Ok(RoomSize(Some(size))),
            _ => Err("it must be a whole number from 2 on, or `all`".to_owned()),
        },
    }
}

impl Args {
    fn talk(&self) -> Result<Talk, Failure> {
        if !self.chat {
            return Ok(Talk::Plain);
        }
        let users = u64::from(self.connections) + u64::from(self.publishers);
        let room = self.room_size.0.unwrap_or(users);
        if self.publishers == 0 || !users.is_multiple_of(room) {
            return Err(Failure::Configuration(format!(
                "--chat: {} connections and {} publishers are {users} users, which must fill rooms of {room} and publish: \
                 otherwise the number of receivers of a message is unknown",
                self.connections, self.publishers
            )));
        }
        Ok(Talk::Chat { others: room - 1, users })
    }

    fn messages(&self) -> MessageArgs {
        // A chat uses text messages.
        MessageArgs { text: self.messages.text || self.chat, ..self.messages.clone() }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let talk = args.talk()?;
    let url = args.publish_url.clone().unwrap_or_else(|| args.common.url.clone());
    let speech = if args.publish == Publish::Post { Speech::Post } else { Speech::WebSocket };
    let (subscribers, publishers) = (args.connections, args.publishers);
    let rate = (publishers > 0).then_some(args.rate);
    let job = args.common.job(&Extra {
        scenario: Scenario::Fanout,
        timed: "delivery, from the time the message was due to be published",
        connections: u64::from(subscribers) + u64::from(publishers),
        warmup: args.warmup,
        messages: Some(args.messages()),
        rate,
        polls: true,
        publishers: (publishers > 0).then_some(Publishers { url, speech, first: subscribers }),
        settings: vec![
            ("publishers", publishers.to_string()),
            (
                "talk",
                match talk {
                    Talk::Plain => "plain".to_owned(),
                    Talk::Chat { others, .. } => format!("chat, {others} others hear each message"),
                },
            ),
            (
                "rate",
                rate.map_or("the server's".to_owned(), |rate| format!("{} messages/s in all", rate.as_per_second())),
            ),
        ],
    })?;
    let (cast, shared) = (Cast { subscribers, publishers, rate, talk }, Arc::new(Shared::default()));
    let outcome = control::conduct(&job, move || Fanout::new(cast, Arc::clone(&shared)))?;
    finish::finish(&args.common, &outcome)
}
