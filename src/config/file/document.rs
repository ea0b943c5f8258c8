//! The text of a configuration file as a tree, and the places of its options and errors.

use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use crate::api::misfit::misfit;

/// The most errors reported at once; the first ones should be fixed first.
const MAX_FAULTS: usize = 50;

/// A fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line and column, from 1; `None` for a fault of the whole file.
    pub at: Option<(usize, usize)>,
    /// The option, such as `environments[0].name`; empty if the fault concerns none.
    pub option: String,
    /// The fault, and a correct value.
    pub why: String,
}

/// All faults of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The file, as the operator named it.
    pub file: String,
    /// At least one fault, in the order of their places.
    pub faults: Vec<Fault>,
}

impl Faults {
    /// A fault of the whole file.
    pub(super) fn whole(file: &str, why: impl Into<String>) -> Self {
        Self { file: file.to_owned(), faults: vec![Fault { at: None, option: String::new(), why: why.into() }] }
    }
}

impl fmt::Display for Faults {
    /// One line a fault: `FILE:LINE:COLUMN: OPTION: what is wrong`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Fault { at, option, why }) in self.faults.iter().enumerate() {
            f.write_str(if index > 0 { "\n" } else { "" })?;
            f.write_str(&self.file)?;
            if let Some((line, column)) = at {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {option}{}{why}", if option.is_empty() { "" } else { ": " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// The path of an option: `environments[0].external.listen`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OptionPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl OptionPath {
    pub(super) fn root(key: &str) -> Self {
        Self::default().key(key)
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

impl fmt::Display for OptionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) => write!(f, "{}{key}", if place > 0 { "." } else { "" })?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The part of a file that could be read, and the entries that could not.
#[derive(Debug)]
pub(super) struct Read<T> {
    pub(super) written: T,
    /// A fault for each entry that was removed.
    pub(super) faults: Vec<Fault>,
    removed: Vec<OptionPath>,
}

impl<T> Read<T> {
    /// True if the options that are left stand where they stood in the file: no item of a list was removed.
    pub(super) fn keeps_places(&self) -> bool {
        !self.removed.iter().any(|OptionPath(steps)| matches!(steps.last(), Some(Step::Index(_))))
    }

    /// True if a fault is about an option that was removed, or one around it: it may be there only because of that.
    pub(super) fn explains(&self, fault: &Fault) -> bool {
        let removed = self.removed.iter().map(ToString::to_string);
        removed.into_iter().any(|path| !fault.option.is_empty() && path.starts_with(&fault.option))
    }
}

/// A file's text and its tree.
#[derive(Debug)]
pub(super) struct Document<'t> {
    name: &'t str,
    text: &'t str,
    root: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Parses the text as TOML.
    pub(super) fn parse(name: &'t str, text: &'t str) -> Result<Self, Faults> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let document = Self { name, text, root };
        if errors.is_empty() {
            return Ok(document);
        }
        let fault = |error: &toml::de::Error| Fault {
            at: error.span().map(|span| document.line_and_column(span.start)),
            option: String::new(),
            why: error.message().to_owned(),
        };
        Err(document.faults(errors.iter().map(fault).collect()))
    }

