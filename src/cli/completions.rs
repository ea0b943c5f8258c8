//! `ringway completions`: a script that completes the command line in a shell.

use std::process::ExitCode;

use super::{Failure, global_options, output};

#[derive(clap::Args, Debug)]
pub(super) struct CompletionArgs {
    /// The shell to complete in
    shell: clap_complete::Shell,
}

pub(super) fn completions(args: &CompletionArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut global_options::command("ringway"), "ringway", &mut script);
    output::print_bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}
