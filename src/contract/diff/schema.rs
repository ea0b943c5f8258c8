//! The difference of two schemas: whether fewer, more or other values are allowed, and where.
//!
//! Two schemas that refer to themselves are compared once for each pair, so that a cycle ends. Keywords that nobody can compare
//! (`pattern`, `not`, `if`) count as [`Effect::Other`] once they differ.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value as Json};

use super::{Change, Changes, Effect, Kind, Position, Subject};
use crate::contract::document::pointer::escaped;
use crate::contract::model::{Direction, Message, Model};
use crate::contract::problem::quoted;

/// The most work of a whole comparison: pairs of schemas, and 64 bytes of values each.
const MAX_WORK: usize = 100_000;
/// The bytes of values that cost as much as a pair of schemas.
const BYTES_OF_PAIR: usize = 64;
/// The deepest nesting that is compared.
const MAX_DEPTH: usize = 160;

/// Keywords for people.
const SILENT: &[&str] = &[
    "title",
    "description",
    "examples",
    "example",
    "default",
    "deprecated",
    "$comment",
    "$id",
    "$schema",
    "$anchor",
    "externalDocs",
    "readOnly",
    "writeOnly",
    "definitions",
    "$defs",
];
/// Keywords with a number: those where a larger number allows fewer values, and those where it allows more.
const LOWER_BOUNDS: &[&str] = &["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"];
const UPPER_BOUNDS: &[&str] = &["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"];

/// The work that is left of a whole comparison, and what is known to be the same already: many messages may have one schema.
#[derive(Debug)]
pub(super) struct Work {
    left: usize,
    same: HashSet<(usize, usize)>,
}

impl Default for Work {
    fn default() -> Self {
        Self { left: MAX_WORK, same: HashSet::new() }
    }
}

impl Work {
    /// True if no work is left, so that something may not have been compared.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0
    }
}

/// Two models, a direction, and the place of a message.
pub(super) struct Pair<'m> {
    pub(super) before: &'m Model,
    pub(super) after: &'m Model,
    pub(super) direction: Direction,
    pub(super) place: &'m str,
    pub(super) position: &'m Position,
}

/// Compares the payloads of a message.
pub(super) fn payloads(changes: &mut Changes, work: &mut Work, pair: &Pair<'_>, before: &Message, after: &Message) {
    let before_these = changes.len();
    let mut comparison = Comparison { pair, changes, work, seen: HashSet::new() };
    match (&before.payload, &after.payload) {
        (None, None) => {}
        (None, Some(_)) => comparison.changed("", "its payload is described now", Effect::Narrower),
        (Some(_), None) => comparison.changed("", "its payload is no longer described", Effect::Wider),
        (Some(one), Some(other)) if one.format != other.format => {
            comparison.changed("", "its schema has another format", Effect::Other);
        }
        (Some(one), Some(other)) => {
            let schemas = (pair.before.schemas.get(&one.schema), pair.after.schemas.get(&other.schema));
            if let (Some(one), Some(other)) = schemas {
                comparison.schemas("", one, other, 0);
            }
        }
    }
    if before.content_type != after.content_type {
        comparison.changed("", "its content type changed", Effect::Other);
    }
    let Comparison { seen, .. } = comparison;
    // A full list tells nothing.
    if changes.len() == before_these && before_these < super::MAX_CHANGES && work.left > 0 {
        work.same.extend(seen);
    }
}

struct Comparison<'m, 'c> {
    pair: &'c Pair<'m>,
    changes: &'c mut Changes,
    work: &'c mut Work,
    seen: HashSet<(usize, usize)>,
}

/// The schema behind references.
fn found<'m>(model: &'m Model, schema: &'m Json) -> &'m Json {
    let mut here = schema;
    for _ in 0..MAX_DEPTH {
        let reference = here.get("$ref").and_then(Json::as_str).and_then(|text| text.strip_prefix("#/schemas/"));
        let Some(key) = reference else { break };
        let Some(next) = model.schemas.get(&key.replace("~1", "/").replace("~0", "~")) else { break };
        here = next;
    }
    here
}

/// `true` and a schema without rules allow everything.
fn rules(schema: &Json) -> Option<&Map<String, Json>> {
    schema.as_object()
}

impl Comparison<'_, '_> {
    fn changed(&mut self, at: &str, detail: impl Into<String>, effect: Effect) {
        let place = if at.is_empty() { self.pair.place.to_owned() } else { format!("{}, {at}", self.pair.place) };
        let breaks = effect.breaks(self.pair.direction);
        let (position, detail) = (self.pair.position.clone(), Some(detail.into()));
        self.changes.add(Change { subject: Subject::Schema, kind: Kind::Changed, place, position, detail, breaks });
    }

