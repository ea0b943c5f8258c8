//! Problems of a contract: three levels, each with its place, what was expected and the nearest name.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::api::view::contract_problem::ContractProblem;

/// The most problems of a level that are kept. The rest is counted.
pub const MAX_PROBLEMS: usize = 250;
/// The most characters of the document's own text that a message repeats.
const MAX_QUOTED_CHARS: usize = 80;

/// The consequence of a problem. A lower level is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The channels cannot become routes.
    BlocksRouting,
    /// Routes are possible, but messages cannot be checked at this place.
    BlocksValidation,
    /// Nothing is blocked.
    Note,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlocksRouting => "blocks routing",
            Self::BlocksValidation => "blocks validation",
            Self::Note => "note",
        })
    }
}

/// A place in a file of the contract. Lines and columns count from 1, columns in characters; line 0 is the file as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file's name in the upload.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// The JSON Pointer (RFC 6901) of the value.
    pub pointer: String,
}

impl Place {
    /// A file as a whole.
    #[must_use]
    pub fn file(name: &str) -> Self {
        Self { file: name.to_owned(), ..Self::default() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", Plain(&self.file)),
            line => write!(f, "{}:{line}:{}", Plain(&self.file), self.column),
        }
    }
}

/// A problem of a contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The consequence.
    pub level: Level,
    /// The rule that is broken; a stable name for programs.
    pub rule: &'static str,
    /// The fault, in one sentence without its full stop.
    pub message: String,
    /// The form that belongs there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The known name that is most like an unknown one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// The place.
    #[serde(flatten)]
    pub place: Place,
}

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn new(level: Level, rule: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self { level, rule, message: message.into(), expected: None, nearest: None, place }
    }

    /// Adds what belongs there.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Adds the known name that is most like the unknown one, if there is one.
    #[must_use]
    pub fn nearest(mut self, nearest: Option<&str>) -> Self {
        self.nearest = nearest.map(|name| Plain(name).to_string());
        self
    }
}

impl fmt::Display for Problem {
    /// One line: place, level, message, expectation and nearest name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.level, self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected: {expected}")?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean `{nearest}`?")?;
        }
        Ok(())
    }
}

impl From<&Problem> for ContractProblem {
    fn from(problem: &Problem) -> Self {
        let Problem { level, rule, message, expected, nearest, place } = problem;
        Self {
            level: match level {
                Level::BlocksRouting => "blocks-routing",
                Level::BlocksValidation => "blocks-validation",
                Level::Note => "note",
            }
            .to_owned(),
            rule: (*rule).to_owned(),
            message: message.clone(),
            expected: expected.clone(),
            nearest: nearest.clone(),
            file: place.file.clone(),
            line: place.line,
            column: place.column,
            pointer: place.pointer.clone(),
        }
    }
}

/// The problems of a contract, in the order in which they were found, each once.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
    /// The position of each problem in the list.
    seen: HashMap<(&'static str, Place), usize>,
    counts: [usize; 3],
}

impl Problems {
    /// Adds a problem, unless the same rule is already broken at the same place. Beyond [`MAX_PROBLEMS`] of its level it only counts.
    pub fn add(&mut self, problem: Problem) {
        let key = (problem.rule, problem.place.clone());
        if let Some(known) = self.seen.get(&key).and_then(|at| self.list.get_mut(*at)) {
            // One place may be used for several things: the worst consequence counts.
            if problem.level < known.level {
                let before = known.level;
                known.level = problem.level;
                *self.count_mut(before) = self.count(before).saturating_sub(1);
                *self.count_mut(problem.level) = self.count(problem.level).saturating_add(1);
            }
            return;
        }
        if self.count(problem.level) < MAX_PROBLEMS {
            self.seen.insert(key, self.list.len());
        }
        let count = self.count_mut(problem.level);
        let is_kept = *count < MAX_PROBLEMS;
        *count = count.saturating_add(1);
        if is_kept {
            self.list.push(problem);
        }
    }

    fn count_mut(&mut self, level: Level) -> &mut usize {
        let [routing, validation, notes] = &mut self.counts;
        match level {
            Level::BlocksRouting => routing,
            Level::BlocksValidation => validation,
            Level::Note => notes,
        }
    }

