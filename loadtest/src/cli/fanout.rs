//! `ringway-load fanout`.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ringway::config::units;

use super::common::{self, Common, Extra, MessageArgs, Publishers};
use super::finish;
use crate::control::{self, Failure};
use crate::plan::Speech;
use crate::report::model::Scenario;
use crate::schedule::Rate;
use crate::shard::script::fanout::Fanout;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// How many subscribers
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// How many publishers; 0 where the server publishes of itself, as `ringway-load upstream feed` does
    #[arg(long, value_name = "M", default_value_t = 1)]
    publishers: u32,
    /// Where publishers connect, if not where subscribers do
    #[arg(long, value_name = "URL")]
    publish_url: Option<String>,
    /// How they publish
    #[arg(long, value_name = "HOW", default_value = "ws")]
    publish: Publish,
    /// Messages a second over all publishers
    #[arg(long, value_name = "N", default_value = "20", value_parser = common::rate)]
    rate: Rate,
    #[command(flatten)]
    messages: MessageArgs,
    /// How long messages flow before they count
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::duration)]
    warmup: Duration,
}

/// How publishers publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Publish {
    /// Each message a WebSocket message.
    Ws,
    /// Each message an HTTP POST.
    Post,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let url = args.publish_url.clone().unwrap_or_else(|| args.common.url.clone());
    let speech = if args.publish == Publish::Post { Speech::Post } else { Speech::WebSocket };
    let (subscribers, publishers) = (args.connections, args.publishers);
    let rate = (publishers > 0).then_some(args.rate);
    let job = args.common.job(&Extra {
        scenario: Scenario::Fanout,
        timed: "delivery, from the moment the message was due to be published",
        connections: u64::from(subscribers) + u64::from(publishers),
        warmup: args.warmup,
        messages: Some(args.messages.clone()),
        rate,
        polls: true,
        publishers: (publishers > 0).then_some(Publishers { url, speech, first: subscribers }),
        settings: vec![
            ("publishers", publishers.to_string()),
            (
                "rate",
                rate.map_or("the server's".to_owned(), |rate| format!("{} messages/s in all", rate.as_per_second())),
            ),
        ],
    })?;
    let published = Arc::new(AtomicU64::new(0));
    let outcome = control::conduct(&job, move || Fanout::new(subscribers, publishers, rate, Arc::clone(&published)))?;
    finish::finish(&args.common, &outcome)
}
