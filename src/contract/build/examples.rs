//! The knowledge of values that converted schemas give: examples, the simple rules that an example breaks, and properties that are fixed.
//!
//! The rules here are those that need no engine: type, const, enum, required, properties, items, allOf. An example that they
//! accept may still break another rule.

use serde_json::{Map, Value as Json};

use super::schemas::Schemas;
use crate::contract::model::Example;

/// The deepest nesting of schemas that is looked at.
const MAX_DEPTH: usize = 24;

/// The deepest nesting of an example that is looked at, the parts of `allOf` counted in.
const MAX_VALUE_DEPTH: usize = 160;

/// The most values that a property is fixed to.
const MAX_VALUES: usize = 32;

/// The work that all examples of a contract may cost: looks at schemas, and bytes that are copied. Many messages may have one
/// schema.
#[derive(Debug)]
pub(super) struct Budget {
    looks: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { looks: 200_000, bytes: 8 << 20 }
    }
}

impl Budget {
    fn spend(&mut self, looks: usize) -> Option<()> {
        self.looks = self.looks.checked_sub(looks)?;
        Some(())
    }

    fn copy(&mut self, value: &Json) -> Option<Json> {
        self.take(bytes(value))?;
        Some(value.clone())
    }

    fn take(&mut self, bytes: usize) -> Option<()> {
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(())
    }
}

/// The schema that a value stands for: behind a reference, what it refers to.
fn found<'s>(schemas: &'s Schemas<'_>, schema: &'s Json, depth: usize) -> Option<&'s Json> {
    match schema.get("$ref").and_then(Json::as_str) {
        None => Some(schema),
        Some(_) if depth >= MAX_DEPTH => None,
        Some(reference) => {
            let key = reference.strip_prefix("#/schemas/")?.replace("~1", "/").replace("~0", "~");
            found(schemas, schemas.get(&key)?, depth.saturating_add(1))
        }
    }
}

fn children<'s>(schema: &'s Json, keyword: &str) -> impl Iterator<Item = &'s Json> {
    schema.get(keyword).and_then(Json::as_array).into_iter().flatten()
}

fn properties(schema: &Json) -> impl Iterator<Item = (&String, &Json)> {
    schema.get("properties").and_then(Json::as_object).into_iter().flatten()
}

/// The examples that a schema has: JSON Schema's `examples`, OpenAPI's `example`, else one put together of its properties'.
pub(super) fn of_schema(schemas: &Schemas<'_>, key: &str, budget: &mut Budget) -> Vec<Example> {
    let Some(schema) = schemas.get(key).and_then(|schema| found(schemas, schema, 0)) else { return Vec::new() };
    let named = |name: &str, payload: Json| Example { name: Some(name.to_owned()), payload, broken: None };
    let written = children(schema, "examples").take(20).chain(schema.get("example"));
    let mut examples: Vec<Example> =
        written.filter_map(|payload| budget.copy(payload)).map(|payload| named("of the schema", payload)).collect();
    if examples.is_empty()
        && let Some((payload, true)) = composed(schemas, schema, 0, budget)
    {
        examples.push(named("of the properties", payload));
    }
    examples
}

/// A value of a schema, and true if somebody wrote an example for a part of it.
fn composed(schemas: &Schemas<'_>, schema: &Json, depth: usize, budget: &mut Budget) -> Option<(Json, bool)> {
    budget.spend(1)?;
    let schema = found(schemas, schema, 0)?;
    let written = schema.get("example").or_else(|| children(schema, "examples").next());
    if let Some(value) = written.filter(|_| depth > 0) {
        return Some((budget.copy(value)?, true));
    }
    let fixed = schema.get("const").or_else(|| schema.get("default")).or_else(|| children(schema, "enum").next());
    if let Some(value) = fixed {
        return Some((budget.copy(value)?, false));
    }
    if depth >= MAX_DEPTH {
        return None;
    }
    let (mut object, mut is_written) = (Map::new(), false);
    let mut parts = Vec::from([schema]);
    parts.extend(children(schema, "allOf").filter_map(|part| found(schemas, part, 0)));
    for part in parts {
        for (name, property) in properties(part) {
            if let Some((value, written)) = composed(schemas, property, depth.saturating_add(1), budget) {
                budget.take(name.len())?;
                object.insert(name.clone(), value);
                is_written = is_written || written;
            }
        }
    }
    (!object.is_empty()).then_some((Json::Object(object), is_written))
}

/// The memory of a value, roughly.
fn bytes(value: &Json) -> usize {
    let add = usize::saturating_add;
    match value {
        Json::Array(items) => items.iter().map(bytes).fold(48, add),
        Json::Object(fields) => fields.iter().map(|(name, value)| add(name.len(), bytes(value))).fold(640, add),
        Json::String(text) => add(text.len(), 48),
        Json::Null | Json::Bool(_) | Json::Number(_) => 48,
    }
}

/// The first simple rule that a value breaks: the JSON Pointer in the value, and the rule.
pub(super) fn broken(schemas: &Schemas<'_>, key: &str, value: &Json, budget: &mut Budget) -> Option<String> {
    const MAX_CHARS: usize = 200;
    let fault = broken_at(&At { schemas, pointer: "", depth: 0 }, schemas.get(key)?, value, budget)?;
    Some(fault.chars().take(MAX_CHARS).collect())
}

/// A place in an example.
struct At<'a> {
    schemas: &'a Schemas<'a>,
    pointer: &'a str,
    depth: usize,
}

