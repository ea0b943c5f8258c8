//! A command to every shard, and the receipt that tells when all have obeyed it.

use std::time::Duration;

use tracing::{error, warn};

use super::Receipt;
use crate::command::{Command, Reply};
use crate::engine::background;
use crate::engine::mailbox::{Sender, Unsent};

/// Attempts to send to a shard that has too many commands waiting.
const RETRIES: u32 = 1200;
/// The interval between two attempts.
const RETRY_EVERY: Duration = Duration::from_millis(50);

/// Sends every shard a command. A shard that has ended takes none, and nobody waits for it.
pub(super) fn to_all(shards: &[Sender<Command>], number: u64, command: impl Fn(Reply<()>) -> Command) -> Receipt {
    let (receipt, confirmations) = Receipt::new(number, 0..shards.len());
    for (index, shard) in shards.iter().enumerate() {
        let (confirmations, confirmations_of_gone) = (confirmations.clone(), confirmations.clone());
        let done = Reply::new(move |()| confirmations.confirm(index));
        match shard.send(command(done)) {
            Ok(()) => {}
            Err(Unsent::Full(command)) => send_later(index, shard.clone(), command),
            Err(Unsent::Gone(_)) => confirmations_of_gone.confirm(index),
        }
    }
    receipt
}

/// Sends the command again, from a thread of its own, until the shard takes it: a shard whose queue is full must not keep what it
/// had before for good.
fn send_later(index: usize, shard: Sender<Command>, command: Command) {
    let retry = move || {
        let mut command = command;
        for _ in 0..RETRIES {
            std::thread::sleep(RETRY_EVERY);
            match shard.send(command) {
                Ok(()) | Err(Unsent::Gone(_)) => return,
                Err(Unsent::Full(back)) => command = back,
            }
        }
        error!(shard = index, "a shard did not accept a change and keeps what it had before");
    };
    warn!(shard = index, "a shard has too many commands waiting: a change is sent to it again");
    if let Err(error) = background::start("resend", retry) {
        error!(shard = index, "a change cannot be sent to a shard again: {error}");
    }
}
