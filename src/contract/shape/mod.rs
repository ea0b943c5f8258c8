//! The form of AsyncAPI's objects: which fields each has, of which type, and what a wrong type blocks.
//!
//! In: values of the raw document. Out: problems. The tables are in [`two`] and [`three`], with what they share in [`shared`]; nothing here
//! follows a reference, so each problem is at the place where somebody wrote it. An object behind a reference is checked when the
//! reference is resolved.

pub mod shared;
pub mod three;
pub mod two;

use std::collections::HashSet;

use super::document::{Scalar, Value};
use super::library::is_reference;
use super::problem::{Level, Problem, Problems, near, quoted};

/// The type of a field.
#[derive(Debug)]
pub enum Shape {
    /// Everything: another part looks at it, or nobody needs to.
    Any,
    /// A text; numbers and booleans count as their text.
    Text,
    /// A text, or null.
    TextOrNull,
    /// `true` or `false`.
    Flag,
    /// A JSON Schema: a mapping or a boolean.
    Schema,
    /// A mapping.
    Mapping,
    /// An object.
    Object(&'static Object),
    /// An object or a reference to one.
    Refable(&'static Object),
    /// A list of one type.
    List(&'static Shape),
    /// A mapping from names to one type.
    Map(&'static Shape),
}

/// A field of an object: its name, its type, and what a wrong type blocks.
pub type Field = (&'static str, Shape, Level);

/// An object of AsyncAPI.
#[derive(Debug)]
pub struct Object {
    /// The name for messages.
    pub name: &'static str,
    /// The fields, in groups. Those that begin with `x-` are allowed everywhere.
    pub fields: &'static [&'static [Field]],
    /// The fields that must be there, and what their absence blocks.
    pub required: &'static [(&'static str, Level)],
}

impl Object {
    /// All fields.
    fn all(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().copied().flatten()
    }
}

/// Checks values, each once.
#[derive(Debug, Default)]
pub struct Checker {
    seen: HashSet<((usize, u32), &'static str)>,
}

impl Checker {
    /// Checks an object that is no reference, and everything in it. `level` is what a wrong type blocks.
    pub fn object(&mut self, value: Value<'_>, object: &'static Object, level: Level, problems: &mut Problems) {
        if !self.seen.insert((value.key(), object.name)) {
            return;
        }
        if !value.is_mapping() {
            if !value.is_null() {
                problems.add(wrong(value, level, object.name));
            }
            return;
        }
        for (name, field) in value.fields() {
            let known = object.all().find(|(known, _, _)| *known == name);
            match known {
                Some((_, shape, level)) => self.shape(field, shape, *level, problems),
                // A note that would not be kept.
                None if name.starts_with("x-") || name == "$ref" || problems.is_full() => {}
                None => {
                    let message = format!("{} has no field {}", object.name, quoted(name));
                    let known = near(name, object.all().map(|(name, _, _)| *name));
                    let problem = Problem::new(Level::Note, "unknown-field", field.name_place(), message);
                    problems.add(problem.nearest(known));
                }
            }
        }
        for (name, level) in object.required {
            if value.get(name).is_none_or(Value::is_null) {
                let unknown = value.fields().map(|(name, _)| name);
                let unknown = unknown.filter(|name| !object.all().any(|(known, _, _)| known == name));
                let message = format!("{} has no `{name}`", object.name);
                let problem = Problem::new(*level, "missing-field", value.place(), message);
                problems.add(problem.nearest(near(name, unknown)));
            }
        }
    }

    /// The depth of the document bounds the recursion. A field without a value counts as left out.
    fn shape(&mut self, value: Value<'_>, shape: &'static Shape, level: Level, problems: &mut Problems) {
        if value.is_null() {
            return;
        }
        let wants = |wanted| wrong(value, level, wanted);
        match shape {
            Shape::Any => {}
            Shape::Text | Shape::TextOrNull if value.text().is_some() => {}
            Shape::Text | Shape::TextOrNull => problems.add(wants("a text")),
            Shape::Flag if matches!(value.scalar(), Some(Scalar::Bool(_))) => {}
            Shape::Flag => problems.add(wants("`true` or `false`")),
            Shape::Schema if value.is_mapping() || matches!(value.scalar(), Some(Scalar::Bool(_))) => {}
            Shape::Schema => problems.add(wants("a schema")),
            Shape::Mapping if value.is_mapping() => {}
            Shape::Mapping => problems.add(wants("a mapping")),
            Shape::Object(object) => self.object(value, object, level, problems),
            Shape::Refable(_) if is_reference(value) => siblings(value, problems),
            Shape::Refable(object) => self.object(value, object, level, problems),
            Shape::List(item) if value.is_list() => {
                for one in value.items() {
                    self.shape(one, item, level, problems);
                }
            }
            Shape::List(_) => problems.add(wants("a list")),
            Shape::Map(field) if value.is_mapping() => {
                for (_, one) in value.fields() {
                    self.shape(one, field, level, problems);
                }
            }
            Shape::Map(_) => problems.add(wants("a mapping from names to values")),
        }
    }
}

fn wrong(value: Value<'_>, level: Level, wanted: &str) -> Problem {
    let message = format!("{} is wrong here", value.type_name());
    Problem::new(level, "type", value.place(), message).expected(wanted)
}

/// Fields beside `$ref` are ignored, as the specifications say.
pub fn siblings(reference: Value<'_>, problems: &mut Problems) {
    let beside: Vec<&str> = reference.fields().map(|(name, _)| name).filter(|name| *name != "$ref").collect();
    if !beside.is_empty() {
        let message = format!("{} beside `$ref` is ignored", super::problem::listed(beside));
        problems.add(Problem::new(Level::Note, "ref-siblings", reference.place(), message));
    }
}