    /// `depth` bounds the recursion.
    fn schemas(&mut self, at: &str, before: &Json, after: &Json, depth: usize) {
        if self.work.left == 0 || depth >= MAX_DEPTH {
            return;
        }
        self.work.left = self.work.left.saturating_sub(1);
        let (one, other) = (found(self.pair.before, before), found(self.pair.after, after));
        let identity = (std::ptr::from_ref(one) as usize, std::ptr::from_ref(other) as usize);
        if self.work.same.contains(&identity) || !self.seen.insert(identity) {
            return;
        }
        let empty = Map::new();
        match (one, other) {
            (Json::Bool(one), Json::Bool(other)) if one == other => return,
            (_, Json::Bool(false)) => return self.changed(at, "nothing is allowed here any more", Effect::Narrower),
            (Json::Bool(false), _) => return self.changed(at, "values are allowed here now", Effect::Wider),
            _ => {}
        }
        // The maps live as long as the models; `true` has no rules.
        let (one, other) = (rules(one).unwrap_or(&empty), rules(other).unwrap_or(&empty));
        self.types(at, one, other);
        self.values(at, one, other);
        self.bounds(at, one, other);
        self.fields(at, one, other);
        self.others(at, one, other);
        self.below(at, one, other, depth);
    }

    fn types(&mut self, at: &str, before: &Map<String, Json>, after: &Map<String, Json>) {
        let types = |rules: &Map<String, Json>| -> Option<BTreeSet<String>> {
            match rules.get("type")? {
                Json::String(name) => Some([name.clone()].into()),
                Json::Array(names) => Some(names.iter().filter_map(Json::as_str).map(str::to_owned).collect()),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => None,
            }
        };
        let (one, other) = (types(before), types(after));
        if one == other {
            return;
        }
        let effect = effect_of_sets(one.as_ref(), other.as_ref(), |wide, narrow| {
            // Every integer is a number.
            wide.contains(narrow) || (narrow == "integer" && wide.contains("number"))
        });
        self.changed(at, "its type changed", effect);
    }

    fn values(&mut self, at: &str, before: &Map<String, Json>, after: &Map<String, Json>) {
        let values = |rules: &Map<String, Json>| -> Option<BTreeSet<String>> {
            match (rules.get("const"), rules.get("enum").and_then(Json::as_array)) {
                (Some(value), _) => Some([value.to_string()].into()),
                (None, Some(list)) => Some(list.iter().map(ToString::to_string).collect()),
                (None, None) => None,
            }
        };
        let is_same = |keyword: &str| before.get(keyword) == after.get(keyword);
        if is_same("const") && is_same("enum") {
            return;
        }
        let (one, other) = (values(before), values(after));
        let bytes = one.iter().chain(&other).flatten().map(String::len).fold(0, usize::saturating_add);
        self.work.left = self.work.left.saturating_sub(bytes.div_euclid(BYTES_OF_PAIR));
        if one != other {
            let effect = effect_of_sets(one.as_ref(), other.as_ref(), BTreeSet::contains);
            self.changed(at, "its values changed", effect);
        }
    }

    fn bounds(&mut self, at: &str, before: &Map<String, Json>, after: &Map<String, Json>) {
        for (keywords, is_lower) in [(LOWER_BOUNDS, true), (UPPER_BOUNDS, false)] {
            for keyword in keywords {
                let number = |rules: &Map<String, Json>| rules.get(*keyword).and_then(Json::as_f64);
                let effect = match (number(before), number(after)) {
                    (None, Some(_)) => Effect::Narrower,
                    (Some(_), None) => Effect::Wider,
                    (Some(one), Some(other)) if other > one => {
                        if is_lower {
                            Effect::Narrower
                        } else {
                            Effect::Wider
                        }
                    }
                    (Some(one), Some(other)) if other < one => {
                        if is_lower {
                            Effect::Wider
                        } else {
                            Effect::Narrower
                        }
                    }
                    (None, None) | (Some(_), Some(_)) => continue,
                };
                self.changed(at, format!("`{keyword}` changed"), effect);
            }
        }
    }

