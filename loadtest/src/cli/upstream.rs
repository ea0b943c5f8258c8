//! `ringway-load upstream`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use clap::Subcommand;
use ringway::config::units::{self, Cpus};
use ringway::engine::preflight;

use super::common::{self, MessageArgs};
use crate::failure::Failure;
use crate::message::Format;
use crate::schedule::Rate;
use crate::upstream::chat::{self, Chat};
use crate::upstream::echo;
use crate::upstream::feed::{self, Feed};
use crate::upstream::host::{self, Ended, Place};
use crate::upstream::sink::Sink;

/// SIGINT or SIGTERM ends the server: it closes every connection with 1001 and writes its counts to standard error. A
/// second signal ends it at once.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Echo every message, with Ringway's own echo. Counted bytes include the frames' headers
    Echo {
        #[command(flatten)]
        server: Server,
    },
    /// Run chat rooms that speak the protocol of WSO2's chat-service-nodejs: Connect, Data, `Message sent`
    Chat {
        #[command(flatten)]
        server: Server,
        /// Users in a room; `all` for one room
        #[arg(long, value_name = "N", default_value = "5", value_parser = room_size)]
        room_size: RoomSize,
        /// Do not announce users who join or leave a room
        #[arg(long)]
        quiet: bool,
    },
    /// Push numbered messages to every connection at a rate, whether or not the earlier ones were received.
    ///
    /// A message carries the time it was due, by this host's monotonic clock. A receiver on this host can compute the
    /// latency; a receiver on another host can check only loss and order. If more than 1 MiB (or twice the longest
    /// message) waits on a connection, the server does not send the message: it skips the number and counts a dropped
    /// message.
    Feed {
        #[command(flatten)]
        server: Server,
        /// Messages a second on each connection
        #[arg(long, value_name = "N", default_value = "1", value_parser = common::rate)]
        rate: Rate,
        #[command(flatten)]
        messages: MessageArgs,
        /// The seed of the messages; the receiver needs the same one
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
    /// Receive and discard messages; check framing and UTF-8
    Sink {
        #[command(flatten)]
        server: Server,
    },
}

#[derive(clap::Args, Clone, Debug)]
struct Server {
    /// The address and port to listen on; port 0 for any free one
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// The CPUs to run on, one shard each, for example 1 or 2-5; all by default, but a chat runs on one
    #[arg(long, value_name = "LIST", value_parser = units::cpus)]
    cpus: Option<Cpus>,
}

#[derive(Clone, Copy, Debug)]
struct RoomSize(Option<NonZeroU32>);

fn room_size(text: &str) -> Result<RoomSize, String> {
    match text {
        "all" => Ok(RoomSize(None)),
        text => match text.parse() {
            Ok(size) => Ok(RoomSize(Some(size))),
            Err(_) => Err("it must be `all` or a whole number above 0".to_owned()),
        },
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let outcome = match &args.role {
        Role::Echo { server } => echo::serve(&server.place()?)?,
        Role::Chat { server, room_size, quiet } => {
            let plan = chat::Plan { room_size: room_size.0, quiet: *quiet };
            host::play(&server.place_for_one()?, move |_| Chat::new(plan))?
        }
        Role::Feed { server, rate, messages, seed } => {
            let plan = feed_plan(*rate, messages, *seed)?;
            host::play(&server.place()?, move |shard| Feed::new(plan, shard))?
        }
        Role::Sink { server } => host::play(&server.place()?, |_| Sink)?,
    };
    // There may be no reader.
    let _ = writeln!(io::stderr(), "{}", outcome.totals);
    Ok(match outcome.ended {
        Ended::Drained => ExitCode::SUCCESS,
        Ended::Cut => ExitCode::FAILURE,
    })
}

fn feed_plan(rate: Rate, messages: &MessageArgs, seed: u64) -> Result<feed::Plan, Failure> {
    let (form, sizes) = messages.checked()?;
    let format = Format::new(form, seed, sizes.max());
    Ok(feed::Plan { rate, sizes, format, seed, numbers: Arc::new(AtomicU32::new(0)) })
}

impl Server {
    fn place(&self) -> Result<Place, Failure> {
        let cpus = match &self.cpus {
            Some(Cpus(cpus)) => cpus.clone(),
            None => {
                let host = preflight::check().map_err(|missing| Failure::Failed(missing.to_string()))?;
                host.choose_cpus(None).map_err(|why| Failure::Configuration(format!("--cpus {why}")))?
            }
        };
        Ok(Place { listen: self.listen, cpus })
    }

    /// Returns a place with one CPU, because shards do not share rooms.
    fn place_for_one(&self) -> Result<Place, Failure> {
        let mut place = self.place()?;
        if self.cpus.is_some() && place.cpus.len() > 1 {
            let text = "--cpus: a chat runs on one CPU, so that everyone can meet in one room; name one";
            return Err(Failure::Configuration(text.to_owned()));
        }
        place.cpus.truncate(1);
        Ok(place)
    }
}