    /// Reads the values of all options. An entry that cannot be read becomes a fault, is removed, and the rest is read again:
    /// so all such entries are found, and the rest can still be checked.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<Read<T>, Faults> {
        let mut rest = self.root.clone();
        let (mut faults, mut removed) = (Vec::new(), Vec::new());
        loop {
            let error = match T::deserialize(Deserializer::from(rest.clone())) {
                Ok(written) => return Ok(Read { written, faults, removed }),
                Err(error) => error,
            };
            let span = error.span().unwrap_or_default();
            let is_removed = find(rest.get_ref(), &span).is_some_and(|path| remove(rest.get_mut(), &path.0));
            // Found in the original tree, where indices still count the entries that were removed.
            let option = find(self.root.get_ref(), &span);
            faults.push(Fault {
                at: error.span().map(|span| self.line_and_column(span.start)),
                option: option.as_ref().map(ToString::to_string).unwrap_or_default(),
                why: misfit(error.message()).message,
            });
            removed.extend(option);
            if !is_removed || faults.len() >= MAX_FAULTS {
                return Err(self.faults(faults));
            }
        }
    }

    /// A fault at the place of an option, or of the nearest table around it.
    pub(super) fn fault(&self, option: &OptionPath, why: impl Into<String>) -> Fault {
        let at = (1..=option.0.len()).rev().find_map(|length| span(self.root.get_ref(), option.0.get(..length)?));
        let at = at.map(|span| self.line_and_column(span.start));
        Fault { at, option: option.to_string(), why: why.into() }
    }

    /// The faults in the order of their places.
    pub(super) fn faults(&self, mut faults: Vec<Fault>) -> Faults {
        faults.sort_by_key(|fault| fault.at);
        faults.truncate(MAX_FAULTS);
        Faults { file: self.name.to_owned(), faults }
    }

    fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        (line.saturating_add(1), column.saturating_add(1))
    }
}

/// The innermost entry whose key or value has this span.
fn find(table: &DeTable<'_>, span: &Range<usize>) -> Option<OptionPath> {
    for (key, value) in table {
        let step = Step::Key(key.get_ref().to_string());
        if let Some(path) = find_in(value, span) {
            return Some(OptionPath([step].into_iter().chain(path).collect()));
        }
        if key.span() == *span || value.span() == *span {
            return Some(OptionPath(vec![step]));
        }
    }
    None
}

fn find_in(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<Vec<Step>> {
    match value.get_ref() {
        DeValue::Table(table) => find(table, span).map(|OptionPath(steps)| steps),
        DeValue::Array(array) => array.iter().enumerate().find_map(|(index, value)| {
            let step = Step::Index(index);
            let inner = find_in(value, span).or_else(|| (value.span() == *span).then(Vec::new))?;
            Some([step].into_iter().chain(inner).collect())
        }),
        _ => None,
    }
}

/// Removes an entry. Returns whether it was there.
fn remove(table: &mut DeTable<'_>, path: &[Step]) -> bool {
    let Some((Step::Key(key), rest)) = path.split_first() else { return false };
    let Some(found) = table.keys().find(|found| found.get_ref() == key).cloned() else { return false };
    match (rest, table.get_mut(&found)) {
        ([], _) => table.remove(&found).is_some(),
        (_, Some(value)) => remove_in(value, rest),
        (_, None) => false,
    }
}

fn remove_in(value: &mut Spanned<DeValue<'_>>, path: &[Step]) -> bool {
    match (value.get_mut(), path) {
        (DeValue::Table(table), _) => remove(table, path),
        (DeValue::Array(array), [Step::Index(index)]) => {
            let kept = array.iter().enumerate().filter(|(place, _)| place != index);
            let others: DeArray<'_> = kept.map(|(_, value)| value.clone()).collect();
            let is_removed = others.len() < array.len();
            *array = others;
            is_removed
        }
        (DeValue::Array(array), [Step::Index(index), rest @ ..]) => {
            array.get_mut(*index).is_some_and(|value| remove_in(value, rest))
        }
        _ => false,
    }
}

/// The span of an option's value.
fn span(table: &DeTable<'_>, path: &[Step]) -> Option<Range<usize>> {
    let (Step::Key(key), rest) = path.split_first()? else { return None };
    let (_, mut value) = table.iter().find(|(found, _)| found.get_ref() == key)?;
    for step in rest {
        value = match (value.get_ref(), step) {
            (DeValue::Table(table), Step::Key(key)) => table.iter().find(|(found, _)| found.get_ref() == key)?.1,
            (DeValue::Array(array), Step::Index(index)) => array.get(*index)?,
            _ => return None,
        };
    }
    Some(value.span())
}
