//! A validator's error in words: what comes from the schema may be told, what comes from the message may not.

use jsonschema::ValidationError;
use serde_json::Value as Json;

use crate::routing::validation::{Finding, Rule};

/// The finding of a validator's error.
pub(super) fn finding<'n>(error: &ValidationError<'_>, messages: impl IntoIterator<Item = &'n str>) -> Finding {
    let rule = Rule::of_keyword(error.kind().keyword());
    Finding::new(rule, error.instance_path().as_str(), messages, text(error))
}

fn text(error: &ValidationError<'_>) -> String {
    use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
    match error.kind() {
        Kind::Required { property: Json::String(name) } => format!("`{name}` is missing"),
        Kind::Type { kind: TypeKind::Single(kind) } => format!("the value is not of type {kind}"),
        Kind::Type { kind: TypeKind::Multiple(kinds) } => {
            let names: Vec<String> = kinds.iter().map(|kind| kind.to_string()).collect();
            format!("the value is of none of the types {}", names.join(", "))
        }
        Kind::Constant { .. } => "the value is not the one that the schema fixes".to_owned(),
        Kind::Enum { .. } => "the value is none of those that the schema lists".to_owned(),
        Kind::Pattern { pattern } => format!("the text does not match the pattern {pattern}"),
        Kind::Minimum { limit } => format!("the number is below {limit}"),
        Kind::Maximum { limit } => format!("the number is above {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("the number is not above {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("the number is not below {limit}"),
        Kind::MultipleOf { multiple_of } => format!("the number is no multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("the text is shorter than {limit} characters"),
        Kind::MaxLength { limit } => format!("the text is longer than {limit} characters"),
        Kind::MinItems { limit } => format!("the list has fewer than {limit} items"),
        Kind::MaxItems { limit } => format!("the list has more than {limit} items"),
        Kind::MinProperties { limit } => format!("the object has fewer than {limit} properties"),
        Kind::MaxProperties { limit } => format!("the object has more than {limit} properties"),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            "the object has a property that the schema does not allow".to_owned()
        }
        Kind::AdditionalItems { .. } | Kind::UnevaluatedItems { .. } => {
            "the list has an item that the schema does not allow".to_owned()
        }
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => "the value fits none of the alternatives".to_owned(),
        Kind::OneOfMultipleValid { .. } => "the value fits more than one of the alternatives".to_owned(),
        Kind::UniqueItems => "the list has an item twice".to_owned(),
        Kind::Contains => "the list has no item of the kind that the schema asks for".to_owned(),
        Kind::PropertyNames { .. } => "the object has a property whose name the schema does not allow".to_owned(),
        Kind::Not { .. } => "the value is one that the schema excludes".to_owned(),
        Kind::FalseSchema => "the schema allows no value here".to_owned(),
        _ => "the value does not fit the schema".to_owned(),
    }
}