    /// `required`, and properties that are new or gone.
    fn fields(&mut self, at: &str, before: &Map<String, Json>, after: &Map<String, Json>) {
        let required = |rules: &Map<String, Json>| -> BTreeSet<String> {
            let list = rules.get("required").and_then(Json::as_array).into_iter().flatten();
            list.filter_map(Json::as_str).map(str::to_owned).collect()
        };
        let (one, other) = (required(before), required(after));
        for name in other.difference(&one) {
            self.changed(at, format!("{} is required now", quoted(name)), Effect::Narrower);
        }
        for name in one.difference(&other) {
            self.changed(at, format!("{} is optional now", quoted(name)), Effect::Wider);
        }
        let is_closed = |rules: &Map<String, Json>| rules.get("additionalProperties") == Some(&Json::Bool(false));
        match (is_closed(before), is_closed(after)) {
            (false, true) => self.changed(at, "other properties are refused now", Effect::Narrower),
            (true, false) => self.changed(at, "other properties are allowed now", Effect::Wider),
            (true, true) | (false, false) => {}
        }
        let properties = |rules: &'_ Map<String, Json>| -> BTreeSet<String> {
            rules
                .get("properties")
                .and_then(Json::as_object)
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone())
                .collect()
        };
        let (one, other) = (properties(before), properties(after));
        // A schema that is open says nothing new with one property more or less.
        for name in other.difference(&one) {
            let effect = if is_closed(before) { Effect::Wider } else { Effect::Neutral };
            self.changed(at, format!("the property {} is new", quoted(name)), effect);
        }
        for name in one.difference(&other) {
            let effect = if is_closed(after) { Effect::Narrower } else { Effect::Neutral };
            self.changed(at, format!("the property {} is gone", quoted(name)), effect);
        }
    }

    /// Keywords that are equal or not.
    fn others(&mut self, at: &str, before: &Map<String, Json>, after: &Map<String, Json>) {
        const COMPARED: &[&str] = &[
            "type",
            "const",
            "enum",
            "required",
            "properties",
            "additionalProperties",
            "items",
            "allOf",
            "anyOf",
            "oneOf",
            "$ref",
        ];
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let is_compared =
                [COMPARED, SILENT, LOWER_BOUNDS, UPPER_BOUNDS].iter().any(|list| list.contains(&name.as_str()));
            if is_compared || name.starts_with("x-") || before.get(name) == after.get(name) {
                continue;
            }
            let effect = match (before.contains_key(name), after.contains_key(name)) {
                (false, true) => Effect::Narrower,
                (true, false) => Effect::Wider,
                (true, true) | (false, false) => Effect::Other,
            };
            self.changed(at, format!("{} changed", quoted(name)), effect);
        }
    }

    fn below(&mut self, at: &str, before: &Map<String, Json>, after: &Map<String, Json>, depth: usize) {
        let depth = depth.saturating_add(1);
        if let (Some(one), Some(other)) = (properties_of(before), properties_of(after)) {
            for (name, property) in one {
                if let Some(later) = other.get(name) {
                    self.schemas(&format!("{at}/{}", escaped(name)), property, later, depth);
                }
            }
        }
        for keyword in ["items", "additionalProperties"] {
            if let (Some(one), Some(other)) = (before.get(keyword), after.get(keyword))
                && one.is_object()
                && other.is_object()
            {
                self.schemas(&format!("{at}/*"), one, other, depth);
            }
        }
        for (keyword, more) in [("allOf", Effect::Narrower), ("anyOf", Effect::Wider), ("oneOf", Effect::Wider)] {
            let less = if more == Effect::Wider { Effect::Narrower } else { Effect::Wider };
            match (list_of(before, keyword), list_of(after, keyword)) {
                (None, None) => {}
                (Some(one), Some(other)) => {
                    for (part, later) in one.iter().zip(other) {
                        self.schemas(at, part, later, depth);
                    }
                    match one.len().cmp(&other.len()) {
                        std::cmp::Ordering::Less => self.changed(at, format!("`{keyword}` has more parts"), more),
                        std::cmp::Ordering::Greater => self.changed(at, format!("`{keyword}` has fewer parts"), less),
                        std::cmp::Ordering::Equal => {}
                    }
                }
                (None, Some(_)) => self.changed(at, format!("`{keyword}` is new"), Effect::Narrower),
                (Some(_), None) => self.changed(at, format!("`{keyword}` is gone"), Effect::Wider),
            }
        }
    }
}

fn properties_of(rules: &Map<String, Json>) -> Option<&Map<String, Json>> {
    rules.get("properties")?.as_object()
}

fn list_of<'r>(rules: &'r Map<String, Json>, keyword: &str) -> Option<&'r Vec<Json>> {
    rules.get(keyword)?.as_array()
}

/// No set allows everything.
fn effect_of_sets(
    before: Option<&BTreeSet<String>>,
    after: Option<&BTreeSet<String>>,
    covers: impl Fn(&BTreeSet<String>, &String) -> bool,
) -> Effect {
    match (before, after) {
        (None, None) => Effect::Neutral,
        (None, Some(_)) => Effect::Narrower,
        (Some(_), None) => Effect::Wider,
        (Some(one), Some(other)) => {
            match (one.iter().all(|value| covers(other, value)), other.iter().all(|value| covers(one, value))) {
                (true, true) => Effect::Neutral,
                (true, false) => Effect::Wider,
                (false, true) => Effect::Narrower,
                (false, false) => Effect::Other,
            }
        }
    }
}
