//! Judges the examples of a contract's messages as messages are judged: with the compiled schema of the payload.
//!
//! Only schemas that have an example are compiled, each once. The work of a whole contract is bounded; an example beyond the bound
//! says that it was not checked.

use std::collections::HashMap;

use jsonschema::{PatternCache, Validator};
use serde_json::Value as Json;

use super::schema::Document;
use super::tree::{Fault, Tree};
use super::view::{View, Viewed};
use super::{compile, text};
use crate::contract::model::{Example, Format, Model};

/// The most values of the schemas that are compiled for the examples of a contract.
const MAX_SCHEMA_VALUES: usize = 100_000;
/// Values of a schema that cost as much as everything else of its compilation.
const VALUES_OF_SCHEMA: usize = 50;
/// The looks at values that all examples of a contract may take.
const MAX_LOOKS: u32 = 1_000_000;
/// The length of an example, as far as the bound of its own looks grows with it.
const EXAMPLE_BYTES: usize = 64 << 10;

/// Gives each example of each message its verdict.
pub fn judge(model: &mut Model) {
    let mut messages = std::mem::take(&mut model.messages);
    let mut judge = Judge {
        model,
        known: HashMap::new(),
        patterns: PatternCache::new(),
        values: MAX_SCHEMA_VALUES,
        looks: MAX_LOOKS,
    };
    for message in messages.iter_mut().filter(|message| !message.examples.is_empty()) {
        let schema = match (&message.unchecked, &message.payload) {
            (Some(reason), _) => Err(reason.clone()),
            (None, Some(payload)) if !matches!(payload.format, Format::Other(_)) => Ok(payload.schema.clone()),
            (None, _) => Err("the document does not describe its payload with a JSON Schema".to_owned()),
        };
        for example in &mut message.examples {
            match &schema {
                Ok(key) => judge.example(key, example),
                Err(reason) => example.unchecked = Some(reason.clone()),
            }
        }
    }
    model.messages = messages;
}

struct Judge<'m> {
    model: &'m Model,
    known: HashMap<String, Result<Validator<Viewed>, String>>,
    patterns: PatternCache,
    /// Values of schemas and looks that are left.
    values: usize,
    looks: u32,
}

impl Judge<'_> {
    fn example(&mut self, key: &str, example: &mut Example) {
        match self.broken(key, &example.payload) {
            Ok(broken) => example.broken = broken,
            Err(reason) => example.unchecked = Some(reason),
        }
    }

    /// The rule that an example breaks, with its place.
    ///
    /// # Errors
    /// The reason why it was not checked.
    fn broken(&mut self, key: &str, payload: &Json) -> Result<Option<String>, String> {
        if self.looks == 0 {
            return Err("the examples of the contract take too long to check".to_owned());
        }
        if !self.known.contains_key(key) {
            let compiled = self.compiled(key);
            self.known.insert(key.to_owned(), compiled);
        }
        let Some(compiled) = self.known.get(key) else { return Ok(None) };
        let validator = compiled.as_ref().map_err(String::clone)?;
        let tree = Tree::from_reader(payload, EXAMPLE_BYTES).map_err(|fault| unread(fault).to_owned())?;
        let error = validator.validate(View::of(&tree)).err();
        self.looks = self.looks.saturating_sub(tree.looked());
        if tree.is_exhausted() {
            return Err("a check of it takes too long".to_owned());
        }
        Ok(error.map(|error| {
            let finding = text::finding(&error, []);
            let place = if finding.pointer.is_empty() { "the payload" } else { &finding.pointer };
            format!("{place}: {}", finding.text)
        }))
    }

    fn compiled(&mut self, key: &str) -> Result<Validator<Viewed>, String> {
        let document = Document::of(self.model, key)?;
        let cost = document.values.saturating_add(VALUES_OF_SCHEMA);
        let left = self.values.checked_sub(cost);
        self.values = left.ok_or_else(|| "the schemas of all examples have too many values".to_owned())?;
        compile::validator(&document, &self.patterns)
    }
}

fn unread(fault: Fault) -> &'static str {
    match fault {
        Fault::TooDeep => "it is nested too deep",
        Fault::TooManyValues => "it has too many values",
        Fault::NotJson | Fault::DuplicateName => "it is no JSON",
    }
}
