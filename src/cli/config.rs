//! `ringway config`: checks and shows a configuration file. Talks to no node.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;

use super::Failure;
use super::global_options::GlobalOptions;
use super::output::{self, Format, count};
use crate::config::file::{Faults, File};
use crate::control::identity::file_token::FileToken;
use crate::engine::preflight;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Report every fault in a file and in the files that it names; exits with 3 where there is one
    Check(Which),
    /// Show every option with its value or default; values of variables are masked
    Show(Which),
}

#[derive(clap::Args, Debug)]
struct Which {
    /// Configuration file [default: none, which means the defaults]
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// Configuration file, as the option of `ringway serve`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Which {
    fn path(&self) -> Option<&Path> {
        self.file.as_deref().or(self.config.as_deref())
    }
}

pub(super) fn run(args: &Args, globals: &GlobalOptions) -> Result<ExitCode, Failure> {
    match &args.verb {
        Verb::Check(which) => check(which, globals.output),
        Verb::Show(which) => {
            let shown = File::read(which.path())?.configuration()?.shown();
            globals.output.write(&shown, lines)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The result of a check, for programs.
#[derive(Serialize)]
struct Verdict {
    file: Option<PathBuf>,
    faults: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    line: Option<usize>,
    column: Option<usize>,
    option: String,
    why: String,
}

fn check(which: &Which, format: Format) -> Result<ExitCode, Failure> {
    let allowed = preflight::allowed_cpus().map_err(|missing| Failure::Failed(missing.to_string()))?;
    let checked = File::read(which.path()).and_then(|file| {
        let configuration = file.configuration()?;
        file.open_here(&configuration, &allowed)?;
        if let Some(Err(why)) = configuration.token_file.as_deref().map(FileToken::named) {
            return Err(file.fault(&["admin", "token_file"], why.to_string()));
        }
        Ok(configuration)
    });
    match (checked, format) {
        (Ok(configuration), Format::Table) => {
            let environments = count(configuration.environments.len() as u64, "environment");
            let listeners = count(configuration.listeners.len() as u64, "listener");
            output::print(&format!("ok: {environments} on {listeners}\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        (Err(faults), Format::Table) => Err(faults.into()),
        (checked, _) => {
            let code = if checked.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(3) };
            let faults = checked.err().map_or_else(Vec::new, |Faults { faults, .. }| faults);
            let found = |(line, column), option, why| Found { line, column, option, why };
            let faults = faults.into_iter().map(|fault| found(fault.at.unzip(), fault.option, fault.why)).collect();
            format.write(&Verdict { file: which.path().map(Path::to_owned), faults }, |_| String::new())?;
            Ok(code)
        }
    }
}

/// Formats the options, one a line, each with its full path.
fn lines(shown: &Value) -> String {
    let mut rows = Vec::new();
    flatten(shown, String::new(), &mut rows);
    output::table(&[], rows.into_iter())
}

fn flatten(value: &Value, path: String, into: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let dot = if path.is_empty() { "" } else { "." };
            fields.iter().for_each(|(name, value)| flatten(value, format!("{path}{dot}{name}"), into));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().for_each(|(at, value)| flatten(value, format!("{path}[{at}]"), into));
        }
        Value::Array(items) if !items.is_empty() => {
            into.push(vec![path, items.iter().map(text).collect::<Vec<_>>().join(" ")]);
        }
        Value::Array(_) | Value::Object(_) | Value::Null => into.push(vec![path, "-".to_owned()]),
        other => into.push(vec![path, text(other)]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
