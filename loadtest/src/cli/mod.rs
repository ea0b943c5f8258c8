//! The command line: a file a subcommand. What was typed goes in, a [`Job`](crate::control::Job) comes out and is run, and
//! its report is written to where it was asked for.

mod common;
mod echo;
mod finish;
mod upstream;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::control::Failure;

/// Load for WebSocket servers and proxies: open loop, every answer checked, latency from the moment a message was due.
#[derive(Debug, Parser)]
#[command(name = "ringway-load", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, once")]
enum Command {
    /// Messages that come back: round trips at a rate, or as many as there is room for
    Echo(echo::Args),
    /// The other end of a test: a server that echoes, chats, pushes or swallows messages
    Upstream(upstream::Args),
}

/// Runs what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Echo(args) => echo::run(args),
        Command::Upstream(args) => upstream::run(args),
    };
    result.unwrap_or_else(|failure| {
        // Nobody may be reading.
        let _ = writeln!(io::stderr(), "ringway-load: {failure}");
        match failure {
            Failure::Configuration(_) => ExitCode::from(3),
            Failure::Failed(_) => ExitCode::from(1),
        }
    })
}
