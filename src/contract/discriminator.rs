//! The discriminator of a schema: the property whose value selects one of the schema's alternatives.
//!
//! AsyncAPI has a text, which is the property's name; documents also have OpenAPI's object with `propertyName` and `mapping`. It
//! stands beside `oneOf` or `anyOf`, or in a schema that every alternative takes in by `allOf`. The values that select an
//! alternative are, of these, the first that there are: those that the alternative fixes by `const` or `enum`; those that the
//! mapping leads from, and the alternative's own name. A discriminator that does not tell all alternatives apart selects nothing.
//!
//! In: converted schemas, in which references are `#/schemas/<key>`. Out: the values of each alternative, or the reason why there
//! are none.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value as Json};

/// The converted schemas of a contract, by their keys.
pub(super) type Schemas = BTreeMap<String, Json>;

/// The keywords whose schemas are alternatives.
pub(super) const ALTERNATIVES: [&str; 2] = ["oneOf", "anyOf"];
/// The deepest nesting of schemas that is looked at.
const MAX_DEPTH: usize = 24;
/// The most values that select one alternative.
pub(super) const MAX_VALUES: usize = 32;

/// The looks at schemas that are left: schemas may lie inside many others.
pub(super) type Looks = usize;

/// The selection of a schema's alternatives by the value of a property.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selection {
    /// The property.
    pub(super) property: String,
    /// The values that select each alternative, in the order of the alternatives. No value selects two.
    pub(super) values: Vec<Vec<Json>>,
}

/// A discriminator, wherever it stands.
#[derive(Clone, Copy, Debug)]
struct Discriminator<'s> {
    property: &'s str,
    mapping: Option<&'s Map<String, Json>>,
}

