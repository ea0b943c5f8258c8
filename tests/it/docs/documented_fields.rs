//! The table of fields in docs/apis.md against docs/openapi.json, which another test holds to the program: every field has a row,
//! every row is a field, and lengths, counts, words and defaults are the same.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::documents::{document, rows};

/// The request that each word of the column "of" stands for.
const REQUESTS: [(&str, &str); 5] = [
    ("API", "NewDefinition"),
    ("new API", "NewApi"),
    ("deployment", "NewDeployment"),
    ("lifecycle", "NewLifecycle"),
    ("project", "NewProject"),
];

/// A row: the field's name, the kinds of requests that have it, and the rule in words.
struct Row<'a> {
    field: &'a str,
    of: Vec<&'a str>,
    rule: &'a str,
}

fn table(text: &str) -> Vec<Row<'_>> {
    let (_, rest) = text.split_once("\n## Fields\n").unwrap();
    let (section, _) = rest.split_once("\n\n| of |").unwrap_or((rest, ""));
    let rows = rows(section, "| `").into_iter().map(|row| {
        let [field, of, rule] = row[..] else { panic!("{row:?}") };
        Row { field: field.trim_matches('`'), of: of.split(", ").collect(), rule }
    });
    rows.collect()
}

/// A number with a comma at every third digit, as the table has it.
fn written(number: &Value) -> String {
    let digits = number.as_u64().unwrap().to_string();
    if digits.len() > 3 { format!("{},{}", &digits[..digits.len() - 3], &digits[digits.len() - 3..]) } else { digits }
}

/// The schema itself, or the one that it refers to.
fn resolved<'a>(all: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["oneOf"][0]["$ref"].as_str());
    reference.map_or(schema, |reference| &all[reference.rsplit('/').next().unwrap()])
}

#[test]
fn the_fields_of_the_table_are_those_of_the_requests() {
    let text = document("docs/apis.md");
    let openapi: Value = serde_json::from_str(&document("docs/openapi.json")).unwrap();
    let table = table(&text);
    assert!(table.len() > 15, "{}", table.len());
    for (of, request) in REQUESTS {
        let known: BTreeSet<&str> = openapi["components"]["schemas"][request]["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let has = |row: &Row<'_>| row.of.contains(&of) || of == "new API" && row.of.contains(&"API");
        // `targets[n]` is the rule of each target.
        let rows = table.iter().filter(|row| has(row) && !row.field.ends_with(']'));
        let documented: BTreeSet<&str> = rows.map(|row| row.field).collect();
        assert_eq!(documented, known, "{of}");
    }
    for row in &table {
        assert!(row.of.iter().all(|of| REQUESTS.iter().any(|(known, _)| known == of)), "{}: {:?}", row.field, row.of);
    }
}

#[test]
fn the_rules_of_the_table_are_those_of_the_requests() {
    let text = document("docs/apis.md");
    let openapi: Value = serde_json::from_str(&document("docs/openapi.json")).unwrap();
    let schemas = &openapi["components"]["schemas"];
    let table = table(&text);
    let names_rule = table.iter().find(|row| row.field == "name").unwrap().rule;
    for row in table.iter().filter(|row| !row.field.ends_with(']')) {
        for of in &row.of {
            let request = REQUESTS.iter().find(|(known, _)| known == of).unwrap().1;
            let place = format!("`{}` of {of}: {}", row.field, row.rule);
            let schema = &schemas[request]["properties"][row.field];
            let rule = if row.rule.starts_with("the same rule as for the name") { names_rule } else { row.rule };
            for (least, most) in [("minLength", "maxLength"), ("minItems", "maxItems")] {
                match (&schema[least], &schema[most]) {
                    (Value::Null, Value::Null) => {}
                    (Value::Null, most) => assert!(rule.contains(&written(most)), "{place}: {most}"),
                    (least, most) => {
                        assert!(rule.contains(&format!("{least} to {}", written(most))), "{place}: {least} to {most}");
                    }
                }
            }
            let words = resolved(schemas, schema)["enum"].as_array().map(Vec::as_slice).unwrap_or_default();
            let told = |word: &Value| rule.contains(&format!("`{}`", word.as_str().unwrap()));
            // The six states have a table of their own.
            assert!(
                rule == "one of the six states" && words.len() == 6 || words.iter().all(told),
                "{place}: {words:?}"
            );
            let is_required =
                schemas[request]["required"].as_array().is_some_and(|required| required.contains(&row.field.into()));
            let says_default = rule.to_lowercase().contains("if left out") || rule.contains("the default");
            assert!(
                is_required || says_default || row.rule.contains("If left out"),
                "{place}: what if it is left out?"
            );
            assert!(!(is_required && says_default), "{place}: it cannot be left out");
        }
    }
}
