//! A problem for people: the line of the file with a caret under the place.

use std::fmt;

use unicode_width::UnicodeWidthChar;

use super::problem::{Problem, is_harmless};
use super::sources::Sources;

/// The most characters of a line that are shown.
const MAX_SHOWN_CHARS: usize = 120;

/// A problem with the line of its place.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'p> {
    problem: &'p Problem,
    sources: &'p Sources,
}

/// Shows a problem with the line of its place.
#[must_use]
pub fn shown<'p>(problem: &'p Problem, sources: &'p Sources) -> Shown<'p> {
    Shown { problem, sources }
}

impl Shown<'_> {
    /// The line of the file, cut around the column, and the width before the caret.
    fn excerpt(&self) -> Option<(String, usize)> {
        let place = &self.problem.place;
        let text = std::str::from_utf8(self.sources.get(&place.file)?).ok()?;
        let text = line(text.strip_prefix('\u{feff}').unwrap_or(text), place.line)?;
        let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
        let from = if column >= MAX_SHOWN_CHARS { column.saturating_sub(MAX_SHOWN_CHARS / 2) } else { 0 };
        let (mut cut, mut before) = (String::new(), 0_usize);
        for (at, c) in text.chars().enumerate().skip(from).take(MAX_SHOWN_CHARS) {
            let c = match c {
                '\t' => ' ',
                c if is_harmless(c) => c,
                _ => '\u{fffd}',
            };
            if at < column {
                before = before.saturating_add(c.width().unwrap_or(0));
            }
            cut.push(c);
        }
        Some((cut, before))
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { level, message, expected, nearest, place, .. } = self.problem;
        writeln!(f, "{level}: {message}")?;
        write!(f, "  --> {place}")?;
        if !place.pointer.is_empty() {
            let pointer: String = place.pointer.chars().filter(|c| is_harmless(*c)).take(200).collect();
            write!(f, "  #{pointer}")?;
        }
        if let Some((text, before)) = self.excerpt() {
            let number = place.line.to_string();
            let margin = " ".repeat(number.len());
            write!(f, "\n{margin} |\n{number} | {}\n{margin} | {}^", text.trim_end(), " ".repeat(before))?;
        }
        if let Some(expected) = expected {
            write!(f, "\n  expected: {expected}")?;
        }
        if let Some(nearest) = nearest {
            write!(f, "\n  did you mean `{nearest}`?")?;
        }
        Ok(())
    }
}

/// The line of a text, from 1.
fn line(text: &str, number: u32) -> Option<&str> {
    text.lines().nth(usize::try_from(number).ok()?.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::shown;
    use crate::contract::problem::{Level, Place, Problem};
    use crate::contract::sources::Sources;

    fn text(line: &str, column: u32) -> String {
        let sources = Sources::one("a.yaml", format!("x: 1\n{line}\n").into_bytes()).unwrap();
        let place = Place { file: "a.yaml".to_owned(), line: 2, column, pointer: "/a".to_owned() };
        let problem = Problem::new(Level::Note, "r", place, "wrong").expected("right").nearest(Some("b"));
        shown(&problem, &sources).to_string()
    }

    #[test]
    fn the_caret_is_below_the_place() {
        let expected =
            "note: wrong\n  --> a.yaml:2:4  #/a\n  |\n2 | a: [\n  |    ^\n  expected: right\n  did you mean `b`?";
        assert_eq!(text("a: [", 4), expected);
        assert!(text("\t\u{1f980}: [", 4).contains("\n2 |  \u{1f980}: [\n  |     ^"), "{}", text("\t\u{1f980}: [", 4));
    }

    #[test]
    fn a_long_line_is_cut_around_the_place_and_controls_no_terminal() {
        let long = format!("{}\u{1b}[2J{}", "x".repeat(500_000), "y".repeat(500_000));
        let shown = text(&long, 500_001);
        assert!(shown.len() < 600, "{}", shown.len());
        assert!(shown.contains("x\u{fffd}[2J") && !shown.contains('\u{1b}'));
    }
}
