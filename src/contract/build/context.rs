//! What every part of the normaliser needs: the files, the problems, and checks of objects behind references.

use crate::contract::document::Value;
use crate::contract::library::{Library, is_reference};
use crate::contract::problem::{Level, Place, Problem, Problems};
use crate::contract::shape::{self, Checker, Object};
use crate::contract::version::Major;

/// The files of a contract and its problems.
#[derive(Debug)]
pub(super) struct Context<'l, 'p> {
    pub(super) library: &'l Library,
    pub(super) major: Major,
    problems: &'p mut Problems,
    checker: Checker,
    uses: usize,
}

/// The most uses of messages, parameters, values of `enum`, traits and security requirements. A document can refer to one
/// long list from many places; this bounds the product.
const MAX_USES: usize = 300_000;

impl<'l, 'p> Context<'l, 'p> {
    pub(super) fn new(library: &'l Library, major: Major, problems: &'p mut Problems) -> Self {
        Self { library, major, problems, checker: Checker::default(), uses: MAX_USES }
    }

    /// Counts uses; false once there are too many, which blocks routing.
    pub(super) fn may_use(&mut self, count: usize) -> bool {
        match self.uses.checked_sub(count) {
            Some(left) => {
                self.uses = left;
                true
            }
            None => {
                let message = format!("the contract uses messages, parameters and traits more than {MAX_USES} times");
                self.add(Problem::new(Level::BlocksRouting, "too-many-uses", self.library.place(), message));
                false
            }
        }
    }

    pub(super) fn add(&mut self, problem: Problem) {
        self.problems.add(problem);
    }

    pub(super) fn note(&mut self, rule: &'static str, place: Place, message: impl Into<String>) {
        self.add(Problem::new(Level::Note, rule, place, message));
    }

    /// Checks the raw document.
    pub(super) fn check(&mut self, root: Value<'_>, object: &'static Object) {
        self.checker.object(root, object, Level::BlocksRouting, self.problems);
    }

    /// The value behind references. `level` is what a reference blocks that leads nowhere.
    pub(super) fn resolved(&mut self, value: Value<'l>, level: Level) -> Option<Value<'l>> {
        match self.library.follow(value) {
            Ok(found) => {
                let mut here = value;
                // As many steps as were followed.
                while is_reference(here) {
                    shape::siblings(here, self.problems);
                    here = self.library.target(here).unwrap_or(found);
                }
                Some(found)
            }
            Err(fault) => {
                self.add(fault.problem(level, value));
                None
            }
        }
    }

    /// The object behind references, checked; `None` if it is no mapping.
    pub(super) fn object(&mut self, value: Value<'l>, object: &'static Object, level: Level) -> Option<Value<'l>> {
        let found = self.resolved(value, level)?;
        self.checker.object(found, object, level, self.problems);
        found.is_mapping().then_some(found)
    }

    /// The key of a value: its pointer, with the file's name before `#` outside the main document.
    pub(super) fn key(&self, value: Value<'_>) -> String {
        let file = value.document().name();
        let is_main = self.library.root().is_some_and(|root| root.document().name() == file);
        format!("{}#{}", if is_main { "" } else { file }, value.pointer())
    }
}

/// A field's text.
pub(super) fn text(value: Value<'_>, name: &str) -> Option<String> {
    value.get(name)?.text().map(str::to_owned)
}

/// The texts of a list.
pub(super) fn texts(list: Option<Value<'_>>) -> Vec<String> {
    list.into_iter().flat_map(Value::items).filter_map(Value::text).map(str::to_owned).collect()
}
