//! The context that every part of the normaliser needs: the files, the problems, and checks of objects behind references.

use std::cell::Cell;

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
    uses: Cell<usize>,
    has_exhausted_uses: Cell<bool>,
    schema_bytes: Cell<usize>,
}

/// The most uses of messages, parameters, values of `enum`, traits and security requirements, and of 64 bytes of text each. A
/// document can refer to one long list from many places; this bounds the product.
const MAX_USES: usize = 1_000_000;
/// The bytes of text that cost as much as a use.
const BYTES_OF_USE: usize = 64;
/// The most memory of all schemas, roughly. Each is kept once under its own key, but one may lie inside another.
const MAX_SCHEMA_BYTES: usize = 48 << 20;

impl<'l, 'p> Context<'l, 'p> {
    pub(super) fn new(library: &'l Library, major: Major, problems: &'p mut Problems) -> Self {
        Self {
            library,
            major,
            problems,
            checker: Checker::default(),
            uses: Cell::new(MAX_USES),
            has_exhausted_uses: Cell::new(false),
            schema_bytes: Cell::new(MAX_SCHEMA_BYTES),
        }
    }

    /// Counts uses; false once there are too many, which blocks routing.
    pub(super) fn may_use(&self, count: usize) -> bool {
        let left = self.uses.get().checked_sub(count);
        match left {
            Some(left) => self.uses.set(left),
            None => self.has_exhausted_uses.set(true),
        }
        left.is_some()
    }

    /// Counts a text that is copied into the model.
    pub(super) fn may_copy(&self, bytes: usize) -> bool {
        self.may_use(bytes.div_euclid(BYTES_OF_USE))
    }

    /// Counts the memory of a schema; false once all together take too much.
    pub(super) fn may_convert(&self, bytes: usize) -> bool {
        let left = self.schema_bytes.get().checked_sub(bytes);
        self.schema_bytes.set(left.unwrap_or(self.schema_bytes.get()));
        left.is_some()
    }

    /// Tells of a limit that was exceeded while nobody could tell it.
    pub(super) fn finish(&mut self) {
        if self.has_exhausted_uses.get() {
            let message =
                format!("the contract uses messages, parameters, traits and texts more than {MAX_USES} times");
            self.add(Problem::new(Level::BlocksRouting, "too-many-uses", self.library.place(), message));
        }
    }

    /// A field's text.
    pub(super) fn text(&self, value: Value<'_>, name: &str) -> Option<String> {
        value.get(name)?.text().filter(|text| self.may_copy(text.len())).map(str::to_owned)
    }

    /// The texts of a list.
    pub(super) fn texts(&self, list: Option<Value<'_>>) -> Vec<String> {
        let texts = list.into_iter().flat_map(Value::items).filter_map(Value::text);
        texts.take_while(|text| self.may_use(1) && self.may_copy(text.len())).map(str::to_owned).collect()
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