impl<'s> Discriminator<'s> {
    fn of(schema: &'s Json) -> Option<Self> {
        match schema.get("discriminator")? {
            Json::String(property) => Some(Self { property, mapping: None }),
            Json::Object(fields) => {
                let property = fields.get("propertyName")?.as_str()?;
                Some(Self { property, mapping: fields.get("mapping").and_then(Json::as_object) })
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => None,
        }
    }

    /// The values that the mapping, or else the name, gives a schema.
    fn names(self, key: &str) -> Vec<Json> {
        let reference = reference(key);
        let mapped = self.mapping.into_iter().flatten().filter(|(_, to)| to.as_str() == Some(&reference));
        let mut names: Vec<Json> = mapped.map(|(name, _)| name.as_str().into()).collect();
        // A name that the mapping has leads where the mapping says.
        let own = name(key).filter(|name| !self.mapping.is_some_and(|mapping| mapping.contains_key(&**name)));
        names.extend(own.map(Json::String));
        names
    }
}

/// The selection among the alternatives that a schema has in this keyword; `None` without alternatives or without a discriminator.
///
/// # Errors
/// The reason, for people, why the discriminator selects nothing.
pub(super) fn selection(
    schemas: &Schemas,
    schema: &Json,
    keyword: &str,
    looks: &mut Looks,
) -> Option<Result<Selection, String>> {
    let alternatives = schema.get(keyword)?.as_array()?;
    let discriminator = match Discriminator::of(schema) {
        Some(own) => own,
        None => common(schemas, alternatives, looks)?,
    };
    Some(values_of(schemas, alternatives, discriminator, looks))
}

/// The discriminator that all alternatives take in by `allOf`.
fn common<'s>(schemas: &'s Schemas, alternatives: &'s [Json], looks: &mut Looks) -> Option<Discriminator<'s>> {
    let mut all = alternatives.iter().map(|one| inherited(schemas, found(schemas, one)?.1, 0, looks));
    let first = all.next()??;
    all.all(|other| other.is_some_and(|other| other.property == first.property)).then_some(first)
}

fn values_of(
    schemas: &Schemas,
    alternatives: &[Json],
    discriminator: Discriminator<'_>,
    looks: &mut Looks,
) -> Result<Selection, String> {
    let mut seen = HashSet::new();
    let mut values = Vec::with_capacity(alternatives.len());
    for (index, alternative) in alternatives.iter().enumerate() {
        let place = index.saturating_add(1);
        let own = values_of_one(schemas, alternative, discriminator, looks);
        if own.is_empty() {
            return Err(format!("nothing says which value selects alternative {place}"));
        }
        if !own.iter().all(|value| seen.insert(value.to_string())) {
            return Err(format!("a value that selects alternative {place} selects another one, too"));
        }
        values.push(own);
    }
    if values.is_empty() {
        return Err("there is no alternative".to_owned());
    }
    Ok(Selection { property: discriminator.property.to_owned(), values })
}

fn values_of_one(
    schemas: &Schemas,
    alternative: &Json,
    discriminator: Discriminator<'_>,
    looks: &mut Looks,
) -> Vec<Json> {
    let Some((key, schema)) = found(schemas, alternative) else { return Vec::new() };
    let fixed = fixed(schemas, schema, discriminator.property, 0, looks);
    if !fixed.is_empty() {
        return fixed;
    }
    // A schema that others take in stands for each of them, by whatever name they have.
    let is_base = Discriminator::of(schema).is_some();
    key.filter(|_| !is_base).map(|key| discriminator.names(key)).unwrap_or_default()
}

/// The property by which a schema is known among those that take in the same discriminator by `allOf`, and its values there.
pub(super) fn own_values(schemas: &Schemas, key: &str, looks: &mut Looks) -> Option<(String, Vec<Json>)> {
    let (key, schema) = found(schemas, schemas.get(key)?).map(|(behind, schema)| (behind.unwrap_or(key), schema))?;
    let discriminator = inherited(schemas, schema, 0, looks)?;
    let values = discriminator.names(key);
    (!values.is_empty()).then(|| (discriminator.property.to_owned(), values))
}

/// The discriminator of a schema that this one takes in by `allOf`.
fn inherited<'s>(schemas: &'s Schemas, schema: &'s Json, depth: usize, looks: &mut Looks) -> Option<Discriminator<'s>> {
    if depth >= MAX_DEPTH {
        return None;
    }
    for part in schema.get("allOf").and_then(Json::as_array).into_iter().flatten() {
        *looks = looks.checked_sub(1)?;
        let Some((_, part)) = found(schemas, part) else { continue };
        // One that selects among alternatives of its own tells nothing of this schema.
        let is_base = ALTERNATIVES.iter().all(|keyword| part.get(keyword).is_none());
        let own = Discriminator::of(part).filter(|_| is_base);
        if let Some(known) = own.or_else(|| inherited(schemas, part, depth.saturating_add(1), looks)) {
            return Some(known);
        }
    }
    None
}

/// The values that a schema fixes a property to, itself or by `allOf`; none if it fixes it to nothing, or to too many.
fn fixed(schemas: &Schemas, schema: &Json, property: &str, depth: usize, looks: &mut Looks) -> Vec<Json> {
    let Some(left) = looks.checked_sub(1).filter(|_| depth < MAX_DEPTH) else { return Vec::new() };
    *looks = left;
    let own = schema.get("properties").and_then(|all| all.get(property));
    let own = own.and_then(|own| found(schemas, own));
    let values: Vec<Json> = own.into_iter().flat_map(|(_, own)| fixed_values(own)).cloned().collect();
    if !values.is_empty() {
        return values;
    }
    let parts = schema.get("allOf").and_then(Json::as_array).into_iter().flatten();
    for (_, part) in parts.filter_map(|part| found(schemas, part)) {
        let values = fixed(schemas, part, property, depth.saturating_add(1), looks);
        if !values.is_empty() {
            return values;
        }
    }
    Vec::new()
}

/// The simple values that the schema of a property allows and no others: `const`, or an `enum` of a few.
pub(super) fn fixed_values(property: &Json) -> impl Iterator<Item = &Json> {
    let one = property.get("const");
    let several = property.get("enum").and_then(Json::as_array).filter(|_| one.is_none());
    let several = several.filter(|values| values.len() <= MAX_VALUES);
    let is_simple = |value: &Json| !value.is_object() && !value.is_array();
    let all_are_simple = one.into_iter().chain(several.into_iter().flatten()).all(is_simple);
    one.into_iter().chain(several.into_iter().flatten()).filter(move |_| all_are_simple)
}

/// The schema behind references, and its key if it has one of its own.
pub(super) fn found<'s>(schemas: &'s Schemas, schema: &'s Json) -> Option<(Option<&'s str>, &'s Json)> {
    let (mut key, mut here) = (None, schema);
    for _ in 0..MAX_DEPTH {
        let Some(reference) = here.get("$ref").and_then(Json::as_str) else { return Some((key, here)) };
        let wanted = reference.strip_prefix("#/schemas/")?.replace("~1", "/").replace("~0", "~");
        let (known, behind) = schemas.get_key_value(&wanted)?;
        (key, here) = (Some(known.as_str()), behind);
    }
    None
}

/// The reference to a key.
pub(super) fn reference(key: &str) -> String {
    format!("#/schemas/{}", super::document::pointer::escaped(key))
}