    /// The problems that were kept.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// The number of problems of a level, those that were not kept among them.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        let [routing, validation, notes] = self.counts;
        match level {
            Level::BlocksRouting => routing,
            Level::BlocksValidation => validation,
            Level::Note => notes,
        }
    }

    /// True if further notes are only counted, so that nobody needs to word them.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count(Level::Note) >= MAX_PROBLEMS
    }

    /// The number of problems that were counted only.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.counts.iter().sum::<usize>().saturating_sub(self.list.len())
    }

    /// True if the channels cannot become routes.
    #[must_use]
    pub fn block_routing(&self) -> bool {
        self.count(Level::BlocksRouting) > 0
    }

    /// Sorts by file, line and column, the worse level first at one place.
    pub fn sort(&mut self) {
        let key = |problem: &Problem| (problem.place.clone(), problem.level, problem.rule);
        self.list.sort_by_cached_key(key);
        self.seen = self.list.iter().map(|one| (one.rule, one.place.clone())).zip(0..).collect();
    }
}

/// Text of a document in a message: cut, and without characters that could control a terminal.
struct Plain<'t>(&'t str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for (index, c) in self.0.chars().enumerate() {
            if index >= MAX_QUOTED_CHARS {
                return f.write_str("...");
            }
            f.write_char(if is_harmless(c) { c } else { '\u{fffd}' })?;
        }
        Ok(())
    }
}

/// False for control characters and for those that turn the direction of writing.
pub(super) fn is_harmless(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The name that was probably meant. Long names and long lists are not searched through.
pub(super) fn near<'n>(unknown: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    const MAX_NAMES: usize = 1_000;
    if unknown.len() > MAX_QUOTED_CHARS {
        return None;
    }
    let known = known.into_iter().take(MAX_NAMES).filter(|name| name.len() <= MAX_QUOTED_CHARS);
    crate::api::nearest(unknown, known)
}

/// Text of a document in backticks.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", Plain(text))
}

/// The first names of a list in backticks, and how many more there are.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    const SHOWN: usize = 8;
    let mut names = names.into_iter();
    let shown: Vec<String> = names.by_ref().take(SHOWN).map(quoted).collect();
    let shown = shown.join(", ");
    match names.count() {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, MAX_PROBLEMS, Place, Problem, Problems, listed, quoted};

    fn at(line: u32) -> Place {
        Place { file: "a.yaml".to_owned(), line, column: 1, pointer: String::new() }
    }

    #[test]
    fn a_blocking_problem_is_kept_however_many_notes_there_are() {
        let mut problems = Problems::default();
        for line in 1..=u32::try_from(MAX_PROBLEMS).unwrap() {
            problems.add(Problem::new(Level::Note, "n", at(line), "note"));
            problems.add(Problem::new(Level::Note, "n", at(line), "note"));
        }
        problems.add(Problem::new(Level::Note, "n", at(0), "note"));
        problems.add(Problem::new(Level::BlocksRouting, "r", at(1), "broken"));
        assert!(problems.block_routing() && problems.list().iter().any(|problem| problem.rule == "r"));
        assert_eq!((problems.list().len(), problems.left_out()), (MAX_PROBLEMS + 1, 1));
    }

    #[test]
    fn a_message_never_repeats_what_controls_a_terminal_and_never_all_of_a_long_text() {
        assert_eq!(quoted("a\u{1b}[2Jb\u{202e}"), "`a\u{fffd}[2Jb\u{fffd}`");
        assert!(quoted(&"x".repeat(1_000_000)).len() < 100);
        assert_eq!(listed(["a", "b"]), "`a`, `b`");
        assert!(listed(std::iter::repeat_n("a", 10)).ends_with("and 2 more"));
    }

    #[test]
    fn of_two_consequences_at_one_place_the_worse_one_counts() {
        let mut problems = Problems::default();
        for level in [Level::BlocksValidation, Level::Note, Level::BlocksRouting, Level::Note] {
            problems.add(Problem::new(level, "r", at(1), "broken"));
        }
        assert_eq!((problems.list().len(), problems.left_out()), (1, 0));
        assert!(problems.block_routing() && problems.count(Level::BlocksValidation) == 0);
    }

    #[test]
    fn a_problem_is_one_line_and_json() {
        let problem =
            Problem::new(Level::Note, "unknown-field", at(3), "unknown").expected("this").nearest(Some("that"));
        assert_eq!(problem.to_string(), "a.yaml:3:1: note: unknown; expected: this; did you mean `that`?");
        let json = serde_json::to_value(&problem).unwrap();
        let expected = serde_json::json!({ "level": "note", "rule": "unknown-field", "message": "unknown", "expected": "this",
            "nearest": "that", "file": "a.yaml", "line": 3, "column": 1, "pointer": "" });
        assert_eq!(json, expected);
    }
}
