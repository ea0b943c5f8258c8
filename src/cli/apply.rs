//! The declared state: apply, diff, export.
