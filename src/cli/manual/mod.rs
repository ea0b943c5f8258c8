//! `ringway completions` and `ringway man`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;

use super::{Failure, global_options};

#[derive(clap::Args, Debug)]
pub(super) struct CompletionArgs {
    /// The shell to complete in
    shell: clap_complete::Shell,
}

#[derive(clap::Args, Debug)]
pub(super) struct ManArgs {
    /// Of this command, as in `ringway man api deploy`; of the whole program if not given
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands into this directory instead, as ringway-api-deploy.1
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    out: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut global_options::command(), "ringway", &mut script);
    io::Write::write_all(&mut io::stdout(), &script)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(args: &ManArgs) -> Result<ExitCode, Failure> {
    let mut all = global_options::command();
    all.build();
    if let Some(folder) = &args.out {
        fs::create_dir_all(folder).and_then(|()| write_all(&all, "ringway", folder)).map_err(|error| {
            let folder = folder.display();
            Failure::Failed(format!("{folder}: {error}"))
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut command = &all;
    for name in &args.command {
        let whole = args.command.join(" ");
        let unknown =
            || Failure::Usage(format!("there is no command `{whole}`; `ringway help` lists those that there are"));
        command = command.find_subcommand(name).ok_or_else(unknown)?;
    }
    let name = ["ringway"].into_iter().chain(args.command.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
    io::Write::write_all(&mut io::stdout(), &page(command, &name)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The page of a command, and of those below it.
fn write_all(command: &Command, name: &str, folder: &Path) -> io::Result<()> {
    fs::write(folder.join(format!("{name}.1")), page(command, name)?)?;
    for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
        write_all(below, &format!("{name}-{}", below.get_name()), folder)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().display_name(name)).render(&mut page)?;
    Ok(page)
}
