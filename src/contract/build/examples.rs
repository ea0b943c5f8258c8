//! The examples that converted schemas give: those that are written, or one put together of the examples of properties. The check
//! (`contract/check/examples.rs`) judges them.

use serde_json::{Map, Value as Json};

use crate::contract::discriminator::{Schemas, found};
use crate::contract::model::Example;

/// The deepest nesting of schemas that is looked at.
const MAX_DEPTH: usize = 24;

/// The work that all examples of a contract may cost: looks at schemas, and bytes that are copied. Many messages may have one
/// schema.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) looks: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { looks: 200_000, bytes: 8 << 20 }
    }
}

impl Budget {
    pub(super) fn spend(&mut self, looks: usize) -> Option<()> {
        self.looks = self.looks.checked_sub(looks)?;
        Some(())
    }

    pub(super) fn copy(&mut self, value: &Json) -> Option<Json> {
        self.take(bytes(value))?;
        Some(value.clone())
    }

    pub(super) fn take(&mut self, bytes: usize) -> Option<()> {
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(())
    }
}

pub(super) fn children<'s>(schema: &'s Json, keyword: &str) -> impl Iterator<Item = &'s Json> {
    schema.get(keyword).and_then(Json::as_array).into_iter().flatten()
}

pub(super) fn properties(schema: &Json) -> impl Iterator<Item = (&String, &Json)> {
    schema.get("properties").and_then(Json::as_object).into_iter().flatten()
}

/// The examples that a schema has: JSON Schema's `examples`, OpenAPI's `example`, else one put together of its properties'.
pub(super) fn of_schema(schemas: &Schemas, key: &str, budget: &mut Budget) -> Vec<Example> {
    let Some((_, schema)) = schemas.get(key).and_then(|schema| found(schemas, schema)) else { return Vec::new() };
    let named =
        |name: &str, payload: Json| Example { name: Some(name.to_owned()), payload, broken: None, unchecked: None };
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
fn composed(schemas: &Schemas, schema: &Json, depth: usize, budget: &mut Budget) -> Option<(Json, bool)> {
    budget.spend(1)?;
    let (_, schema) = found(schemas, schema)?;
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
    parts.extend(children(schema, "allOf").filter_map(|part| found(schemas, part)).map(|(_, part)| part));
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
