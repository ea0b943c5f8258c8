//! Options that are allowed anywhere on the line: the output format, whether questions are asked, and where the node
//! is. Commands that have no use for one neither show it nor take it.

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use super::manual::examples;
use super::output::Format;
use super::{Cli, program};

/// The identifiers of all global options, in the order of the help.
const ALL: [&str; 6] = ["output", "no_input", "state", "admin", "token_file", "admin_ca"];

/// The global options that a command uses.
fn used_by(noun: &str) -> &'static [&'static str] {
    match noun {
        "api" | "app" | "plan" | "key" | "project" | "env" | "conn" | "identity" | "status" | "audit" | "apply"
        | "diff" | "export" => &ALL,
        "config" => &["output"],
        _ => &[],
    }
}

#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Node and output")]
pub(super) struct GlobalOptions {
    /// Output format
    #[arg(short, long, global = true, value_name = "FORMAT", value_enum, ignore_case = true, default_value = "table")]
    pub(super) output: Format,
    /// Never ask for confirmation: what would be asked needs --yes
    #[arg(long, global = true)]
    pub(super) no_input: bool,
    /// State directory of a node on this host, which holds its address and token [env: RINGWAY_STATE] [default: ./ringway-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Admin API of a node, instead of --state: http://HOST:PORT or https://HOST:PORT; needs --token-file [env: RINGWAY_ADMIN]
    #[arg(long, global = true, value_name = "URL")]
    pub(super) admin: Option<String>,
    /// File with the node's token; `-` reads one line from standard input [env: RINGWAY_TOKEN_FILE] [default: admin-token in the
    /// state directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Authorities to trust for a node that speaks TLS, in PEM [default: the host's store]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) admin_ca: Option<PathBuf>,
}

/// The command line: each command shows the options that it uses, and examples. `program` is how the user called it.
pub(super) fn command(program: &str) -> Command {
    let mut command = examples::in_help(Cli::command(), program).bin_name(program);
    let globals: Vec<_> = command.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    let names: Vec<String> = command.get_subcommands().map(|noun| noun.get_name().to_owned()).collect();
    for name in &names {
        command = command.mut_subcommand(name, |mut noun| {
            for global in &globals {
                // A command may define an option of the same name, as `serve` does with --state.
                let is_own = noun.get_arguments().any(|arg| arg.get_id() == global.get_id());
                if !is_own && !used_by(name).contains(&global.get_id().as_str()) {
                    noun = noun.arg(global.clone().hide(true));
                }
            }
            noun
        });
    }
    command
}

/// Parses the command line. Exits where it is wrong, and where help was requested.
pub(super) fn parse() -> Cli {
    let program = program::name();
    let mut command = command(&program);
    let matches = command.try_get_matches_from_mut(std::env::args_os()).unwrap_or_else(|error| refuse(&error));
    if let Some(option) = unusable_option(&command, &matches) {
        let noun = matches.subcommand_name().unwrap_or_default();
        let why = format!("`{program} {noun}` does not use {option}");
        command.error(ErrorKind::UnknownArgument, why).exit();
    }
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

/// Prints an error of the command line, or the help that was asked for, and exits.
fn refuse(error: &clap::Error) -> ! {
    let _ = error.print();
    std::process::exit(exit_code(error))
}

/// The exit code of an error of the command line. A value that breaks a rule has the code that it has in a file; a line that
/// has not the form of a command is a usage error.
fn exit_code(error: &clap::Error) -> i32 {
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.as_str(),
        _ => "",
    };
    match error.kind() {
        ErrorKind::ValueValidation => INVALID,
        // Without a value, clap calls the option's lack of one by the same name.
        ErrorKind::InvalidValue if !value.is_empty() => INVALID,
        _ => error.exit_code(),
    }
}

/// The exit code for an invalid value.
const INVALID: i32 = 3;

