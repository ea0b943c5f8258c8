//! Confirmation of a change that cannot be undone, or that others notice: asked for at a terminal, given as `--yes`
//! anywhere else. Silence never counts as a yes.

use super::Failure;
use super::global_options::GlobalOptions;
use super::question::{ask, unable_to_ask};

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
        let answer = ask(&format!("{what}? [y/N]"))?.unwrap_or_default();
        match answer.to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::Failed("not confirmed: nothing was changed".to_owned())),
        }
    }
}
