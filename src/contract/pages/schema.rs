//! A schema as rows of nested tables. A schema that several places use is a link, and so a recursion is one.

use std::collections::BTreeSet;

use askama::Template;
use serde_json::{Map, Value as Json};

use super::atlas::{self, Atlas};
use super::head::Link;
use super::room::Room;
use super::words;

/// The deepest nesting that is shown. What lies deeper is in the JSON form.
const MAX_DEPTH: usize = 12;
/// The most values of an `enum` that are shown.
const MAX_VALUES: usize = 50;

/// The type of a row whose schema is not shown.
const LEFT_OUT: &str = "not shown here, only in the JSON form";

/// A row: a property, an item or a part.
#[derive(Debug)]
pub(super) struct Row {
    name: String,
    is_required: bool,
    kind: String,
    link: Option<Link>,
    rules: Vec<String>,
    text: Option<String>,
    rows: Vec<Row>,
}

impl Row {
    fn below(&self) -> Rows<'_> {
        Rows { rows: &self.rows }
    }

    /// A row that is no schema's.
    pub(super) fn plain(name: String, kind: String, rules: Vec<String>, text: Option<String>) -> Self {
        Self { name, is_required: false, kind, link: None, rules, text, rows: Vec::new() }
    }

    /// Marks the row as required.
    pub(super) fn required(self, is_required: bool) -> Self {
        Self { is_required, ..self }
    }
}

/// A table of rows.
#[derive(Template)]
#[template(path = "contract/rows.html")]
struct Rows<'r> {
    rows: &'r [Row],
}

/// Draws a table of rows; empty without any.
pub(super) fn table(rows: &[Row]) -> Result<String, askama::Error> {
    if rows.is_empty() { Ok(String::new()) } else { Rows { rows }.render() }
}

/// Makes rows of schemas, as long as there is room.
#[derive(Debug)]
pub(super) struct Rower<'a, 'm> {
    pub(super) atlas: &'a Atlas<'m>,
    pub(super) room: &'a mut Room,
}

impl Rower<'_, '_> {
    /// The row of a schema. Without room it says so.
    pub(super) fn row(&mut self, name: &str, schema: &Json, depth: usize) -> Row {
        let name = words::name(name);
        let fields = match schema {
            Json::Object(fields) => fields,
            Json::Bool(false) => return Row::plain(name, "nothing".to_owned(), Vec::new(), None),
            _ => return Row::plain(name, "anything".to_owned(), Vec::new(), None),
        };
        if let Some(reference) = fields.get("$ref").and_then(Json::as_str) {
            return self.referred(name, reference, depth);
        }
        let text = ["title", "description"].map(|field| fields.get(field).and_then(Json::as_str));
        let text: Vec<String> = text.into_iter().flatten().map(words::text).collect();
        let (kind, rules) = (kind(fields), rules(fields));
        let has_room = self.room.take(rules.iter().chain(&text).chain([&name, &kind]).map(String::as_str));
        if !has_room || depth > MAX_DEPTH {
            return Row::plain(name, LEFT_OUT.to_owned(), Vec::new(), None);
        }
        let rows = self.parts(fields, depth.saturating_add(1));
        let text = (!text.is_empty()).then(|| text.join("\n"));
        Row { rows, ..Row::plain(name, kind, rules, text) }
    }

    /// A reference: a link, or the schema itself if this is its only use.
    fn referred(&mut self, name: String, reference: &str, depth: usize) -> Row {
        let key = atlas::key(reference).unwrap_or_default();
        if let Some(link) = self.atlas.link(&key) {
            if !self.room.take([&*name, &*link.href, &*link.label]) {
                return Row::plain(name, LEFT_OUT.to_owned(), Vec::new(), None);
            }
            return Row { link: Some(link), ..Row::plain(name, String::new(), Vec::new(), None) };
        }
        match self.atlas.schema(&key) {
            Some(schema) => self.row(&name, schema, depth.saturating_add(1)),
            None => {
                let rules = vec![words::name(reference)];
                Row::plain(name, "a reference that leads nowhere".to_owned(), rules, None)
            }
        }
    }

    /// Adds the row of a schema. On a full page one row stands for all that follow.
    fn add(&mut self, rows: &mut Vec<Row>, name: &str, schema: &Json, depth: usize) {
        if self.room.is_full() && rows.last().is_some_and(|last| last.kind == LEFT_OUT) {
            return;
        }
        rows.push(self.row(name, schema, depth));
    }

