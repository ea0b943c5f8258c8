//! A message's schema as one document that a validator is compiled from: the schema and all that it refers to.
//!
//! Only keywords that rule over values are kept. `format`, `contentEncoding` and `contentMediaType` say what a text means and rule
//! over nothing here; identifiers are gone, so that a reference leads to a schema of the same contract and nowhere else.

use std::collections::HashMap;

use jsonschema::Draft;
use serde_json::{Map, Value as Json, json};

use crate::contract::discriminator::{ALTERNATIVES, Looks, Selection, selection};
use crate::contract::keywords::{NAMED, ONE, PLAIN, SEVERAL};
use crate::contract::model::Model;

/// The most values of a document.
const MAX_VALUES: usize = 50_000;
/// The most schemas in a row that rule over one and the same value.
const MAX_ROW: usize = 16;
/// The most schemas that rule over one and the same value.
const MAX_RULERS: usize = 10_000;
/// Keywords whose schemas rule over the same value as the schema that they stand in.
const IN_PLACE: &[&str] = &["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];
/// The most looks at schemas for the discriminators of a document.
const MAX_LOOKS: Looks = 200_000;
/// Keywords that only say what a text means.
const ANNOTATIONS: &[&str] = &["format", "contentEncoding", "contentMediaType"];

/// A document for the validator.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) json: Json,
    pub(super) draft: Draft,
    /// The number of its values.
    pub(super) values: usize,
}

impl Document {
    /// Puts together the document of a schema.
    ///
    /// # Errors
    /// The reason, for people, why a message cannot be checked with it.
    pub(super) fn of(model: &Model, key: &str) -> Result<Self, String> {
        let mut gatherer = Gatherer {
            model,
            keys: Vec::new(),
            numbers: HashMap::new(),
            values: 0,
            draft: Draft::Draft7,
            looks: MAX_LOOKS,
        };
        gatherer.number(key);
        let mut definitions = Map::new();
        let mut done = 0_usize;
        while let Some(key) = gatherer.keys.get(done).copied() {
            let schema = model.schemas.get(key).ok_or("a schema that it refers to is not there")?;
            let converted = gatherer.converted(schema)?;
            definitions.insert(done.to_string(), converted);
            done = done.saturating_add(1);
        }
        Rulers::new(&definitions).of(0)?;
        let json = json!({ "$ref": "#/definitions/0", "definitions": definitions });
        Ok(Self { json, draft: gatherer.draft, values: gatherer.values })
    }
}

/// The schemas that were met, numbered in their order.
struct Gatherer<'m> {
    model: &'m Model,
    keys: Vec<&'m str>,
    numbers: HashMap<&'m str, usize>,
    values: usize,
    draft: Draft,
    /// Looks at schemas that are left for discriminators.
    looks: Looks,
}

impl<'m> Gatherer<'m> {
    fn number(&mut self, key: &str) -> Option<usize> {
        if let Some(number) = self.numbers.get(key) {
            return Some(*number);
        }
        let (key, _) = self.model.schemas.get_key_value(key)?;
        let number = self.keys.len();
        self.keys.push(key);
        self.numbers.insert(key, number);
        Some(number)
    }

    /// The nesting of the contract bounds the recursion.
    fn converted(&mut self, schema: &Json) -> Result<Json, String> {
        self.count(1)?;
        let Json::Object(keywords) = schema else { return Ok(Json::Bool(schema.as_bool().unwrap_or(true))) };
        if let Some(reference) = keywords.get("$ref") {
            let key = reference.as_str().and_then(|reference| reference.strip_prefix("#/schemas/"));
            let key = key.map(|key| key.replace("~1", "/").replace("~0", "~"));
            let number = key.and_then(|key| self.number(&key)).ok_or("a schema that it refers to is not there")?;
            return Ok(json!({ "$ref": format!("#/definitions/{number}") }));
        }
        let mut kept = Map::new();
        for (name, value) in keywords {
            if let Some(value) = self.keyword(name, value)? {
                kept.insert(name.clone(), value);
            }
        }
        for keyword in ALTERNATIVES {
            if let Some(Ok(selection)) = selection(&self.model.schemas, schema, keyword, &mut self.looks) {
                self.count(selection.values.iter().map(|values| values.len().saturating_add(8)).sum())?;
                let is_nullable = keywords.get("nullable") == Some(&Json::Bool(true));
                select(&mut kept, keyword, &selection, is_nullable);
            }
        }
        if keywords.get("nullable") == Some(&Json::Bool(true)) {
            allow_null(&mut kept);
        }
        Ok(Json::Object(kept))
    }

