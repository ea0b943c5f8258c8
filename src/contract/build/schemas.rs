//! Schemas as they are written, each once under its key. A reference becomes a reference to a key and is never expanded, so
//! that a cycle is a link and all schemas together are never larger than the document.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value as Json, json};

use super::context::Context;
use super::{discriminators, pattern};
use crate::contract::discriminator;
use crate::contract::document::{Scalar, Value};
use crate::contract::keywords::{NAMED, ONE, PLAIN, SEVERAL};
use crate::contract::library::is_reference;
use crate::contract::problem::{Level, Place, Problem, listed, near, quoted};

/// The most bytes of all patterns of a contract.
const MAX_PATTERN_BYTES: usize = 64 << 10;

/// Keywords that rule over nothing.
const SILENT: &[&str] = &[
    "$id",
    "$schema",
    "$comment",
    "$anchor",
    "title",
    "description",
    "default",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "externalDocs",
    "xml",
];
/// The types of JSON Schema.
const TYPES: &[&str] = &["array", "boolean", "integer", "null", "number", "object", "string"];

/// The schemas of a contract.
#[derive(Debug, Default)]
pub(super) struct Schemas<'l> {
    keys: HashMap<(usize, u32), String>,
    queue: Vec<(String, Value<'l>)>,
    done: BTreeMap<String, Json>,
    /// For each key the schemas that refer to it.
    users: HashMap<String, Vec<String>>,
    broken: HashSet<String>,
    unknown: BTreeSet<String>,
    first_unknown: Option<Place>,
    pattern_bytes: usize,
    /// Schemas with a discriminator, each with the key of the schema that it lies in.
    discriminating: Vec<(String, Value<'l>)>,
}

impl<'l> Schemas<'l> {
    /// The key of a schema, which is converted later. `None` if a reference leads nowhere.
    pub(super) fn key(&mut self, context: &mut Context<'l, '_>, value: Value<'l>) -> Option<String> {
        let found = context.resolved(value, Level::BlocksValidation)?;
        if let Some(key) = self.keys.get(&found.key()) {
            return Some(key.clone());
        }
        let key = context.key(found);
        if !context.may_copy(key.len()) {
            return None;
        }
        self.keys.insert(found.key(), key.clone());
        self.queue.push((key.clone(), found));
        Some(key)
    }

    /// The key of a schema in another language, which is kept as it is written. A reference inside it means nothing here.
    pub(super) fn raw(&mut self, context: &mut Context<'l, '_>, value: Value<'l>) -> String {
        let found = context.library.follow(value).unwrap_or(value);
        let key = context.key(found);
        if !self.done.contains_key(&key) && context.may_convert(found.weight().saturating_add(key.len())) {
            self.done.insert(key.clone(), found.to_json());
        }
        key
    }

    /// Converts all schemas that were asked for, and those that they refer to.
    pub(super) fn convert(&mut self, context: &mut Context<'l, '_>) {
        while let Some((key, value)) = self.queue.pop() {
            let json = if context.may_convert(value.weight().saturating_add(key.len())) {
                self.schema(context, &key, value)
            } else {
                let message = "the schemas take too much memory; this one and those after it are left out";
                let problem =
                    Problem::new(Level::BlocksValidation, "schemas-too-large", context.library.place(), message);
                self.fault(context, &key, problem);
                Json::Bool(true)
            };
            self.done.insert(key, json);
        }
        // A schema is as good as those that it refers to.
        let mut next: Vec<String> = self.broken.iter().cloned().collect();
        while let Some(key) = next.pop() {
            for user in self.users.get(&key).into_iter().flatten() {
                if self.broken.insert(user.clone()) {
                    next.push(user.clone());
                }
            }
        }
        discriminators::note_unused(context, &self.done, std::mem::take(&mut self.discriminating));
        if let Some(place) = self.first_unknown.take() {
            let names = listed(self.unknown.iter().map(String::as_str));
            context.note(
                "unknown-keyword",
                place,
                format!("keywords of schemas that are not known check nothing: {names}"),
            );
        }
    }

    /// True if values cannot be checked with the schema. Known once all schemas are converted.
    pub(super) fn is_broken(&self, key: &str) -> bool {
        self.broken.contains(key)
    }

    /// The converted schemas.
    pub(super) fn all(&self) -> &discriminator::Schemas {
        &self.done
    }

    /// All schemas.
    pub(super) fn into_all(self) -> BTreeMap<String, Json> {
        self.done
    }

    fn fault(&mut self, context: &mut Context<'l, '_>, key: &str, problem: Problem) {
        self.broken.insert(key.to_owned());
        context.add(problem);
    }

    fn wrong(&mut self, context: &mut Context<'l, '_>, key: &str, value: Value<'_>, wanted: &str) {
        let message = format!("{} is wrong in a schema here", value.type_name());
        let problem = Problem::new(Level::BlocksValidation, "schema-type", value.place(), message);
        self.fault(context, key, problem.expected(wanted));
    }

    /// The depth of the document bounds the recursion.
    fn schema(&mut self, context: &mut Context<'l, '_>, key: &str, value: Value<'l>) -> Json {
        if let Some(Scalar::Bool(all)) = value.scalar() {
            return Json::Bool(all);
        }
        if is_reference(value) {
            // Both keys are kept for each reference, and may be long.
            let target = self.key(context, value);
            let target = target.filter(|target| context.may_copy(target.len().saturating_add(key.len())));
            let Some(target) = target else {
                self.broken.insert(key.to_owned());
                return json!({ "$ref": value.get("$ref").map(Value::to_json) });
            };
            let reference = discriminator::reference(&target);
            self.users.entry(target).or_default().push(key.to_owned());
            return json!({ "$ref": reference });
        }
        if !value.is_mapping() {
            self.wrong(context, key, value, "a mapping, `true` or `false`");
            return Json::Bool(true);
        }
        let mut json = Map::new();
        for (name, below) in value.fields() {
            if let Some(field) = self.keyword(context, key, name, below) {
                json.insert(name.to_owned(), field);
            }
        }
        if json.contains_key("discriminator") && self.discriminating.len() < discriminators::MAX_NOTED {
            self.discriminating.push((key.to_owned(), value));
        }
        Json::Object(json)
    }

    /// A keyword's value; `None` if the keyword is left out, because it would check nothing or everything.
    fn keyword(&mut self, context: &mut Context<'l, '_>, key: &str, name: &str, value: Value<'l>) -> Option<Json> {
        match name {
            _ if SILENT.contains(&name) || name.starts_with("x-") => return Some(value.to_json()),
            "discriminator" => return Some(discriminators::converted(context, value)),
            "items" if value.is_list() => return Some(self.list(context, key, value)),
            "items" => return Some(self.schema(context, key, value)),
            // Null counts as left out.
            _ if ONE.contains(&name) && value.is_null() => return None,
            _ if ONE.contains(&name) => return Some(self.schema(context, key, value)),
            _ if SEVERAL.contains(&name) && value.is_list() => return Some(self.list(context, key, value)),
            _ if SEVERAL.contains(&name) => self.wrong(context, key, value, "a list of schemas"),
            _ if NAMED.contains(&name) && (value.is_mapping() || value.is_null()) => {
                if name == "patternProperties" {
                    for (pattern, below) in value.fields() {
                        self.pattern(context, key, pattern, below.name_place());
                    }
                }
                return Some(self.named(context, key, value));
            }
            _ if NAMED.contains(&name) => self.wrong(context, key, value, "a mapping from names to schemas"),
            "dependencies" => return Some(self.dependencies(context, key, value)),
            "required" if matches!(value.scalar(), Some(Scalar::Bool(_))) => {
                let message = "`required` is a list of names in JSON Schema; a boolean is ignored";
                context.note("required-boolean", value.place(), message);
            }
            _ if PLAIN.contains(&name) => return self.plain(context, key, name, value),
            "nullable" => {
                let message = "`nullable` is OpenAPI's and is taken as `null` in `type`";
                context.note("nullable", value.place(), message);
                return Some(value.to_json());
            }
            _ => {
                if self.unknown.len() < 1000 {
                    self.unknown.insert(name.chars().take(80).collect());
                }
                self.first_unknown.get_or_insert_with(|| value.name_place());
                return Some(value.to_json());
            }
        }
        None
    }

    fn list(&mut self, context: &mut Context<'l, '_>, key: &str, value: Value<'l>) -> Json {
        Json::Array(value.items().map(|item| self.schema(context, key, item)).collect())
    }

    fn named(&mut self, context: &mut Context<'l, '_>, key: &str, value: Value<'l>) -> Json {
        let mut json = Map::new();
        for (name, below) in value.fields() {
            // A property without a schema may be anything.
            let schema = if below.is_null() { Json::Bool(true) } else { self.schema(context, key, below) };
            json.insert(name.to_owned(), schema);
        }
        Json::Object(json)
    }

    fn dependencies(&mut self, context: &mut Context<'l, '_>, key: &str, value: Value<'l>) -> Json {
        let mut json = Map::new();
        for (name, below) in value.fields() {
            let needs = if below.is_list() { below.to_json() } else { self.schema(context, key, below) };
            json.insert(name.to_owned(), needs);
        }
        Json::Object(json)
    }

    fn plain(&mut self, context: &mut Context<'l, '_>, key: &str, name: &str, value: Value<'l>) -> Option<Json> {
        let is_number = |value: Value<'_>| value.scalar() == Some(Scalar::Number);
        let is_text = |value: Value<'_>| value.text().is_some();
        let is_type = |value: Value<'_>| value.text().is_some_and(|text| TYPES.contains(&text));
        let wanted = match name {
            "const" => return Some(value.to_json()),
            "type" if is_type(value) || (value.is_list() && value.items().all(is_type)) => {
                return Some(value.to_json());
            }
            "type" => {
                self.unknown_type(context, key, value);
                return None;
            }
            "enum" if value.is_list() => return Some(value.to_json()),
            "enum" => "a list of values",
            "required" if value.is_list() && value.items().all(is_text) => {
                // Names that YAML reads as numbers are names.
                let names = value.items().filter_map(Value::text).map(|name| Json::String(name.to_owned()));
                return Some(Json::Array(names.collect()));
            }
            "required" => "a list of names",
            "pattern" => {
                let Some(text) = value.text() else {
                    self.wrong(context, key, value, "a regular expression");
                    return None;
                };
                self.pattern(context, key, text, value.place());
                return Some(Json::String(text.to_owned()));
            }
            "format" | "contentEncoding" | "contentMediaType" if is_text(value) => return Some(value.to_json()),
            "format" | "contentEncoding" | "contentMediaType" => "a text",
            "uniqueItems" if matches!(value.scalar(), Some(Scalar::Bool(_))) => return Some(value.to_json()),
            "uniqueItems" => "`true` or `false`",
            "dependentRequired" if value.is_mapping() => return Some(value.to_json()),
            "dependentRequired" => "a mapping from names to lists of names",
            // Those of JSON Schema draft 4 and OpenAPI 3.0.
            "exclusiveMaximum" | "exclusiveMinimum" if matches!(value.scalar(), Some(Scalar::Bool(_))) => {
                let message = format!("`{name}` is a number in JSON Schema; a boolean is ignored");
                context.note("exclusive-boolean", value.place(), message);
                return None;
            }
            _ if is_number(value) => return Some(value.to_json()),
            _ => "a number",
        };
        self.wrong(context, key, value, wanted);
        None
    }

    fn unknown_type(&mut self, context: &mut Context<'l, '_>, key: &str, value: Value<'_>) {
        let known = value.text().and_then(|text| near(text, TYPES.iter().copied()));
        let message = match value.text() {
            Some(text) => format!("{} is no type of JSON Schema", quoted(text)),
            None => format!("{} is no type of JSON Schema", value.type_name()),
        };
        let problem = Problem::new(Level::BlocksValidation, "schema-type", value.place(), message);
        self.fault(context, key, problem.expected(listed(TYPES.iter().copied())).nearest(known));
    }

    fn pattern(&mut self, context: &mut Context<'l, '_>, key: &str, pattern: &str, place: Place) {
        self.pattern_bytes = self.pattern_bytes.saturating_add(pattern.len());
        let checked = if self.pattern_bytes > MAX_PATTERN_BYTES {
            Err(format!("all patterns together have more than {} KiB", MAX_PATTERN_BYTES >> 10))
        } else {
            pattern::check(pattern)
        };
        if let Err(reason) = checked {
            let message = format!("the pattern cannot be used: {reason}");
            self.fault(context, key, Problem::new(Level::BlocksValidation, "pattern", place, message));
        }
    }
}