/// A global option that was given to a command that does not use it.
pub(super) fn unusable_option(command: &Command, matches: &ArgMatches) -> Option<String> {
    let (name, own) = matches.subcommand()?;
    let noun = command.find_subcommand(name)?;
    let hidden = noun.get_arguments().filter(|arg| arg.is_hide_set() && ALL.contains(&arg.get_id().as_str()));
    let is_given = |id: &str| own.value_source(id) == Some(ValueSource::CommandLine);
    let given = hidden.into_iter().find(|arg| is_given(arg.get_id().as_str()))?;
    Some(format!("--{}", given.get_long().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::{ALL, command, unusable_option, used_by};
    use crate::cli::Cli;

    #[test]
    fn the_lists_here_are_those_of_the_command_line() {
        let mut command = command("ringway");
        command.build();
        let globals = command.get_arguments().filter(|arg| arg.is_global_set() && arg.get_id() != "version");
        let globals: Vec<&str> = globals.map(|arg| arg.get_id().as_str()).filter(|id| *id != "help").collect();
        assert_eq!(globals, ALL);
        for noun in command.get_subcommands() {
            let shown = noun.get_arguments().filter(|arg| !arg.is_hide_set()).map(|arg| arg.get_id().as_str());
            let shown: Vec<&str> = shown.filter(|id| ALL.contains(id)).collect();
            // `serve` has a state directory of its own.
            let expected = if noun.get_name() == "serve" { &["state"] } else { used_by(noun.get_name()) };
            assert_eq!(shown, expected, "{}", noun.get_name());
        }
        command.debug_assert();
    }

    #[test]
    fn an_option_counts_wherever_it_stands() {
        for line in [
            "ringway -o json --state s env list",
            "ringway env -o json --state s list",
            "ringway env list --state s -o json",
        ] {
            let matches = command("ringway").try_get_matches_from(line.split(' ')).unwrap();
            assert_eq!(unusable_option(&command("ringway"), &matches), None);
            let cli = Cli::from_arg_matches(&matches).unwrap();
            assert_eq!(format!("{:?}", cli.globals.output), "Json", "{line}");
            assert_eq!(cli.globals.state.as_deref(), Some(std::path::Path::new("s")), "{line}");
        }
    }

    #[test]
    fn d2_a_value_that_breaks_a_rule_is_3_and_a_line_without_the_form_of_a_command_is_2() {
        for (line, code) in [
            ("ringway api list --lifecycle gone", 3),
            ("ringway api list --limit many", 3),
            ("ringway api show Chat", 3),
            ("ringway -o xml api list", 3),
            ("ringway proxy --listen x --target ws://a", 3),
            ("ringway api lst", 2),
            ("ringway api list --colour red", 2),
            ("ringway api list --limit", 2),
            ("ringway api list --output", 2),
            ("ringway api show", 2),
            ("ringway conn close", 2),
            ("ringway --help", 0),
        ] {
            let error = command("ringway").try_get_matches_from(line.split(' ')).unwrap_err();
            assert_eq!(super::exit_code(&error), code, "{line}: {error}");
        }
    }

    /// Each option and argument of each command, as a line with a value to come.
    fn places(command: &clap::Command, path: &str, into: &mut Vec<String>) {
        for arg in command.get_arguments().filter(|arg| arg.get_action().takes_values()) {
            into.push(match arg.get_long() {
                Some(long) => format!("{path} --{long}="),
                None => format!("{path} "),
            });
        }
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            places(below, &format!("{path} {}", below.get_name()), into);
        }
    }

    #[test]
    fn d13_no_value_is_refused_in_the_words_of_a_library() {
        let mut all = command("ringway");
        all.build();
        let mut lines = Vec::new();
        places(&all, "ringway", &mut lines);
        assert!(lines.len() > 100, "{}", lines.len());
        for line in lines {
            for value in ["\u{1}?", "-1", "1.5", "99999999999999999999999"] {
                let Err(error) = command("ringway").try_get_matches_from(format!("{line}{value}").split(' ')) else {
                    continue;
                };
                let said = error.to_string();
                for theirs in [
                    "invalid digit",
                    "cannot parse",
                    "fit in target",
                    "invalid float",
                    "IP address syntax",
                    "socket address syntax",
                    "..=",
                ] {
                    assert!(!said.contains(theirs), "{line}{value}: {said}");
                }
            }
        }
    }

    #[test]
    fn d11_the_words_of_an_option_are_read_in_any_case() {
        for line in [
            "ringway -o JSON env list",
            "ringway api list --lifecycle PUBLISHED",
            "ringway api lifecycle a --to prereleased",
            "ringway proxy --listen 127.0.0.1:0 --target ws://a --log-format Json --client-cert OFF --idle-timeout OFF",
        ] {
            let parsed = command("ringway").try_get_matches_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }

    #[test]
    fn an_option_that_a_command_does_not_use_is_named() {
        for (line, named) in [
            ("ringway ws ws://a --admin http://b", "--admin"),
            ("ringway --no-input tls dev-cert", "--no-input"),
            ("ringway -o json completions bash", "--output"),
            ("ringway config check --state s", "--state"),
            ("ringway config show -o json --state s", "--state"),
        ] {
            let command = command("ringway");
            let matches = command.clone().try_get_matches_from(line.split(' ')).unwrap();
            assert_eq!(unusable_option(&command, &matches).as_deref(), Some(named), "{line}");
        }
    }
}