    /// A keyword's value; `None` if it rules over nothing.
    fn keyword(&mut self, name: &str, value: &Json) -> Result<Option<Json>, String> {
        self.need(name);
        let converted = match (name, value) {
            // Schemas of their own, which only references lead to.
            ("definitions" | "$defs", _) => return Ok(None),
            ("items", Json::Array(list)) => self.list(list)?,
            (name, Json::Array(list)) if SEVERAL.contains(&name) => self.list(list)?,
            (name, Json::Object(schemas)) if NAMED.contains(&name) || name == "dependencies" => {
                let mut named = Map::new();
                for (name, schema) in schemas {
                    let is_list = schema.is_array();
                    named.insert(name.clone(), if is_list { self.copied(schema)? } else { self.converted(schema)? });
                }
                Json::Object(named)
            }
            (name, _) if ONE.contains(&name) || name == "items" => self.converted(value)?,
            (name, _) if ANNOTATIONS.contains(&name) || !PLAIN.contains(&name) => return Ok(None),
            _ => self.copied(value)?,
        };
        Ok(Some(converted))
    }

    fn list(&mut self, list: &[Json]) -> Result<Json, String> {
        list.iter().map(|schema| self.converted(schema)).collect::<Result<_, _>>().map(Json::Array)
    }

    fn copied(&mut self, value: &Json) -> Result<Json, String> {
        self.count(values_of(value))?;
        Ok(value.clone())
    }

    fn count(&mut self, values: usize) -> Result<(), String> {
        self.values = self.values.saturating_add(values);
        if self.values > MAX_VALUES {
            return Err(format!("its schema, with those that it refers to, has more than {MAX_VALUES} values"));
        }
        Ok(())
    }

    /// AsyncAPI's schemas are those of draft 7. A keyword of a later draft takes that draft, in which it means something.
    fn need(&mut self, keyword: &str) {
        match (keyword, self.draft) {
            ("prefixItems", _) => self.draft = Draft::Draft202012,
            (
                "unevaluatedProperties"
                | "unevaluatedItems"
                | "dependentRequired"
                | "dependentSchemas"
                | "minContains"
                | "maxContains",
                Draft::Draft7,
            ) => self.draft = Draft::Draft201909,
            _ => {}
        }
    }
}

fn values_of(value: &Json) -> usize {
    match value {
        Json::Array(list) => list.iter().map(values_of).fold(1, usize::saturating_add),
        Json::Object(fields) => fields.values().map(values_of).fold(1, usize::saturating_add),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 1,
    }
}

/// Replaces alternatives, of which the validator would try each, by the one that the discriminator's value selects: the property
/// must have one of the values, and then the rules of that alternative hold and of no other.
fn select(
    keywords: &mut Map<String, Json>,
    keyword: &str,
    Selection { property, values }: &Selection,
    is_nullable: bool,
) {
    let Some(Json::Array(alternatives)) = keywords.remove(keyword) else { return };
    let with = |kind: Json, values: Vec<&Json>| {
        let one_of = Map::from_iter([(property.clone(), json!({ "enum": values }))]);
        json!({ "type": kind, "required": [property], "properties": one_of })
    };
    let kind = if is_nullable { json!(["object", "null"]) } else { json!("object") };
    let mut rules = vec![with(kind, values.iter().flatten().collect())];
    rules.extend(alternatives.into_iter().zip(values).map(
        |(alternative, values)| json!({ "if": with(json!("object"), values.iter().collect()), "then": alternative }),
    ));
    match keywords.get_mut("allOf") {
        Some(Json::Array(all)) => all.append(&mut rules),
        _ => drop(keywords.insert("allOf".to_owned(), Json::Array(rules))),
    }
}

