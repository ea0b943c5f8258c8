//! The properties at a payload's top whose values tell its message from others: fixed by the schema, or chosen by its discriminator.

use serde_json::Value as Json;

use super::examples::{Budget, children, properties};
use crate::contract::discriminator::{
    ALTERNATIVES, MAX_VALUES, Schemas, Selection, fixed_values, found, own_values, selection,
};

/// The deepest nesting of schemas that is looked at.
const MAX_DEPTH: usize = 24;

/// The properties at a payload's top that can only have a few values, by name: `const`, or `enum`.
pub(super) fn fixed(schemas: &Schemas, key: &str, budget: &mut Budget) -> Vec<(String, Vec<Json>)> {
    let mut fixed = Vec::new();
    if let Some(schema) = schemas.get(key) {
        collect_fixed(schemas, schema, 0, &mut fixed, budget);
        fixed.extend(own_values(schemas, key, &mut budget.looks));
    }
    // The sort is stable: what a schema fixes itself comes before what a discriminator says.
    fixed.sort_by(|one, other| one.0.cmp(&other.0));
    fixed.dedup_by(|later, first| later.0 == first.0);
    fixed
}

fn collect_fixed(
    schemas: &Schemas,
    schema: &Json,
    depth: usize,
    into: &mut Vec<(String, Vec<Json>)>,
    budget: &mut Budget,
) {
    let Some((_, schema)) = found(schemas, schema).filter(|_| depth < MAX_DEPTH) else { return };
    for (name, property) in properties(schema) {
        if budget.spend(1).is_none() {
            return;
        }
        let Some((_, property)) = found(schemas, property) else { continue };
        let values: Option<Vec<Json>> = fixed_values(property).map(|value| budget.copy(value)).collect();
        if let Some(values) = values.filter(|values| !values.is_empty())
            && budget.take(name.len()).is_some()
        {
            into.push((name.clone(), values));
        }
    }
    for part in children(schema, "allOf") {
        if budget.spend(1).is_none() {
            return;
        }
        collect_fixed(schemas, part, depth.saturating_add(1), into, budget);
    }
    for keyword in ALTERNATIVES {
        into.extend(fixed_in_each(schemas, children(schema, keyword), depth, budget));
        if let Some(Ok(Selection { property, values })) = selection(schemas, schema, keyword, &mut budget.looks) {
            let values: Vec<Json> = values.into_iter().flatten().collect();
            if values.len() <= MAX_VALUES && values.iter().all(|value| budget.copy(value).is_some()) {
                into.push((property, values));
            }
        }
    }
}

/// The properties that every branch fixes, each to the values of all branches.
fn fixed_in_each<'s>(
    schemas: &'s Schemas,
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
