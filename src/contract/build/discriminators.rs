//! Discriminators as they are written, with the references of their mappings resolved to keys, and a note of each that selects
//! nothing.

use serde_json::{Map, Value as Json};

use super::context::Context;
use crate::contract::discriminator::{self, ALTERNATIVES, Schemas};
use crate::contract::document::Value;
use crate::contract::problem::quoted;

/// The most discriminators that are looked at for a note.
pub(super) const MAX_NOTED: usize = 10_000;
/// The looks at schemas that it may take.
const MAX_LOOKS: usize = 100_000;

/// The property whose value selects an alternative: a text, or an object whose mapping leads to keys.
pub(super) fn converted<'l>(context: &mut Context<'l, '_>, value: Value<'l>) -> Json {
    let property = value.get("propertyName").filter(|name| name.text().is_some());
    let Some(property) = property.filter(|_| value.is_mapping()) else {
        if value.text().is_none() {
            let message =
                "a discriminator is the name of a property, or an object with `propertyName`: it selects nothing";
            context.note("discriminator", value.place(), message);
        }
        return value.to_json();
    };
    let mut mapping = Map::new();
    for (name, target) in value.get("mapping").into_iter().flat_map(Value::fields) {
        if !context.may_use(1) {
            break;
        }
        match target.text().and_then(|text| schema_named(context, text, target)) {
            Some(key) => drop(mapping.insert(name.to_owned(), discriminator::reference(&key).into())),
            None => {
                let message = format!("the value {} of the mapping leads to no schema", quoted(name));
                context.note("discriminator", target.place(), message);
            }
        }
    }
    let mut json = Map::from_iter([("propertyName".to_owned(), property.to_json())]);
    if !mapping.is_empty() {
        json.insert("mapping".to_owned(), Json::Object(mapping));
    }
    Json::Object(json)
}

/// Notes discriminators that select nothing. Known once all schemas are converted.
pub(super) fn note_unused<'l>(context: &mut Context<'l, '_>, schemas: &Schemas, list: Vec<(String, Value<'l>)>) {
    let mut looks = MAX_LOOKS;
    for (key, value) in list {
        let below =
            key.split_once('#').and_then(|(_, pointer)| value.pointer().strip_prefix(pointer).map(str::to_owned));
        let schema = schemas.get(&key).and_then(|schema| schema.pointer(&below?));
        let Some(schema) = schema else { continue };
        for keyword in ALTERNATIVES {
            if let Some(Err(why)) = discriminator::selection(schemas, schema, keyword, &mut looks) {
                let message = format!(
                    "the discriminator is not used, and `{keyword}` is tried alternative by alternative: {why}"
                );
                let place = value.get("discriminator").map_or_else(|| value.place(), Value::name_place);
                context.note("discriminator", place, message);
            }
        }
    }
}

/// The key of the schema that a mapping leads to: the name of one of the document's own, or a reference.
fn schema_named(context: &Context<'_, '_>, text: &str, from: Value<'_>) -> Option<String> {
    let root = context.library.root()?;
    let schemas = root.get("components").and_then(|components| components.get("schemas"));
    let found = match schemas.and_then(|schemas| schemas.get(text)) {
        Some(named) => context.library.follow(named),
        None => context.library.found_at(text, from),
    };
    found.ok().map(|found| context.key(found))
}