/// OpenAPI's `nullable`.
fn allow_null(keywords: &mut Map<String, Json>) {
    if let Some(Json::String(kind)) = keywords.get("type") {
        let both = json!([kind, "null"]);
        keywords.insert("type".to_owned(), both);
    } else if let Some(Json::Array(kinds)) = keywords.get_mut("type")
        && !kinds.iter().any(|kind| kind == "null")
    {
        kinds.push("null".into());
    }
    if let Some(Json::Array(values)) = keywords.get_mut("enum")
        && !values.iter().any(Json::is_null)
    {
        values.push(Json::Null);
    }
}

/// Counts the schemas that rule over one and the same value: their number bounds what a look at a value costs, and their row what
/// the validator needs of the stack.
struct Rulers<'d> {
    definitions: &'d Map<String, Json>,
    /// By the number of the definition; `None` while it is counted.
    known: HashMap<usize, Option<(usize, usize)>>,
}

impl<'d> Rulers<'d> {
    fn new(definitions: &'d Map<String, Json>) -> Self {
        Self { definitions, known: HashMap::new() }
    }

    /// Checks the definition of this number and every other one.
    fn of(&mut self, first: usize) -> Result<(), String> {
        for number in first..self.definitions.len() {
            self.definition(number, 0)?;
            let definition = self.definitions.get(&number.to_string());
            self.below(definition.unwrap_or(&Json::Null))?;
        }
        Ok(())
    }

    /// Checks the schemas that rule over values inside the value.
    fn below(&mut self, schema: &Json) -> Result<(), String> {
        let Json::Object(keywords) = schema else { return Ok(()) };
        for (name, value) in keywords {
            let is_schema = ONE.contains(&&**name) || SEVERAL.contains(&&**name) || NAMED.contains(&&**name);
            if !is_schema && name != "items" && name != "dependencies" {
                continue;
            }
            let schemas: Vec<&Json> = match value {
                Json::Array(list) => list.iter().collect(),
                Json::Object(named) if NAMED.contains(&&**name) || name == "dependencies" => named.values().collect(),
                one => vec![one],
            };
            for schema in schemas {
                self.schema(schema, 0)?;
                self.below(schema)?;
            }
        }
        Ok(())
    }

    fn definition(&mut self, number: usize, row: usize) -> Result<(usize, usize), String> {
        match self.known.get(&number) {
            Some(Some(known)) => return Ok(*known),
            Some(None) => return Err("its schema refers to itself without a step into the value".to_owned()),
            None => {}
        }
        self.known.insert(number, None);
        let definition = self.definitions.get(&number.to_string()).unwrap_or(&Json::Null);
        let counted = self.schema(definition, row)?;
        self.known.insert(number, Some(counted));
        Ok(counted)
    }

    /// The number of schemas that rule over the value of this one, and the longest row of them.
    fn schema(&mut self, schema: &Json, row: usize) -> Result<(usize, usize), String> {
        let too_many = || "its schema has too many schemas for one value".to_owned();
        if row > MAX_ROW {
            return Err(too_many());
        }
        let next = row.saturating_add(1);
        let mut inner: Vec<(usize, usize)> = Vec::new();
        if let Some(number) =
            schema.get("$ref").and_then(Json::as_str).and_then(|text| text.rsplit('/').next()?.parse().ok())
        {
            inner.push(self.definition(number, next)?);
        }
        for keyword in IN_PLACE {
            match schema.get(keyword) {
                Some(Json::Array(list)) => {
                    for schema in list {
                        inner.push(self.schema(schema, next)?);
                    }
                }
                Some(schema) => inner.push(self.schema(schema, next)?),
                None => {}
            }
        }
        for keyword in ["dependentSchemas", "dependencies"] {
            for schema in schema.get(keyword).and_then(Json::as_object).into_iter().flat_map(Map::values) {
                inner.push(self.schema(schema, next)?);
            }
        }
        let rulers = inner.iter().map(|(rulers, _)| *rulers).fold(1, usize::saturating_add);
        let longest = inner.iter().map(|(_, row)| *row).max().unwrap_or_default().saturating_add(1);
        if rulers > MAX_RULERS || longest.saturating_add(row) > MAX_ROW {
            return Err(too_many());
        }
        Ok((rulers, longest))
    }
}