impl At<'_> {
    fn below<'b>(&'b self, pointer: &'b str) -> At<'b> {
        At { schemas: self.schemas, pointer, depth: self.depth.saturating_add(1) }
    }
}

fn broken_at(here: &At<'_>, schema: &Json, value: &Json, budget: &mut Budget) -> Option<String> {
    budget.spend(1)?;
    let (schemas, at) = (here.schemas, here.pointer);
    if here.depth >= MAX_VALUE_DEPTH {
        return None;
    }
    let schema = found(schemas, schema, 0)?;
    let place = if at.is_empty() { "the payload" } else { at };
    let is_nullable = schema.get("nullable") == Some(&Json::Bool(true)) && value.is_null();
    if let Some(wanted) = schema.get("type").filter(|_| !is_nullable)
        && !has_type(value, wanted)
    {
        return Some(format!("{place} has another type than {wanted}"));
    }
    if schema.get("const").is_some_and(|wanted| !is_same(wanted, value)) {
        return Some(format!("{place} is not the `const`"));
    }
    if let Some(allowed) = schema.get("enum").and_then(Json::as_array) {
        budget.spend(allowed.len())?;
        if !allowed.iter().any(|allowed| is_same(allowed, value)) && !is_nullable {
            return Some(format!("{place} is none of the `enum`"));
        }
    }
    if let Json::Object(fields) = value {
        let missing = children(schema, "required").filter_map(Json::as_str).find(|name| !fields.contains_key(*name));
        if let Some(missing) = missing {
            return Some(format!("{place} has no `{missing}`"));
        }
        for (name, property) in properties(schema) {
            if let Some(field) = fields.get(name) {
                let below = format!("{at}/{}", crate::contract::document::pointer::escaped(name));
                if let Some(fault) = broken_at(&here.below(&below), property, field, budget) {
                    return Some(fault);
                }
            }
        }
    }
    if let (Json::Array(items), Some(schema @ (Json::Object(_) | Json::Bool(_)))) = (value, schema.get("items")) {
        for (index, item) in items.iter().enumerate() {
            if let Some(fault) = broken_at(&here.below(&format!("{at}/{index}")), schema, item, budget) {
                return Some(fault);
            }
        }
    }
    children(schema, "allOf").find_map(|part| broken_at(&here.below(at), part, value, budget))
}

fn has_type(value: &Json, wanted: &Json) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    match wanted {
        Json::String(name) => is(name),
        Json::Array(names) => names.iter().filter_map(Json::as_str).any(is),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => true,
    }
}

/// `1` and `1.0` are the same number.
fn is_same(one: &Json, other: &Json) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.to_bits() == other.to_bits(),
        _ => one == other,
    }
}

/// The properties at a payload's top that can only have a few values, by name: `const`, or `enum`.
pub(super) fn fixed(schemas: &Schemas<'_>, key: &str, budget: &mut Budget) -> Vec<(String, Vec<Json>)> {
    let mut found = Vec::new();
    if let Some(schema) = schemas.get(key) {
        collect_fixed(schemas, schema, 0, &mut found, budget);
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found.dedup_by(|later, first| later.0 == first.0);
    found
}

fn collect_fixed(
    schemas: &Schemas<'_>,
    schema: &Json,
    depth: usize,
    into: &mut Vec<(String, Vec<Json>)>,
    budget: &mut Budget,
) {
    let Some(schema) = found(schemas, schema, 0).filter(|_| depth < MAX_DEPTH) else { return };
    for (name, property) in properties(schema) {
        if budget.spend(1).is_none() {
            return;
        }
        let Some(property) = found(schemas, property, 0) else { continue };
        let values: Vec<Json> = match property.get("const") {
            Some(value) => budget.copy(value).into_iter().collect(),
            None => {
                let some = children(property, "enum").take(MAX_VALUES.saturating_add(1));
                some.map(|value| budget.copy(value)).collect::<Option<_>>().unwrap_or_default()
            }
        };
        let is_simple = values.iter().all(|value| !value.is_object() && !value.is_array());
        let is_few = !values.is_empty() && values.len() <= MAX_VALUES;
        if is_few && is_simple && budget.take(name.len()).is_some() {
            into.push((name.clone(), values));
        }
    }
    for part in children(schema, "allOf") {
        if budget.spend(1).is_none() {
            return;
        }
        collect_fixed(schemas, part, depth.saturating_add(1), into, budget);
    }
    for keyword in ["oneOf", "anyOf"] {
        into.extend(fixed_in_each(schemas, children(schema, keyword), depth, budget));
    }
}

/// The properties that every branch fixes, each to the values of all branches.
fn fixed_in_each<'s>(
    schemas: &'s Schemas<'_>,
    branches: impl Iterator<Item = &'s Json>,
    depth: usize,
    budget: &mut Budget,
) -> Vec<(String, Vec<Json>)> {
    let mut common: Option<Vec<(String, Vec<Json>)>> = None;
    for branch in branches {
        let mut own = Vec::new();
        if budget.spend(1).is_some() {
            collect_fixed(schemas, branch, depth.saturating_add(1), &mut own, budget);
        }
        let Some(known) = &mut common else {
            common = Some(own);
            continue;
        };
        known.retain_mut(|(name, values)| {
            let Some((_, more)) = own.iter().find(|(other, _)| other == name) else { return false };
            values.extend(more.iter().filter(|value| !values.contains(value)).cloned().collect::<Vec<_>>());
            values.len() <= MAX_VALUES
        });
    }
    common.unwrap_or_default()
}
