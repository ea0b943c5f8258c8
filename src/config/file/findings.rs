//! The faults of a file, collected while it is checked as a whole.

use super::document::{Document, Fault, Faults, OptionPath};

/// The faults so far, each with the place of its option.
pub(super) struct Findings<'d> {
    document: &'d Document<'d>,
    faults: Vec<Fault>,
}

impl<'d> Findings<'d> {
    pub(super) fn new(document: &'d Document<'d>) -> Self {
        Self { document, faults: Vec::new() }
    }

    /// Adds a fault of an option.
    pub(super) fn add(&mut self, option: &OptionPath, why: impl Into<String>) {
        self.faults.push(self.document.fault(option, why));
    }

    /// The value, if there is one and no fault was found. Whoever gives `None` has added a fault.
    pub(super) fn into_result<T>(self, value: Option<T>) -> Result<T, Faults> {
        debug_assert!(value.is_some() || !self.faults.is_empty(), "a value is missing without a fault");
        value.filter(|_| self.faults.is_empty()).ok_or_else(|| self.document.faults(self.faults))
    }
}
