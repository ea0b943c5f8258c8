//! Shards that functions play.

use std::sync::Arc;
use std::time::Duration;

use super::{SendCommand, ShardClient};
use crate::command::Command;
use crate::routing::snapshot::Snapshot;

/// Shards that are played by functions.
pub(crate) fn played(shards: Vec<impl Fn(Command) + Send + Sync + 'static>) -> ShardClient {
    let send = |play: Box<dyn Fn(Command) + Send + Sync>| -> SendCommand {
        Box::new(move |command| {
            play(command);
            Ok(())
        })
    };
    let sends = shards.into_iter().map(|play| send(Box::new(play))).collect();
    ShardClient::of(sends, || Arc::new(Snapshot::default()), Duration::from_millis(100))
}