    /// The rows of everything inside a schema.
    fn parts(&mut self, schema: &Map<String, Json>, depth: usize) -> Vec<Row> {
        let list = |field: &str| schema.get(field).and_then(Json::as_array).into_iter().flatten();
        let named = |field: &str| schema.get(field).and_then(Json::as_object).into_iter().flatten();
        let mut rows = self.properties(schema, depth);
        for (pattern, property) in named("patternProperties") {
            self.add(&mut rows, &format!("names that match {}", words::name(pattern)), property, depth);
        }
        for (field, name) in ONE {
            match schema.get(*field) {
                Some(below @ Json::Object(_)) => self.add(&mut rows, name, below, depth),
                Some(Json::Bool(false)) => {
                    rows.push(Row::plain((*name).to_owned(), "none".to_owned(), Vec::new(), None));
                }
                Some(_) | None => {}
            }
        }
        for (field, name) in SEVERAL {
            for (number, below) in (1_usize..).zip(list(field)) {
                self.add(&mut rows, &format!("{name} {number}"), below, depth);
            }
        }
        rows
    }

    /// The rows of properties, and of names that are required and not described.
    fn properties(&mut self, schema: &Map<String, Json>, depth: usize) -> Vec<Row> {
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten();
        let required: BTreeSet<&str> = required.filter_map(Json::as_str).collect();
        let properties = schema.get("properties").and_then(Json::as_object);
        let mut rows = Vec::new();
        for (name, property) in properties.into_iter().flatten() {
            self.add(&mut rows, name, property, depth);
            if let Some(row) = rows.last_mut() {
                row.is_required = required.contains(name.as_str());
            }
        }
        let is_described = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
        for name in required.into_iter().filter(|name| !is_described(name)).take(MAX_VALUES) {
            rows.push(Row::plain(words::name(name), "anything".to_owned(), Vec::new(), None).required(true));
        }
        rows
    }
}

/// Keywords whose value is a schema, and the names of their rows.
const ONE: &[(&str, &str)] = &[
    ("additionalProperties", "other properties"),
    ("unevaluatedProperties", "other properties"),
    ("propertyNames", "names of properties"),
    ("items", "each item"),
    ("additionalItems", "other items"),
    ("unevaluatedItems", "other items"),
    ("contains", "some item"),
    ("not", "not"),
    ("if", "if"),
    ("then", "then"),
    ("else", "else"),
];

/// Keywords whose value is a list of schemas, and the names of their rows without the number.
const SEVERAL: &[(&str, &str)] = &[
    ("prefixItems", "item"),
    ("items", "item"),
    ("allOf", "all of, part"),
    ("anyOf", "any of, part"),
    ("oneOf", "one of, part"),
];

/// The type of a schema, in words.
fn kind(schema: &Map<String, Json>) -> String {
    let format = schema.get("format").and_then(Json::as_str).map(|format| format!(" ({})", words::name(format)));
    let kind = match schema.get("type") {
        Some(Json::String(kind)) => words::name(kind),
        Some(Json::Array(kinds)) => kinds.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" or "),
        Some(_) | None if schema.contains_key("properties") => "object".to_owned(),
        Some(_) | None if schema.contains_key("items") => "array".to_owned(),
        Some(_) | None => "any".to_owned(),
    };
    words::name(&format!("{kind}{}", format.unwrap_or_default()))
}

/// The rules of a schema that are no schemas themselves, in words.
fn rules(schema: &Map<String, Json>) -> Vec<String> {
    const LIMITS: &[(&str, &str)] = &[
        ("minimum", "at least"),
        ("exclusiveMinimum", "more than"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "less than"),
        ("multipleOf", "a multiple of"),
        ("minLength", "characters at least"),
        ("maxLength", "characters at most"),
        ("minItems", "items at least"),
        ("maxItems", "items at most"),
        ("minProperties", "properties at least"),
        ("maxProperties", "properties at most"),
        ("pattern", "matches"),
        ("contentEncoding", "encoded as"),
        ("contentMediaType", "with content of"),
        ("default", "default"),
    ];
    let mut rules = Vec::new();
    if let Some(value) = schema.get("const") {
        rules.push(format!("always {}", words::value(value)));
    }
    if let Some(values) = schema.get("enum").and_then(Json::as_array) {
        let shown: Vec<String> = values.iter().take(MAX_VALUES).map(words::value).collect();
        let more = values.len().saturating_sub(MAX_VALUES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        rules.push(format!("one of {}{more}", shown.join(", ")));
    }
    for (field, words) in LIMITS {
        if let Some(value) = schema.get(*field) {
            rules.push(format!("{words} {}", words::value(value)));
        }
    }
    for (field, words) in [
        ("uniqueItems", "no item twice"),
        ("nullable", "nullable"),
        ("deprecated", "deprecated"),
        ("readOnly", "read only"),
        ("writeOnly", "write only"),
    ] {
        if schema.get(field) == Some(&Json::Bool(true)) {
            rules.push(words.to_owned());
        }
    }
    if let Some(by) = schema.get("discriminator") {
        rules.push(format!("told apart by {}", words::value(by.get("propertyName").unwrap_or(by))));
    }
    rules
}
