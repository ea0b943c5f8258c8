//! The command line, one file for each noun. Data goes to standard output, messages to standard error.
//!
//! Exit codes: 0 ok, 1 failed, 2 usage, 3 invalid configuration, 4 not authorised.

mod api;
mod app;
mod apply;
mod audit;
mod cells;
mod client;
mod completions;
mod config;
mod confirmation;
mod conn;
mod contract_source;
mod demo;
mod echo;
mod env;
mod environment;
mod global_options;
mod identity;
mod key;
mod manual;
mod output;
mod plan;
mod program;
mod project;
mod proxy;
mod question;
mod serve;
mod single_target;
mod status;
mod tls;
mod ws;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::global_options::GlobalOptions;
use crate::config::file::Faults;
use crate::config::limits::OutOfRange;
use crate::node::{NodeError, Shutdown};

/// A WebSocket API proxy for Linux hosts with high connection counts.
#[derive(Debug, Parser)]
#[command(name = "ringway", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    globals: GlobalOptions,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Run a node with a sample chat API that is deployed and published
    Demo(demo::Args),
    /// Run a node: it serves the APIs of its store and is managed by the admin API
    Serve(serve::Args),
    /// Relay every connection on an address to one target
    Proxy(Box<proxy::Args>),
    /// Run an upstream that sends every message back
    Echo(Box<echo::Args>),
    /// Connect to a WebSocket: each line of input is a message, each message a line of output
    Ws(ws::Args),
    /// Create certificates for development
    Tls(tls::Args),
    /// Create, deploy, promote and publish APIs on a running node
    Api(Box<api::Args>),
    /// Create applications of consumers, and subscribe them to APIs
    App(app::Args),
    /// Create and block the plans of subscriptions
    Plan(plan::Args),
    /// Make, rotate and revoke the keys of applications
    Key(key::Args),
    /// List the projects of a node, describe and delete them
    Project(project::Args),
    /// List and show the environments of a node
    Env(env::Args),
    /// List and close the live connections of a node
    Conn(conn::Args),
    /// Say who may call the admin API of a node: identities, their roles and tokens
    Identity(Box<identity::Args>),
    /// Show the health of a node and how much it holds; exits with 1 where it is degraded
    Status,
    /// Check and show a configuration file before a node reads it
    Config(config::Args),
    /// Show who changed what on a node, and when
    Audit(audit::Args),
    /// Create and change the APIs of a node until they match files
    Apply(apply::ApplyArgs),
    /// Show what `apply` would change; exits with 2 where files and node differ
    Diff(apply::DiffArgs),
    /// Write the APIs of a node in the format of `apply`
    Export(apply::ExportArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionArgs),
    /// Print the manual page of a command, or of the whole program
    Man(manual::ManArgs),
}

/// The reason a command failed; each variant has its own exit code.
#[derive(Debug)]
enum Failure {
    /// Any failure that is none of the others: exit code 1.
    Failed(String),
    /// Options that do not fit each other, which clap cannot detect: exit code 2.
    Usage(String),
    /// A file or the value of an option breaks a rule: exit code 3.
    Configuration(String),
    /// The node refused the token, or this user may not read it: exit code 4.
    NotAuthorised(String),
}

impl Failure {
    /// The message for standard error, and the exit code.
    fn into_message_and_code(self) -> (String, u8) {
        match self {
            Self::Failed(message) => (message, 1),
            Self::Usage(message) => (message, 2),
            Self::Configuration(message) => (message, 3),
            Self::NotAuthorised(message) => (message, 4),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(message)
            | Self::Usage(message)
            | Self::Configuration(message)
            | Self::NotAuthorised(message) => f.write_str(message),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::Configuration(faults.to_string())
    }
}

impl From<Vec<OutOfRange>> for Failure {
    fn from(errors: Vec<OutOfRange>) -> Self {
        Self::Configuration(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Failed(message) => Self::Failed(message),
            NodeError::Configuration(message) => Self::Configuration(message),
        }
    }
}

/// The exit code of a command that served.
fn exit_code(shutdown: Shutdown) -> ExitCode {
    match shutdown {
        Shutdown::Drained => ExitCode::SUCCESS,
        Shutdown::Forced => ExitCode::FAILURE,
    }
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    if let Some(code) = completions::answer() {
        return code;
    }
    let Cli { globals, noun } = global_options::parse();
    let result = match noun {
        Noun::Demo(args) => demo::run(&args),
        Noun::Serve(args) => serve::run(&args),
        Noun::Proxy(args) => proxy::run(&args),
        Noun::Echo(args) => echo::run(&args),
        Noun::Ws(args) => ws::run(&args),
        Noun::Tls(args) => tls::run(&args),
        Noun::Api(args) => api::run(&args, &globals),
        Noun::App(args) => app::run(&args, &globals),
        Noun::Plan(args) => plan::run(&args, &globals),
        Noun::Key(args) => key::run(&args, &globals),
        Noun::Project(args) => project::run(&args, &globals),
        Noun::Status => status::run(&globals),
        Noun::Env(args) => env::run(&args, &globals),
        Noun::Config(args) => config::run(&args, &globals),
        Noun::Conn(args) => conn::run(&args, &globals),
        Noun::Identity(args) => identity::run(&args, &globals),
        Noun::Audit(args) => audit::run(&args, &globals),
        Noun::Apply(args) => apply::run(&args, &globals),
        Noun::Diff(args) => apply::diff(&args, &globals),
        Noun::Export(args) => apply::export(&args, &globals),
        Noun::Completions(args) => completions::completions(&args),
        Noun::Man(args) => manual::man(&args),
    };
    let (message, code) = match result {
        Ok(code) => return code,
        Err(failure) => failure.into_message_and_code(),
    };
    // A reader that has gone away is no reason for another exit code.
    let _ = writeln!(std::io::stderr(), "{}: {}", program::short_name(), output::without_controls(&message));
    ExitCode::from(code)
}
