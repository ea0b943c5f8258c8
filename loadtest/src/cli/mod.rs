//! The command line, with one file for each subcommand. Each builds a [`Job`](crate::control::Job) from its arguments,
//! runs it, and writes the report to the requested places.

mod common;
mod compare;
mod echo;
mod fanout;
mod finish;
mod hold;
mod storm;
mod upstream;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// Load for WebSocket servers and proxies: open loop, every answer checked, latency from the time a message was due.
#[derive(Debug, Parser)]
#[command(name = "ringway-load", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, once")]
enum Command {
    /// Measure round trips, at a rate or as fast as the target answers
    Echo(echo::Args),
    /// Hold idle connections and count those that survive
    Hold(hold::Args),
    /// Open and close connections: how fast, and what fails
    Storm(storm::Args),
    /// Measure fan-out: latency, loss, duplicates and order of each delivery
    Fanout(fanout::Args),
    /// Compare two reports: ratios, with the noise of the measurement
    Compare(compare::Args),
    /// Measure Ringway and other proxies in turn, on one machine
    Bench(Box<crate::bench::BenchArgs>),
    /// Run the other end of a test: a server that echoes, chats, pushes or discards messages, without TLS
    Upstream(upstream::Args),
}

/// Runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Echo(args) => echo::run(args),
        Command::Hold(args) => hold::run(args),
        Command::Storm(args) => storm::run(args),
        Command::Fanout(args) => fanout::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Bench(args) => crate::bench::run(args).map_err(Failure::Failed),
        Command::Upstream(args) => upstream::run(args),
    };
    result.unwrap_or_else(|failure| {
        // There may be no reader.
        let _ = writeln!(io::stderr(), "ringway-load: {failure}");
        match failure {
            Failure::Configuration(_) => ExitCode::from(3),
            Failure::Failed(_) => ExitCode::from(1),
        }
    })
}
