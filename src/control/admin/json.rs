//! JSON of a request, and every fault of its form at once.
//!
//! serde ends at the first value that does not fit. Here such a value becomes a fault, is taken out or replaced by one that
//! fits, and the rest is read again, until all of it can be read; the rules of the request are then checked as well.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use crate::api::misfit::{Misfit, misfit};
use crate::api::problem::{FieldError, Problems};
use crate::api::request::Rules;
use crate::control::http::problem::{JSON_SHAPE, JSON_SYNTAX, Refused, echo};

/// The most faults of one body that are told.
const MAX_FAULTS: usize = 50;
/// The most times that a body is read. A value may need several before one fits.
const MAX_READS: usize = 400;

/// A longer body is answered with its first fault only: to read it again for each would keep the control thread busy.
const MAX_REREAD_BYTES: usize = 1 << 20;

/// Reads a body.
///
/// # Errors
/// `json-syntax` with the place; `json-shape` with every fault of the form, and every rule that the rest breaks.
pub(super) fn read<T: DeserializeOwned + Rules>(body: &[u8]) -> Result<T, Refused> {
    // serde would take the values of an object without their names, too.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Refused::field(JSON_SHAPE, "", "type", "the body must be an object, and is a list"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let first = match serde_path_to_error::deserialize(&mut reader) {
        Ok(read) => match reader.end() {
            Ok(()) => return Ok(read),
            Err(error) => return Err(not_json(&error)),
        },
        Err(error) => error,
    };
    let (path, first) = (steps(first.path()), misfit(&first.into_inner().to_string()));
    let whole: Option<Value> = match serde_json::from_slice(body) {
        Ok(whole) => Some(whole).filter(|_| body.len() <= MAX_REREAD_BYTES),
        // A tree too deep for a tree of ours.
        Err(error) if error.to_string().starts_with("recursion limit") => None,
        // What is no JSON somewhere behind a misfit is no JSON.
        Err(error) => return Err(not_json(&error)),
    };
    let Some(whole) = whole else {
        let first = fault(&field(&path.unwrap_or_default(), &first), &first);
        return Err(Problems { code: JSON_SHAPE, ..Problems::of_fields(vec![first]) }.into());
    };
    let mut faults = match first.rule {
        // A tree has each name once: nobody would find this one again.
        "duplicate" => vec![fault(&field(&path.unwrap_or_default(), &first), &first)],
        _ => Vec::new(),
    };
    faults.extend(Reading { rest: whole, stand_ins: BTreeMap::new(), faults: Vec::new() }.all::<T>());
    Err(Problems { code: JSON_SHAPE, ..Problems::of_fields(faults) }.into())
}

/// The problem of a body that is no JSON.
fn not_json(error: &serde_json::Error) -> Refused {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    // serde_json says the place itself, in this form and only at the end.
    let said = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    let place = format!(" (line {line}, column {column} of the body)");
    Refused::new(JSON_SYNTAX, format!("The body is not JSON: {}{place}.", echo(said)))
}

/// A step of a path into a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// A body that is read again and again, with what does not fit taken out.
struct Reading {
    rest: Value,
    /// The number of values that have stood in for one that did not fit, by its path.
    stand_ins: BTreeMap<String, usize>,
    faults: Vec<FieldError>,
}

impl Reading {
    fn all<T: DeserializeOwned + Rules>(mut self) -> Vec<FieldError> {
        for _ in 0..MAX_READS {
            let error = match serde_path_to_error::deserialize::<_, T>(&self.rest) {
                Ok(read) => {
                    let is_new = |error: &FieldError| !self.is_of_a_fault(&error.field);
                    let broken: Vec<FieldError> = read.broken().into_iter().filter(is_new).collect();
                    self.faults.extend(broken);
                    break;
                }
                Err(error) => error,
            };
            let (path, misfit) = (steps(error.path()), misfit(&error.into_inner().to_string()));
            let Some(path) = path else {
                self.faults.push(fault("", &misfit));
                break;
            };
            if self.faults.len() >= MAX_FAULTS || !self.mend(path, &misfit) {
                break;
            }
        }
        self.faults
    }

    /// Notes a misfit, and makes the value fit. False if it cannot.
    fn mend(&mut self, mut path: Vec<Step>, misfit: &Misfit) -> bool {
        let named = field(&path, misfit);
        match (misfit.rule, &misfit.name) {
            ("unknown", Some(name)) => {
                // serde's path is that of the object, or that of the field in it.
                if path.last() == Some(&Step::Key(name.clone())) {
                    path.pop();
                }
                let is_there = object(&mut self.rest, &path).is_some_and(|object| object.remove(name).is_some());
                self.faults.push(fault(&named, misfit));
                return is_there;
            }
            ("required", Some(name)) if !self.stand_ins.contains_key(&text(&path)) => {
                path.push(Step::Key(name.clone()));
            }
            _ => {}
        }
        let place = text(&path);
        // A value of ours that does not fit either is not the client's fault.
        let stands = match self.stand_ins.get(&place) {
            Some(stands) => stands.saturating_add(1),
            None => {
                self.faults.push(fault(&named, misfit));
                0
            }
        };
        let candidates =
            [Value::Null, "".into(), Value::Array(Vec::new()), Value::Object(Map::new()), 0.into(), false.into()];
        let Some(candidate) = candidates.into_iter().nth(stands) else { return false };
        self.stand_ins.insert(place, stands);
        match path.split_last() {
            Some((Step::Key(name), parent)) => {
                object(&mut self.rest, parent).map(|object| object.insert(name.clone(), candidate)).is_some()
            }
            _ => at(&mut self.rest, &path).map(|value| *value = candidate).is_some(),
        }
    }

    /// True if a fault was told of this field, or of one around it.
    fn is_of_a_fault(&self, field: &str) -> bool {
        self.faults.iter().any(|told| {
            field.strip_prefix(&told.field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }
}

/// The value at a path.
fn at<'v>(root: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(*index),
    })
}

fn object<'v>(root: &'v mut Value, path: &[Step]) -> Option<&'v mut Map<String, Value>> {
    at(root, path)?.as_object_mut()
}

/// The steps of a path; `None` if serde cannot say where the fault is.
fn steps(path: &Path) -> Option<Vec<Step>> {
    path.iter()
        .map(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// A path as problems name it: `targets[0].port`.
fn text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text = format!("{text}.{key}"),
            Step::Index(index) => text = format!("{text}[{index}]"),
        }
    }
    text
}

/// The field that a misfit is about. Of a name that serde quotes, its path is sometimes that of the object, sometimes that of
/// the field.
fn field(path: &[Step], misfit: &Misfit) -> String {
    let outer = text(path);
    match &misfit.name {
        Some(name) if outer.is_empty() => name.clone(),
        Some(name) if path.last() != Some(&Step::Key(name.clone())) => format!("{outer}.{name}"),
        _ => outer,
    }
}

fn fault(field: &str, misfit: &Misfit) -> FieldError {
    FieldError { field: echo(field), rule: misfit.rule.to_owned(), message: echo(&misfit.message) }
}
