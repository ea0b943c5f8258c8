//! What a command answers: data to standard output as a table, as JSON or as YAML; talk to standard error.
//!
//! Tables have stable columns, no colour and no frame, so that a script may cut them. Whatever comes from outside is
//! shown without the characters that move a terminal's cursor.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use super::Failure;

/// How the answer is written: columns for a person, or all of it as the admin API has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
    Yaml,
}

impl Format {
    /// Writes things, each a line of a table.
    pub(super) fn list<T: Serialize>(
        self,
        things: &[T],
        header: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        self.write(&things, |things| table(header, things.iter().map(row)))
    }

    /// Writes something whose text for a person is the caller's.
    pub(super) fn write<T: Serialize>(self, thing: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::Failed(format!("the answer cannot be written: {error}"));
        let text = match self {
            Self::Table => text(thing),
            Self::Json => serde_json::to_string_pretty(thing).map_err(|error| failed(&error))? + "\n",
            Self::Yaml => serde_saphyr::to_string(thing).map_err(|error| failed(&error))?,
        };
        print(&text)
    }
}

/// Writes to standard output. That nobody reads it any more is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Says something on standard error. Nobody may be reading.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", without_controls(text));
}

/// Asks before something that cannot be taken back, or that others will see. Where nobody can be asked it goes on, and
/// says so.
///
/// # Errors
/// The answer was no.
pub(super) fn confirm(what: &str, is_confirmed: bool, no_input: bool) -> Result<(), Failure> {
    if is_confirmed {
        return Ok(());
    }
    if no_input || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let why = if no_input { "--no-input" } else { "this is no terminal" };
        note(&format!("{what}: not asked, {why}"));
        return Ok(());
    }
    let _ = write!(io::stderr(), "{}? [y/N] ", without_controls(what));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Failed("not confirmed: nothing was changed".to_owned())),
    }
}

/// Columns that are as wide as what is in them.
pub(super) fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if !header.is_empty() {
        table.set_header(header);
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| without_controls(cell).replace('\n', " ")));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // Also for a table with nothing in it: a header tells what there is none of.
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A list in a cell; a dash for none.
pub(super) fn list_cell<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => "-".to_owned(),
        items => items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" "),
    }
}

/// How many there are of something.
pub(super) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Text without what would move a cursor or change a colour.
pub(super) fn without_controls(text: &str) -> String {
    // Controls, and the marks that turn the direction of writing around.
    let drives =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if drives(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{list_cell, table, without_controls};

    #[test]
    fn columns_are_as_wide_as_their_content_and_lines_end_where_they_end() {
        let rows = vec![vec!["a".to_owned(), "ws://one".to_owned()], vec!["longer".to_owned(), String::new()]];
        assert_eq!(table(&["NAME", "TARGET"], rows.into_iter()), "NAME    TARGET\na       ws://one\nlonger\n");
        assert_eq!(table(&["NAME"], std::iter::empty()), "NAME\n");
    }

    #[test]
    fn a_long_line_is_not_broken_and_a_cell_is_one_line() {
        let rows = vec![vec!["x".repeat(300), "two\nlines".to_owned(), "\u{1b}[31m".to_owned()]];
        let text = table(&["A", "B", "C"], rows.into_iter());
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("two lines  \u{fffd}[31m\n"), "{text}");
    }

    #[test]
    fn text_from_outside_cannot_drive_the_terminal() {
        assert_eq!(without_controls("a\u{1b}]0;x\u{7}b\u{9b}\n"), "a\u{fffd}]0;x\u{fffd}b\u{fffd}\n");
        assert_eq!(list_cell::<&str>(&[]), "-");
        assert_eq!(list_cell(&["a", "b"]), "a b");
    }
}
