//! Confirmation of a change that cannot be undone, or that others notice: asked for at a terminal, given as `--yes`
//! anywhere else. Silence never counts as a yes.

use std::io::{self, IsTerminal, Write};

use super::Failure;
use super::global_options::GlobalOptions;
use super::output::without_controls;

/// The flag of every command that asks.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(super) struct Confirmation {
    /// Do not ask for confirmation; needed without a terminal
    #[arg(long, short)]
    pub(super) yes: bool,
}

impl Confirmation {
    /// Asks the user to confirm `what`, unless `--yes` was given.
    ///
    /// # Errors
    /// The user did not confirm; or nobody could be asked, because `--no-input` was given or there is no terminal (usage).
    pub(super) fn ask(self, what: &str, globals: &GlobalOptions) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if let Some(why) = unable_to_ask(globals) {
            return Err(Failure::Usage(format!("not confirmed: {what}\n  {why}; --yes does it without a question")));
        }
        let _ = write!(io::stderr(), "{}? [y/N] ", without_controls(what));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::Failed("not confirmed: nothing was changed".to_owned())),
        }
    }
}

/// The reason that nobody can be asked.
fn unable_to_ask(globals: &GlobalOptions) -> Option<&'static str> {
    if globals.no_input {
        Some("--no-input forbids the question")
    } else if !io::stdin().is_terminal() {
        Some("standard input is no terminal")
    } else if !io::stderr().is_terminal() {
        Some("standard error is no terminal")
    } else {
        None
    }
}
