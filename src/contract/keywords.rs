//! The keywords of JSON Schema, by what their values are.

/// Keywords whose value is a schema.
pub(in crate::contract) const ONE: &[&str] = &[
    "not",
    "if",
    "then",
    "else",
    "additionalProperties",
    "additionalItems",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contentSchema",
];
/// Keywords whose value is a list of schemas.
pub(in crate::contract) const SEVERAL: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is a mapping from names to schemas.
pub(in crate::contract) const NAMED: &[&str] =
    &["properties", "patternProperties", "definitions", "$defs", "dependentSchemas"];
/// Keywords that rule over values.
pub(in crate::contract) const PLAIN: &[&str] = &[
    "type",
    "enum",
    "const",
    "required",
    "format",
    "pattern",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxProperties",
    "minProperties",
    "maxContains",
    "minContains",
    "contentEncoding",
    "contentMediaType",
    "dependentRequired",
];
