//! `ringway man`: manual pages from the definition of the command line, with [`examples`], exit codes and files added.

#[cfg(test)]
mod documentation;
pub(super) mod examples;
mod page;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;

use self::examples::join;
use self::page::{file_stem, page};
use super::{Failure, global_options, output, program};

#[derive(clap::Args, Debug)]
pub(super) struct ManArgs {
    /// The command, as in `ringway man api deploy` [default: the whole program]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands into this directory, as ringway-api-deploy.1 and so on
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    out: Option<PathBuf>,
}

pub(super) fn man(args: &ManArgs) -> Result<ExitCode, Failure> {
    // Pages are for installed programs: their name is the package's.
    let mut all = global_options::command("ringway");
    all.build();
    if let Some(folder) = &args.out {
        fs::create_dir_all(folder).and_then(|()| write_all(&all, "", folder)).map_err(|error| {
            let folder = folder.display();
            Failure::Failed(format!("{folder}: {error}"))
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = args.command.join(" ");
    let mut command = &all;
    for name in &args.command {
        let unknown = || {
            let program = program::name();
            Failure::Usage(format!("there is no command `{path}`; `{program} help` lists all commands"))
        };
        command = command.find_subcommand(name).ok_or_else(unknown)?;
    }
    output::print_bytes(&page(command, &path)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command and the pages of the commands below it.
fn write_all(command: &Command, path: &str, folder: &Path) -> io::Result<()> {
    fs::write(folder.join(format!("{}.1", file_stem(path))), page(command, path)?)?;
    for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
        write_all(below, &join(path, below.get_name()), folder)?;
    }
    Ok(())
}