/// The name of a schema that stands in a list of named ones; `None` for one that stands inside something else.
fn name(key: &str) -> Option<String> {
    let (_, pointer) = key.split_once('#')?;
    let mut steps = pointer.rsplit('/');
    let (name, list) = (steps.next()?, steps.next()?);
    let is_named = matches!(list, "schemas" | "definitions" | "$defs");
    is_named.then(|| name.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::{Schemas, Selection, own_values, selection};

    fn schemas(named: &[(&str, Json)]) -> Schemas {
        named.iter().map(|(name, schema)| (format!("#/components/schemas/{name}"), schema.clone())).collect()
    }

    fn to(name: &str) -> Json {
        json!({ "$ref": format!("#/schemas/#~1components~1schemas~1{name}") })
    }

    fn selected(schemas: &Schemas, schema: &Json) -> Option<Result<Vec<Vec<Json>>, String>> {
        let selection = selection(schemas, schema, "oneOf", &mut 1_000)?;
        Some(selection.map(|Selection { values, .. }| values))
    }

    #[test]
    fn a_value_is_fixed_or_mapped_or_the_name_of_the_schema() {
        let schemas = schemas(&[("Cat", json!({})), ("Dog", json!({})), ("Cow", json!({}))]);
        let fixed = |value: Json| json!({ "properties": { "type": { "const": value } } });
        let one = json!({ "discriminator": "type", "oneOf": [to("Cat"), fixed(json!("dog")), to("Cow")] });
        assert_eq!(
            selected(&schemas, &one),
            Some(Ok(vec![vec!["Cat".into()], vec!["dog".into()], vec!["Cow".into()]]))
        );
        let mapping = json!({ "cat": to("Cat")["$ref"], "Dog": to("Cow")["$ref"] });
        let object = json!({ "propertyName": "type", "mapping": mapping });
        let mapped = json!({ "discriminator": object, "oneOf": [to("Cat"), to("Cow")] });
        let values = vec![vec!["cat".into(), "Cat".into()], vec!["Dog".into(), "Cow".into()]];
        assert_eq!(selected(&schemas, &mapped), Some(Ok(values)));
        // The name of the one is mapped to another one.
        let taken = json!({ "discriminator": object, "oneOf": [to("Cow"), to("Dog")] });
        assert!(selected(&schemas, &taken).unwrap().unwrap_err().contains("alternative 2"));
    }

    #[test]
    fn a_discriminator_that_does_not_tell_all_alternatives_apart_selects_nothing() {
        let schemas = schemas(&[("Cat", json!({})), ("Base", json!({ "discriminator": "type" }))]);
        let fixed = json!({ "properties": { "type": { "enum": ["a", "b"] } } });
        for (alternatives, why) in [
            (json!([to("Cat"), {}]), "which value selects alternative 2"),
            (json!([fixed, fixed]), "selects another one, too"),
            (json!([to("Cat"), to("Base")]), "which value selects alternative 2"),
            (json!([]), "no alternative"),
        ] {
            let schema = json!({ "discriminator": "type", "oneOf": alternatives });
            let told = selected(&schemas, &schema).unwrap().unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        assert_eq!(selected(&schemas, &json!({ "discriminator": 7, "oneOf": [to("Cat")] })), None);
        assert_eq!(selected(&schemas, &json!({ "oneOf": [to("Cat")] })), None);
    }

    #[test]
    fn alternatives_may_take_the_discriminator_in_by_all_of() {
        let heir = json!({ "allOf": [to("Pet"), { "properties": { "lives": {} } }] });
        let schemas = schemas(&[("Pet", json!({ "discriminator": "kind" })), ("Cat", heir.clone()), ("Dog", heir)]);
        let one = json!({ "oneOf": [to("Cat"), to("Dog")] });
        assert_eq!(selected(&schemas, &one), Some(Ok(vec![vec!["Cat".into()], vec!["Dog".into()]])));
        let key = "#/components/schemas/Cat";
        assert_eq!(own_values(&schemas, key, &mut 100), Some(("kind".to_owned(), vec!["Cat".into()])));
        // The base stands for whoever takes it in.
        assert_eq!(own_values(&schemas, "#/components/schemas/Pet", &mut 100), None);
        assert_eq!(selected(&schemas, &json!({ "oneOf": [to("Cat"), to("Pet")] })), None);
    }

    #[test]
    fn schemas_that_take_in_themselves_or_double_at_each_step_end() {
        let both = |n: usize| json!({ "allOf": [to(&format!("s{n}")), to(&format!("s{n}"))] });
        let mut doubling: Vec<(String, Json)> = (0..23).map(|n| (format!("s{n}"), both(n + 1))).collect();
        doubling.push(("s23".to_owned(), json!({ "allOf": [to("s0")] })));
        let named: Vec<(&str, Json)> = doubling.iter().map(|(name, schema)| (name.as_str(), schema.clone())).collect();
        let schemas = schemas(&named);
        let mut looks = 10_000;
        assert_eq!(own_values(&schemas, "#/components/schemas/s0", &mut looks), None);
        assert_eq!(looks, 0);
    }
}
