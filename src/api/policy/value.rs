//! The types that a policy's value can have: how each is read and shown, and its range.

use std::time::Duration;

use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use crate::api::problem::Fault;
use crate::api::units::{self, LossCode, Optional};

/// Characters of a value that is given as text. Longer ones are refused unread, so that no message repeats them.
const MAX_TEXT_CHARS: usize = 32;

/// A type of values. JSON, YAML, the configuration file and the command line all read a value in this one way.
pub trait PolicyValue: Sized {
    /// The values that are taken, for people.
    const FORM: &'static str;

    /// Reads a value.
    ///
    /// # Errors
    /// The value does not have the form (`type`), or is out of range (`value`).
    fn from_json(value: &Value) -> Result<Self, Fault>;

    /// The value as it is shown everywhere.
    fn to_json(&self) -> Value;

    /// The JSON schema.
    fn schema() -> ObjectBuilder;
}

impl PolicyValue for bool {
    const FORM: &'static str = "`true` or `false`";

    fn from_json(value: &Value) -> Result<Self, Fault> {
        value.as_bool().ok_or_else(form::<Self>)
    }

    fn to_json(&self) -> Value {
        Value::Bool(*self)
    }

    fn schema() -> ObjectBuilder {
        ObjectBuilder::new().schema_type(Type::Boolean)
    }
}

/// A time, 1 ms to 366 days. A number counts milliseconds.
impl PolicyValue for Duration {
    const FORM: &'static str = "a number of milliseconds, or text such as `5m`";

    fn from_json(value: &Value) -> Result<Self, Fault> {
        read::<Self>(value, "ms", units::duration)
    }

    fn to_json(&self) -> Value {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX).into()
    }

    fn schema() -> ObjectBuilder {
        ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Integer, Type::String]))
    }
}

/// A time, or `off`.
impl PolicyValue for Optional<Duration> {
    const FORM: &'static str = "a number of milliseconds, text such as `5m`, or `off`";

    fn from_json(value: &Value) -> Result<Self, Fault> {
        read::<Self>(value, "ms", units::optional_duration)
    }

    fn to_json(&self) -> Value {
        self.0.map_or_else(|| "off".into(), |time| time.to_json())
    }

    fn schema() -> ObjectBuilder {
        Duration::schema()
    }
}

/// A close code for a client whose upstream was lost, or `off`.
impl PolicyValue for Optional<LossCode> {
    const FORM: &'static str = "a close code such as `1012`, or `off`";

    fn from_json(value: &Value) -> Result<Self, Fault> {
        read::<Self>(value, "", units::optional_loss_code)
    }

    fn to_json(&self) -> Value {
        self.0.map_or_else(|| "off".into(), |LossCode(code)| code.into())
    }

    fn schema() -> ObjectBuilder {
        Duration::schema()
    }
}

/// A size, 1 byte to 2^63 - 1. A number counts bytes.
impl PolicyValue for u64 {
    const FORM: &'static str = "a number of bytes, or text such as `64KiB`";

    fn from_json(value: &Value) -> Result<Self, Fault> {
        read::<Self>(value, "", units::bytes)
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }

    fn schema() -> ObjectBuilder {
        ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Integer, Type::String]))
    }
}

/// Reads a number in this unit, or text with a unit of its own.
fn read<T: PolicyValue>(value: &Value, unit: &str, read: fn(&str) -> Result<T, String>) -> Result<T, Fault> {
    let text = match value {
        Value::Number(number) if number.is_u64() => format!("{number}{unit}"),
        Value::String(text) if text.chars().count() <= MAX_TEXT_CHARS => text.clone(),
        _ => return Err(form::<T>()),
    };
    read(&text).map_err(|why| Fault::new("value", why))
}

fn form<T: PolicyValue>() -> Fault {
    Fault::new("type", format!("it must be {}", T::FORM))
}
