//! Questions at a terminal. Where nobody can be asked, the caller says which flag answers.

use std::io::{self, IsTerminal, Write};

use super::global_options::GlobalOptions;
use super::output::without_controls;

/// The reason that nobody can be asked.
pub(super) fn unable_to_ask(globals: &GlobalOptions) -> Option<&'static str> {
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

/// Asks a question, and returns the line without spaces at its ends; `None` at the end of the input.
pub(super) fn ask(question: &str) -> io::Result<Option<String>> {
    let _ = write!(io::stderr(), "{} ", without_controls(question));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer)?;
    Ok((read > 0).then(|| answer.trim().to_owned()))
}
