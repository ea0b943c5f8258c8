//! `ringway completions` and `ringway man`.

use std::io;
use std::process::ExitCode;

use clap::CommandFactory;

use super::{Cli, Failure};

#[derive(clap::Args, Debug)]
pub(super) struct CompletionArgs {
    /// The shell to complete in
    shell: clap_complete::Shell,
}

pub(super) fn completions(args: &CompletionArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ringway", &mut script);
    io::Write::write_all(&mut io::stdout(), &script)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man() -> Result<ExitCode, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    io::Write::write_all(&mut io::stdout(), &page)?;
    Ok(ExitCode::SUCCESS)
}
