//! Output of commands: data to standard output as a table, JSON or YAML; messages to standard error.
//!
//! Tables have stable columns, no colour and no frame, so that a script can cut them. Control characters in text from
//! outside are replaced, so that it cannot drive the terminal.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use super::Failure;
pub(super) use crate::api::units::counted as count;

/// Output format: columns for people, or the whole answer of the admin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
    Yaml,
}

impl Format {
    /// Writes a list; a table has a line for each item.
    pub(super) fn list<T: Serialize>(
        self,
        things: &[T],
        header: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        self.write(&things, |things| table(header, things.iter().map(row)))
    }

    /// Writes one value; `text` formats it for people.
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

/// Writes text to standard output. A reader that has gone away is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Writes bytes to standard output. A reader that has gone away is no failure.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes a line to standard error. A reader that has gone away is no failure.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", without_controls(text));
}

/// Formats a table whose columns are as wide as their content.
pub(super) fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if !header.is_empty() {
        table.set_header(header);
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| without_controls(cell).replace(['\n', '\t'], " ")));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // An empty table still has its header, which tells what there is none of.
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The items of a list in one cell, separated by spaces; a dash for none.
pub(super) fn list_cell<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => "-".to_owned(),
        items => items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" "),
    }
}

/// Text from outside for a terminal: control characters and marks of writing direction are written as escapes. Line feeds and
/// tabs stay.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            c if drives_terminal(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// True for a character that could drive a terminal or turn the direction of writing.
fn drives_terminal(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text with control characters and marks of writing direction replaced.
pub(super) fn without_controls(text: &str) -> String {
    let drives = |c: char| drives_terminal(c) && !"\n\t".contains(c);
    text.chars().map(|c| if drives(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{escaped, list_cell, table, without_controls};

    #[test]
    fn columns_are_as_wide_as_their_content_and_lines_end_where_they_end() {
        let rows = vec![vec!["a".to_owned(), "ws://one".to_owned()], vec!["longer".to_owned(), String::new()]];
        assert_eq!(table(&["NAME", "TARGET"], rows.into_iter()), "NAME    TARGET\na       ws://one\nlonger\n");
        assert_eq!(table(&["NAME"], std::iter::empty()), "NAME\n");
    }

    #[test]
    fn a_long_line_is_not_broken_and_a_cell_is_one_line() {
        let rows = vec![vec!["x".repeat(300), "two\nlines".to_owned(), "a\ttab\u{1b}[31m".to_owned()]];
        let text = table(&["A", "B", "C"], rows.into_iter());
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("two lines  a tab\u{fffd}[31m\n"), "{text}");
    }

    #[test]
    fn text_from_outside_cannot_drive_the_terminal() {
        assert_eq!(without_controls("a\u{1b}]0;x\u{7}b\u{9b}\n"), "a\u{fffd}]0;x\u{fffd}b\u{fffd}\n");
        assert_eq!(escaped("a\u{1b}]0;x\u{7}b\u{202e}\n\tü"), "a\\u{1b}]0;x\\u{7}b\\u{202e}\n\tü");
        assert_eq!(list_cell::<&str>(&[]), "-");
        assert_eq!(list_cell(&["a", "b"]), "a b");
    }
}
