//! Conversions between a field's checked value and the form in which requests and documents give it.

use std::str::FromStr;

use super::problem::{Fault, Faults};
use super::target::{self, TargetUrl};

/// The form in which a request or a document gives a field whose checked type is `T`.
pub trait Written<T>: Sized {
    /// The checked value; or `None`, after at least one fault at `field` or below was added.
    fn check(&self, field: &str, faults: &mut Faults) -> Option<T>;

    /// The value as a request would give it. [`check`](Self::check) accepts it, and makes the same value of it.
    fn of(value: &T) -> Self;
}

/// Text, for every type that is read from text.
impl<T: FromStr<Err = Fault> + ToString> Written<T> for String {
    fn check(&self, field: &str, faults: &mut Faults) -> Option<T> {
        faults.keep(field, self.parse())
    }

    fn of(value: &T) -> Self {
        value.to_string()
    }
}

/// A field that may be left out: then it has its type's default. `of` never leaves it out.
impl<T: Default, W: Written<T>> Written<T> for Option<W> {
    fn check(&self, field: &str, faults: &mut Faults) -> Option<T> {
        match self {
            Some(written) => written.check(field, faults),
            None => Some(T::default()),
        }
    }

    fn of(value: &T) -> Self {
        Some(W::of(value))
    }
}

/// 1 to 16 targets, none of them twice.
impl Written<Vec<TargetUrl>> for Vec<String> {
    fn check(&self, field: &str, faults: &mut Faults) -> Option<Vec<TargetUrl>> {
        let mut own = Faults::default();
        let checked = target::check_all(field, self, &mut own);
        faults.join(own).then_some(checked)
    }

    fn of(targets: &Vec<TargetUrl>) -> Self {
        targets.iter().map(ToString::to_string).collect()
    }
}
